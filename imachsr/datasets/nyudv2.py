"""NYUDv2: 1,449 indoor frames of 640x480 with RGB, HHA and depth; 40 classes.

Data: Silberman, Hoiem, Kohli, Fergus, ECCV 2012; classes: Gupta, Arbelaez, Malik, CVPR 2013. Folders and lists:
github.com/charlesCXK/RGBD_Semantic_Segmentation_PyTorch (SA-Gate), whose lists are the official 795 / 654.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from .catalogue import Catalogue, Files, Item, always
from .reading import VOID, Labels, numbers
from .segnet import repeated

CLASSES = (  # spelt as published
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "refridgerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand",
    "toilet", "sink", "lamp", "bathtub", "bag", "otherstructure", "otherfurniture", "otherprop",
)  # fmt: skip
# the files' 0 is unlabelled; k - 1 in 8 bits would wrap it around to 255 by luck
LABELS = Labels("numbers", numbers, {0: VOID, **{k: k - 1 for k in range(1, 41)}}, "labels are 1..40, and 0 for none")
FOLDERS = {"rgb": "RGB", "hha": "HHA", "depth": "Depth"}
SUFFIXES = {"rgb": (".jpg", ".png"), "hha": (".jpg", ".png"), "depth": (".npy",)}
OPTIONS: dict[str, tuple[Any, ...]] = {
    "classes": (40,),
    "inputs": ("rgb+hha", "rgb", "hha", "depth", "rgb+depth", "rgb+hha+depth"),
}
COUNTS = {"train": 795, "test": 654}
REMEDY = "restore it from the prepared NYUDv2 of github.com/charlesCXK/RGBD_Semantic_Segmentation_PyTorch"


def colours(count: int) -> list[list[int]]:
    """Distinct colours by class number: its bits, spread over the high bits of red, green and blue."""
    return [[sum((k >> 3 * bit + c & 1) << 7 - bit for bit in range(8)) for c in range(3)] for k in range(1, count + 1)]


def find(root: Path, *, classes: int = 40, inputs: str = "rgb+hha") -> Catalogue:
    """The frames of train.txt and test.txt, by number. List lines are `RGB/2.jpg<TAB>Label/2.png` or bare names.

    Raises:
        ValueError: no folder, or no lists in it.
    """
    kinds = tuple(inputs.split("+"))
    parts, problems = {}, []
    for part in COUNTS:
        if not (root / f"{part}.txt").is_file():
            raise ValueError(f"no {root / part}.txt; the root holds train.txt, test.txt, RGB, HHA, Label; {REMEDY}")
        parts[part], found = _listed(root, part, kinds)
        problems += found
    return Catalogue(
        name="nyudv2",
        root=root,
        classes=CLASSES,
        palette=colours(len(CLASSES)),
        parts=parts,
        reader=Files(root, kinds, partial(always, LABELS)),
        remedy=REMEDY,
        inputs=kinds,
        variant=f"inputs={inputs}",
        published=COUNTS,
        problems=(*problems, *repeated(parts)),
    )


def _listed(root: Path, part: str, kinds: tuple[str, ...]) -> tuple[list[Item], list[str]]:
    """The items a list names, by number, and what is missing."""
    items, problems = [], []
    for number, line in enumerate((root / f"{part}.txt").read_text("utf-8-sig", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        stem = Path(line.split("\t")[0].strip()).stem
        inputs = tuple(_resolve(root / FOLDERS[kind], stem, SUFFIXES[kind]) for kind in kinds)
        mask = root / "Label" / f"{stem}.png"
        missing = [path.relative_to(root).as_posix() for path in (*inputs, mask) if not path.is_file()]
        if missing:
            problems.append(f"{part}.txt line {number}: no {', '.join(missing)}")
        else:
            items.append(Item(stem, inputs, mask))
    if not items and not problems:
        problems.append(f"{part}.txt names no frames")
    return sorted(items, key=lambda item: (len(item.name), item.name)), problems


def _resolve(folder: Path, stem: str, suffixes: tuple[str, ...]) -> Path:
    paths = [folder / (stem + suffix) for suffix in suffixes]
    return next((path for path in paths if path.is_file()), paths[0])


def divide(catalogue: Catalogue, split: str = "standard", seed: int = 0) -> dict[str, list[Item]]:
    """`standard`: the official 795 / 654.

    Raises:
        ValueError: unknown split.
    """
    if split != "standard":
        raise ValueError(f"got split {split!r}; nyudv2 has the split standard; choose it")
    return dict(catalogue.parts)
