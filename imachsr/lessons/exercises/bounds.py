"""Exercises of notebook 05: what holds for a weighted sum of losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..exercise import Exercise
from .random import rng


def sum_smoothness(weights: list[float], smoothness: list[float]) -> float:
    """A smoothness constant of sum_s w_s L_s that always holds, from the L_s of its components."""
    return sum(w * L for w, L in zip(weights, smoothness, strict=True))


def sum_noise(weights: list[float], noise: list[float]) -> float:
    """The largest variance that sum_s w_s (minibatch gradient of s) can have; sigma_s are standard deviations."""
    return sum(w * sigma for w, sigma in zip(weights, noise, strict=True)) ** 2


def bound_of(delta: float, eta: float, steps: int, smoothness: float, gradient: float, noise: float) -> float:
    """Bound on mean E|grad|^2 of T steps eta / sqrt(T); constants L_S, gradient and noise (not squared) of the sum."""
    root = math.sqrt(steps)
    return delta / (eta * root) + smoothness * eta / (2 * root) * (gradient**2 + noise**2)


def _pair(seed: int) -> tuple[list[float], list[float]]:
    random, N = rng(seed), 3 + 2 * (seed % 3)
    return [1.0, *random.uniform(0.1, 0.8, N - 1).tolist()], random.uniform(0.5, 4, N).tolist()


def _constants(seed: int) -> tuple[Any, ...]:
    random = rng(seed)
    numbers = random.uniform(0.5, 3, 5).tolist()
    return numbers[0], numbers[1], int(random.integers(10, 2000)), *numbers[2:]


def _bound(d: float, eta: float, T: int, L: float, square: float, *, first: float = 1, second: float = 0.5) -> float:
    return first * d / (eta * math.sqrt(T)) + second * L * eta / math.sqrt(T) * square


EXERCISES = (
    Exercise(
        id="05.smoothness",
        task="The gradient of component s is Lipschitz with constant L_s. Give the least constant that the weighted "
        "sum has whatever the components are.",
        solution=sum_smoothness,
        instance=_pair,
        wrong={
            "took the largest, as Theorem 1 is printed: curvatures of a sum add up": lambda w, L: float(
                np.max(np.multiply(w, L))
            ),
            "left out the weights": lambda w, L: sum(L),
            "averaged instead of adding": lambda w, L: float(np.dot(w, L)) / len(w),
            "added squares and took the root: curvatures are not independent": lambda w, L: float(
                np.linalg.norm(np.multiply(w, L))
            ),
        },
    ),
    Exercise(
        id="05.noise",
        task="The components are computed on one minibatch, so their noises may point the same way. Give the largest "
        "variance that the gradient of the weighted sum can have.",
        solution=sum_noise,
        instance=_pair,
        wrong={
            "added squares, as Theorem 1 is printed: that needs independent noise, but all share the minibatch": (
                lambda w, s: float((np.multiply(w, s) ** 2).sum())
            ),
            "forgot the square: this is the standard deviation": lambda w, s: float(np.dot(w, s)),
            "left out the weights": lambda w, s: sum(s) ** 2,
            "took the largest component alone": lambda w, s: float(np.max(np.multiply(w, s)) ** 2),
            "weights not squared": lambda w, s: float(np.dot(w, np.square(s))),
        },
    ),
    Exercise(
        id="05.bound",
        task="The corrected bound: Delta / (eta sqrt T) + L_S eta / (2 sqrt T) (G^2 + sigma^2), with G and sigma those "
        "of the whole sum.",
        solution=bound_of,
        instance=_constants,
        wrong={
            "kept the printed factors 2 and 1: half of each is enough": lambda d, e, T, L, G, s: _bound(
                d, e, T, L, G**2 + s**2, first=2, second=1
            ),
            "T in the place of its root": lambda d, e, T, L, G, s: _bound(d, e, T**2, L, G**2 + s**2),
            "forgot to square the gradient and the noise": lambda d, e, T, L, G, s: _bound(d, e, T, L, G + s),
            "left out the noise": lambda d, e, T, L, G, s: _bound(d, e, T, L, G**2),
            "multiplied Delta by eta: a longer step leaves the start sooner": lambda d, e, T, L, G, s: (
                d * e / math.sqrt(T) + _bound(0, e, T, L, G**2 + s**2)
            ),
            "added G and sigma before squaring": lambda d, e, T, L, G, s: _bound(d, e, T, L, (G + s) ** 2),
        },
        properties={
            "four times the steps give half the bound": lambda f, a: (
                abs(f(a[0], a[1], 4 * a[2], *a[3:]) - f(*a) / 2) < 1e-9
            )
        },
    ),
)
