"""Exercises of notebook 12: two terms apart, a temperature, neighbours of test frames among training frames."""

from __future__ import annotations

import numpy as np

from ..exercise import Exercise
from .random import rng


def square(neither: float, first: float, second: float, both: float) -> list[float]:
    """Effect of the first term alone, of the second alone, and what both together leave over; scores in per cent."""
    one, other = first - neither, second - neither
    return [one, other, both - neither - one - other]


def tempered(logits: np.ndarray, temperature: float) -> float:
    """Mean over pixels of the largest entry of softmax(logits / temperature); logits (N, K)."""
    odds = np.exp((logits - logits.max(1, keepdims=True)) / temperature)
    return float((odds.max(1) / odds.sum(1)).mean())


def leaked(train: list[int], test: list[int], reach: int) -> float:
    """Share of test frames with a training frame at most `reach` frames before or after; both are frame numbers."""
    return sum(any(abs(frame - other) <= reach for other in train) for frame in test) / len(test)


def _square(seed: int) -> tuple[float, float, float, float]:
    random = rng(seed)
    neither = float(random.uniform(30, 50))
    one, other, left = random.normal((0.8, -0.4, 0.5), 0.6)
    return neither, neither + float(one), neither + float(other), neither + float(one + other + left)


def _logits(seed: int) -> tuple[np.ndarray, float]:
    return rng(seed).normal(scale=2, size=(20, 5)), (0.5, 2.0, 3.0, 0.7)[seed % 4]


def _frames(seed: int) -> tuple[list[int], list[int], int]:
    frames = 10 * rng(seed).permutation(60)
    return sorted(frames[:18].tolist()), sorted(frames[18:30].tolist()), (10, 20)[seed % 2]


def _softmax(x: np.ndarray, axis: int = 1) -> np.ndarray:
    odds = np.exp(x - x.max(axis, keepdims=True))
    return odds / odds.sum(axis, keepdims=True)


def _near(frame: int, train: list[int], reach: int) -> int:
    return sum(abs(frame - other) <= reach for other in train)


EXERCISES = (
    Exercise(
        id="12.square",
        task="Four runs make a square: neither term, the first alone, the second alone, both. Return the effect of "
        "the first term alone, the effect of the second alone, and the interaction: what the gain of both has beyond "
        "their sum.",
        solution=square,
        instance=_square,
        wrong={
            "compared scores instead of gains: the start is counted twice": lambda n, a, b, ab: [
                a - n,
                b - n,
                ab - a - b,
            ],
            "gave the gain of both instead of what it has beyond the sum": lambda n, a, b, ab: [a - n, b - n, ab - n],
            "compared both with the better of the two, not with their sum": lambda n, a, b, ab: [
                a - n,
                b - n,
                ab - max(a, b),
            ],
            "took the effect of each term where the other is on": lambda n, a, b, ab: [ab - b, ab - a, ab - a - b + n],
            "averaged each effect over the other term: main effects, not effects alone": lambda n, a, b, ab: [
                (a - n + ab - b) / 2,
                (b - n + ab - a) / 2,
                ab - a - b + n,
            ],
            "turned the signs around: an effect is with minus without": lambda n, a, b, ab: [
                n - a,
                n - b,
                a + b - n - ab,
            ],
        },
        properties={
            "terms that add leave nothing over": lambda f, a: abs(f(a[0], a[1], a[2], a[1] + a[2] - a[0])[2]) < 1e-6
        },
    ),
    Exercise(
        id="12.temperature",
        task="The simplest cure of overconfidence is a temperature: logits are divided by it before the softmax, and "
        "above 1 every pixel is less sure while its class stays. Return the mean confidence over the pixels, the "
        "largest probability of each.",
        solution=tempered,
        instance=_logits,
        wrong={
            "multiplied by the temperature: that sharpens": lambda x, T: float(_softmax(x * T).max(1).mean()),
            "forgot the temperature": lambda x, T: float(_softmax(x).max(1).mean()),
            "divided the probabilities, not the logits: they no longer add up to 1": lambda x, T: float(
                (_softmax(x) / T).max(1).mean()
            ),
            "softmax over the pixels instead of the classes": lambda x, T: float(_softmax(x / T, 0).max(1).mean()),
            "averaged over the pixels before looking for the largest": lambda x, T: float(
                _softmax(x / T).mean(0).max()
            ),
            "averaged all classes: that is 1 / K, always": lambda x, T: float(_softmax(x / T).mean()),
        },
        properties={"a higher temperature is less sure": lambda f, a: f(a[0], 2 * a[1]) < f(*a)},
    ),
    Exercise(
        id="12.leak",
        task="A test frame of a video is no test if a training frame stands beside it. Given the frame numbers of "
        "both, return the share of the test frames that have a training frame within `reach` frames, before or after.",
        solution=leaked,
        instance=_frames,
        wrong={
            "gave the share of training frames that have a test frame near": lambda train, test, reach: (
                sum(_near(frame, test, reach) > 0 for frame in train) / len(train)
            ),
            "counted pairs: a test frame with two neighbours is still one frame": lambda train, test, reach: (
                sum(_near(frame, train, reach) for frame in test) / len(test)
            ),
            "looked back only: a later training frame gives it away too": lambda train, test, reach: (
                sum(any(0 <= frame - other <= reach for other in train) for frame in test) / len(test)
            ),
            "left out frames at exactly `reach`": lambda train, test, reach: (
                sum(any(abs(frame - other) < reach for other in train) for frame in test) / len(test)
            ),
            "gave a number of frames, not a share": lambda train, test, reach: sum(
                _near(frame, train, reach) > 0 for frame in test
            ),
            "divided by all frames, not by the test frames": lambda train, test, reach: (
                sum(_near(frame, train, reach) > 0 for frame in test) / (len(test) + len(train))
            ),
        },
        properties={
            "a frame in both parts is leaked": lambda f, a: f(a[1], a[1], 0) == 1,
            "a film shown backwards leaks as much": lambda f, a: (
                abs(f([-frame for frame in a[0]], [-frame for frame in a[1]], a[2]) - f(*a)) < 1e-9
            ),
        },
    ),
)
