"""Void pixels add nothing to the sum and are counted in the mean."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...losses import cross_entropy
from . import tiny
from .bug import Bug, Step


def step(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over labelled pixels; 255 is void."""
    labelled = labels != 255
    each = F.cross_entropy(logits, labels.where(labelled, 0), reduction="none")
    return (each * labelled).mean()


def mended(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over labelled pixels; 255 is void."""
    labelled = labels != 255
    each = F.cross_entropy(logits, labels.where(labelled, 0), reduction="none")
    return (each * labelled).sum() / labelled.sum()


def measure(step: Step) -> float:
    """The loss as a share of the library's, on labels of which some are void."""
    _, labels = tiny.batch()
    logits = torch.randn(len(labels), tiny.CLASSES, 16, 16, generator=torch.Generator().manual_seed(0))
    return float(step(logits, labels) / cross_entropy(logits, labels))


BUG = Bug(
    name="ignored pixels averaged in",
    question="Images with much void seem easier: their loss is lower, and so is their gradient. Are they?",
    broken=step,
    mended=mended,
    measure=measure,
    symptom="loss as a share of losses.cross_entropy on the same logits and labels",
    healthy=lambda value: abs(value - 1) < 1e-5,
    tool="losses.cross_entropy with ignore_index, on labels with a growing share of void",
    lesson="Masking makes the pixel's loss zero; the mean must still divide by the labelled pixels, not by all.",
)
