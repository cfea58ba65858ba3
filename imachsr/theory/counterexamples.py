"""Runs on which the stated bound fails, computed exactly; N = 2M + 1 equal Huber components with L = G = 1."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .bounds import corrected_bound, stated_bound
from .descent import expected, rates, replicated
from .problems import Ridges, huber


class Comparison(NamedTuple):
    """A mean squared gradient norm beside both right sides."""

    measured: float
    stated: float
    corrected: float


def exact_gradients(*, components: int = 11, steps: int = 1000) -> Comparison:
    """No noise, one step too long: theta jumps between 1 and -1, and the gradient never shrinks.

    eta = 2 sqrt(T) / N, so that eta_t = 2 / L_S; theta_0 = 1.

    >>> [round(value, 2) for value in exact_gradients()]
    [121.0, 2.06, 121.03]
    """
    problem, eta = huber(components), 2 * math.sqrt(steps) / components
    measured = expected(problem, np.ones(1), eta=eta, steps=steps).mean
    return compare(problem, np.ones(1), float(measured), eta=eta, steps=steps)


def shared_noise(
    *,
    steps: int = 1000,
    components: int = 11,
    eta: float = 0.1,
    shared: bool = True,
    gradients_include_noise: bool = False,
) -> Comparison:
    """Started at the minimum (Delta = 0), short steps, and the same +-1 minibatch noise in every component.

    theta never leaves [-1, 1], where every component is a parabola, so E theta^2 obeys a recursion, followed exactly.

    Args:
        steps: T.
        components: N.
        eta: every step is eta / sqrt(steps) long.
        shared: False gives every component a sign of its own.
        gradients_include_noise: G_s^2 = 2 bounds the mean square of the minibatch gradient (iMacSR).

    Raises:
        ValueError: no steps or components, or steps so long that theta could leave [-1, 1].

    >>> measured, stated, corrected = shared_noise(steps=10_000)
    >>> round(measured / stated), round(corrected / measured, 1)
    (30, 2.0)
    """
    problem = huber(components, noise=1.0, shared=shared)
    rate = float(rates(eta, steps)) * components
    if rate > 1:
        raise ValueError(
            f"got eta={eta}, steps={steps}; theta stays where the recursion holds while eta / sqrt(T) <= 1 / "
            f"{components}; lower eta, or take more steps"
        )
    push = components if shared else math.sqrt(components)  # length of the total noise
    square, total = 0.0, 0.0
    for _ in range(steps):
        total += components**2 * square
        square = (1 - rate) ** 2 * square + (rate * push / components) ** 2
    return compare(problem, np.zeros(1), total / steps, eta=eta, steps=steps, included=gradients_include_noise)


def adam() -> dict[str, Comparison]:
    """SGD and Adam on one Huber component with small gradients: Adam's steps do not shrink with them.

    Threshold and noise are 0.01, so L = 1, G = sigma = 0.01; theta_0 = 0, eta = 2. The measured values are
    means over 256 runs of 400 steps.
    """
    tiny, eta, steps = 0.01, 2.0, 400
    problem = Ridges(
        np.ones((1, 1)), np.zeros(1), np.full(1, tiny), np.zeros(1, dtype=bool), np.ones(1), np.full((1, 1), tiny)
    )
    found = {}
    for optimizer in ("sgd", "adam"):
        estimate = replicated(
            problem, np.zeros(1), eta=eta, steps=steps, generator=np.random.Generator(np.random.PCG64(0)),
            replicates=256, optimizer=optimizer,
        )  # fmt: skip
        found[optimizer] = compare(problem, np.zeros(1), float(estimate.mean), eta=eta, steps=steps)
    return found


def compare(
    problem: Ridges, theta: np.ndarray, measured: float, *, eta: float, steps: int, included: bool = False
) -> Comparison:
    """Both bounds for one problem started at theta (d,), beside what was measured."""
    constants = problem.constants
    if included:
        constants = {**constants, "gradients": np.hypot(constants["gradients"], constants["noise"])}
    delta = max(float(problem.value(theta[None])[0] - problem.least()), 0.0)  # rounding may leave -1e-16
    given: dict[str, Any] = {"delta": delta, "eta": eta, "steps": steps, **constants}
    return Comparison(measured, stated_bound(**given), corrected_bound(**given, gradients_include_noise=included))
