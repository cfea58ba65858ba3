"""Exercises of notebook 11: where a row stands, what a point reaches, chances of a find, place and number together."""

from __future__ import annotations

import numpy as np

from ..exercise import Exercise
from .random import rng


def rows_at(bases: int, points: int, near: str) -> list[int]:
    """Numbers of the bases, from 0, of M neighbouring points near the "input", the "center" or the "output"."""
    first = {"input": 0, "center": (bases - points) // 2, "output": bases - points}[near]
    return list(range(first, first + points))


def share_reached(parameters: list[int], block: int) -> float:
    """Share of a network's parameters that a loss after block `block`, from 0, can move; counts in order of depth."""
    return sum(parameters[: block + 1]) / sum(parameters)


def chance_of_a_find(rows: int, level: float) -> float:
    """Probability that at least one of so many independent comparisons looks clear, where nothing differs at all."""
    return 1 - (1 - level) ** rows


def interaction(scores: np.ndarray) -> np.ndarray:
    """What rows and columns leave over: each score minus the means of its row and its column, plus the grand mean."""
    return scores - scores.mean(1, keepdims=True) - scores.mean(0) + scores.mean()


def _places(seed: int) -> tuple[int, int, str]:
    random = rng(seed)
    return int(random.integers(7, 14)), int(random.integers(2, 5)), ("center", "output", "input")[seed % 3]


def _blocks(seed: int) -> tuple[list[int], int]:
    random, blocks = rng(seed), 4 + seed % 4
    sizes = np.cumprod(random.uniform(1, 2.5, blocks)) * 100  # later blocks are wider
    return sizes.astype(int).tolist(), int(random.integers(1, blocks - 1))


def _rows(seed: int) -> tuple[int, float]:
    return ((36, 0.05), (30, 0.1), (4, 0.05), (9, 0.01), (12, 0.1), (72, 0.05), (3, 0.2), (16, 0.01))[seed % 8]


def _table(seed: int) -> tuple[np.ndarray]:
    random = rng(seed)
    return (45 + random.normal(0, 1, (3, 1)) + random.normal(0, 1, 4) + random.normal(0, 0.5, (3, 4)),)


def _begun(points: int, near: str, center: int, output: int) -> list[int]:
    first = {"input": 0, "center": center, "output": output}[near]
    return list(range(first, first + points))


EXERCISES = (
    Exercise(
        id="11.place",
        task="Table 4 has M neighbouring points near the input, the center or the output. For a network of N bases, "
        "return the numbers, from 0, of those they stand on, in order of depth; at the center, with as many bases "
        "before them as behind, or one fewer.",
        solution=rows_at,
        instance=_places,
        wrong={
            "near the output began at the last base, and ran out of the network": lambda N, M, near: _begun(
                M, near, (N - M) // 2, N - 1
            ),
            "near the output stopped one base too early": lambda N, M, near: _begun(M, near, (N - M) // 2, N - M - 1),
            "put the first point at the center, and the others behind it": lambda N, M, near: _begun(
                M, near, (N - 1) // 2, N - M
            ),
            "at the center rounded towards the output": lambda N, M, near: _begun(M, near, (N - M + 1) // 2, N - M),
            "counted bases from 1": lambda N, M, near: [i + 1 for i in rows_at(N, M, near)],
            "listed the row near the output backwards": lambda N, M, near: rows_at(N, M, near)[
                :: -1 if near == "output" else 1
            ],
        },
        properties={"no base is beyond the last": lambda f, a: max(f(a[0], a[1], "output")) == a[0] - 1},
    ),
    Exercise(
        id="11.reach",
        task="A point's loss moves the parameters before it and no others. Given how many each block has, in order of "
        "depth, return the share of all parameters that a loss after block number `block`, counted from 0, can move.",
        solution=share_reached,
        instance=_blocks,
        wrong={
            "stopped before the point's own block": lambda n, b: sum(n[:b]) / sum(n),
            "counted what comes behind the point: gradients run towards the input": lambda n, b: (
                sum(n[b + 1 :]) / sum(n)
            ),
            "counted the point's own block alone": lambda n, b: n[b] / sum(n),
            "counted blocks, not their parameters": lambda n, b: (b + 1) / len(n),
            "gave the number, not the share": lambda n, b: sum(n[: b + 1]),
            "divided by what is left, not by all": lambda n, b: sum(n[: b + 1]) / sum(n[b + 1 :]),
        },
        properties={"a loss after the last block moves all": lambda f, a: abs(f(a[0], len(a[0]) - 1) - 1) < 1e-9},
    ),
    Exercise(
        id="11.chances",
        task="Nine settings in four metrics are 36 comparisons. If nothing differs, each one looks clear with "
        "probability `level`. How probable is at least one find among `rows` independent comparisons?",
        solution=chance_of_a_find,
        instance=_rows,
        wrong={
            "added the chances up: that is a bound, and can pass one": lambda n, p: n * p,
            "gave the chance that none looks clear": lambda n, p: (1 - p) ** n,
            "gave the chance that all look clear": lambda n, p: p**n,
            "gave the chance of exactly one": lambda n, p: n * p * (1 - p) ** (n - 1),
            "gave the chance for one row, however many there are": lambda n, p: p,
        },
        properties={"it is a probability": lambda f, a: 0 <= f(*a) <= 1},
    ),
    Exercise(
        id="11.interaction",
        task="'Near the output more points are worse, near the center better' is a statement about place and number "
        "together. Take off what place alone and number alone explain: from each score the mean of its row and of its "
        "column; add the grand mean. Scores (places, counts), and so is what you return.",
        solution=interaction,
        instance=_table,
        wrong={
            "forgot to add the grand mean, which was taken off twice": lambda x: (
                x - x.mean(1, keepdims=True) - x.mean(0)
            ),
            "took off the rows' means only": lambda x: x - x.mean(1, keepdims=True),
            "took off the columns' means only": lambda x: x - x.mean(0),
            "took off the grand mean only": lambda x: x - x.mean(),
            "gave what rows and columns explain, not what they leave over": lambda x: (
                x.mean(1, keepdims=True) + x.mean(0) - x.mean()
            ),
        },
        properties={
            "nothing is left over in any row": lambda f, a: bool(np.allclose(np.sum(f(*a), 1), 0)),
            "nothing is left over in any column": lambda f, a: bool(np.allclose(np.sum(f(*a), 0), 0)),
        },
    ),
)
