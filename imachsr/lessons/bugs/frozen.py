"""After the first evaluation the network goes on training in evaluation mode."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...training import evaluate
from . import tiny
from .bug import Bug, Step


def step(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Accuracy between two training steps."""
    network.eval()
    with torch.no_grad():
        logits = nn.functional.interpolate(network(images), labels.shape[1:], mode="bilinear")
    guess, labelled = logits.argmax(1), labels != 255
    return float((guess == labels)[labelled].float().mean())


def mended(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Accuracy between two training steps."""
    return float(evaluate(network, [(images, labels)], classes=4, progress=False).scores()["pixel_accuracy"])


def measure(step: Step) -> float:
    """How many batches the batch norm counts in the training step after an evaluation."""
    network, (images, labels) = tiny.network(norm=True).train(), tiny.batch()
    step(network, images, labels)
    before = int(network.get_buffer("norm.num_batches_tracked"))
    network(images)
    return float(int(network.get_buffer("norm.num_batches_tracked")) - before)


BUG = Bug(
    name="loss on evaluation-mode batch norm",
    question="Training is fine in the first epoch; from the first evaluation on, the loss jumps about. What changed?",
    broken=step,
    mended=mended,
    measure=measure,
    symptom="batches that the batch norm counts in the training step after an evaluation",
    healthy=lambda value: value == 1,
    tool="imachsr.evaluate, which gives the network back in the mode it came in; num_batches_tracked",
    lesson="`eval()` lasts until somebody calls `train()`. From then on the losses see running statistics that "
    "no longer "
    "move, and dropout is off. Restore the mode you found.",
)
