"""Exercises of notebook 07: the schedule, means over parts of a batch, matched strength."""

from __future__ import annotations

import numpy as np

from ..exercise import Exercise
from .random import rng


def poly(learning_rate: float, step: int, steps: int) -> float:
    """The rate at `step` of `steps`, counted from 0: learning_rate (1 - step / steps)^0.9."""
    return learning_rate * (1 - step / steps) ** 0.9


def whole_mean(means: list[float], labelled: list[int]) -> float:
    """The mean over all labelled pixels of a batch, from the means over its parts and their labelled pixels."""
    return sum(mean * count for mean, count in zip(means, labelled, strict=True)) / sum(labelled)


def matched_weight(alpha: float, output_norm: float, point_norm: float) -> float:
    """The weight that makes a point's gradient alpha times as long as that of the output's loss."""
    return alpha * output_norm / point_norm


def _steps(seed: int) -> tuple[float, int, int]:
    random = rng(seed)
    steps = int(random.integers(20, 400))
    return float(random.uniform(1e-1, 3)), int(random.integers(steps // 4, steps - 4)), steps


def _parts(seed: int) -> tuple[list[float], list[int]]:
    random, parts = rng(seed), 2 + seed % 3
    return random.uniform(0.5, 3, parts).tolist(), random.integers(10, 900, parts).tolist()


def _norms(seed: int) -> tuple[float, float, float]:
    random = rng(seed)
    return float(random.uniform(0.1, 0.7)), float(random.uniform(1, 5)), float(random.uniform(0.05, 0.6))


EXERCISES = (
    Exercise(
        id="07.poly",
        task="The field's habit: the learning rate falls from `learning_rate` at step 0 towards zero, reached "
        "after the last step, by a power of 0.9 of what is left.",
        solution=poly,
        instance=_steps,
        wrong={
            "forgot the power: a straight line": lambda r, t, T: r * (1 - t / T),
            "took the power of what is done, so that the rate rises": lambda r, t, T: r * (t / T) ** 0.9,
            "subtracted the power of what is done": lambda r, t, T: r * (1 - (t / T) ** 0.9),
            "multiplied by 0.9 instead of raising to the power": lambda r, t, T: r * (1 - t / T) * 0.9,
            "counted steps from 1: step 0 has the full rate": lambda r, t, T: r * (1 - (t + 1) / T) ** 0.9,
        },
        properties={
            "step 0 has the full rate": lambda f, a: abs(f(a[0], 0, a[2]) - a[0]) < 1e-9,
            "the rate falls": lambda f, a: f(a[0], 1, a[2]) < f(a[0], 0, a[2]),
        },
    ),
    Exercise(
        id="07.parts",
        task="To save memory a batch is cut into parts. Each part reports its mean loss over labelled pixels, and how "
        "many it has. Give the mean over the labelled pixels of the whole batch.",
        solution=whole_mean,
        instance=_parts,
        wrong={
            "averaged the means of unequal parts: a part with few labels weighs too much": lambda m, n: sum(m) / len(m),
            "added the means": lambda m, n: sum(m),
            "added the sums and did not divide": lambda m, n: float(np.dot(m, n)),
            "divided by the number of parts instead of pixels": lambda m, n: float(np.dot(m, n)) / len(m),
            "weighed each part by one over its pixels": lambda m, n: float(np.average(m, weights=1 / np.array(n))),
        },
        properties={
            "it lies between the smallest and the largest mean": lambda f, a: (
                min(a[0]) - 1e-9 <= f(*a) <= max(a[0]) + 1e-9
            )
        },
    ),
    Exercise(
        id="07.matched",
        task="At equal alpha, two losses pull with different strength. Given the norms of the output loss's "
        "gradient and "
        "of the point's, unweighted, give the weight that makes the point pull alpha times as strongly as the output.",
        solution=matched_weight,
        instance=_norms,
        wrong={
            "turned the ratio around: a weak pull needs a larger weight": lambda a, out, at: a * at / out,
            "forgot alpha: both pull alike": lambda a, out, at: out / at,
            "gave alpha itself: the strengths are not matched": lambda a, out, at: a,
            "gave the length wanted, not the weight that makes it": lambda a, out, at: a * out,
            "squared the ratio": lambda a, out, at: a * (out / at) ** 2,
        },
        properties={"a weaker pull gets a larger weight": lambda f, a: f(a[0], a[1], a[2] / 2) > f(*a)},
    ),
)
