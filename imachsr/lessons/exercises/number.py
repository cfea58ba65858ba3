"""Exercises of notebook 09: a weight per point, an arch out of noise, a moderate number against both its ends."""

from __future__ import annotations

import math

import numpy as np

from ..exercise import Exercise
from .random import rng


def point_weights(alpha: float, points: int, divide: bool) -> list[float]:
    """The weight of each of M points: alpha / M where they share one weight, alpha where each has its own."""
    return [alpha / points if divide else alpha] * points


def chance_of_arch(settings: int) -> float:
    """Share of all orders of n different scores that rise to a best one inside and fall from there on."""
    return (2 ** (settings - 1) - 2) / math.factorial(settings)


def bulge(scores: np.ndarray) -> list[float]:
    """Mean and standard error, over seeds, of the middle minus the mean of both ends; scores (seeds, 3)."""
    heights = scores[:, 1] - (scores[:, 0] + scores[:, 2]) / 2
    return [float(heights.mean()), float(heights.std(ddof=1) / len(heights) ** 0.5)]


def _weights(seed: int) -> tuple[float, int, bool]:
    random = rng(seed)
    return float(random.uniform(0.1, 1)), int(random.integers(2, 6)), seed % 2 == 0


def _settings(seed: int) -> tuple[int]:
    return (3 + seed % 5,)


def _scores(seed: int) -> tuple[np.ndarray]:
    random, seeds = rng(seed), 3 + seed % 4
    level = random.normal(40, 2, (seeds, 1))  # a good seed is good with any number of points
    return (level + random.normal((0, 0.8, 0.3), 0.4, (seeds, 3)),)


def _of(heights: np.ndarray, *, ddof: int = 1, root: bool = True) -> list[float]:
    return [float(heights.mean()), float(heights.std(ddof=ddof) / (len(heights) ** 0.5 if root else 1))]


def _height(s: np.ndarray) -> np.ndarray:
    return s[:, 1] - (s[:, 0] + s[:, 2]) / 2


def _unpaired(s: np.ndarray) -> list[float]:
    one, three, five = s.var(0, ddof=1)
    return [float(_height(s).mean()), float(((three + (one + five) / 4) / len(s)) ** 0.5)]


EXERCISES = (
    Exercise(
        id="09.weights",
        task="The papers' alpha can be read in two ways: each of M points has it, or M points share it (`divide`). "
        "Return the M weights.",
        solution=point_weights,
        instance=_weights,
        wrong={
            "shared the weight under both readings": lambda alpha, M, divide: [alpha / M] * M,
            "gave every point the whole weight under both readings": lambda alpha, M, divide: [alpha] * M,
            "turned the readings around": lambda alpha, M, divide: [alpha if divide else alpha / M] * M,
            "gave the total, not a weight for each point": lambda alpha, M, divide: alpha if divide else alpha * M,
            "multiplied by M instead of dividing": lambda alpha, M, divide: [alpha * M if divide else alpha] * M,
        },
        properties={
            "weights that are shared add up to alpha": lambda f, a: abs(sum(f(a[0], a[1], True)) - a[0]) < 1e-9
        },
    ),
    Exercise(
        id="09.arch",
        task="Scores of n settings that do not differ come out in any order, all orders alike. How often do they look "
        "like an arch: rising to a best one that is neither first nor last, and falling from there on? Count: an order "
        "without a valley is fixed by which scores stand to the left of the best.",
        solution=chance_of_arch,
        instance=_settings,
        wrong={
            "asked only where the best is: the others may go up and down": lambda n: (n - 2) / n,
            "counted rising and falling all the way as arches": lambda n: 2 ** (n - 1) / math.factorial(n),
            "counted valleys too": lambda n: 2 * (2 ** (n - 1) - 2) / math.factorial(n),
            "counted rows that rise or fall all the way": lambda n: 2 / math.factorial(n),
            "gave the number of such orders, not their share": lambda n: 2 ** (n - 1) - 2,
            "one order for each place of the best": lambda n: (n - 2) / math.factorial(n),
        },
        properties={"more settings make an arch rarer": lambda f, a: f(a[0] + 1) < f(a[0])},
    ),
    Exercise(
        id="09.contrast",
        task="How far do three points lie above the straight line from one to five? Seed by seed, take the score with "
        "three points minus the mean of the scores with one and with five. Return the mean over the seeds and the "
        "standard error of that mean. Columns of `scores` are one, three and five points.",
        solution=bulge,
        instance=_scores,
        wrong={
            "took off both ends instead of their mean": lambda s: _of(s[:, 1] - s[:, 0] - s[:, 2]),
            "took off the better end: a fine question, but another one": lambda s: _of(
                s[:, 1] - np.maximum(s[:, 0], s[:, 2])
            ),
            "compared with one point only: a moderate number has two ends": lambda s: _of(s[:, 1] - s[:, 0]),
            "ends minus middle: the sign is turned around": lambda s: _of(-_height(s)),
            "added variances as if the seeds were different: paired scores share theirs": _unpaired,
            "gave the spread of the seeds, not the error of their mean": lambda s: _of(_height(s), root=False),
            "divided by n in the standard deviation: too small for few seeds": lambda s: _of(_height(s), ddof=0),
        },
        properties={
            "three scores on a line make no bulge": lambda f, a: (
                abs(f(np.stack([a[0][:, 0], (a[0][:, 0] + a[0][:, 2]) / 2, a[0][:, 2]], 1))[0]) < 1e-6
            ),
            "a seed that is better everywhere changes nothing": lambda f, a: bool(
                np.allclose(f(a[0] + np.arange(len(a[0]))[:, None]), f(*a))
            ),
        },
    ),
)
