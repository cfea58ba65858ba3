"""Exercises of notebook 10: a row of points around the center, the largest distance, pulls over shared parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..exercise import Exercise
from .random import rng


def row(bases: int, points: int, distance: int) -> list[int]:
    """Numbers, from 0, of the bases that carry M points `distance` apart around the center, an odd one behind."""
    first = (bases - 1 - (points - 1) * distance) // 2
    return [first + distance * m for m in range(points)]


def farthest(bases: int, points: int) -> int:
    """The largest distance, in bases, at which a row of M points still fits into so many bases."""
    return (bases - 1) // (points - 1)


def cosine(one: np.ndarray, other: np.ndarray, shared: np.ndarray) -> float:
    """Cosine between two gradients (P,), over the parameters that both points reach; shared (P,) is true there."""
    a, b = one[shared], other[shared]
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def _rows(seed: int) -> tuple[int, int, int]:
    random = rng(seed)
    points, distance = int(random.integers(2, 5)), 1 + seed % 3
    return (points - 1) * distance + 2 + int(random.integers(0, 6)), points, distance


def _sizes(seed: int) -> tuple[int, int]:
    return ((9, 4), (12, 4), (10, 3), (15, 5), (16, 6), (13, 4), (8, 3), (21, 6))[seed % 8]


def _pulls(seed: int) -> tuple[Any, ...]:
    random, parameters = rng(seed), 24
    one, other = random.normal(size=(2, parameters))
    other += 0.6 * one
    one[18:], other[20:] = 0, 0  # past a point its loss moves nothing
    return one, other, (one != 0) & (other != 0) & (np.arange(parameters) > 3)


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def _row(first: int, points: int, step: int) -> list[int]:
    return [first + step * m for m in range(points)]


EXERCISES = (
    Exercise(
        id="10.row",
        task="A network has N bases. Two or more points in a row, `distance` bases apart, are to lie around the "
        "center: as many bases free before the row as behind it, or one fewer. Return the numbers of the bases they "
        "stand on, from 0.",
        solution=row,
        instance=_rows,
        wrong={
            "counted M steps: M points have M - 1 steps between them": lambda N, M, d: _row((N - 1 - M * d) // 2, M, d),
            "began at the input": lambda N, M, d: _row(0, M, d),
            "rounded towards the output": lambda N, M, d: _row(-((-(N - 1 - (M - 1) * d)) // 2), M, d),
            "left `distance` bases free between two points: a step is then one longer": lambda N, M, d: _row(
                (N - 1 - (M - 1) * (d + 1)) // 2, M, d + 1
            ),
            "counted bases from 1": lambda N, M, d: _row((N - 1 - (M - 1) * d) // 2 + 1, M, d),
            "put neighbours one base apart at every distance": lambda N, M, d: _row((N - M) // 2, M, 1),
        },
        properties={
            "neighbours are `distance` apart": lambda f, a: set(np.diff(f(*a))) == {a[2]},
            "the row lies in the middle": lambda f, a: 0 <= (a[0] - 1 - f(*a)[-1]) - f(*a)[0] <= 1,
        },
    ),
    Exercise(
        id="10.farthest",
        task="A distance cannot grow for ever: the row must fit. What is the largest distance at which M points, two "
        "or more, fit into N bases?",
        solution=farthest,
        instance=_sizes,
        wrong={
            "shared the bases among the points": lambda N, M: N // M,
            "counted bases instead of the steps between them: N bases have N - 1": lambda N, M: N // (M - 1),
            "counted M steps: M points have M - 1 steps between them": lambda N, M: (N - 1) // M,
            "gave how many bases lie free between two points: a step is one more": lambda N, M: (N - M) // (M - 1),
            "gave all that is free, not the share of one step": lambda N, M: N - M,
            "gave a share of a base: distances are whole": lambda N, M: (N - 1) / (M - 1),
        },
        properties={
            "a row at that distance fits, one farther does not": lambda f, a: (
                (a[1] - 1) * f(*a) <= a[0] - 1 < (a[1] - 1) * (f(*a) + 1)
            )
        },
    ),
    Exercise(
        id="10.cosine",
        task="How alike do two points pull? Compare the directions of their gradients over the parameters that both "
        "reach: 1 is the same direction, 0 a right angle.",
        solution=cosine,
        instance=_pulls,
        wrong={
            "compared all parameters: where one point reaches nothing it does not disagree": lambda a, b, s: _cosine(
                a, b
            ),
            "left out the lengths: a long pull is not an alike one": lambda a, b, s: float(a[s] @ b[s]),
            "divided by the lengths over all parameters": lambda a, b, s: float(
                a[s] @ b[s] / (np.linalg.norm(a) * np.linalg.norm(b))
            ),
            "gave the angle, not its cosine": lambda a, b, s: float(np.arccos(_cosine(a[s], b[s]))),
            "compared signs only": lambda a, b, s: float((np.sign(a[s]) * np.sign(b[s])).mean()),
            "took means off first: that is a correlation": lambda a, b, s: float(np.corrcoef(a[s], b[s])[0, 1]),
        },
        properties={
            "twice the pull is the same direction": lambda f, a: abs(f(2 * a[0], a[1], a[2]) - f(*a)) < 1e-9,
            "a pull has cosine 1 with itself": lambda f, a: abs(f(a[0], a[0], a[2]) - 1) < 1e-9,
        },
    ),
)
