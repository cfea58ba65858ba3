"""SYNTHIA-SF: 2,224 drawn street scenes of 1920x1080 in six sequences; 23 ids, void included.

Data: Hernandez-Juarez et al., "Slanted Stixels: Representing San Francisco's Steepest Streets", BMVC 2017. Nobody
published which frames train and which test, so a split is always stated, and its counts must add up.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

from .catalogue import Catalogue, Files, Item, always, drawn
from .cityscapes import TABLE
from .reading import VOID, Labels, red

FRAMES = 2224
SEQUENCES = (1, 2, 3, 4, 5, 6)
# ids 1..19 are Cityscapes' train ids 0..18, in its colours
NAMES = ("void", *(name for name, _, _ in TABLE), "road lines", "other", "road works")
COLOURS = [[0, 0, 0], *(list(colour) for _, colour, _ in TABLE), [157, 234, 50], [72, 0, 98], [167, 106, 29]]
RULE = "ids are 0..22, in the red channel of GTLeft (GTLeftDebug holds colours)"
OPTIONS: dict[str, tuple[Any, ...]] = {"classes": (19, 22, 23), "inputs": ("rgb",)}
REMEDY = "unpack SYNTHIA-SF there again, so that the root holds SEQ1 to SEQ6"
STATE_ONE = (
    "state one: 'random:1596/628' (train/test, drawn with the seed) or 'sequences:2,4,5,6/1/3' (train/val/test), "
    f"any numbers that add to {FRAMES} frames"
)


def labels(classes: int) -> Labels:
    """19: Cityscapes' classes; 22: all but void; 23: all ids as they are, void a class among them, nothing ignored."""
    first = 0 if classes == 23 else 1
    table = {k: k - first if 0 <= k - first < classes else VOID for k in range(len(NAMES))}
    return Labels("ids in red", red, table, RULE)


def find(root: Path, *, classes: int = 19, inputs: str = "rgb") -> Catalogue:
    """RGBLeft with GTLeft of every sequence, by number; the case of folder names does not matter.

    Raises:
        ValueError: no folder.
    """
    if not root.is_dir():
        raise ValueError(f"no folder at {root}; the root holds SEQ1 to SEQ6; {REMEDY}")
    items: list[Item] = []
    problems: list[str] = []
    folders = _folders(root, problems)
    for number in SEQUENCES:
        if f"seq{number}" not in folders:
            problems.append(f"no folder SEQ{number}")
            continue
        found, faults = _sequence(number, folders[f"seq{number}"])
        items += found
        problems += faults
    first = 0 if classes == 23 else 1
    return Catalogue(
        name="synthia_sf",
        root=root,
        classes=NAMES[first : first + classes],
        palette=COLOURS[first : first + classes],
        parts={"all": items},
        reader=Files(root, ("rgb",), partial(always, labels(classes))),
        remedy=REMEDY,
        variant=f"classes={classes}",
        published={"all": FRAMES},
        problems=tuple(problems),
    )


def _folders(parent: Path, problems: list[str]) -> dict[str, Path]:
    """Folders by lower-case name; two that differ in case alone are a problem."""
    found: dict[str, Path] = {}
    for path in sorted(parent.iterdir()):
        if path.is_dir():
            if path.name.lower() in found:
                problems.append(f"{path}: stands beside {found[path.name.lower()].name}, and case does not count")
            found.setdefault(path.name.lower(), path)
    return found


def _sequence(number: int, folder: Path) -> tuple[list[Item], list[str]]:
    problems: list[str] = []
    folders = _folders(folder, problems)
    missing = [name for name in ("RGBLeft", "GTLeft") if name.lower() not in folders]
    if missing:
        return [], [*problems, *(f"{folder}: no folder {name}" for name in missing)]
    images, masks = (
        {int(path.stem): path for path in sorted(folders[name].glob("*.png")) if path.stem.isdigit()}
        for name in ("rgbleft", "gtleft")
    )
    problems += [f"{images[key]}: no label of that number" for key in sorted(images.keys() - masks.keys())]
    problems += [f"{masks[key]}: no image of that number" for key in sorted(masks.keys() - images.keys())]
    keys = sorted(images.keys() & masks.keys())
    return [Item(f"SEQ{number}/{key:07d}", (images[key],), masks[key]) for key in keys], problems


def divide(catalogue: Catalogue, split: str, seed: int = 0) -> dict[str, list[Item]]:
    """Deal out the frames as stated: `random:TRAIN/TEST`, `sequences:LIST/LIST`, each also with a val in the middle.

    Raises:
        ValueError: a split that cannot be read, or counts that do not add to 2,224.
    """
    kind, _, rest = split.partition(":")
    groups = rest.split("/")
    pattern = r"\d+" if kind == "random" else r"[1-6](,[1-6])*"
    if kind not in ("random", "sequences") or len(groups) not in (2, 3) or not all(
        re.fullmatch(pattern, group) for group in groups
    ):  # fmt: skip
        raise ValueError(f"got split {split!r}; SYNTHIA-SF has no published split; {STATE_ONE}")
    names = ("train", "test") if len(groups) == 2 else ("train", "val", "test")
    if catalogue.problems:
        return {name: [] for name in names}
    every = catalogue.items
    if len(every) != FRAMES:
        raise ValueError(f"{catalogue.root} has {len(every)} frames; SYNTHIA-SF has {FRAMES}; {REMEDY}")
    parts = _by_count(every, groups, seed) if kind == "random" else _by_sequence(every, groups)
    counts = list(map(len, parts)) if kind == "sequences" else list(map(int, groups))
    if sum(counts) != FRAMES or len({item for part in parts for item in part}) != FRAMES or 0 in counts:
        told = " + ".join(map(str, counts))
        raise ValueError(f"got split {split!r}: {told} = {sum(counts)} frames; they must add to {FRAMES}; {STATE_ONE}")
    return dict(zip(names, (sorted(part, key=lambda item: item.name) for part in parts), strict=True))


def _by_count(items: list[Item], groups: list[str], seed: int) -> list[list[Item]]:
    order, parts = drawn(items, seed), []
    for count in map(int, groups):
        parts.append(order[:count])
        order = order[count:]
    return parts


def _by_sequence(items: list[Item], groups: list[str]) -> list[list[Item]]:
    wanted = [{f"SEQ{number}" for number in group.split(",")} for group in groups]
    return [[item for item in items if item.name.split("/")[0] in names] for names in wanted]
