"""Straight lines through measurements, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Line:
    """y = intercept + slope x, by least squares.

    Args:
        slope: of the line.
        intercept: at x = 0.
        interval: of the slope: (low, high).
        explained: share of y's variance that the line explains, R^2.
        farthest: largest distance of a point from the line, in units of y.
    """

    slope: float
    intercept: float
    interval: tuple[float, float]
    explained: float
    farthest: float

    def __call__(self, x: float) -> float:
        """The line at x."""
        return self.intercept + self.slope * x


def line(x: Sequence[float], y: Sequence[float], *, confidence: float = 0.95) -> Line:
    """Least squares with Student's interval of the slope.

    The interval holds for independent deviations from the line; where points deviate since the truth is curved, it
    says how well a line describes them, no more.

    Args:
        x: such as M, three values or more, not all equal.
        y: such as time ratios.
        confidence: of the interval.

    Raises:
        ValueError: too few points, or all at one x.

    >>> fit = line([0, 1, 2, 3], [1.0, 1.5, 2.0, 2.5])
    >>> round(fit.slope, 6), round(fit.intercept, 6), round(fit.explained, 6)
    (0.5, 1.0, 1.0)
    """
    from scipy.stats import t

    a, b = np.asarray(x, float), np.asarray(y, float)
    if len(a) != len(b) or len(a) < 3 or np.ptp(a) == 0:
        raise ValueError(
            f"got {len(a)} x and {len(b)} y; a line with an interval needs three pairs or more at different x; "
            "measure more"
        )
    spread = np.square(a - a.mean()).sum()
    slope = float(((a - a.mean()) * (b - b.mean())).sum() / spread)
    intercept = float(b.mean() - slope * a.mean())
    left = b - intercept - slope * a
    error = float(np.sqrt(np.square(left).sum() / (len(a) - 2) / spread))
    half = float(t.ppf((1 + confidence) / 2, len(a) - 2)) * error
    total = float(np.square(b - b.mean()).sum())
    explained = 1 - float(np.square(left).sum()) / total if total > 0 else 1.0
    return Line(slope, intercept, (slope - half, slope + half), explained, float(np.abs(left).max()))
