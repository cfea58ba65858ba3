"""Exercises of notebook 14: Holm's correction, the smallest visible effect, blocks of frames, no difference."""

from __future__ import annotations

import numpy as np

from ..exercise import Exercise
from .random import rng


def step_down(ps: list[float]) -> list[float]:
    """Holm's p values in the order they came: the k-th smallest times n - k + 1, at most 1, never below one before."""
    corrected, reached = [0.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        reached = max(reached, min(1.0, (len(ps) - rank) * ps[i]))
        corrected[i] = reached
    return corrected


def visible(differences: list[float], level_quantile: float, power_quantile: float) -> float:
    """The smallest true difference that most such experiments would find: (t_level + t_power) s / sqrt(n)."""
    error = np.std(differences, ddof=1) / len(differences) ** 0.5
    return float((level_quantile + power_quantile) * error)


def stretches(starts: list[int], block: int, frames: int) -> list[int]:
    """Frame numbers of one draw: `block` neighbours from each start on, frame 0 after the last, cut to `frames`."""
    return [(start + i) % frames for start in starts for i in range(block)][:frames]


def margin(mean: float, half: float) -> float:
    """The smallest m for which the interval from mean - half to mean + half lies within -m to m."""
    return abs(mean) + half


def _ps(seed: int) -> tuple[list[float]]:
    random = rng(seed)
    few = np.concatenate([random.uniform(0.005, 0.02, 2), random.uniform(0.02, 0.03, 2), random.uniform(0.3, 0.9, 2)])
    return (random.permutation(few).tolist(),)


def _differences(seed: int) -> tuple[list[float], float, float]:
    random, seeds = rng(seed), 3 + seed % 4
    quantiles = ((4.303, 1.061), (3.182, 0.978), (2.776, 0.941), (2.571, 0.920))[seed % 4]
    return (random.normal(0.7, 0.8, seeds).tolist(), *quantiles)


def _starts(seed: int) -> tuple[list[int], int, int]:
    random, block = rng(seed), 3 + seed % 3
    frames = 4 * block - 1 - seed % 2
    passing = frames - block + 1 + seed % 2  # a stretch from here on passes the last frame
    return [passing, *random.integers(1, frames - block, 3).tolist()], block, frames


def _interval(seed: int) -> tuple[float, float]:
    random = rng(seed)
    return float(random.uniform(0.2, 2)) * (-1) ** seed, float(random.uniform(0.3, 2.5))


def _ranked(ps: list[float], factor: object) -> list[float]:
    """Each p times factor(rank, n), ranks from 0 at the smallest, at most 1; in the order they came."""
    ranks = np.argsort(np.argsort(ps))
    return [min(1.0, p * factor(int(k), len(ps))) for p, k in zip(ps, ranks, strict=True)]  # type: ignore[operator]


def _uncapped(ps: list[float]) -> list[float]:
    order = np.argsort(ps)
    grown = np.maximum.accumulate(np.sort(ps) * np.arange(len(ps), 0, -1))
    return [float(grown[place]) for place in np.argsort(order)]


def _error(differences: list[float], ddof: int = 1) -> float:
    return float(np.std(differences, ddof=ddof) / len(differences) ** 0.5)


EXERCISES = (
    Exercise(
        id="14.holm",
        task="Holm's rule for n p values: multiply the smallest by n, the next by n - 1, and so on to the largest by "
        "1. None may be above 1, and none below one that was smaller before. Return them in the order they came in.",
        solution=step_down,
        instance=_ps,
        wrong={
            "multiplied all by n: Bonferroni's rule, which is stricter than it need be": lambda ps: _ranked(
                ps, lambda k, n: n
            ),
            "let corrected values fall below a smaller one's": lambda ps: _ranked(ps, lambda k, n: n - k),
            "let values pass 1": _uncapped,
            "returned them sorted: they no longer belong to their rows": lambda ps: sorted(step_down(ps)),
            "multiplied the largest by n and the smallest by 1": lambda ps: _ranked(ps, lambda k, n: k + 1),
            "divided by the rank, as for a false discovery rate": lambda ps: _ranked(ps, lambda k, n: n / (k + 1)),
            "left them as they are": lambda ps: list(ps),
        },
        properties={
            "no value becomes smaller": lambda f, a: all(np.array(f(*a)) >= np.array(a[0]) - 1e-12),
            "the order of the values stays": lambda f, a: all(np.diff(np.array(f(*a))[np.argsort(a[0])]) >= -1e-12),
        },
    ),
    Exercise(
        id="14.visible",
        task="What could these runs have seen? Return the smallest true difference that a test finds in most cases: "
        "the sum of two quantiles, one for the level of the test and one for its power, times the standard error of "
        "the mean difference.",
        solution=visible,
        instance=_differences,
        wrong={
            "left out the power: an effect of that size is missed every other time": lambda d, a, b: a * _error(d),
            "left out the level": lambda d, a, b: b * _error(d),
            "took the spread of the seeds, not the error of their mean": lambda d, a, b: float(
                (a + b) * np.std(d, ddof=1)
            ),
            "divided by n in the standard deviation: too small for few seeds": lambda d, a, b: (a + b) * _error(d, 0),
            "multiplied the quantiles": lambda d, a, b: a * b * _error(d),
            "began at the mean that was measured: what can be seen does not depend on what was": lambda d, a, b: (
                float(np.mean(d)) + (a + b) * _error(d)
            ),
        },
        properties={
            "a larger mean difference changes nothing": lambda f, a: (
                abs(f([d + 5 for d in a[0]], a[1], a[2]) - f(*a)) < 1e-6
            )
        },
    ),
    Exercise(
        id="14.blocks",
        task="Neighbouring test frames are alike, so a bootstrap draws stretches. Given where each stretch starts and "
        "its length `block`, return the frame numbers of the draw, stretch after stretch, cut to as many as there are "
        "frames. After the last frame comes frame 0, so that each is drawn as often as any other.",
        solution=stretches,
        instance=_starts,
        wrong={
            "drew single frames: neighbours are no longer together": lambda s, b, n: list(s),
            "went on past the last frame: frame 0 follows it": lambda s, b, n: [x + i for x in s for i in range(b)][:n],
            "stopped at the last frame, and drew it again and again": lambda s, b, n: [
                min(x + i, n - 1) for x in s for i in range(b)
            ][:n],
            "did not cut: the draw is larger than the test set": lambda s, b, n: [
                (x + i) % n for x in s for i in range(b)
            ],
            "dealt the stretches out in turn: neighbours are torn apart": lambda s, b, n: [
                (x + i) % n for i in range(b) for x in s
            ][:n],
            "counted starts in blocks: stretches may overlap": lambda s, b, n: [
                (x * b + i) % n for x in s for i in range(b)
            ][:n],
            "began one frame late": lambda s, b, n: [(x + i + 1) % n for x in s for i in range(b)][:n],
            "let each stretch end at its start": lambda s, b, n: [(x - b + 1 + i) % n for x in s for i in range(b)][:n],
        },
        properties={
            "as many frames as before": lambda f, a: len(f(*a)) == a[2],
            "inside a stretch, frames follow one another": lambda f, a: all(np.diff(f(*a)[: a[1]]) % a[2] == 1),
        },
    ),
    Exercise(
        id="14.margin",
        task="To show that two settings do not differ by more than a margin m, the whole interval must lie between -m "
        "and m (for a test at 5 % the 90 % interval is taken: it tests both ends). An interval reaches from mean - "
        "half to mean + half. Return the smallest m it allows.",
        solution=margin,
        instance=_interval,
        wrong={
            "looked at the mean alone: a wide interval around zero shows nothing": lambda d, h: abs(d),
            "looked at the width alone": lambda d, h: h,
            "looked at the upper end alone: a difference has two sides": lambda d, h: d + h,
            "took the nearer end: that tells whether zero is inside": lambda d, h: abs(abs(d) - h),
            "took the larger of mean and half width, not their sum": lambda d, h: max(abs(d), h),
            "gave the width of the interval": lambda d, h: 2 * h,
        },
        properties={
            "the sign of the difference does not matter": lambda f, a: abs(f(-a[0], a[1]) - f(*a)) < 1e-9,
            "a wider interval needs a larger margin": lambda f, a: f(a[0], 2 * a[1]) > f(*a),
        },
    ),
)
