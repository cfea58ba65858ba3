"""Fused losses as torch operators, which autocast, torch.compile and profilers treat as one node.

The forward operator returns (loss, gradient); backward scales the gradient by what arrives from above. The gradient
at the logits is linear in that, so nothing else needs keeping.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

SECOND = (
    "got a second derivative (create_graph=True, then backward) through a fused loss; it computes only its value and "
    "first derivative; pass impl='reference' to the loss"
)


def refuse_second(ctx: Any, *upstream: Tensor) -> Tensor:
    """The backward of every backward operator."""
    raise RuntimeError(SECOND)


@torch.library.custom_op("imachsr::scale_gradient", mutates_args=())
def scale_gradient(logits: Tensor, gradient: Tensor, upstream: Tensor) -> Tensor:
    """upstream * gradient in the dtype of the logits; they take part so that a second derivative finds its refusal."""
    return (gradient * upstream).to(logits.dtype)


@scale_gradient.register_fake
def _(logits: Tensor, gradient: Tensor, upstream: Tensor) -> Tensor:
    return torch.empty_like(gradient, dtype=logits.dtype)


scale_gradient.register_autograd(refuse_second)


def loss_operator(name: str, schema: str) -> Callable[[Callable[..., tuple[Tensor, Tensor]]], Callable[..., Tensor]]:
    """Make forward(logits, ..., wanted) -> (loss, gradient) the differentiable operator imachsr::name.

    Args:
        name: of the operator.
        schema: its arguments between logits and wanted, in torch's schema language.

    Returns:
        A decorator; what it returns takes all arguments but the last, and returns the loss.
    """

    def decorate(forward: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., Tensor]:
        signature = f"(Tensor logits, {schema}, bool wanted) -> (Tensor, Tensor)"
        operator = torch.library.custom_op(f"imachsr::{name}", mutates_args=(), schema=signature)(forward)

        @operator.register_fake
        def _(logits: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
            dtype = torch.promote_types(logits.dtype, torch.float32)
            loss, shape = logits.new_empty((), dtype=dtype), logits.shape if others[-1] else (0,)
            return loss, logits.new_empty(shape, dtype=dtype)

        def keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
            ctx.mark_non_differentiable(output[1])
            ctx.save_for_backward(inputs[0], output[1])
            ctx.others = len(inputs) - 1

        def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
            return scale_gradient(*ctx.saved_tensors, upstream), *[None] * ctx.others

        operator.register_autograd(backward, setup_context=keep)

        def apply(logits: Tensor, *others: Any) -> Tensor:
            return operator(logits, *others, torch.is_grad_enabled() and logits.requires_grad)[0]

        return apply

    return decorate
