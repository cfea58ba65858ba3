"""CamVid as first published: 701 frames of 960x720, masks `NAME_L.png` in 32 colours, grouped into 11 classes or not.

Colours: Brostow, Fauqueur, Cipolla, Pattern Recognition Letters 30(2), 2009, label_colors.txt. Groups: those of the
SegNet masks (SegNet, TPAMI 2017), as MathWorks' SegNet example and github.com/lih627/CamVid spell them out.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from .catalogue import Item
from .reading import VOID, FileError, Labels, load

COLOURS = {  # name -> colour, class among the 11
    "Animal": ((64, 128, 64), 9),
    "Archway": ((192, 0, 128), 1),
    "Bicyclist": ((0, 128, 192), 10),
    "Bridge": ((0, 128, 64), 1),
    "Building": ((128, 0, 0), 1),
    "Car": ((64, 0, 128), 8),
    "CartLuggagePram": ((64, 0, 192), 9),
    "Child": ((192, 128, 64), 9),
    "Column_Pole": ((192, 192, 128), 2),
    "Fence": ((64, 64, 128), 7),
    "LaneMkgsDriv": ((128, 0, 192), 3),
    "LaneMkgsNonDriv": ((192, 0, 64), 3),
    "Misc_Text": ((128, 128, 64), 6),
    "MotorcycleScooter": ((192, 0, 192), 10),
    "OtherMoving": ((128, 64, 64), 8),
    "ParkingBlock": ((64, 192, 128), 4),
    "Pedestrian": ((64, 64, 0), 9),
    "Road": ((128, 64, 128), 3),
    "RoadShoulder": ((128, 128, 192), 4),
    "Sidewalk": ((0, 0, 192), 4),
    "SignSymbol": ((192, 128, 128), 6),
    "Sky": ((128, 128, 128), 0),
    "SUVPickupTruck": ((64, 128, 192), 8),
    "TrafficCone": ((0, 0, 64), 2),
    "TrafficLight": ((0, 64, 64), 6),
    "Train": ((192, 64, 128), 8),
    "Tree": ((128, 128, 0), 5),
    "Truck_Bus": ((192, 128, 192), 8),
    "Tunnel": ((64, 0, 64), 1),
    "VegetationMisc": ((192, 192, 0), 5),
    "Void": ((0, 0, 0), VOID),
    "Wall": ((64, 192, 0), 1),
}
NAMES = tuple(COLOURS)
CLASSES = tuple(name for name in NAMES if name != "Void")
PALETTE = [list(COLOURS[name][0]) for name in CLASSES]
RULE = "every pixel has one of the 32 colours"
FAULTY = "Seq05VD_f02610_L.png"  # as published it has pixels of no class colour; they are void
SUFFIX = "_L"
BELOW = ("", "*/", "*/*/")


def colours(path: Path) -> np.ndarray:
    """uint8 (H, W): the place of each pixel's colour among the 32."""
    rgb = np.array(load(path, "a mask in colours", ("RGB", "RGBA", "P")).convert("RGB")).astype(np.int32)
    codes = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    numbers = _numbers()[codes]
    if (numbers == VOID).any():
        if path.name != FAULTY:
            code = int(codes[numbers == VOID][0])
            raise FileError(f"{path}: colour {code >> 16},{code >> 8 & 255},{code & 255}; {RULE}")
        numbers[numbers == VOID] = NAMES.index("Void")
    return numbers


@cache
def _numbers() -> np.ndarray:
    """24-bit colour -> place among the 32; 255: none."""
    table = np.full(1 << 24, VOID, np.uint8)
    for place, (colour, _) in enumerate(COLOURS.values()):
        table[colour[0] << 16 | colour[1] << 8 | colour[2]] = place
    return table


LABELS = {
    11: Labels("colours", colours, {place: k for place, (_, k) in enumerate(COLOURS.values())}, RULE),
    31: Labels(
        "colours",
        colours,
        {place: CLASSES.index(name) if name in CLASSES else VOID for place, name in enumerate(NAMES)},
        RULE,
    ),
}


def part_of(drive: str, number: int) -> str:
    """The SegNet list a frame is in, from its drive and frame number."""
    if drive == "0016E5" and 7959 <= number <= 8159:
        return "val"
    return "test" if drive == "Seq05VD" or (drive == "0001TP" and number > 8520) else "train"


def lies_at(root: Path) -> bool:
    """Whether there is a mask `NAME_L.png` in the folder or in one or two folders below: no whole disk is searched."""
    return any(any(root.glob(f"{below}*{SUFFIX}.png")) for below in BELOW)


def find_items(root: Path) -> tuple[list[Item], list[str]]:
    """Every `NAME_L.png` up to two folders below `root` with the `NAME.png` that belongs to it, and what has none."""
    pictures: dict[str, list[Path]] = {}
    for path in sorted(path for below in BELOW for path in root.glob(f"{below}*.png")):
        if not any(piece.startswith(".") for piece in path.relative_to(root).parts):
            pictures.setdefault(path.stem, []).append(path)
    problems = [f"{paths[1]}: the name is taken by {paths[0]}" for paths in pictures.values() if len(paths) > 1]
    items = []
    for stem, (path, *_) in sorted(pictures.items()):
        if stem.endswith(SUFFIX):
            if stem.removesuffix(SUFFIX) not in pictures:
                problems.append(f"{path}: no image {stem.removesuffix(SUFFIX)}.png")
                continue
            items.append(Item(stem.removesuffix(SUFFIX), (pictures[stem.removesuffix(SUFFIX)][0],), path))
        elif stem + SUFFIX not in pictures:
            problems.append(f"{path}: no mask {stem}{SUFFIX}.png")
    return items, problems
