"""Classes merged by hand, most alike first, and class counts that need no data (HS3 Section 3.1.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .clusters import canonical

_STREET = (
    ("pedestrian", "bicyclist"), ("pole", "sign"), ("road", "pavement"), ("building", "fence"), ("car", "pedestrian"),
    ("building", "pole"), ("building", "tree"), ("building", "sky"), ("road", "building"),
)  # fmt: skip

# data -> pairs of classes whose clusters become one, in this order; our choice, as HS3 does not print its own.
# Cityscapes passes through its seven official categories, NYUDv2 through floor, structure, furniture and props.
MANUAL: dict[str, tuple[tuple[str, str], ...]] = {
    "streets": _STREET,
    "camvid": _STREET,
    "cityscapes": (
        ("person", "rider"), ("motorcycle", "bicycle"), ("truck", "bus"), ("traffic light", "traffic sign"),
        ("wall", "fence"), ("vegetation", "terrain"), ("bus", "train"), ("pole", "traffic sign"), ("road", "sidewalk"),
        ("car", "bus"), ("building", "wall"), ("car", "motorcycle"), ("car", "person"), ("building", "pole"),
        ("building", "vegetation"), ("building", "sky"), ("road", "building"),
    ),
    "nyudv2": (
        ("counter", "desk"), ("night stand", "dresser"), ("bookshelf", "shelves"), ("curtain", "shower curtain"),
        ("books", "paper"), ("floor", "floor mat"), ("sink", "bathtub"), ("chair", "sofa"), ("picture", "whiteboard"),
        ("clothes", "towel"), ("blinds", "curtain"), ("box", "bag"), ("cabinet", "dresser"), ("table", "desk"),
        ("mirror", "picture"), ("window", "blinds"), ("television", "refridgerator"), ("toilet", "sink"),
        ("lamp", "otherprop"), ("pillow", "clothes"), ("books", "box"), ("wall", "otherstructure"),
        ("cabinet", "bookshelf"), ("otherfurniture", "cabinet"), ("door", "window"), ("bed", "chair"),
        ("wall", "ceiling"), ("otherprop", "books"), ("otherprop", "pillow"), ("otherprop", "television"),
        ("table", "cabinet"), ("wall", "door"), ("otherprop", "person"), ("table", "toilet"), ("table", "bed"),
        ("wall", "mirror"), ("table", "otherprop"), ("wall", "floor"),
    ),
}  # fmt: skip


def manual(data: str, classes: Sequence[str], size: int) -> np.ndarray:
    """Merge classes by hand to `size` clusters (HS3 Section 3.1.3).

    Args:
        data: one of `MANUAL`.
        classes: the dataset's class names, K.
        size: S, from 2 to K.

    Returns:
        The cluster of each class, (K,) int64, numbered in order of their first class.

    Raises:
        ValueError: data without a grouping, other classes than its own, or a size out of range.
    """
    if data not in MANUAL:
        raise ValueError(f"got data {data!r}; classes are grouped by hand for {[*MANUAL]}; cluster by data instead")
    pairs = MANUAL[data]
    unknown = {name for pair in pairs for name in pair} ^ set(classes)
    if unknown or len(set(classes)) != len(classes):
        raise ValueError(f"got classes that differ from those grouped for {data!r} in {sorted(unknown)}; use its own")
    if not 2 <= size <= len(classes):
        raise ValueError(f"got size={size} for {len(classes)} classes; clusters number from 2 to K; choose one")
    ids = np.arange(len(classes))
    for one, other in pairs[: len(classes) - size]:
        ids[ids == ids[classes.index(other)]] = ids[classes.index(one)]
    return canonical(ids)


def halving(classes: int, count: int) -> list[int]:
    """Class counts for `count` points, each half of the next one's, the last half of K (HS3 Section 3.1.3).

    >>> halving(40, 2)
    [10, 20]
    """
    if classes < 2 or count < 1:
        raise ValueError(
            f"got {classes} classes and {count} points; there are two classes and one point at least; pass more"
        )
    return [max(2, round(classes / 2 ** (count - m))) for m in range(count)]
