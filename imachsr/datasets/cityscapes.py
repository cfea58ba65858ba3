"""Cityscapes: 5,000 finely labelled street scenes of 2048x1024, 19 classes.

Data: Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016. Layout and label table:
github.com/mcordts/cityscapesScripts, README.md and helpers/labels.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .catalogue import Catalogue, Files, Item
from .reading import VOID, Labels, numbers
from .segnet import repeated

# name, colour and id in labelIds; the place in this table is the train id
TABLE = (
    ("road", (128, 64, 128), 7),
    ("sidewalk", (244, 35, 232), 8),
    ("building", (70, 70, 70), 11),
    ("wall", (102, 102, 156), 12),
    ("fence", (190, 153, 153), 13),
    ("pole", (153, 153, 153), 17),
    ("traffic light", (250, 170, 30), 19),
    ("traffic sign", (220, 220, 0), 20),
    ("vegetation", (107, 142, 35), 21),
    ("terrain", (152, 251, 152), 22),
    ("sky", (70, 130, 180), 23),
    ("person", (220, 20, 60), 24),
    ("rider", (255, 0, 0), 25),
    ("car", (0, 0, 142), 26),
    ("truck", (0, 0, 70), 27),
    ("bus", (0, 60, 100), 28),
    ("train", (0, 80, 100), 31),
    ("motorcycle", (0, 0, 230), 32),
    ("bicycle", (119, 11, 32), 33),
)
CLASSES = tuple(name for name, _, _ in TABLE)
PALETTE = [list(colour) for _, colour, _ in TABLE]
LICENSE_PLATE = -1  # id and train id alike; in 8 bits it reads 255
IDS = {k: VOID for k in (*range(34), LICENSE_PLATE, 255)} | {number: k for k, (_, _, number) in enumerate(TABLE)}
TRAIN_IDS = {k: VOID for k in (LICENSE_PLATE, 255)} | {k: k for k in range(len(TABLE))}
LABELS = {
    "labelIds": Labels("labelIds", numbers, IDS, "ids are 0..33, and -1 for license plates"),
    "labelTrainIds": Labels("labelTrainIds", numbers, TRAIN_IDS, "train ids are 0..18, and 255 for the rest"),
}
OPTIONS: dict[str, tuple[Any, ...]] = {"classes": (19,), "inputs": ("rgb",)}
COUNTS = {"train": 2975, "val": 500, "test": 1525}
REMEDY = "unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip of cityscapes-dataset.com there again"
WITHHELD = (
    "its labels are withheld (the files hold only ego vehicle and border), so nothing can be scored on it; take part "
    "'val', or the split 'val500', whose part 'test' is the 500 validation images"
)


def find(root: Path, *, classes: int = 19, inputs: str = "rgb") -> Catalogue:
    """Every leftImg8bit image with its gtFine labels, sorted by city and frame; labelTrainIds where present.

    Raises:
        ValueError: no folder, or no leftImg8bit and gtFine in it.
    """
    for folder in ("leftImg8bit", "gtFine"):
        if not (root / folder).is_dir():
            raise ValueError(f"no folder {root / folder}; the root holds leftImg8bit and gtFine; {REMEDY}")
    parts, problems = {}, []
    for part in COUNTS:
        parts[part], found = _pairs(root, part)
        problems += found
    if not any(parts.values()) and not problems:
        problems.append("no leftImg8bit/PART/CITY/*_leftImg8bit.png")
    return Catalogue(
        name="cityscapes",
        root=root,
        classes=CLASSES,
        palette=PALETTE,
        parts=parts,
        reader=Files(root, ("rgb",), _labels),
        remedy=REMEDY,
        published=COUNTS,
        withheld={"test": WITHHELD},
        problems=(*problems, *repeated(parts)),
    )


def _labels(path: Path) -> Labels:
    return LABELS[path.stem.rsplit("_", 1)[1]]


def _pairs(root: Path, part: str) -> tuple[list[Item], list[str]]:
    """The items of a part, and what has no partner. Test labels may be absent altogether."""
    images = {_frame(path): path for path in root.glob(f"leftImg8bit/{part}/*/*_leftImg8bit.png")}
    masks: dict[str, Path] = {}
    for kind in LABELS:  # train ids last, so that they win
        masks |= {_frame(path): path for path in root.glob(f"gtFine/{part}/*/*_gtFine_{kind}.png")}
    if part == "test" and not masks:
        return [], []
    problems = [f"{images[key]}: no gtFine labels (labelIds or labelTrainIds)" for key in images.keys() - masks.keys()]
    problems += [f"{masks[key]}: no leftImg8bit image" for key in masks.keys() - images.keys()]
    names = sorted(images.keys() & masks.keys())
    return [Item(name, (images[name],), masks[name]) for name in names], sorted(problems)


def _frame(path: Path) -> str:
    """`aachen_000000_000019` from any of its files."""
    return "_".join(path.stem.split("_")[:3])


def divide(catalogue: Catalogue, split: str = "standard", seed: int = 0) -> dict[str, list[Item]]:
    """`standard`: train 2,975 and val 500. `val500`: the same, the 500 as part test, as the papers score.

    Raises:
        ValueError: unknown split.
    """
    train, val = catalogue.parts["train"], catalogue.parts["val"]
    splits = {"standard": {"train": train, "val": val}, "val500": {"train": train, "test": val}}
    if split not in splits:
        raise ValueError(f"got split {split!r}; cityscapes has the splits {', '.join(splits)}; choose one of them")
    return splits[split]
