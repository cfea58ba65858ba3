"""What is left of the scheme at inference: nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..points import logits_of
from ..training import evaluating
from .measure import products


@dataclass(frozen=True)
class Inference:
    """A released network beside one that was never supervised inside, with the same weights; (released, plain).

    Args:
        parameters: how many numbers each learned.
        operations: of convolutions and matrix products in one forward pass.
        hooks: forward hooks and pre-hooks attached.
        difference: the largest between their logits; 0 where all are equal to the bit.
    """

    parameters: tuple[int, int]
    operations: tuple[int, int]
    hooks: tuple[int, int]
    difference: float

    @property
    def equal(self) -> bool:
        """Whether nothing tells them apart."""
        pairs = (self.parameters, self.operations, self.hooks)
        return all(released == plain for released, plain in pairs) and self.difference == 0


def inference(released: nn.Module, plain: nn.Module, *inputs: Any) -> Inference:
    """Compares a released network with a plain one on the same inputs, in eval mode.

    Args:
        released: from `Supervised.release()`.
        plain: built anew by the same call; it is given the released network's weights.
        inputs: what they are called with.

    Raises:
        ValueError: networks whose weights have different names or shapes.
    """
    try:
        plain.load_state_dict(released.state_dict())
    except RuntimeError as error:
        raise ValueError(
            f"got a plain network that does not take the released one's weights; both are built by the same call; "
            f"build it anew; {error}"
        ) from error
    logits, operations = zip(*(_run(network, inputs) for network in (released, plain)), strict=True)
    return Inference(
        parameters=_pair(lambda network: sum(p.numel() for p in network.parameters()), released, plain),
        operations=(operations[0], operations[1]),
        hooks=_pair(_hooks, released, plain),
        difference=float((logits[0] - logits[1]).abs().max()),
    )


def _run(network: nn.Module, inputs: tuple[Any, ...]) -> tuple[torch.Tensor, int]:
    with evaluating(network), torch.no_grad(), products() as found:
        logits = logits_of(network(*inputs))
    return logits, found.counted


def _pair(measure: Any, released: nn.Module, plain: nn.Module) -> tuple[int, int]:
    return measure(released), measure(plain)


def _hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules())
