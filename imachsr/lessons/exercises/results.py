"""Exercises of notebook 08: a gain in points and in per cent, the spread of seeds, an interval for a difference."""

from __future__ import annotations

import numpy as np

from ..exercise import Exercise
from .random import rng


def gains(off: float, on: float) -> list[float]:
    """The gain from `off` to `on`, both in per cent: in percentage points, and in per cent of `off`."""
    return [on - off, 100 * (on - off) / off]


def spread(scores: list[float]) -> float:
    """The standard deviation of scores over seeds, as an estimate for all seeds: divided by n - 1."""
    mean = sum(scores) / len(scores)
    return (sum((score - mean) ** 2 for score in scores) / (len(scores) - 1)) ** 0.5


def paired_interval(off: list[float], on: list[float], quantile: float) -> list[float]:
    """Both ends of mean d -+ quantile s / sqrt(n), with d the differences per seed and s their standard deviation."""
    differences = [b - a for a, b in zip(off, on, strict=True)]
    mean = sum(differences) / len(differences)
    variance = sum((d - mean) ** 2 for d in differences) / (len(differences) - 1)
    half = quantile * (variance / len(differences)) ** 0.5
    return [mean - half, mean + half]


def _cells(seed: int) -> tuple[float, float]:
    off = float(rng(seed).uniform(20, 60))
    return off, off + float(rng(seed + 50).uniform(-2, 6))


def _scores(seed: int) -> tuple[list[float]]:
    return (rng(seed).normal(45, 1.5, 3 + seed % 4).tolist(),)


def _pairs(seed: int) -> tuple[list[float], list[float], float]:
    random, seeds = rng(seed), 3 + seed % 4
    off = random.normal(45, 2, seeds)
    return off.tolist(), (off + random.normal(0.6, 0.5, seeds)).tolist(), (4.303, 3.182, 2.776, 2.571)[seed % 4]


def _around(mean: float, half: float) -> list[float]:
    return [mean - half, mean + half]


def _unpaired(off: list[float], on: list[float], t: float) -> list[float]:
    half = t * ((np.var(off, ddof=1) + np.var(on, ddof=1)) / len(off)) ** 0.5
    return _around(float(np.mean(on) - np.mean(off)), float(half))


def _paired(off: list[float], on: list[float], t: float, *, ddof: int = 1, root: bool = True) -> list[float]:
    d = np.subtract(on, off)
    return _around(float(d.mean()), float(t * d.std(ddof=ddof) / (len(d) ** 0.5 if root else 1)))


EXERCISES = (
    Exercise(
        id="08.gain",
        task="A cell of Table 2 has a mean IoU with the scheme off and on, in per cent. Return two numbers: the "
        "gain in "
        "percentage points, and the relative gain in per cent of the value without.",
        solution=gains,
        instance=_cells,
        wrong={
            "relative to the value with the scheme on": lambda off, on: [on - off, 100 * (on - off) / on],
            "relative gain as a share of one, not in per cent": lambda off, on: [on - off, (on - off) / off],
            "turned around: a gain is positive": lambda off, on: [off - on, 100 * (off - on) / off],
            "the two in the other order": lambda off, on: [100 * (on - off) / off, on - off],
            "gave what `on` is in per cent of `off`, not the gain": lambda off, on: [on - off, 100 * on / off],
        },
    ),
    Exercise(
        id="08.spread",
        task="How far do scores of the same setting lie apart over seeds? Return the standard deviation as an estimate "
        "for all seeds there could be, from the few that were run.",
        solution=spread,
        instance=_scores,
        wrong={
            "divided by n: too small for the seeds that were not run": lambda x: float(np.std(x)),
            "forgot the root: this is the variance": lambda x: float(np.var(x, ddof=1)),
            "this is the standard error of the mean: it shrinks with seeds, the spread does not": lambda x: float(
                np.std(x, ddof=1) / len(x) ** 0.5
            ),
            "took the range: it grows with the number of seeds": lambda x: max(x) - min(x),
            "averaged the distances from the mean": lambda x: float(np.abs(np.subtract(x, np.mean(x))).mean()),
        },
    ),
    Exercise(
        id="08.interval",
        task="Both schemes were run on the same seeds, so compare them seed by seed: the mean of the "
        "differences (on minus "
        "off), minus and plus `quantile` times its standard error. Return the two ends.",
        solution=paired_interval,
        instance=_pairs,
        wrong={
            "compared the two means as if the seeds were different: too wide where seeds matter": _unpaired,
            "took the spread of the differences, not the standard error of their mean": lambda a, b, t: _paired(
                a, b, t, root=False
            ),
            "divided by n in the standard deviation: too narrow for few seeds": lambda a, b, t: _paired(
                a, b, t, ddof=0
            ),
            "off minus on: the sign is turned around": lambda a, b, t: _paired(b, a, t),
            "left out the quantile: one standard error is about two chances in three": lambda a, b, t: _paired(
                a, b, 1.0
            ),
        },
        properties={
            "the mean difference lies in the middle": lambda f, a: (
                abs(sum(f(*a)) / 2 - float(np.mean(np.subtract(a[1], a[0])))) < 1e-6
            )
        },
    ),
)
