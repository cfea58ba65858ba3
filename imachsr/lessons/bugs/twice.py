"""Even a point that knows everything has a high loss."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ...objective import Supervised, scheme
from . import tiny
from .bug import Bug, Step


def step(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of what an adapter says."""
    probabilities = logits.softmax(1)
    return F.cross_entropy(probabilities, labels, ignore_index=255)


def mended(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of what an adapter says."""
    return F.cross_entropy(logits, labels, ignore_index=255)


def measure(step: Step) -> float:
    """The term "output" of Supervised, with this step for its loss, where the network gives the true labels away."""
    images, labels = tiny.batch()
    oracle = tiny.network()
    certain = 50.0 * F.one_hot(labels.where(labels != 255, 0), tiny.CLASSES).movedim(-1, 1).float()
    oracle.register_forward_hook(lambda module, inputs, output: certain)
    trainee = Supervised(oracle, (), scheme("conventional", output=step), classes=tiny.CLASSES)
    return float(trainee(images, labels).terms["output"])


BUG = Bug(
    name="softmax twice",
    question="The predictions are nearly all right, and the loss will not fall below 0.74. What holds it up?",
    broken=step,
    mended=mended,
    measure=measure,
    symptom="loss of a network that is certain and right everywhere, in nats",
    healthy=lambda value: value < 1e-4,
    tool="Supervised's terms, for logits that give the labels away",
    lesson="Cross-entropy takes logits and has the softmax inside. Of probabilities in [0, 1] it makes nearly "
    "even ones: "
    "the best loss left is log(1 + (K - 1) / e).",
)
