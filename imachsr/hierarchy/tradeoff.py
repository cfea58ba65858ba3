"""How many classes a point should tell apart: its mIoU against the number of classes, beside the final output's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .clusters import affinity, clusters

# At this angle theta is the ratio rule: inferred from HS3's Fig. 2 and Table 5, as it gives no unit for its axes.
RATIO_DEGREES = 76.0


@dataclass(frozen=True)
class Tradeoff:
    """What a point would score if it had to tell apart fewer classes (HS3 Fig. 2).

    Args:
        groupings: number of classes S -> the cluster of each class, (K,).
        miou: number of classes S -> mIoU over the merged classes, a share of one.
    """

    groupings: dict[int, np.ndarray]
    miou: dict[int, float]

    @property
    def classes(self) -> int:
        """K, the largest number of classes."""
        return max(self.miou)


def merge(confusion: Any, ids: Any) -> np.ndarray:
    """The confusion matrix (S, S) after classes are merged: mistakes within a cluster are none any more.

    Args:
        confusion: counts (K, K), truth by prediction.
        ids: the cluster of each class, (K,).

    >>> merge([[9, 1, 0], [2, 8, 0], [0, 3, 7]], [0, 0, 1]).tolist()
    [[20, 0], [3, 7]]
    """
    counts, ids = np.asarray(confusion), np.asarray(ids)
    if ids.shape != counts.shape[:1]:
        raise ValueError(f"got {ids.shape} ids for counts {counts.shape}; each class has one cluster; pass (K,) ids")
    members = np.eye(int(ids.max()) + 1, dtype=counts.dtype)[ids]
    return members.T @ counts @ members


def miou(confusion: Any) -> float:
    """Mean IoU of counts (S, S), truth by prediction, as a share of one, over the classes that have a true pixel.

    Protocol "dataset" also scores, with 0, a class that is only predicted. On a small analysis set that would make the
    number of scored classes depend on the point.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    if not counts.any():
        raise ValueError("got a confusion matrix of zeros; a score needs at least one pixel; count predictions first")
    union = counts.sum(0) + counts.sum(1) - counts.diagonal()
    seen = _seen(counts)
    return float((counts.diagonal()[seen] / union[seen]).mean())


def tradeoff(confusion: Any, group: Callable[[Any, int], np.ndarray] = clusters, *, least: int = 2) -> Tradeoff:
    """mIoU against the number of classes, from `least` to K (HS3 Section 3.1.1).

    Args:
        confusion: counts (K, K) of a point on the analysis set, truth by prediction.
        group: (confusion, size) -> the cluster of each class.
        least: the fewest classes it is asked for.
    """
    classes = len(affinity(confusion))
    if classes < 2:
        raise ValueError(f"got {classes} class; there is nothing to merge; HS3 needs two classes or more")
    groupings = {size: group(confusion, size) for size in range(least, classes)}
    groupings[classes] = np.arange(classes)
    return Tradeoff(groupings, {size: miou(merge(confusion, ids)) for size, ids in groupings.items()})


def by_seen(confusion: Any, point: Tradeoff) -> Tradeoff:
    """The same trade-off by the number of clusters that have a true pixel, for comparing ways to group.

    Where two groupings leave equally many of those, the one with more clusters stands. Nothing changes where every
    class has a pixel.

    Args:
        confusion: the counts (K, K) that the trade-off was made of.
        point: its trade-off.

    >>> counts = [[9, 1, 0], [2, 8, 0], [0, 0, 0]]
    >>> by_seen(counts, tradeoff(counts, lambda *_: np.array([0, 1, 1]))).miou.keys()
    dict_keys([2])
    """
    seen = _seen(confusion)
    found = {len({*ids[seen].tolist()}): size for size, ids in sorted(point.groupings.items())}
    return Tradeoff(
        {n: point.groupings[size] for n, size in found.items()}, {n: point.miou[size] for n, size in found.items()}
    )


def _seen(confusion: Any) -> np.ndarray:
    """Which classes have a true pixel, (K,) bool."""
    return np.asarray(np.asarray(confusion).sum(1) > 0)


def class_count(point: Tradeoff, final: float, *, theta: float = RATIO_DEGREES, unit: float | None = None) -> int:
    """How many classes a point should tell apart (HS3 Section 3.1.2).

    A line leaves the final output (K classes, mIoU `final`) at an angle theta from the vertical:

        tan(theta) = unit * (K - n) / (final - mIoU)

    The count is the largest n at which the point's mIoU lies on or above that line, which settles several crossings;
    where none does, it is the smallest that the trade-off knows. theta = 0 gives K (deep supervision); theta = 90 the
    largest n at which the point reaches the final output's mIoU.

    Args:
        point: its trade-off.
        final: the final output's mIoU over all K classes on the same pixels, a share of one.
        theta: degrees, from 0 to 90.
        unit: mIoU per class, the axes' unit that HS3 leaves open. By default the one at which RATIO_DEGREES is the
            ratio rule, mIoU / n = final / K: the line then goes through the origin.

    >>> point = Tradeoff({}, {2: 0.9, 3: 0.6, 4: 0.3})
    >>> class_count(point, 0.8), class_count(point, 0.8, theta=0), class_count(point, 0.8, theta=90)
    (3, 4, 2)
    """
    if not 0 <= theta <= 90:
        raise ValueError(
            f"got theta={theta}; it goes from 0 (deep supervision) to 90 degrees (the output's mIoU); choose one"
        )
    if not 0 < final <= 1:
        raise ValueError(f"got final={final}; an mIoU is a share above 0 and up to 1; divide per cent by 100")
    if unit is None:
        unit = math.tan(math.radians(RATIO_DEGREES)) * final / point.classes
    if not (math.isfinite(unit) and unit > 0):
        raise ValueError(f"got unit={unit}; it is mIoU per class and positive; leave it out for the ratio rule's")
    across, up = math.sin(math.radians(theta)), math.cos(math.radians(theta)) if theta < 90 else 0.0
    tolerance = 1e-12  # the line itself belongs to it
    met = [
        n for n, share in point.miou.items() if across * (final - share) <= up * unit * (point.classes - n) + tolerance
    ]
    return max(met, default=min(point.miou))
