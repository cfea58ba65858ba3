"""Classes, colours and chance: what every other file draws from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST, VOID = *range(11), 255

Colour = tuple[float, float, float]
Ink = tuple[int, int, int, int]  # red, green, blue, class
Array = np.ndarray[Any, Any]

WALLS: tuple[Colour, ...] = (
    (150, 84, 66), (128, 72, 58), (176, 120, 88), (186, 164, 128), (208, 200, 184), (226, 224, 218), (142, 140, 138),
    (112, 114, 118), (164, 150, 140), (198, 178, 150), (92, 84, 80), (170, 184, 190), (196, 186, 120), (136, 148, 128),
)  # fmt: skip
PAINTWORK: tuple[Colour, ...] = (
    (30, 32, 36), (64, 68, 74), (120, 124, 128), (190, 194, 198), (232, 232, 230), (126, 22, 26), (26, 44, 96),
    (60, 92, 140), (40, 74, 54), (104, 116, 84), (150, 120, 84), (204, 168, 60), (88, 40, 40), (160, 44, 36),
)  # fmt: skip
METALS: tuple[Colour, ...] = ((110, 114, 112), (58, 62, 64), (172, 174, 170), (84, 98, 86))
CLOTHES: tuple[Colour, ...] = (
    (28, 28, 34), (50, 54, 66), (84, 74, 66), (120, 116, 112), (40, 60, 100), (130, 36, 40), (196, 192, 186),
    (70, 90, 70), (170, 130, 60), (150, 90, 110),
)  # fmt: skip
PLATES: tuple[tuple[Colour, Colour], ...] = (
    ((190, 30, 36), (236, 236, 232)), ((30, 70, 150), (40, 84, 170)), ((236, 190, 50), (30, 30, 30)),
    ((200, 200, 196), (84, 86, 84)), ((200, 60, 40), (60, 90, 160)),
)  # fmt: skip
SKIN: tuple[Colour, ...] = ((222, 180, 154), (188, 140, 110), (136, 94, 70), (90, 62, 48))
LEAVES: tuple[Colour, ...] = ((70, 96, 44), (52, 78, 40), (98, 112, 52), (84, 76, 46), (150, 112, 48), (60, 70, 58))


class Dice:
    """Uniform numbers of one stream, drawn in blocks because single draws are slow."""

    def __init__(self, key: Sequence[int]) -> None:
        self._generator = np.random.default_rng(key)
        self._block = iter(self._generator.random(1024).tolist())

    def __call__(self, low: float = 0.0, high: float = 1.0) -> float:
        value = next(self._block, None)
        if value is None:
            self._block = iter(self._generator.random(1024).tolist())
            value = next(self._block)
        return low + (high - low) * value

    def chance(self, share: float) -> bool:
        return self() < share

    def below(self, count: int) -> int:
        return int(self() * count)

    def pick(self, choices: Sequence[Any]) -> Any:
        return choices[int(self() * len(choices))]

    def near(self, colour: Colour, spread: float = 14) -> Colour:
        """A colour like this one: lighter or darker, and a little off in hue."""
        gain = self(0.82, 1.16)
        red, green, blue = colour
        off = spread / 2
        return red * gain + self(-off, off), green * gain + self(-off, off), blue * gain + self(-off, off)


def byte(value: float) -> int:
    """A channel cut to 0..255."""
    return 0 if value < 0 else 255 if value > 255 else int(value)


def pack(colour: Colour, label: int) -> int:
    """A colour and its label as one uint32: red in the lowest byte, then green and blue, the label on top."""
    return byte(colour[0]) | byte(colour[1]) << 8 | byte(colour[2]) << 16 | label << 24


def mixed(a: Colour, b: Colour, share: float) -> Colour:
    """a where share is 0, b where it is 1."""
    keep = 1 - share
    return a[0] * keep + b[0] * share, a[1] * keep + b[1] * share, a[2] * keep + b[2] * share
