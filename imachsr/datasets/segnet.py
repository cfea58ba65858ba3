"""The SegNet layout on disk: list files, images and masks, read with every doubt refused.

A root holds `train.txt`, `val.txt`, `test.txt`, each line an image and its mask, and the folders they name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

LISTS = ("train", "val", "test")
FORMATS = (".png", ".webp")
FILE_VOID = 11  # void in the mask files, handed out as VOID
VOID = 255
DAMAGED = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # how Pillow calls damaged files
REMEDY = "fetch a fresh copy with `imachsr data get camvid --root DIR`"


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
    text = (root / f"{name}.txt").read_text("utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
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
    if not pairs and not problems:
        problems.append(f"{name}.txt names no pairs")
    return sorted(pairs, key=lambda pair: pair.image.stem), problems


def _resolve(root: Path, entry: str) -> Path:
    path = root.joinpath(*entry.replace("\\", "/").split("/")[-2:])
    return next((p for p in (path, *map(path.with_suffix, FORMATS)) if p.is_file()), path)


def gather(root: Path) -> tuple[dict[str, list[Pair]], list[str]]:
    """The pairs of train.txt, val.txt and test.txt, and what is wrong with the lists."""
    lists, problems = {}, []
    for name in LISTS:
        lists[name], found = find_pairs(root, name)
        problems += found
    stems = Counter(pair.image.stem for pairs in lists.values() for pair in pairs)
    problems += [f"frame {stem} is listed {times} times" for stem, times in sorted(stems.items()) if times > 1]
    return lists, problems


def read_lists(root: Path) -> dict[str, list[Pair]]:
    """The pairs of train.txt, val.txt and test.txt; refuses lists with faults."""
    lists, problems = gather(root)
    if problems:
        raise ValueError(f"{root}: {few(problems)}; every image needs one mask, once; {REMEDY}")
    return lists


def read_image(path: Path) -> np.ndarray:
    """uint8 (H, W, 3)."""
    return np.array(_load(path, "an 8-bit picture", ("RGB", "RGBA", "L", "P")).convert("RGB"))


def read_mask(path: Path) -> np.ndarray:
    """uint8 (H, W): classes 0..10, and 255 where the file says 11; any other value is refused."""
    mask = np.array(_load(path, "8-bit class numbers", ("L", "P")))
    if mask.max() > FILE_VOID:
        strange = [str(value) for value in np.unique(mask) if value > FILE_VOID]
        found = ", ".join(strange[:4]) + (f" and {len(strange) - 4} more" if len(strange) > 4 else "")
        raise ValueError(f"{path}: label {found}; labels are 0..10, and 11 for void; {REMEDY}")
    mask[mask == FILE_VOID] = VOID
    return mask


def _load(path: Path, rule: str, modes: tuple[str, ...]) -> Image.Image:
    try:
        with Image.open(path) as picture:
            picture.load()
    except DAMAGED as error:
        raise ValueError(f"{path}: {error}; the file must be a readable picture; {REMEDY}") from error
    if picture.mode not in modes:
        raise ValueError(f"{path}: mode {picture.mode}; it must hold {rule} (mode {' or '.join(modes)}); {REMEDY}")
    return picture


def size_problem(pair: Pair, image: Sequence[int], mask: Sequence[int]) -> str:
    """What to say when an image and its mask differ in size (height, width)."""
    sizes = f"{image[1]}x{image[0]} against {mask[1]}x{mask[0]}"
    return f"{pair.image.name} and {pair.mask}: {sizes}; image and mask must have the same size; {REMEDY}"


def few(problems: Sequence[str], count: int = 3) -> str:
    """The first problems in one line, and how many more there are."""
    return "; ".join(problems[:count]) + (f"; and {len(problems) - count} more" if len(problems) > count else "")
