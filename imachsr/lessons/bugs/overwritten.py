"""What the hook kept is changed before it is read."""

from __future__ import annotations

from torch import Tensor

from ...points import find_points
from . import tiny
from .bug import Bug, Step


def step(network: tiny.Tiny, images: Tensor) -> Tensor:
    """Features at the point `norm`, the batch norm's output, before the ReLU."""
    seen: dict[str, Tensor] = {}
    hook = network.norm.register_forward_hook(lambda module, inputs, output: seen.update(norm=output))
    network(images)
    hook.remove()
    return seen["norm"]


def mended(network: tiny.Tiny, images: Tensor) -> Tensor:
    """Features at the point `norm`, the batch norm's output, before the ReLU."""
    seen: dict[str, Tensor] = {}
    hook = network.norm.register_forward_hook(lambda module, inputs, output: seen.update(norm=output.clone()))
    network(images)
    hook.remove()
    return seen["norm"]


def measure(step: Step) -> float:
    """Share of negative values in the features, at the points that find_points marks `overwritten`; 0 if detached."""
    network, (images, _) = tiny.network(norm=True), tiny.batch()
    marked = [point.name for point in find_points(network, images) if point.overwritten]
    if "norm" not in marked:
        raise AssertionError(f"the norm should be marked overwritten, not {marked}")
    features = step(network, images)
    return float((features < 0).float().mean()) if features.requires_grad else 0.0


BUG = Bug(
    name="captured before an in-place change",
    question="A batch norm's output is centered on zero. Here, half of it is exactly zero and none is below. Why?",
    broken=step,
    mended=mended,
    measure=measure,
    symptom="share of negative values in the output of a batch norm (0 where no gradient flows back)",
    healthy=lambda value: value > 0.2,
    tool="find_points: Point.overwritten says which tensors are changed in place later",
    lesson="The hook keeps a reference, and ReLU(inplace=True) writes into that very tensor: the features are those "
    "after the ReLU. Copy where the point is marked overwritten, and only there.",
)
