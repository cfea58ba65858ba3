"""From the second batch on, features and labels belong to different images."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

from torch import Tensor

from ...points import Capture
from . import tiny
from .bug import Bug, Step


def step(network: tiny.Tiny, batches: list[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
    """The features at `body` that meet the labels of each batch, one batch after the other."""
    store: list[Tensor] = []
    hook = network.body.register_forward_hook(lambda module, inputs, output: store.append(output))
    for images, _ in batches:
        network(images)
        yield store[0]
    hook.remove()


def mended(network: tiny.Tiny, batches: list[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
    """The features at `body` that meet the labels of each batch, one batch after the other."""
    store: list[Tensor] = []
    hook = network.body.register_forward_hook(lambda module, inputs, output: store.append(output))
    for images, _ in batches:
        network(images)
        yield store.pop()  # reading clears
    hook.remove()


def measure(step: Step) -> float:
    """Largest distance between the features used for the second batch and those that Capture reads for it.

    Plus 1 if the features of the first batch are still kept then.
    """
    network, batches = tiny.network(), [tiny.batch(seed) for seed in (0, 1)]
    features = iter(step(network, batches))
    first, used = weakref.ref(next(features)), next(features)
    kept = first() is not None
    capture = Capture(network, tiny.points(network, ("body",)))
    network(batches[1][0])
    return float((used - capture.read()[0]).detach().abs().max()) + kept


BUG = Bug(
    name="stale capture",
    question="The first step is perfect. After it, the point's loss hardly falls, and memory grows with every "
    "batch. Why?",
    broken=step,
    mended=mended,
    measure=measure,
    symptom="largest distance between the features used for the second batch and its own (plus 1 while the first "
    "batch's are kept)",
    healthy=lambda value: value < 1e-6,
    tool="points.Capture, whose store is emptied by reading and before every pass",
    lesson="The store keeps all batches and the first is read for ever. Read once and clear, or fail when "
    "nothing came.",
)
