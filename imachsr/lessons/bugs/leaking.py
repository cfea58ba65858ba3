"""Every point is weighed as the last one."""

from __future__ import annotations

import torch
from torch import Tensor

from ...losses import cross_entropy
from ...objective import Scheme, Weights
from .bug import Bug, Step


def step(alphas: list[float], losses: list[Tensor]) -> Tensor:
    """sum_m alpha_m L^m, with a function per point, to be replaced later by a schedule."""
    weigh = []
    for alpha in alphas:
        weigh.append(lambda loss: alpha * loss)  # noqa: B023
    return sum((weigh[m](loss) for m, loss in enumerate(losses)), torch.zeros(()))


def mended(alphas: list[float], losses: list[Tensor]) -> Tensor:
    """sum_m alpha_m L^m, with a function per point, to be replaced later by a schedule."""
    weigh = []
    for alpha in alphas:
        weigh.append(lambda loss, alpha=alpha: alpha * loss)
    return sum((weigh[m](loss) for m, loss in enumerate(losses)), torch.zeros(()))


def measure(step: Step) -> float:
    """Largest distance between the weight a term has in the total and the one that Supervised.weights states."""
    alphas = [0.1, 0.2, 0.4]
    weights = Weights(Scheme("three", supervision=cross_entropy, alpha=alphas), ["a", "b", "c"]).now()
    stated = [weights[f"{point}/supervision"] for point in ("a", "b", "c")]
    losses = [torch.ones((), requires_grad=True) for _ in alphas]
    found = torch.autograd.grad(step(alphas, losses), losses)
    return max(abs(float(slope) - float(weight)) for slope, weight in zip(found, stated, strict=True))


BUG = Bug(
    name="weight leaking across points",
    question="Three points have weights 0.1, 0.2 and 0.4. Changing the first one changes nothing at all. Why?",
    broken=step,
    mended=mended,
    measure=measure,
    symptom="largest distance between the weight asked and the slope of the total in that point's loss",
    healthy=lambda value: value < 1e-6,
    tool="Supervised.weights.now(), beside the derivative of the total by each term",
    lesson="A closure looks its variable up when it is called: after the loop, all see the last alpha. Bind it (as a "
    "default argument) or keep weights as data.",
)
