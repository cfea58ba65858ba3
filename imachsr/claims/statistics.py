"""What paired runs can say: Student's t over seeds, a block bootstrap over frames, Holm's correction."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..experiment.tables import LEVEL, half_interval
from ..metrics.protocols import means_of

POWER = 0.8  # of the smallest effect that is called visible


@dataclass(frozen=True)
class Paired:
    """The difference of two schemes over seeds both were run with.

    Args:
        differences: better minus worse, one per seed, in points (per cent).
        mean: of the differences.
        low: lower end of Student's t interval of the mean at 95 %; nan below two seeds.
        high: its upper end.
        p: two-sided, of no difference; nan below two seeds.
    """

    differences: tuple[float, ...]
    mean: float
    low: float
    high: float
    p: float

    def visible(self, level: float = LEVEL) -> float:
        """The smallest true difference that a test at `level` with so many seeds finds in 80 % of cases, in points.

        The spread of the differences is taken for the true one; nan below two seeds.
        """
        count = len(self.differences)
        return _standard_error(self.differences) * _visible(count, level) if count > 1 else float("nan")

    def needed(self, size: float, level: float = LEVEL, *, equal: bool = False) -> int | None:
        """Seeds with which a test at `level` finds a true difference of `size` points in 80 % of cases.

        The spread of the differences is taken for the true one; None without a spread, or above 10^6 seeds.

        Args:
            size: in points, above 0.
            level: of the test.
            equal: ask instead when two one-sided tests place a true difference of 0 within +- size points.
        """
        deviation = _standard_error(self.differences) * math.sqrt(len(self.differences)) if self.p == self.p else 0.0
        if not deviation or size <= 0:
            return None
        counts = range(2, 10**6)
        place = bisect_left(counts, True, key=lambda n: deviation * _visible(n, level, equal) <= size * math.sqrt(n))
        return counts[place] if place < len(counts) else None

    def within(self, margin: float) -> float:
        """p of two one-sided tests (Schuirmann 1987) that the true difference lies within +- margin points."""
        from scipy.stats import t

        count = len(self.differences)
        if count < 2:
            return float("nan")
        spread = _standard_error(self.differences)
        if spread == 0:
            return 0.0 if abs(self.mean) < margin else 1.0
        return float(
            max(t.sf((self.mean + margin) / spread, count - 1), t.cdf((self.mean - margin) / spread, count - 1))
        )

    def beyond(self, margin: float) -> float:
        """p that the true difference is no larger than margin points, either way."""
        from scipy.stats import t

        count = len(self.differences)
        if count < 2:
            return float("nan")
        spread, excess = _standard_error(self.differences), abs(self.mean) - margin
        if spread == 0:
            return float(excess <= 0)
        return float(min(1.0, 2 * t.sf(excess / spread, count - 1)))


def paired(differences: Sequence[float]) -> Paired:
    """Student's t over paired differences.

    Args:
        differences: one per seed, in points.

    >>> found = paired([1.0, 2.0, 3.0])
    >>> round(found.mean, 6), round(found.low, 3), round(found.high, 3), round(found.p, 4)
    (2.0, -0.484, 4.484, 0.0742)
    """
    values = tuple(float(value) for value in differences)
    if not values or not all(math.isfinite(value) for value in values):
        raise ValueError(
            f"got differences {values}; a comparison needs one finite number per seed; run the seeds first"
        )
    from scipy.stats import t

    mean, count = sum(values) / len(values), len(values)
    if count < 2:
        return Paired(values, mean, *[float("nan")] * 3)
    error = _standard_error(values)
    reach = float(half_interval(np.std(values, ddof=1), count))
    p = float(2 * t.sf(abs(mean) / error, count - 1)) if error else float(mean == 0)
    return Paired(values, mean, mean - reach, mean + reach, p)


@lru_cache(maxsize=1024)
def _visible(count: int, level: float, equal: bool = False) -> float:
    """The effect, in standard errors, at which Student's test finds POWER of cases: by quantiles of the spread.

    With `equal` the margin within which two one-sided tests place no effect at all as often.
    """
    from scipy.optimize import brentq
    from scipy.stats import chi2, norm, t

    free = count - 1
    spreads = np.sqrt(chi2.ppf((np.arange(4000) + 0.5) / 4000, free) / free)  # of equal shares of all samples
    needed = t.ppf(1 - level / (1 if equal else 2), free) * spreads

    def missing(effect: float) -> float:
        if equal:
            return float((1 - 2 * norm.sf(np.maximum(effect - needed, 0))).mean()) - POWER
        return float((norm.sf(needed - effect) + norm.cdf(-needed - effect)).mean()) - POWER

    return float(brentq(missing, 0.0, float(needed.max()) + 10.0))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down correction: p values that may all be compared with one level; nan stays nan.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    known = sorted((p, i) for i, p in enumerate(ps) if not math.isnan(p))
    adjusted, reached = [float("nan")] * len(ps), 0.0
    for rank, (p, i) in enumerate(known):
        reached = max(reached, min(1.0, (len(known) - rank) * p))
        adjusted[i] = reached
    return adjusted


def block_bootstrap(
    better: Sequence[np.ndarray], worse: Sequence[np.ndarray], metric: str, protocol: str,
    *, block: int = 15, draws: int = 1000, seed: int = 0,
) -> tuple[float, float]:  # fmt: skip
    """95 % interval of the difference over test images, in points, when neighbouring frames are alike.

    Circular blocks (Politis and Romano 1992): stretches of `block` consecutive images, of which the first follows the
    last, so that each is drawn as often as any other, until there are as many as before; the same ones for both schemes
    and every seed. It says how far other frames would move the difference, not other seeds.

    Args:
        better: per seed, true positives, false positives and false negatives of each image, (N, 3, K).
        worse: likewise, of the same images in the same order.
        metric: "mIoU", "mPrecision", "mRecall", "mF1" or "pixel_accuracy".
        protocol: of the metric.
        block: images per stretch, at most N.
        draws: of the bootstrap.
        seed: of the draws.
    """
    images = {len(counts) for counts in (*better, *worse)}
    if len(images) != 1 or len(better) != len(worse):
        raise ValueError(
            f"got {len(better)} and {len(worse)} runs over {sorted(images)} images; both schemes need the same seeds "
            "and the same test images; compare results of one dataset and split"
        )
    count = images.pop()
    block = min(block, count)
    starts = np.random.default_rng(seed).integers(0, count, (draws, -(-count // block), 1))
    chosen = ((starts + np.arange(block)) % count).reshape(draws, -1)[:, :count]
    times = np.stack([np.bincount(images, minlength=count) for images in chosen])  # (draws, N)
    ours, theirs = ([means_of(counts, protocol, times)[0][metric] for counts in side] for side in (better, worse))
    low, high = np.quantile(100 * (np.mean(ours, 0) - np.mean(theirs, 0)), [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))
