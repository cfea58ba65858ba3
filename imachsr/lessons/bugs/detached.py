"""The point's loss falls, and nothing in front of the point learns from it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...losses import cross_entropy
from . import tiny
from .bug import Bug, Step


def step(network: tiny.Tiny, adapter: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The loss at the point `body`."""
    seen: dict[str, Tensor] = {}
    hook = network.body.register_forward_hook(lambda module, inputs, output: seen.update(body=output.detach()))
    network(images)
    hook.remove()
    return cross_entropy(adapter(seen["body"]), labels)


def mended(network: tiny.Tiny, adapter: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The loss at the point `body`."""
    seen: dict[str, Tensor] = {}
    hook = network.body.register_forward_hook(lambda module, inputs, output: seen.update(body=output))
    network(images)
    hook.remove()
    return cross_entropy(adapter(seen["body"]), labels)


def measure(step: Step) -> float:
    """Norm of the gradient that the point's loss sends into the first layer."""
    network = tiny.network()
    step(network, nn.Conv2d(8, tiny.CLASSES, 1), *tiny.batch()).backward()
    gradient = network.stem.weight.grad
    return 0.0 if gradient is None else float(torch.linalg.vector_norm(gradient))


BUG = Bug(
    name="detached features",
    question="The loss at the point falls nicely, and yet the network trains exactly as it did without it. Why?",
    broken=step,
    mended=mended,
    measure=measure,
    symptom="gradient norm in the first layer, from the point's loss alone",
    healthy=lambda value: value > 1e-4,
    tool="gradient norms per part of the network, as in notebook 01",
    lesson="`.detach()` cuts the graph, so only the adapter learns: a probe, not supervision. Capture never detaches.",
)
