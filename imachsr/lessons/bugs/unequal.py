"""Parts of a batch count alike, however few labels they have."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...losses import cross_entropy
from ...objective import counts, shares
from . import tiny
from .bug import Bug, Step


def step(network: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Adds the gradient of one batch, computed in two parts to save memory."""
    for part, answers in zip(images.split(2), labels.split(2), strict=True):
        loss = cross_entropy(network(part), answers)
        (loss / 2).backward()


def mended(network: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Adds the gradient of one batch, computed in two parts to save memory."""
    for part, answers in zip(images.split(2), labels.split(2), strict=True):
        loss = cross_entropy(network(part), answers)
        (loss * shares(counts(answers), counts(labels)).pixels).backward()


def measure(step: Step) -> float:
    """Distance of the gradient from that of the whole batch, in per cent of its length."""
    images, labels = tiny.batch()
    apart, whole = tiny.network(), tiny.network()
    step(apart, images, labels)
    cross_entropy(whole(images), labels).backward()
    a, b = (torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]) for net in (apart, whole))
    return float(100 * (a - b).norm() / b.norm())


BUG = Bug(
    name="mean over unequal parts",
    question="With accumulation the results differ from those without, at the same batch size. Rounding?",
    broken=step,
    mended=mended,
    measure=measure,
    symptom="distance of the gradient from the whole batch's, in per cent of its length",
    healthy=lambda value: value < 0.01,
    tool="objective.counts and objective.shares, which fit(accumulate=...) uses",
    lesson="A mean of means is the mean only where all parts are of one size, and void makes them unequal. "
    "Weigh each part "
    "by its labelled pixels.",
)
