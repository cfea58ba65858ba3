"""The adapter keeps its first, random weights."""

from __future__ import annotations

import torch
from torch import Tensor

from ...objective import Supervised, scheme
from . import tiny
from .bug import Bug, Step


def step(trainee: Supervised, images: Tensor, labels: Tensor) -> torch.optim.Optimizer:
    """One step of training; returns the optimizer."""
    optimizer = torch.optim.Adam(trainee.network.parameters(), lr=1e-2)
    optimizer.zero_grad()
    trainee(images, labels).total.backward()
    optimizer.step()
    return optimizer


def mended(trainee: Supervised, images: Tensor, labels: Tensor) -> torch.optim.Optimizer:
    """One step of training; returns the optimizer."""
    optimizer = torch.optim.Adam(trainee.parameters(), lr=1e-2)
    optimizer.zero_grad()
    trainee(images, labels).total.backward()
    optimizer.step()
    return optimizer


def measure(step: Step) -> float:
    """How many of the trainee's parameters the optimizer does not hold."""
    network = tiny.network()
    trainee = Supervised(network, tiny.points(network), scheme("deep_supervision"), classes=tiny.CLASSES)
    optimizer = step(trainee, *tiny.batch())
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return float(sum(parameter.numel() for parameter in trainee.parameters() if id(parameter) not in held))


BUG = Bug(
    name="adapter left out of the optimizer",
    question="Gradients reach every parameter, and still the points learn slowly, as if someone held them. Who?",
    broken=step,
    mended=mended,
    measure=measure,
    symptom="parameters that have a gradient and are in no optimizer",
    healthy=lambda value: value == 0,
    tool="Supervised.parameters(): network and adapters are one module; training.adam takes all of them",
    lesson="An optimizer moves what it was given. Give it the module that holds network and adapters together.",
)
