"""Exercises of notebook 02: how many points, which row of them, which tensors, in which layout."""

from __future__ import annotations

import math
from typing import Any

import torch

from ..exercise import Exercise
from .random import rng, tensor


def log_count(bases: int) -> int:
    """round(log2(number of bases)), at least one."""
    return max(1, round(math.log2(bases)))


def row_of(bases: int, count: int, distance: int, near: str) -> list[int]:
    """Places, from 0, of `count` points `distance` bases apart, near "input", "center" or "output"."""
    spare = bases - ((count - 1) * distance + 1)
    start = {"input": 0, "center": spare // 2, "output": spare}[near]
    return [start + m * distance for m in range(count)]


def distinct(outputs: dict[str, torch.Tensor]) -> list[str]:
    """The first name of every tensor object in what hooks saw, name -> tensor in order of calls."""
    first: dict[int, str] = {}
    for name, output in outputs.items():
        first.setdefault(id(output), name)
    return list(first.values())


def maps(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Tokens (B, 1 + h w, C), a class token first, as features (B, C, h, w)."""
    images, _, channels = tokens.shape
    return tokens[:, 1:].transpose(1, 2).reshape(images, channels, height, width)


def _bases(seed: int) -> tuple[int]:
    return ((1, 5, 6, 11, 12, 23, 3, 45)[seed % 8],)


def _row(seed: int) -> tuple[int, int, int, str]:
    random = rng(seed)
    count, distance = int(random.integers(2, 5)), int(random.integers(2, 4))
    spare = int(random.integers(4, 9))
    return (count - 1) * distance + 1 + spare, count, distance, ("input", "output", "center")[seed % 3]


def _outputs(seed: int) -> tuple[dict[str, torch.Tensor]]:
    a, b, c = (tensor(rng(seed), 2, 3) for _ in range(3))  # equal in value, three objects
    return ({"conv": a, "bn": b, "bn.identity": b, "flat": b.flatten(), "block": b, "head": c, "output": c},)


def _tokens(seed: int) -> tuple[torch.Tensor, int, int]:
    height, width = 2 + seed % 3, 5
    return tensor(rng(seed), 2, 1 + height * width, 3), height, width


def _at(start: Any) -> Any:
    return lambda bases, count, distance, near: [
        start(bases, count, distance, near) + m * distance for m in range(count)
    ]


EXERCISES = (
    Exercise(
        id="02.log",
        task='count="log" asks for as many points as the logarithm to the base 2 of the number of bases, rounded to '
        "the nearest whole number, and for one at least.",
        solution=log_count,
        instance=_bases,
        wrong={
            "natural logarithm: the base is 2": lambda n: max(1, round(math.log(n))),
            "rounded down instead of to the nearest": lambda n: max(1, int(math.log2(n))),
            "rounded up instead of to the nearest": lambda n: max(1, math.ceil(math.log2(n))),
            "no points at all where there is one base": lambda n: round(math.log2(n)),
            "logarithm to the base 10: the base is 2": lambda n: max(1, round(math.log10(n))),
        },
    ),
    Exercise(
        id="02.row",
        task="Bases are numbered 0, 1, ... by depth. Return the places of `count` points, each `distance` bases after "
        "the last: the first such row near the input, the last near the output, the middle one (rounded down) near "
        "the center.",
        solution=row_of,
        instance=_row,
        wrong={
            "left `distance` bases between two points: a distance of 1 is the very next base": lambda n, c, d, near: (
                row_of(n + (c - 1), c, d + 1, near)
                if near == "input"
                else [
                    {"center": (n - (c - 1) * (d + 1) - 1) // 2, "output": n - (c - 1) * (d + 1) - 1}[near]
                    + m * (d + 1)
                    for m in range(c)
                ]
            ),
            "began at the input whatever `near` says": _at(lambda n, c, d, near: 0),
            "ignored the distance: took neighbours": lambda n, c, d, near: row_of(n, c, 1, near),
            "one base past the end near the output": _at(
                lambda n, c, d, near: row_of(n, c, d, near)[0] + (near == "output")
            ),
            "centered the first point instead of the whole row": _at(
                lambda n, c, d, near: n // 2 if near == "center" else row_of(n, c, d, near)[0]
            ),
        },
        properties={
            "all places lie in the network": lambda f, a: all(0 <= place < a[0] for place in f(*a)),
            "neighbours are `distance` apart": lambda f, a: all(
                y - x == a[2] for x, y in zip(f(*a), f(*a)[1:], strict=False)
            ),
        },
    ),
    Exercise(
        id="02.distinct",
        task="Hooks on every module see the same tensor object several times: a block returns what its last layer "
        "returned. Keep the first name of every tensor object, in order. Two tensors of equal values are two points, "
        "and so are a tensor and a view of it.",
        solution=distinct,
        instance=_outputs,
        wrong={
            "kept every name: one tensor, several points": lambda seen: list(seen),
            "compared values: equal tensors at two places are two points": lambda seen: list(
                {tuple(t.flatten().tolist()): n for n, t in reversed(seen.items())}.values()
            )[::-1],
            "compared memory: a view has its tensor's, and is a point of its own": lambda seen: list(
                {t.data_ptr(): n for n, t in reversed(seen.items())}.values()
            )[::-1],
            "kept the last name of a tensor instead of the first": lambda seen: list(
                {id(tensor): name for name, tensor in seen.items()}.values()
            ),
            "compared shapes: two tensors of one shape are two points": lambda seen: list(
                {tuple(t.shape): n for n, t in seen.items()}.values()
            ),
        },
    ),
    Exercise(
        id="02.tokens",
        task="A transformer hands on tokens (B, 1 + h w, C): a class token, then the patches row by row. Return "
        "them as "
        "features (B, C, h, w).",
        solution=maps,
        instance=_tokens,
        wrong={
            "dropped the last patch instead of the class token": lambda t, h, w: (
                t[:, :-1].transpose(1, 2).reshape(len(t), -1, h, w)
            ),
            "reshaped without moving the channels first: every map is a mixture": lambda t, h, w: t[:, 1:].reshape(
                len(t), -1, h, w
            ),
            "took the patches column by column": lambda t, h, w: (
                t[:, 1:].transpose(1, 2).reshape(len(t), -1, w, h).transpose(2, 3)
            ),
            "left the channels last": lambda t, h, w: t[:, 1:].reshape(len(t), h, w, -1),
        },
        properties={"the shape is (B, C, h, w)": lambda f, a: f(*a).shape == (len(a[0]), a[0].shape[2], a[1], a[2])},
    ),
)
