"""SGD (and Adam) on a problem of known constants: the mean squared gradient norm in expectation, not from single runs.

Axes: I instances (any leading axes), R runs side by side, Z minibatches, d parameters.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .problems import Problem

LEAVES = 2**16  # runs followed side by side before listing all of them is refused
WIDTH = 4.0  # standard errors on either side of a mean over replicates


class Estimate(NamedTuple):
    """A mean squared gradient norm with its interval; all three are equal where it is exact.

    Attributes:
        mean: over the run, in expectation.
        low: `WIDTH` standard errors below.
        high: `WIDTH` standard errors above.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def expected(problem: Problem, theta: np.ndarray, *, eta: float | np.ndarray, steps: int) -> Estimate:
    """(1/T) sum_t E |grad L_T(theta_t)|^2 under SGD, exactly: every sequence of minibatches is followed.

    Args:
        problem: with Z minibatches that can be listed.
        theta: theta_0, (..., d).
        eta: one, or one per instance (...); every step is eta / sqrt(steps) long.
        steps: T; Z^(T - 1) sequences are followed.

    Raises:
        ValueError: no steps, or too many sequences.
    """
    rate = rates(eta, steps)[..., None, None, None]
    if problem.outcomes == 0 or problem.outcomes ** (steps - 1) > LEAVES:
        raise ValueError(
            f"got steps={steps} with {problem.outcomes or 'unlisted'} minibatches; at most {LEAVES} sequences are "
            "followed one by one; take fewer steps, or `replicated`"
        )
    theta, total = np.asarray(theta, dtype=float)[..., None, :], np.zeros(np.shape(theta)[:-1])
    for t in range(steps):
        total = total + _square(problem.gradient(theta)).mean(-1)
        if t < steps - 1:
            theta = theta[..., None, :] - rate * problem.minibatches(theta)
            theta = theta.reshape(*theta.shape[:-3], -1, theta.shape[-1])
    mean = total / steps
    return Estimate(mean, mean, mean)


def replicated(
    problem: Problem,
    theta: np.ndarray,
    *,
    eta: float | np.ndarray,
    steps: int,
    generator: np.random.Generator,
    replicates: int = 64,
    optimizer: str = "sgd",
) -> Estimate:
    """The same mean over runs in pairs that draw opposite noise, with `WIDTH` standard errors of pairs on either side.

    Noise moves the mean up in one run of a pair about as much as down in the other, so pairs differ less than runs.

    Args:
        problem: any.
        theta: theta_0, (..., d).
        eta: one, or one per instance (...); every step is eta / sqrt(steps) long.
        steps: T.
        generator: draws the minibatches.
        replicates: R, runs; an even number, four at least.
        optimizer: "sgd", or "adam" with betas (0.9, 0.999), which the papers' text names.

    Raises:
        ValueError: runs that do not pair up, no steps, or an unknown optimizer.
    """
    if replicates < 4 or replicates % 2:
        raise ValueError(f"got replicates={replicates}; runs come in pairs, two pairs at least; pass an even number")
    squares = trace(
        problem, theta, eta=eta, steps=steps, generator=generator, replicates=replicates, optimizer=optimizer
    )
    runs = squares.mean(0)
    pairs = runs.reshape(*runs.shape[:-1], 2, -1).mean(-2)
    mean = pairs.mean(-1)
    error = WIDTH * pairs.std(-1, ddof=1) / math.sqrt(pairs.shape[-1])
    return Estimate(mean, mean - error, mean + error)


def trace(
    problem: Problem,
    theta: np.ndarray,
    *,
    eta: float | np.ndarray,
    steps: int,
    generator: np.random.Generator,
    replicates: int,
    optimizer: str = "sgd",
) -> np.ndarray:
    """|grad L_T(theta_t)|^2 of every step and run, (T, ..., R).

    Raises:
        ValueError: an unknown optimizer, or no steps.
    """
    if optimizer not in ("sgd", "adam"):
        raise ValueError(f"got optimizer={optimizer!r}; the ones known are 'sgd' and 'adam'; use one of them")
    rate = rates(eta, steps)[..., None, None]
    start = np.asarray(theta, dtype=float)[..., None, :]
    theta = np.repeat(start, replicates, axis=-2)
    move = _Adam() if optimizer == "adam" else None
    squares = np.empty((steps, *theta.shape[:-1]))
    for t in range(steps):
        squares[t] = _square(problem.gradient(theta))
        step = problem.drawn(theta, generator)
        theta = theta - rate * (move(step) if move else step)
    return squares


class _Adam:
    """Kingma and Ba 2014, Algorithm 1: the direction for each gradient."""

    def __init__(self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.first: np.ndarray | float = 0.0
        self.second: np.ndarray | float = 0.0
        self.count = 0

    def __call__(self, gradient: np.ndarray) -> np.ndarray:
        self.count += 1
        self.first = self.beta1 * self.first + (1 - self.beta1) * gradient
        self.second = self.beta2 * self.second + (1 - self.beta2) * gradient**2
        mean = self.first / (1 - self.beta1**self.count)
        square = self.second / (1 - self.beta2**self.count)
        return mean / (np.sqrt(square) + self.epsilon)


def rates(eta: float | np.ndarray, steps: int) -> np.ndarray:
    """eta / sqrt(T), one or one per instance.

    Raises:
        ValueError: a run without steps.
    """
    if steps < 1:
        raise ValueError(f"got steps={steps}; a run has one iteration at least; pass steps >= 1")
    return np.asarray(eta, dtype=float) / math.sqrt(steps)


def _square(gradient: np.ndarray) -> np.ndarray:
    return (gradient**2).sum(-1)
