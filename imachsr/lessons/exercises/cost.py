"""Exercises of notebook 06: bytes a loss keeps, operations of an adapter, points a budget pays for."""

from __future__ import annotations

import math

from ..exercise import Exercise
from .random import rng


def kept_at_label_size(points: int, images: int, height: int, width: int, classes: int) -> int:
    """Bytes of one float32 per class and label pixel, kept at each of M points until the backward pass."""
    return 4 * points * images * height * width * classes


def adapter_operations(images: int, height: int, width: int, channels: int, classes: int) -> int:
    """Multiplications and additions of a 1x1 projection's products, forward pass; features (B, C, h, w), no bias."""
    return 2 * images * height * width * channels * classes


def affordable(step: float, per_point: float, budget: float) -> int:
    """The largest M whose step, `step` + M `per_point` seconds, is at most `budget` times `step`."""
    return math.floor((budget - 1) * step / per_point)


def _labels(seed: int) -> tuple[int, int, int, int, int]:
    random = rng(seed)
    return tuple(int(random.integers(low, high)) for low, high in ((2, 6), (2, 9), (40, 90), (60, 120), (3, 24)))  # type: ignore[return-value]


def _map(seed: int) -> tuple[int, int, int, int, int]:
    random = rng(seed)
    return tuple(int(random.integers(low, high)) for low, high in ((2, 9), (8, 30), (9, 40), (16, 300), (3, 24)))  # type: ignore[return-value]


def _prices(seed: int) -> tuple[float, float, float]:
    random = rng(seed)
    return float(random.uniform(1, 3)), float(random.uniform(0.03, 0.11)), float(random.uniform(1.1, 1.6))


EXERCISES = (
    Exercise(
        id="06.storage",
        task="A loss that works at label size keeps at least one float32 for every class and label pixel of the batch, "
        "at each of M points. How many bytes?",
        solution=kept_at_label_size,
        instance=_labels,
        wrong={
            "counted values instead of bytes: a float32 takes four": lambda M, B, H, W, K: M * B * H * W * K,
            "counted the batch twice, as the papers print B(... B ...)": lambda M, B, H, W, K: (
                4 * M * B * B * H * W * K
            ),
            "counted bits instead of bytes": lambda M, B, H, W, K: 32 * M * B * H * W * K,
            "left out the classes: every pixel keeps K numbers": lambda M, B, H, W, K: 4 * M * B * H * W,
            "counted the output as a point too: M + 1": lambda M, B, H, W, K: 4 * (M + 1) * B * H * W * K,
            "counted one point only": lambda M, B, H, W, K: 4 * B * H * W * K,
        },
    ),
    Exercise(
        id="06.adapter",
        task="How many operations, multiplications and additions both, do the products of an adapter's 1x1 projection "
        "take in the forward pass? Leave the bias out.",
        solution=adapter_operations,
        instance=_map,
        wrong={
            "counted multiplications only: each comes with an addition": lambda B, h, w, C, K: B * h * w * C * K,
            "counted one image of the batch": lambda B, h, w, C, K: 2 * h * w * C * K,
            "a 3x3 kernel: the projection is 1x1": lambda B, h, w, C, K: 18 * B * h * w * C * K,
            "counted one position only: the projection is taken at each": lambda B, h, w, C, K: 2 * B * C * K,
            "counted the backward pass too, which takes twice as many again": lambda B, h, w, C, K: (
                6 * B * h * w * C * K
            ),
        },
    ),
    Exercise(
        id="06.budget",
        task="A step takes `step` seconds without points and `per_point` more for each. The step may take "
        "`budget` times "
        "what it takes without points, a quarter more, say. How many points is that?",
        solution=affordable,
        instance=_prices,
        wrong={
            "rounded up: the last point goes over the budget": lambda s, p, b: math.ceil((b - 1) * s / p),
            "rounded to the nearest: half the time that goes over the budget": lambda s, p, b: round((b - 1) * s / p),
            "spent the whole budget on points: the step without them must be paid first": lambda s, p, b: math.floor(
                b * s / p
            ),
            "took the budget for seconds, not for a share of the step": lambda s, p, b: math.floor((b - 1) / p),
        },
        properties={
            "the step with so many points is within the budget": lambda f, a: a[0] + f(*a) * a[1] <= a[2] * a[0] + 1e-9
        },
    ),
)
