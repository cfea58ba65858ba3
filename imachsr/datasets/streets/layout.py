"""Layout: what stands where along the street, in metres; houses, hedges and railings are raised here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .colours import BUILDING, FENCE, LEAVES, PAINTWORK, SIGN, TREE, WALLS, Colour, Dice, mixed, pack
from .textures import BOARDS, BRICKS, FASCIA, HEDGE, HOUSE, OFFICE, PLAIN, RAILING, SHOPS
from .weather import Weather


class Wall(NamedTuple):
    """A front along the street, with what it is made of; lengths in metres."""

    side: int  # -1 left, 1 right
    distance: float  # from the camera's line to the front
    start: float
    stop: float
    eaves: float
    roof: float  # height above the eaves
    style: int
    storey: float
    bay: float
    depth: float
    palette: list[int]  # packed colour and class of every material


class Street:
    """One street and the shadows on it; empty at first, `raise_walls` and the plans of things and traffic fill it."""

    def __init__(self, dice: Dice, weather: Weather) -> None:
        self.dice, self.weather = dice, weather
        road = dice(5.5, 9.5)
        self.drives = dice.pick((-1, 1))  # the side one drives on
        lane = self.drives * dice(0.05, 0.32) * road
        self.kerbs = -road / 2 - lane, road / 2 - lane
        self.paths = dice(1.4, 4.5), dice(1.4, 4.5)
        self.fronts = tuple(
            (kerb - path if side < 0 else kerb + path)
            for side, kerb, path in zip((-1, 1), self.kerbs, self.paths, strict=True)
        )
        self.closed = dice.chance(0.6)  # a house stands across the end, behind a side street
        self.end = dice(20, 40) if self.closed and dice.chance(0.22) else dice(45, 160)
        self.density = dice(0.35, 1.0)  # how built-up
        self.green = dice.chance(0.14), dice.chance(0.14)  # a side with trees instead of houses
        self.walls: list[Wall] = []
        self.gaps: list[tuple[int, float, float]] = []  # side streets: side, from, to
        self.things: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []  # depth, painter, its arguments
        self.shadows: list[tuple[float, float, float, float, float]] = []  # x, z, half width, half depth, what is left

    def put(self, z: float, painter: Callable[..., None], x: float, *rest: Any) -> None:
        """A thing to be painted, at depth z, by `painter(canvas, x, z, *rest)`."""
        self.things.append((z, painter, (x, z, *rest)))

    def shadow(self, x: float, z: float, wide: float, deep: float, tall: float) -> None:
        """Contact shadow, and in sunshine a longer one away from the sun."""
        self.shadows.append((x, z, wide * 1.1, deep * 1.05, 0.55))
        if self.weather.direct > 0.2:
            reach = min(tall * self.weather.sun_reach, 6) / 2
            x, z = x - self.weather.sun * reach, z + reach * self.weather.sun_shear * 0.5
            self.shadows.append((x, z, wide + reach, deep, 0.68))


def raise_walls(street: Street) -> None:
    """Houses, hedges and railings of both sides, and the side streets between them."""
    for side in (-1, 1):
        if not street.green[side > 0]:
            _house_row(street, side)
        if street.dice.chance(0.9 if street.green[side > 0] else 0.5):
            _boundary(street, side)
        if street.closed:
            street.gaps.append((side, street.end - 8, street.end - 2))
    if street.closed:
        tall, style = street.dice(5, 13), street.dice.pick((HOUSE, SHOPS, OFFICE, BRICKS))
        _house(street, 1, -28, street.end, street.end + 9, 57, tall, style)


def _house_row(street: Street, side: int) -> None:
    dice, front = street.dice, abs(street.fronts[side > 0])
    z, tall = -6 + dice(0, 8), dice(4, 11)
    style = dice.pick((HOUSE, SHOPS, SHOPS, OFFICE, BRICKS))
    stop = street.end - 9 if street.closed else street.end
    while z < stop:
        if dice.chance(0.12 + 0.5 * (1 - street.density)):
            gap = dice(5, 16)
            if dice.chance(0.5):
                street.gaps.append((side, z, z + min(gap, 8)))
            z += gap
            continue
        length = min(dice(6, 19), stop - z + 1)
        if dice.chance(0.5):
            tall, style = dice(4, 13), dice.pick((HOUSE, SHOPS, SHOPS, OFFICE, BRICKS))
        setback = dice(0, 5) * dice.chance(0.25)
        _house(street, side, front + setback, z, z + length, 9, tall, style)
        z += length


def _house(
    street: Street, side: int, distance: float, start: float, stop: float, depth: float, tall: float, style: int
) -> None:
    dice = street.dice
    wall = dice.near(dice.pick(WALLS))
    roof = dice.near(dice.pick(((90, 72, 66), (74, 76, 82), (128, 84, 66), (104, 100, 96))))
    glass = mixed((44, 52, 60), street.weather.sky_low, dice(0, 0.45))
    lit = (236, 204, 140) if street.weather.name in ("dusk", "rain") else mixed(wall, (240, 236, 226), 0.6)
    fascia = dice.near(dice.pick(PAINTWORK), 40)
    label = SIGN if dice.chance(0.3) else BUILDING
    trim = mixed(wall, dice.pick(((240, 238, 230), (60, 56, 54))), dice(0.15, 0.7))
    inks: tuple[Colour, ...] = (
        wall, trim, dice.pick(((236, 236, 232), (70, 66, 62), trim)), glass, lit,
        dice.near(dice.pick(PAINTWORK), 30), fascia, dice.near(dice.pick((glass, lit, (96, 88, 84)))), roof,
        mixed(roof, (0, 0, 0), 0.18), wall, mixed(glass, street.weather.sky_top, 0.6),
    )  # fmt: skip
    palette = [pack(ink, label if k == FASCIA else BUILDING) for k, ink in enumerate(inks)]
    pitch = dice(1.5, 4) if style in (HOUSE, SHOPS) and dice.chance(0.7) else 0.0
    storey, bay = dice(2.7, 3.5), dice(2.6, 5.5)
    street.walls.append(Wall(side, distance, start, stop, tall, pitch, style, storey, bay, depth, palette))


def _boundary(street: Street, side: int) -> None:
    """A hedge, garden wall, hoarding or railing along the back of the pavement, or a railing at the kerb."""
    dice = street.dice
    style = dice.pick((HEDGE, PLAIN, BOARDS, RAILING, RAILING))
    start = dice(1, 20)
    stop = start + dice(8, 40)
    at_kerb = style == RAILING and dice.chance(0.4)
    distance = abs(street.kerbs[side > 0]) + 0.3 if at_kerb else abs(street.fronts[side > 0]) - 0.15
    colour, label, tall = {
        HEDGE: (dice.pick(LEAVES), TREE, dice(0.9, 2.6)),
        PLAIN: (dice.pick(WALLS), BUILDING, dice(0.7, 2.0)),
        BOARDS: (dice.pick(((140, 112, 80), (96, 104, 92), (150, 148, 144), (70, 86, 120))), FENCE, dice(1.1, 2.3)),
        RAILING: (dice.pick(((40, 42, 46), (120, 124, 126), (200, 200, 196))), FENCE, dice(0.95, 1.5)),
    }[style]
    colour = dice.near(colour)
    inks = [colour, mixed(colour, (0, 0, 0), 0.3), mixed(colour, (255, 255, 255), 0.2)] + [colour] * 9
    palette = [pack(ink, label) for ink in inks]
    bay = 2.4 if style != RAILING else 1.2
    street.walls.append(Wall(side, distance, start, stop, tall, 0.0, style, tall, bay, 0.3, palette))
