"""How a street scene of `streets.Streets` is drawn.

Coordinates are metres: x to the right of the camera along the (possibly curved) road, y up from the ground, z ahead.
Surfaces (sky, ground, house fronts, walls, fences) are cast column by column in numpy; things that stand on the
ground are polygons, painted far to near. A pixel is one uint32, red | green << 8 | blue << 16 | class << 24, so that
colour and label are written by the same stroke and cannot drift apart. Only +, -, *, / and sqrt touch floats, so that
no platform's libm has a say.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST, VOID = *range(11), 255

Colour = tuple[float, float, float]
Array = np.ndarray[Any, Any]

# materials of walls (columns of a wall's palette) and of the ground
WALL, TRIM, FRAME, GLASS, CURTAIN, DOOR, FASCIA, SHOP, ROOF, RIDGE, SEE, SHINE = range(12)
ASPHALT, PAINT, YELLOW, KERB, SLAB, JOINT, VERGE, PATCH = range(8)
# styles of walls (slices of the atlas)
HOUSE, SHOPS, OFFICE, PLAIN, BRICKS, HEDGE, BOARDS, RAILING = range(8)

TILE = 512  # side of the noise tiles, a power of two so that `&` wraps
CELL = 64  # texels per storey and per bay in the atlas
LATERAL = 64  # ground table: steps per metre, from -32 m to 32 m
NEAR = 0.7  # m, nothing is projected from closer than this

# name: sky above, sky at the horizon, ambient, direct light, haze distance (m), tint, chance of a wet road, odds
WEATHER: dict[str, tuple[Colour, Colour, float, float, float, Colour, float, float]] = {
    "clear": ((96, 142, 205), (196, 214, 232), 0.58, 0.52, 900, (1.0, 1.0, 1.0), 0.0, 4),
    "bright": ((214, 222, 230), (247, 248, 250), 0.62, 0.40, 500, (1.0, 1.0, 1.0), 0.0, 4),
    "overcast": ((150, 154, 160), (196, 199, 203), 0.82, 0.05, 350, (0.98, 1.0, 1.02), 0.25, 5),
    "golden": ((120, 138, 176), (240, 206, 158), 0.52, 0.62, 420, (1.08, 0.98, 0.84), 0.0, 2),
    "fog": ((184, 187, 190), (192, 195, 198), 0.86, 0.0, 42, (1.0, 1.0, 1.0), 0.3, 1.5),
    "rain": ((104, 110, 120), (144, 150, 158), 0.70, 0.0, 130, (0.94, 0.99, 1.05), 1.0, 2),
    "dusk": ((52, 64, 104), (178, 138, 122), 0.46, 0.10, 260, (0.95, 0.92, 1.08), 0.3, 1.5),
}

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


def _byte(value: float) -> int:
    return 0 if value < 0 else 255 if value > 255 else int(value)


def _packed(colour: Colour, label: int) -> int:
    return _byte(colour[0]) | _byte(colour[1]) << 8 | _byte(colour[2]) << 16 | label << 24


def _mixed(a: Colour, b: Colour, share: float) -> Colour:
    """a where share is 0, b where it is 1."""
    keep = 1 - share
    return a[0] * keep + b[0] * share, a[1] * keep + b[1] * share, a[2] * keep + b[2] * share


# --- textures, made once per process from fixed seeds ---------------------------------------------------------------


def _smooth(grid: Array, times: int) -> Array:
    """A periodic grid of integers, doubled `times` times with linear interpolation."""
    for _ in range(times):
        for axis in (0, 1):
            middle = (grid + np.roll(grid, -1, axis)) // 2
            grid = np.stack([grid, middle], axis + 1).reshape([n * (1 + (k == axis)) for k, n in enumerate(grid.shape)])
    return grid


@functools.cache
def _noise() -> tuple[Array, Array, Array]:
    """Periodic int16 tiles (TILE, TILE) about zero: grain (+-64), grain with blotches (+-64), clouds (+-128)."""
    generator = np.random.default_rng(20)
    grain = generator.integers(-32, 33, (2, TILE, TILE)).sum(0)

    def layer(step: int, span: int) -> Array:
        return _smooth(generator.integers(-span, span + 1, (TILE >> step, TILE >> step)), step)

    blotches = grain // 2 + layer(2, 28) + layer(4, 24)
    clouds = layer(7, 100) + layer(6, 64) + layer(5, 36) + layer(4, 20) + layer(3, 10)
    return grain.astype(np.int16), blotches.clip(-64, 64).astype(np.int16), clouds.clip(-128, 127).astype(np.int16)


def _sample(tile: Array, row: Array, column: Array) -> Array:
    """A periodic tile at integer places; flat indices, because `take` is much faster than two index arrays."""
    return tile.take(((row & (TILE - 1)) * TILE) | (column & (TILE - 1)))


@functools.cache
def _atlas() -> Array:
    """Materials of one bay per style, flat (styles, 3 * CELL rows: ground floor, upper, roof, each upwards; CELL)."""
    atlas = np.full((8, 3 * CELL, CELL), WALL, np.uint8)
    atlas[:, 2 * CELL :] = ROOF
    atlas[:, 2 * CELL :: 8] = RIDGE

    def window(style: int, y0: int, y1: int, x0: int, x1: int, glass: int = GLASS, bars: int = 2) -> None:
        atlas[style, y0 - 3 : y0, x0 - 3 : x1 + 3] = TRIM
        atlas[style, y1 : y1 + 4, x0 - 2 : x1 + 2] = TRIM
        atlas[style, y0:y1, x0:x1] = FRAME
        step = (x1 - x0) // bars
        for left in range(x0, x1 - step + 1, step):
            atlas[style, y0 + 2 : y1 - 2, left + 2 : left + step - 1] = glass
        atlas[style, (y0 + y1) // 2, x0:x1] = FRAME

    window(HOUSE, 20, 50, 6, 30)
    atlas[HOUSE, 2:46, 40:56] = DOOR
    atlas[HOUSE, 46:52, 40:56] = GLASS
    window(HOUSE, CELL + 16, CELL + 48, 8, 28)
    window(HOUSE, CELL + 16, CELL + 48, 38, 58)
    atlas[SHOPS, 4:44, 2:62] = FRAME
    atlas[SHOPS, 8:42, 4:40] = SHOP
    atlas[SHOPS, 4:42, 44:58] = DOOR
    atlas[SHOPS, 14:40, 47:55] = SHOP
    atlas[SHOPS, 47:60, 1:63] = FASCIA
    window(SHOPS, CELL + 18, CELL + 50, 16, 46)
    atlas[OFFICE, 6:52, :] = SHOP
    atlas[OFFICE, 6:52, ::16] = FRAME
    atlas[OFFICE, CELL + 18 : CELL + 52, :] = GLASS
    atlas[OFFICE, CELL + 18 : CELL + 52, ::16] = FRAME
    atlas[OFFICE, CELL : CELL + 6, :] = TRIM
    window(PLAIN, CELL + 22, CELL + 46, 26, 40, bars=1)
    window(BRICKS, 14, 52, 18, 46, bars=3)
    window(BRICKS, CELL + 12, CELL + 52, 20, 44, bars=3)
    atlas[BRICKS, CELL - 3 : CELL + 1, :] = TRIM
    atlas[HEDGE] = np.random.default_rng(21).integers(0, 2, atlas[HEDGE].shape)
    atlas[BOARDS, :, ::8] = TRIM
    atlas[BOARDS, :, :5] = FRAME
    atlas[RAILING] = SEE
    atlas[RAILING, :, ::8] = WALL
    atlas[RAILING, :, 1::8] = WALL
    atlas[RAILING, 54:60] = WALL
    atlas[RAILING, 6:10] = WALL
    atlas[RAILING, :, :5] = TRIM
    return atlas.reshape(-1)


def _twigs(generator: np.random.Generator, size: int) -> Array:
    """A bare crown: branches that fork, drawn as lines; 0 is see-through."""
    picture = Image.new("L", (size, size))
    draw = ImageDraw.Draw(picture)
    ends = [(size / 2, size * 1.0, 0.0, -1.0, size * 0.26)]
    for level in range(7):
        grown = []
        for x, y, dx, dy, reach in ends:
            for _ in range(2 if level else 4):
                bx, by = dx + generator.uniform(-0.7, 0.7), dy + generator.uniform(-0.45, 0.35)
                norm = (bx * bx + by * by) ** 0.5 + 1e-6
                bx, by = bx / norm, by / norm
                tip = x + bx * reach, y + by * reach
                draw.line((x, y, *tip), fill=40 + 26 * level, width=max(1, 4 - level))
                grown.append((*tip, bx, by, reach * 0.76))
        ends = grown if len(grown) < 260 else grown[::2]
    return np.asarray(picture)


@functools.cache
def _crowns() -> tuple[list[Array], list[Array]]:
    """Leafy and bare crowns, uint8 (128, 128): 0 is see-through, 1..255 dark to light."""
    generator, size = np.random.default_rng(22), 128
    y, x = np.mgrid[0:size, 0:size] * (2 / (size - 1)) - 1
    _, blotches, clouds = _noise()
    leafy = []
    for number in range(8):
        cut = slice(53 * number, 53 * number + size), slice(31 * number, 31 * number + size)
        lumps = np.full((size, size), -1.0)
        for _ in range(9):
            cx, cy, radius = generator.uniform(-0.5, 0.5), generator.uniform(-0.45, 0.5), generator.uniform(0.28, 0.42)
            lumps = np.maximum(lumps, 1 - ((x - cx) ** 2 + (y - cy) ** 2) / radius**2)
        solid = lumps * 130 + clouds[cut] * 0.35 + blotches[cut] * (0.5 + 0.12 * number) > 26
        shade = 118 + blotches[cut] * 1.1 - 52 * y - 22 * x + 40 * lumps
        leafy.append(np.where(solid, shade.clip(1, 255), 0).astype(np.uint8))
    return leafy, [_twigs(generator, size) for _ in range(5)]


# --- the scene ------------------------------------------------------------------------------------------------------


class Scene:
    """One street, drawn once: `picture` is uint8 (H, W, 3), `labels` uint8 (H, W)."""

    def __init__(self, key: Sequence[int], height: int, width: int) -> None:
        self.dice, self.H, self.W = Dice(key), height, width
        self._place_camera()
        self._choose_weather()
        self._plan_street()
        self._raise_walls()
        things = self._plan()
        surfaces = self._surfaces()
        self.image = Image.frombuffer("RGBA", (width, height), surfaces.tobytes(), "raw", "RGBA", 0, 1)
        self.draw = ImageDraw.Draw(self.image)
        for _, paint in things:
            paint()
        self._foreground()
        self._develop()

    def _place_camera(self) -> None:
        dice, H, W = self.dice, self.H, self.W
        self.focal = W * dice(0.8, 1.15)
        self.u0 = W * (0.5 + dice(-0.14, 0.14) + dice(-0.1, 0.1))
        self.v0 = H * dice(0.38, 0.54)
        self.eye = dice(1.25, 1.9)
        self.bend = dice(-1, 1) * dice(0, 1) * 0.012  # 1 / m
        self.u = np.arange(W, dtype=np.float32) + 0.5
        self.slope = (self.u - self.u0) / self.focal  # x / z of every column

    def _choose_weather(self) -> None:
        dice = self.dice
        names = [name for name, row in WEATHER.items() for _ in range(int(row[-1] * 2))]
        self.weather = dice.pick(names)
        top, low, ambient, direct, haze, tint, wet, _ = WEATHER[self.weather]
        self.sky_top, self.sky_low = dice.near(top, 10), dice.near(low, 6)
        self.ambient, self.direct = ambient * dice(0.9, 1.06), direct * dice(0.7, 1.1)
        self.haze = haze * dice(0.7, 1.5)
        self.mist = _mixed(self.sky_low, self.sky_top, 0.15)
        self.tint, self.wet = tint, dice.chance(wet)
        self.sun = dice.pick((-1, 1))  # side the sun stands on
        self.sun_behind = dice(-0.6, 1)  # 1: behind the camera, so that fronts facing it are lit
        self.sun_reach = dice(0.3, 1.9)  # metres of shadow per metre of height
        self.sun_shear = dice(-1.2, 1.2)

    def _plan_street(self) -> None:
        dice = self.dice
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

    # light and projection

    def _light(self, z: float, colour: Colour, label: int, gain: float = 1.0) -> tuple[int, int, int, int]:
        """Ink for a colour at depth z: lit, hazy, with its class."""
        share = z / (z + self.haze)
        gain *= self.ambient + 0.5 * self.direct
        keep = gain * (1 - share)
        mist = self.mist
        return (
            _byte(colour[0] * keep + mist[0] * share),
            _byte(colour[1] * keep + mist[1] * share),
            _byte(colour[2] * keep + mist[2] * share),
            label,
        )

    def at(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Pixel of a point (x along the bent road, y above the ground, z ahead)."""
        z = max(z, NEAR)
        scale = self.focal / z
        return self.u0 + (x + 0.5 * self.bend * z * z) * scale, self.v0 + (self.eye - y) * scale

    def face(self, corners: Sequence[tuple[float, float, float]], ink: tuple[int, int, int, int]) -> None:
        self.draw.polygon([self.at(*corner) for corner in corners], fill=ink)

    def upright(self, x0: float, x1: float, y0: float, y1: float, z: float, ink: tuple[int, int, int, int]) -> None:
        """A rectangle that faces the camera, at least one pixel wide."""
        left, top = self.at(x0, y1, z)
        right, bottom = self.at(x1, y0, z)
        left, top, right, bottom = int(left + 0.5), int(top + 0.5), int(right - 0.5), int(bottom - 0.5)
        self.draw.rectangle((left, top, max(left, right), max(top, bottom)), fill=ink)

    # walls: everything that is cast column by column

    def _raise_walls(self) -> None:
        """Rows of (side, distance, from, to, eaves, roof, style, storey, bay, depth, palette), both sides."""
        self.walls: list[tuple[Any, ...]] = []
        self.gaps: list[tuple[int, float, float]] = []  # side streets: side, from, to
        for side in (-1, 1):
            if not self.green[side > 0]:
                self._house_row(side)
            if self.dice.chance(0.9 if self.green[side > 0] else 0.5):
                self._boundary(side)
            if self.closed:
                self.gaps.append((side, self.end - 8, self.end - 2))
        if self.closed:
            self._house(
                1, -28, self.end, self.end + 9, 57, self.dice(5, 13), self.dice.pick((HOUSE, SHOPS, OFFICE, BRICKS))
            )

    def _house_row(self, side: int) -> None:
        dice, front = self.dice, abs(self.fronts[side > 0])
        z, tall = -6 + dice(0, 8), dice(4, 11)
        style = dice.pick((HOUSE, SHOPS, SHOPS, OFFICE, BRICKS))
        stop = self.end - 9 if self.closed else self.end
        while z < stop:
            if dice.chance(0.12 + 0.5 * (1 - self.density)):
                gap = dice(5, 16)
                if dice.chance(0.5):
                    self.gaps.append((side, z, z + min(gap, 8)))
                z += gap
                continue
            length = min(dice(6, 19), stop - z + 1)
            if dice.chance(0.5):
                tall, style = dice(4, 13), dice.pick((HOUSE, SHOPS, SHOPS, OFFICE, BRICKS))
            setback = dice(0, 5) * dice.chance(0.25)
            self._house(side, front + setback, z, z + length, 9, tall, style)
            z += length

    def _house(
        self, side: int, distance: float, start: float, stop: float, depth: float, tall: float = 8, style: int = HOUSE
    ) -> None:
        dice = self.dice
        wall = dice.near(dice.pick(WALLS))
        roof = dice.near(dice.pick(((90, 72, 66), (74, 76, 82), (128, 84, 66), (104, 100, 96))))
        glass = _mixed((44, 52, 60), self.sky_low, dice(0, 0.45))
        lit = (236, 204, 140) if self.weather in ("dusk", "rain") else _mixed(wall, (240, 236, 226), 0.6)
        fascia = dice.near(dice.pick(PAINTWORK), 40)
        label = SIGN if dice.chance(0.3) else BUILDING
        trim = _mixed(wall, dice.pick(((240, 238, 230), (60, 56, 54))), dice(0.15, 0.7))
        inks: tuple[Colour, ...] = (
            wall, trim, dice.pick(((236, 236, 232), (70, 66, 62), trim)), glass, lit,
            dice.near(dice.pick(PAINTWORK), 30), fascia, dice.near(dice.pick((glass, lit, (96, 88, 84)))), roof,
            _mixed(roof, (0, 0, 0), 0.18), wall, _mixed(glass, self.sky_top, 0.6),
        )  # fmt: skip
        palette = [_packed(ink, label if k == FASCIA else BUILDING) for k, ink in enumerate(inks)]
        pitch = dice(1.5, 4) if style in (HOUSE, SHOPS) and dice.chance(0.7) else 0.0
        self._wall(side, distance, start, stop, tall, pitch, style, dice(2.7, 3.5), dice(2.6, 5.5), depth, palette)

    def _boundary(self, side: int) -> None:
        """A hedge, garden wall, hoarding or railing along the back of the pavement, or a railing at the kerb."""
        dice = self.dice
        style = dice.pick((HEDGE, PLAIN, BOARDS, RAILING, RAILING))
        start = dice(1, 20)
        stop = start + dice(8, 40)
        at_kerb = style == RAILING and dice.chance(0.4)
        distance = abs(self.kerbs[side > 0]) + 0.3 if at_kerb else abs(self.fronts[side > 0]) - 0.15
        colour, label, tall = {
            HEDGE: (dice.pick(LEAVES), TREE, dice(0.9, 2.6)),
            PLAIN: (dice.pick(WALLS), BUILDING, dice(0.7, 2.0)),
            BOARDS: (dice.pick(((140, 112, 80), (96, 104, 92), (150, 148, 144), (70, 86, 120))), FENCE, dice(1.1, 2.3)),
            RAILING: (dice.pick(((40, 42, 46), (120, 124, 126), (200, 200, 196))), FENCE, dice(0.95, 1.5)),
        }[style]
        colour = dice.near(colour)
        inks = [colour, _mixed(colour, (0, 0, 0), 0.3), _mixed(colour, (255, 255, 255), 0.2)] + [colour] * 9
        palette = [_packed(ink, label) for ink in inks]
        self._wall(side, distance, start, stop, tall, 0.0, style, tall, 2.4 if style != RAILING else 1.2, 0.3, palette)

    def _wall(self, *row: Any) -> None:
        self.walls.append(row)

    def _cast(self) -> tuple[Array, Array, Array]:
        """Depth, position along the wall and whether an end was hit, each (walls, W); depth is inf where missed."""
        column = [np.array(values, np.float32)[:, None] for values in list(zip(*self.walls, strict=True))[:10]]
        side, distance, start, stop, _, _, _, _, _, depth = column
        slope, bend = side * self.slope, side * np.float32(self.bend)
        square = slope * slope - 2 * bend * distance
        divisor = slope + np.sqrt(np.maximum(square, 0))
        hit = (square >= 0) & (divisor > 1e-6)
        z = 2 * distance / np.where(hit, divisor, 1)
        hit &= (z >= start) & (z < stop) & (z > 0.3)
        across = slope * start - 0.5 * bend * start * start - distance
        end = (across >= 0) & (across < depth) & (start > 1)
        far = np.float32(np.inf)
        z = np.where(hit, z, far)
        end &= start < z
        return np.where(end, start, z), np.where(end, across, z), end

    def _nearest_walls(self) -> list[tuple[Array, ...]]:
        """Per column the second, then the nearest wall: number, depth (inf for none), position along it, end."""
        z, along, end = self._cast()
        layers = []
        for _ in range(2):
            order = z.argmin(0)
            layers.append((order, *(np.take_along_axis(a, order[None], 0)[0] for a in (z, along, end))))
            np.put_along_axis(z, order[None], np.float32(np.inf), 0)
        (front, near, *_), (behind, far, *_) = layers
        eaves, roof, style = np.array([row[4:7] for row in self.walls], np.float32).T
        hidden = (eaves[behind] + roof[behind] + 2 - self.eye) / far < (eaves[front] - self.eye) / near
        far[hidden & (style[front] != RAILING)] = np.inf
        self.backdrop = near
        return layers[::-1]

    def _surfaces(self) -> Array:
        """The packed picture (H, W) uint32 of sky, ground and walls, lit and hazy."""
        H, W = self.H, self.W
        packed = np.empty((H, W), np.uint32)
        light = np.full((H, W), 256, np.float32)
        depth = np.full((H, W), 0, np.float32)
        self._sky(packed)
        self._ground(packed, light, depth)
        for layer in self._nearest_walls():
            self._paint_walls(packed, light, depth, *layer)
        return self._lit(packed, light, depth)

    def _sky(self, packed: Array) -> None:
        """Gradient and clouds, then a far skyline of trees and roofs."""
        dice = self.dice
        clouds = _noise()[2]
        rows = ((np.arange(self.H) * 300 // self.H) + dice.below(TILE)) & (TILE - 1)
        cols = ((np.arange(self.W) * 400 // self.W) + dice.below(TILE)) & (TILE - 1)
        strength = {"clear": 0.5, "golden": 0.6, "overcast": 0.3, "dusk": 0.5, "rain": 0.4}.get(self.weather, 0.1)
        height = (np.arange(self.H, dtype=np.float32) * (150 / max(self.v0, 1))).clip(0, 150).astype(np.int16)
        index = height[:, None] + (_sample(clouds, rows[:, None], cols) * np.float32(strength)).astype(np.int16)
        steps, (above, below) = np.arange(256.0)[:, None], np.array((self.sky_top, self.sky_low))
        shades = above + (below - above) * (steps / 150).clip(0, 1)
        white = dice(0.2, 0.7) * (strength > 0.3)
        shades += (247 - shades) * (white * (steps - 96).clip(0, None) / 160)
        table = (shades.clip(0, 255).astype(np.uint32) * np.array((1, 1 << 8, 1 << 16), np.uint32)).sum(
            1, dtype=np.uint32
        )
        packed[:] = (table + np.uint32(SKY << 24)).take(index, mode="clip")
        silhouette = clouds[rows[0], (cols * 5 + cols * cols // 97) & (TILE - 1)] * np.float32(self.H / 3600)
        top = self.v0 - self.H * dice(0.01, 0.05) - silhouette
        label = dice.pick((TREE, TREE, BUILDING, VOID))
        base = (88, 92, 74) if label == TREE else (130, 122, 118)
        far = _packed(_mixed(dice.near(base), self.mist, min(0.8, 120 / (120 + self.haze) + 0.2)), label)
        rows_v = np.arange(self.H, dtype=np.float32)[:, None]
        np.copyto(packed, np.uint32(far), where=rows_v >= top)

    def _ground(self, packed: Array, light: Array, depth: Array) -> None:
        top = min(max(int(self.v0) + 1, 0), self.H)
        rows = np.arange(top, self.H, dtype=np.float32) + 0.5
        z = (self.focal * self.eye / np.maximum(rows - self.v0, 0.5))[:, None].astype(np.float32)
        x = self.slope * z - 0.5 * self.bend * z * z
        table, colours = self._ground_table(), self._ground_colours()
        kinds = self._row_kinds(z[:, 0])
        place = ((x + 32) * LATERAL).clip(0, 64 * LATERAL - 1).astype(np.intp)
        packed[top:] = colours.take(table.take(place + kinds[:, None] * (64 * LATERAL)))
        depth[top:] = z
        _, blotches, clouds = _noise()
        ix, iz = (x * 24).astype(np.intp), (z * 24).astype(np.intp)
        rough = _sample(blotches, iz, ix) * (0.9 * 14 / (14 + z))
        rough += _sample(clouds, iz >> 2, ix >> 2) * np.float32(0.16)
        light[top:] = (256 + rough * np.float32(self.dice(0.6, 1.4))) * (
            self.ambient + self.direct * self._sunlit(x, z)
        )
        for sx, sz, wide, deep, left in self.shadows:
            near, far = np.searchsorted(-z[:, 0], (-sz - deep, -sz + deep))
            if near < far:
                dx, dz = (x[near:far] - sx) * (1 / wide), (z[near:far] - sz) * (1 / deep)
                round_off = dx * dx
                round_off += round_off * round_off + dz * dz * dz * dz
                light[top + near : top + far][round_off < 1.6] *= left

    def _ground_table(self) -> Array:
        """Material by kind of row (bits: dash, crossing, left street, right street, joint, end) and by place across."""
        dice = self.dice
        table = np.empty((64, 64 * LATERAL), np.uint8)

        def fill(rows: Any, x0: float, x1: float, material: int) -> None:
            table[rows, max(0, int((x0 + 32) * LATERAL)) : max(0, int((x1 + 32) * LATERAL))] = material

        left, right = self.kerbs
        rows = np.arange(64)
        beyond = dice.pick((SLAB, VERGE, VERGE)) if self.density < 0.6 else SLAB
        table[:] = beyond
        if self.green[0]:
            fill(rows, -32, self.fronts[0], VERGE)
        if self.green[1]:
            fill(rows, self.fronts[1], 32, VERGE)
        strip = dice.chance(0.2)
        fill(rows, self.fronts[0], self.fronts[1], SLAB)
        for x in np.arange(self.fronts[0], self.fronts[1], dice(0.5, 0.9)):
            fill(rows, x, x + 0.035, JOINT)
        fill(rows & 16 > 0, self.fronts[0], self.fronts[1], JOINT)
        if strip:
            fill(rows, left - 1.1, left, VERGE)
            fill(rows, right, right + 1.1, VERGE)
        fill(rows, left - 0.16, left, KERB)
        fill(rows, right, right + 0.16, KERB)
        fill(rows & 4 > 0, -32, left, ASPHALT)
        fill(rows & 8 > 0, right, 32, ASPHALT)
        fill(rows, left, right, ASPHALT)
        if dice.chance(0.4):
            fill(rows, left + dice(0.3, 2), left + dice(2.2, 3), PATCH)
        edge = dice.pick((None, PAINT, YELLOW, YELLOW))
        if edge is not None:
            for x in (left + 0.25, right - 0.37) + ((left + 0.5, right - 0.62) if edge == YELLOW else ()):
                fill(rows, x, x + 0.11, edge)
        if dice.chance(0.85):
            centre = (left + right) / 2
            fill(rows & 1 > 0 if dice.chance(0.75) else rows, centre - 0.07, centre + 0.07, PAINT)
        for x in np.arange(left + 0.2, right - 0.5, 1.1):
            fill(rows & 2 > 0, x, x + 0.55, PAINT)
        fill(rows & 32 > 0, -32, 32, SLAB)
        return table

    def _ground_colours(self) -> Array:
        dice = self.dice
        asphalt = dice.near(dice.pick(((88, 88, 90), (104, 102, 100), (70, 72, 78), (122, 116, 108))), 8)
        if self.wet:
            asphalt = _mixed(asphalt, (20, 24, 30), 0.35)
        slab = dice.near(dice.pick(((140, 136, 130), (120, 118, 116), (156, 132, 116), (100, 98, 98))), 8)
        paint = _mixed((236, 236, 230), asphalt, dice(0.05, 0.45))
        verge = dice.near(dice.pick(LEAVES))
        return np.array(
            [
                _packed(asphalt, ROAD),
                _packed(paint, ROAD),
                _packed(_mixed((206, 170, 70), asphalt, dice(0.1, 0.4)), ROAD),
                _packed(_mixed(slab, (220, 218, 210), 0.35), PAVEMENT),
                _packed(slab, PAVEMENT),
                _packed(_mixed(slab, (30, 30, 30), 0.3), PAVEMENT),
                _packed(_mixed(verge, (90, 110, 60), 0.5), TREE),
                _packed(_mixed(asphalt, (40, 40, 42) if dice.chance(0.5) else (160, 156, 150), 0.25), ROAD),
            ],
            np.uint32,
        )

    def _row_kinds(self, z: Array) -> Array:
        dice = self.dice
        phase, on, period = dice(0, 8), dice(1.5, 4), dice(5, 9)
        kinds = ((z + phase) % period < on).astype(np.intp)
        if dice.chance(0.18):
            cross = dice(5, 22)
            kinds |= 2 * ((z > cross) & (z < cross + 3))
        for side, start, stop in self.gaps:
            kinds |= (4 if side < 0 else 8) * ((z > start + 0.5) & (z < stop - 0.5))
        slabs = dice(0.6, 1.2)
        if self.closed:
            kinds |= 32 * (z > self.end - 2)
        return kinds | 16 * ((z % slabs < 0.05) & (z < 14))

    def _sunlit(self, x: Array, z: Array) -> Array:
        """1 where the sun reaches the ground, less in the shadow of the houses on its side."""
        if self.direct < 0.08:
            return np.float32(0.6)  # type: ignore[return-value]
        front = self.fronts[self.sun > 0]
        heights = np.zeros(512, np.float32)
        for side, _, start, stop, eaves, roof, *_ in self.walls:
            if side == self.sun and stop > 0 and start < 240:
                cell = slice(max(0, int(start * 2) + 64), int(stop * 2) + 64)
                heights[cell] = np.maximum(heights[cell], eaves + roof / 2)
        inside = (front - x) * self.sun
        at = ((z + inside * self.sun_shear) * 2 + 64).clip(0, 511).astype(np.intp)
        return np.where(inside < heights.take(at) * self.sun_reach, np.float32(0.12), np.float32(1))

    def _paint_walls(
        self, packed: Array, light: Array, depth: Array, order: Array, z: Array, along: Array, end: Array
    ) -> None:
        """One wall per column, in place: fronts, ends, gables, roofs and what is on them."""
        seen = np.flatnonzero(np.isfinite(z))
        if not len(seen):
            return
        span = slice(seen[0], seen[-1] + 1)
        missed = ~np.isfinite(z[span])
        order, z, along, end = order[span], np.where(missed, np.float32(300), z[span]), along[span], end[span]
        along = np.where(missed, np.float32(0), along)
        numbers = np.array([row[:10] for row in self.walls], np.float32)[order].T
        side, distance, _, _, eaves, roof, style, storey, bay, thick = numbers
        gable = roof * (1 - np.abs(2 * along / thick - 1))
        rise = (eaves + roof - self.eye) * distance / np.maximum(distance + thick / 2, 1) + self.eye - eaves
        chimney = (along % 7 < 0.8) * np.float32(1.3) * (roof > 0)
        top = np.where(missed, np.float32(-1), eaves + np.where(end, gable, np.maximum(rise, 0) + chimney))
        wide = end & (thick > 20)
        style = np.where(end & ~wide & (style < PLAIN), PLAIN, style).astype(np.intp)
        first = max(0, int((self.v0 - self.focal * (top - self.eye) / z).min()))
        last = min(self.H, int((self.v0 + self.focal * self.eye / z).max()) + 1)
        rows = np.arange(first, last, dtype=np.float32)[:, None] + 0.5
        y = self.eye + (self.v0 - rows) * (z / self.focal)
        inside = (y >= 0) & (y < top)
        upper = ((y - storey) * (CELL / storey)).astype(np.intp)
        row = np.where(y < storey, upper + CELL, (upper & (CELL - 1)) + CELL)
        row = np.where(y < eaves, row, 2 * CELL + (upper & (CELL - 1)))
        bays = along / bay
        number = bays.astype(np.intp)
        texel = ((bays - number) * CELL).astype(np.intp)
        material = _atlas().take((style * (3 * CELL * CELL) + texel) + np.maximum(row, 0) * CELL)
        variant = self._panes.take((((upper >> 6) * 37 + (number * 11 + order * 5)) & 255) * 16 + material)
        palettes = np.array([row[10] for row in self.walls], np.uint32).reshape(-1)
        colours = palettes.take(order * 12 + variant)
        here = slice(first, last), span
        part = packed[here]
        solid = inside
        if (style == RAILING).any():  # between the bars one sees what is behind, under the label of the fence
            open_ = material == SEE
            colours = np.where(open_, (part & np.uint32(0xFFFFFF)) | (colours & np.uint32(0xFF000000)), colours)
            solid = inside & ~open_
        lit = np.where(end, max(0.0, self.sun_behind), np.where(side != self.sun, 0.9, 0.05)).astype(np.float32)
        level = self.ambient + self.direct * lit
        texture = _sample(_noise()[1], (y * 26).astype(np.intp), (along * 26).astype(np.intp) + order * 77)
        rough = np.where(style == HEDGE, np.float32(1.8), np.float32(0.5)) * (20 / (20 + z))
        shade = (256 + texture * rough) * level
        np.copyto(part, colours, where=inside)
        np.copyto(light[here], shade, where=solid)
        np.copyto(depth[here], z, where=solid)

    @functools.cached_property
    def _panes(self) -> Array:
        table = np.tile(np.arange(16, dtype=np.uint8), (256, 1))
        kinds = np.array([self.dice.pick((GLASS, GLASS, CURTAIN, SHINE)) for _ in range(64)], np.uint8)
        table[:, GLASS] = np.tile(kinds, 4)
        return table.reshape(-1)

    def _lit(self, packed: Array, light: Array, depth: Array) -> Array:
        """Light, haze and wet reflections on the packed surfaces, channel by channel."""
        pixels = packed.view(np.uint8).reshape(self.H, self.W, 4)
        mirror = self._mirror(pixels[..., 3]) if self.wet else None
        share = depth / (depth + np.float32(self.haze))
        gain = light * (1 - share) * np.float32(1 / 256)
        for k in range(3):
            channel = pixels[..., k] * gain + share * np.float32(self.mist[k])
            if mirror is not None:
                top, source, strength = mirror
                channel[top:] += (channel.take(source) - channel[top:]) * strength
            pixels[..., k] = channel.clip(0, 255)
        return packed

    def _mirror(self, labels: Array) -> tuple[int, Array, Array]:
        """A wet road shows what stands behind it, upside down: from which row, which pixels, how strongly."""
        foot = (self.v0 + self.focal * self.eye / np.minimum(self.backdrop, np.float32(400))).astype(np.intp)
        top = min(max(int(self.v0) + 1, 0), self.H)
        rows, columns = np.arange(top, self.H)[:, None], np.arange(self.W)
        ripple = _sample(_noise()[1], rows, columns) >> 4
        source = (2 * foot - rows + ripple).clip(0, self.H - 1) * self.W + columns
        return top, source, (labels[top:] == ROAD) * np.float32(self.dice(0.25, 0.55))

    # things that stand on the ground, far to near

    def _plan(self) -> list[tuple[float, Callable[[], None]]]:
        """Everything to paint, as (depth, painter), far to near; notes the shadows it will cast."""
        self.things: list[tuple[float, Callable[[], None]]] = []
        self.shadows: list[tuple[float, float, float, float, float]] = []  # x, z, half width, half depth, what is left
        for plan in (self._plan_trees, self._plan_poles, self._plan_cars, self._plan_people, self._plan_clutter):
            plan()
        return sorted(self.things, key=lambda thing: -thing[0])

    def _put(self, z: float, painter: Callable[..., None], x: float, *rest: Any) -> None:
        self.things.append((z, functools.partial(painter, x, z, *rest)))

    def _shadow(self, x: float, z: float, wide: float, deep: float, tall: float) -> None:
        """Contact shadow, and in sunshine a longer one away from the sun."""
        self.shadows.append((x, z, wide * 1.1, deep * 1.05, 0.55))
        if self.direct > 0.2:
            reach = min(tall * self.sun_reach, 6) / 2
            self.shadows.append((x - self.sun * reach, z + reach * self.sun_shear * 0.5, wide + reach, deep, 0.68))

    def _plan_trees(self) -> None:
        dice = self.dice
        bare = dice.chance(0.3)
        for side in (-1, 1):
            if dice.chance(0.9 if self.green[side > 0] else 0.64):
                front, kerb = self.fronts[side > 0], self.kerbs[side > 0]
                x = front + side * dice(0.5, 4) if dice.chance(0.6) else kerb + side * dice(0.5, 1)
                z, step, tall = dice(5, 20), dice(5, 13), dice(5, 12)
                for _ in range(1 + dice.below(6)):
                    self._put(z, self.tree, x + dice(-0.5, 0.5), tall * dice(0.8, 1.2), bare)
                    if z < 40:
                        self._shadow(x, z, tall * 0.25, tall * 0.2, tall)
                    z += step * dice(0.8, 1.3)
        for side, start, stop in self.gaps[:3]:
            if start > 6 and dice.chance(0.5):
                self._put(stop, self.tree, self.fronts[side > 0] + side * dice(2, 5), dice(5, 10), bare)

    def tree(self, x: float, z: float, tall: float, bare: bool) -> None:
        dice = self.dice
        bark = dice.near((84, 72, 60), 20)
        wide = tall * dice(0.55, 0.85)
        trunk = tall * (dice(0.2, 0.34) if not bare else 0.22)
        self.upright(x - tall * 0.02, x + tall * 0.02, 0, trunk + 0.3 * (tall - trunk), z, self._light(z, bark, TREE))
        colour = dice.near(dice.pick(LEAVES), 20) if not bare else bark
        sprite = dice.pick(_crowns()[bare])
        left, top = self.at(x - wide / 2, tall, z)
        right, bottom = self.at(x + wide / 2, trunk, z)
        self.stamp(sprite, left, top, right, bottom, colour, z, TREE)

    def stamp(
        self, sprite: Array, left: float, top: float, right: float, bottom: float, colour: Colour, z: float, label: int
    ) -> None:
        """A texture stretched to a box, through the holes of which one sees what is behind."""
        x0, x1 = max(0, int(left)), min(self.W, int(right) + 1)
        y0, y1 = max(0, int(top)), min(self.H, int(bottom) + 1)
        if x0 >= x1 or y0 >= y1:
            return
        size = len(sprite)
        xs = ((np.arange(x0, x1) + 0.5 - left) * (size / (right - left))).clip(0, size - 1).astype(np.int32)
        ys = ((np.arange(y0, y1) + 0.5 - top) * (size / (bottom - top))).clip(0, size - 1).astype(np.int32)
        texels = sprite[ys[:, None], xs]
        dark, light = self._light(z, colour, label, 0.3), self._light(z, colour, label, 1.9)
        steps = np.arange(256, dtype=np.int32)[:, None]
        table = (np.array(dark) + (np.array(light) - np.array(dark)) * steps // 255).astype(np.uint8)
        patch = Image.fromarray(table[texels], "RGBA")
        self.image.paste(patch, (x0, y0), Image.fromarray((texels > 0).view(np.uint8) * np.uint8(255)))

    def _plan_poles(self) -> None:
        dice = self.dice
        for side in (-1, 1):
            kerb = self.kerbs[side > 0]
            if dice.chance(0.65):
                x, z, step = kerb + side * dice(0.3, 0.8), dice(7, 22), dice(16, 32)
                style = dice(5, 9), dice.near(dice.pick(METALS)), dice(-1, 1.8)
                for _ in range(1 + dice.below(4)):
                    self._put(z, self.lamp, x, side, *style)
                    z += step
            for _ in range(dice.below(3)):
                painter = self.traffic_light if dice.chance(0.3) else self.sign
                self._put(dice(7, 32), painter, kerb + side * dice(0.3, 0.9))
            for wall in self.walls:  # on a front that is there
                if wall[0] == side and wall[4] > 3.5 and 6 < wall[2] < 30 and dice.chance(0.4):
                    self._put(wall[2] + dice(0, 2), self.board, side * (wall[1] - 0.4))

    def lamp(self, x: float, z: float, side: int, tall: float, colour: Colour, arm: float) -> None:
        ink = self._light(z, colour, POLE)
        self.upright(x - 0.055, x + 0.055, 0, tall, z, ink)
        self.upright(x - 0.09, x + 0.09, 0, 1.1, z, ink)
        if arm > 0:
            tip = x - side * arm
            width = max(1, int(self.focal * 0.07 / z))
            self.draw.line([self.at(x, tall, z), self.at(tip, tall + 0.3, z)], fill=ink, width=width)
            self.upright(min(tip, tip + 0.5), max(tip, tip + 0.5), tall + 0.2, tall + 0.38, z, ink)
        else:
            self.upright(x - 0.22, x + 0.22, tall, tall + 0.45, z, self._light(z, (214, 210, 196), POLE))

    def sign(self, x: float, z: float) -> None:
        dice = self.dice
        y, size = dice(2.0, 2.7), dice(0.3, 0.45)
        self.upright(x - 0.035, x + 0.035, 0, y + size, z, self._light(z, dice.pick(METALS), POLE))
        rim, plate = dice.pick(PLATES)
        shape = dice.below(3)
        for scale, colour in ((1.0, rim), (0.66, plate)):
            r, ink = size * scale, self._light(z, dice.near(colour), SIGN)
            if shape == 0:
                self.draw.ellipse([*self.at(x - r, y + r, z), *self.at(x + r, y - r, z)], fill=ink)
            elif shape == 1:
                self.face([(x - r, y - 0.7 * r, z), (x + r, y - 0.7 * r, z), (x, y + r, z)], ink)
            else:
                self.upright(x - r, x + r, y - r * 0.8, y + r * 0.8, z, ink)

    def traffic_light(self, x: float, z: float) -> None:
        dice = self.dice
        self.upright(x - 0.055, x + 0.055, 0, 2.6, z, self._light(z, dice.pick(METALS), POLE))
        self.upright(x - 0.24, x + 0.24, 2.1, 3.5, z, self._light(z, (30, 32, 32), SIGN))
        on = dice.below(3)
        for k, colour in enumerate(((60, 200, 120), (240, 170, 40), (240, 50, 40))):
            glow = colour if k == on else (50, 46, 44)
            self.draw.ellipse(
                [*self.at(x - 0.14, 2.57 + 0.45 * k, z), *self.at(x + 0.14, 2.29 + 0.45 * k, z)],
                fill=(*glow, SIGN) if k == on else self._light(z, glow, SIGN),
            )

    def board(self, x: float, z: float) -> None:
        """A shop sign or advertisement, fixed to a front or hanging from it."""
        dice = self.dice
        y, wide, tall = dice(2.2, 4.2), dice(0.3, 0.8), dice(0.3, 0.7)
        self.upright(
            x - wide, x + wide, y - tall, y + tall, z, self._light(z, dice.near(dice.pick(PAINTWORK), 60), SIGN)
        )
        ink = self._light(z, dice.near(dice.pick(PAINTWORK), 60), SIGN)
        self.upright(x - wide * 0.7, x + wide * 0.7, y - tall * 0.3, y + tall * 0.3, z, ink)

    def _plan_cars(self) -> None:
        dice = self.dice
        for side in (-1, 1):
            kerb, away = self.kerbs[side > 0], side == self.drives
            if dice.chance(0.5):
                z = dice(2.5, 20)
                for _ in range(1 + dice.below(5)):
                    x = kerb - side * dice(1.0, 1.25)
                    if abs(x) > 1.5 or z > 12:
                        self._car(x, z, away)
                    z += dice(5.2, 8)
            if dice.chance(0.6):
                lane = (self.kerbs[0] + self.kerbs[1]) / 2 + side * (self.kerbs[1] - self.kerbs[0]) * 0.22
                self._car(lane, dice(7, 45), away)
        if dice.chance(0.16):
            x, z = dice(*self.kerbs), dice(10, 26)
            self._put(z, self.car_across, x)
            self._shadow(x, z + 0.8, 2.1, 0.9, 1.2)

    def _car(self, x: float, z: float, away: bool) -> None:
        """A car, seldom a van or a bus: half width, waist, height and length in metres."""
        dice, kind = self.dice, self.dice()
        build = 0.88, 0.92, dice(1.38, 1.6), dice(3.7, 4.6)
        if kind > 0.88 and z > 6:
            build = 0.98, 1.1, dice(1.9, 2.4), dice(4.6, 5.4)
        if kind > 0.97 and z > 14:
            build = 1.2, 1.2, 3.1, 9.0
        self._put(z, self.car, x, away, *build)
        self._shadow(x, z + build[3] / 2, build[0], build[3] / 2, build[2])

    def car(self, x: float, z: float, away: bool, wide: float, waist: float, tall: float, long: float) -> None:
        """A vehicle along the road, seen from behind (away) or from the front, and from its inner side."""
        dice = self.dice
        paint, glass = dice.near(dice.pick(PAINTWORK), 20), _mixed((36, 40, 46), self.sky_low, dice(0.05, 0.4))
        x0, x1, back = x - wide, x + wide, z + long
        side = x1 if x < -0.5 * wide else x0
        inner = 1 if side == x1 else -1
        sun = 1.08 if inner != self.sun else 0.8
        ink = functools.partial(self._light, z)
        body, flank, roof = ink(paint, CAR, 0.92), ink(paint, CAR, 0.8 * sun), ink(paint, CAR, 1.2)
        dark, pane = ink((22, 22, 24), CAR), ink(glass, CAR)
        under = [(x0 + 0.1, 0.02, z + 0.3), (x1 - 0.1, 0.02, z + 0.3), (x1 - 0.1, 0.02, back), (x0 + 0.1, 0.02, back)]
        self.face(under, ink((24, 24, 26), ROAD))
        boxy = tall > 1.7
        fore, aft = (0.1, 0.1) if boxy else (0.55, 1.0) if away else (1.25, 0.3)
        rake = 0.1 if boxy else 0.5
        trim = 0.12 if not boxy else 0.03
        self.face([(side, 0.22, z), (side, waist, z), (side, waist, back), (side, 0.22, back)], flank)
        self.face([(x0, waist, z), (x1, waist, z), (x1, waist, back), (x0, waist, back)], roof)
        a, b, c, d = z + fore, z + fore + rake, back - aft - rake, back - aft
        t0, t1, ts = x0 + trim, x1 - trim, side - inner * trim
        self.face([(side, waist, a), (ts, tall, b), (ts, tall, c), (side, waist, d)], flank)
        self.face([(t0, tall, b), (t1, tall, b), (t1, tall, c), (t0, tall, c)], roof)
        self.face([(x0, waist, a), (x1, waist, a), (t1, tall, b), (t0, tall, b)], body)
        self.face([(x0, 0.25, z), (x1, 0.25, z), (x1, waist, z), (x0, waist, z)], body)
        if self.focal / z < 3:
            return
        low, high = waist + 0.06 * (tall - waist), waist + 0.85 * (tall - waist)
        self.face([(x0 + 0.1, low, a), (x1 - 0.1, low, a), (t1 - 0.1, high, b), (t0 + 0.1, high, b)], pane)
        middle = (b + c) / 2
        for p, q in ((a + 0.35, middle - 0.05), (middle + 0.05, d - 0.35)):
            self.face([(side, low, p), (ts, high, min(p + 0.3, q)), (ts, high, q - 0.1), (side, low, q)], pane)
        for wheel in (z + 0.75, back - 0.75):
            ring = (
                (0.32, 0),
                (0.22, 0.23),
                (0, 0.32),
                (-0.22, 0.23),
                (-0.32, 0),
                (-0.22, -0.23),
                (0, -0.32),
                (0.22, -0.23),
            )
            self.face([(side, 0.31 + dy, wheel + dz) for dz, dy in ring], dark)
            self.face([(side, 0.31 + dy * 0.5, wheel + dz * 0.5) for dz, dy in ring[::2]], ink((130, 132, 134), CAR))
        self.upright(x0 + 0.05, x0 + 0.3, 0.0, 0.3, z, dark)
        self.upright(x1 - 0.3, x1 - 0.05, 0.0, 0.3, z, dark)
        bright = self.weather in ("dusk", "rain", "fog") and dice.chance(0.8)
        lamp = (190, 30, 30) if away else (236, 236, 220)
        glow = (*((255, 60, 50) if away else (255, 250, 225)), CAR) if bright else ink(lamp, CAR)
        for edge in (x0 + 0.04, x1 - 0.3):
            self.upright(edge, edge + 0.26, waist - 0.3, waist - 0.12, z, glow)
        self.upright(x - 0.26, x + 0.26, 0.42, 0.54, z, ink((230, 228, 200) if not away else (226, 190, 60), CAR))
        self.face([(x0, 0.25, z), (x1, 0.25, z), (x1, 0.36, z), (x0, 0.36, z)], ink((40, 40, 42), CAR))

    def car_across(self, x: float, z: float) -> None:
        """A car crossing the road, seen from its side."""
        dice = self.dice
        way = dice.pick((-1, 1))
        paint, glass = dice.near(dice.pick(PAINTWORK), 20), _mixed((36, 40, 46), self.sky_low, 0.25)
        ink = functools.partial(self._light, z)
        hull = (
            (-2.1, 0.3),
            (-2.15, 0.75),
            (-1.9, 0.95),
            (-1.5, 1.0),
            (-0.8, 1.42),
            (0.6, 1.42),
            (1.2, 0.98),
            (2.05, 0.82),
            (2.15, 0.3),
        )
        self.face([(x + way * dx, y, z) for dx, y in hull], ink(paint, CAR))
        self.face(
            [(x + way * dx, y, z) for dx, y in ((-1.3, 1.0), (-0.75, 1.34), (-0.15, 1.34), (-0.15, 1.0))],
            ink(glass, CAR),
        )
        self.face(
            [(x + way * dx, y, z) for dx, y in ((-0.05, 1.0), (-0.05, 1.34), (0.55, 1.34), (1.05, 1.0))],
            ink(glass, CAR),
        )
        for centre in (-1.35, 1.4):
            wheel = x + way * centre
            for radius, colour in ((0.34, (24, 24, 26)), (0.17, (140, 142, 144))):
                box = [*self.at(wheel - radius, 0.33 + radius, z), *self.at(wheel + radius, 0.33 - radius, z)]
                self.draw.ellipse(box, fill=ink(colour, CAR))

    def _plan_people(self) -> None:
        dice = self.dice
        for side in (-1, 1):
            for _ in range(dice.below(4)):
                place = self.kerbs[side > 0] + side * dice(0.3, max(0.6, self.paths[side > 0] - 0.3))
                self._person(self.pedestrian, place, dice(6, 32))
        if dice.chance(0.18):
            self._person(self.pedestrian, dice(*self.kerbs), dice(7, 24))
        if dice.chance(0.45):
            side = dice.pick((-1, 1))
            self._person(self.bicyclist, self.kerbs[side > 0] - side * dice(0.5, 2.2), dice(5, 20))

    def _person(self, painter: Callable[..., None], x: float, z: float) -> None:
        self._put(z, painter, x)
        self._shadow(x, z, 0.22, 0.2, 1.3)

    def pedestrian(self, x: float, z: float) -> None:
        dice = self.dice
        size, stride = dice(0.88, 1.08) if dice.chance(0.88) else dice(0.6, 0.75), dice(0.02, 0.22)
        ink = functools.partial(self._light, z, label=PEDESTRIAN)
        coat, legs, skin = ink(dice.near(dice.pick(CLOTHES))), ink(dice.near(dice.pick(CLOTHES))), ink(dice.pick(SKIN))

        def part(points: Sequence[tuple[float, float]], colour: tuple[int, int, int, int]) -> None:
            self.face([(x + dx * size, y * size, z) for dx, y in points], colour)

        for way in (-1, 1):
            foot = way * stride
            part(((way * 0.05 - 0.08, 0.9), (way * 0.05 + 0.08, 0.9), (foot + 0.06, 0), (foot - 0.06, 0)), legs)
        part(
            (
                (-0.09, 1.5),
                (0.09, 1.5),
                (0.2, 1.42),
                (0.16, 1.1),
                (0.19, 0.82),
                (-0.19, 0.82),
                (-0.16, 1.1),
                (-0.2, 1.42),
            ),
            coat,
        )
        for way in (-1, 1):
            part(
                (
                    (way * 0.2, 1.42),
                    (way * 0.14, 1.38),
                    (way * (0.2 + stride / 2), 0.82),
                    (way * (0.27 + stride / 2), 0.84),
                ),
                coat,
            )
        for low, high, wide, colour in (
            (1.48, 1.74, 0.09, skin), (1.6, 1.77, 0.1, ink(dice.pick(((40, 32, 28), (120, 96, 60), (70, 70, 74))))),
        ):  # fmt: skip
            box = [*self.at(x - wide * size, high * size, z), *self.at(x + wide * size, low * size, z)]
            self.draw.ellipse(box, fill=colour)
        if dice.chance(0.3):
            self.upright(
                x + 0.2 * size, x + 0.42 * size, 0.6 * size, 0.95 * size, z, ink(dice.near(dice.pick(PAINTWORK)))
            )

    def bicyclist(self, x: float, z: float) -> None:
        dice = self.dice
        ink = functools.partial(self._light, z, label=BICYCLIST)
        coat, legs, skin, metal = (
            ink(dice.near(dice.pick(CLOTHES), 50)),
            ink(dice.near(dice.pick(CLOTHES))),
            ink(dice.pick(SKIN)),
            ink((40, 40, 44)),
        )
        across = dice.chance(0.45)
        helmet = ink(dice.near(dice.pick(PAINTWORK), 40))
        width = max(1, int(self.focal * 0.05 / z))

        def part(points: Sequence[tuple[float, float]], colour: tuple[int, int, int, int]) -> None:
            self.face([(x + dx, y, z) for dx, y in points], colour)

        if across:
            for hub in (-0.52, 0.52):
                box = [*self.at(x + hub - 0.34, 0.68, z), *self.at(x + hub + 0.34, 0, z)]
                self.draw.ellipse(box, fill=ink((96, 96, 98)), outline=metal, width=width)
            self.draw.line(
                [self.at(x + dx, y, z) for dx, y in ((-0.52, 0.34), (-0.2, 0.8), (0.4, 0.8), (0.52, 0.34))],
                fill=metal,
                width=width,
            )
            part(((-0.25, 0.95), (-0.02, 0.95), (0.12, 0.35), (-0.02, 0.3)), legs)
            part(((-0.3, 0.9), (0.0, 0.9), (0.32, 1.4), (0.08, 1.52)), coat)
            part(((0.2, 1.4), (0.3, 1.3), (0.5, 0.95), (0.42, 0.92)), coat)
            shift = 0.28
        else:
            self.upright(x - 0.36, x + 0.36, 1.04, 1.1, z, metal)
            for way, foot in ((-1, 0.22), (1, 0.42)):
                part(((way * 0.02, 1.0), (way * 0.19, 1.0), (way * 0.2, foot), (way * 0.1, foot)), legs)
            self.draw.ellipse([*self.at(x - 0.06, 0.7, z), *self.at(x + 0.06, 0, z)], fill=metal)
            part(((-0.15, 0.92), (0.15, 0.92), (0.23, 1.42), (0.1, 1.52), (-0.1, 1.52), (-0.23, 1.42)), coat)
            for way in (-1, 1):
                part(((way * 0.22, 1.42), (way * 0.15, 1.36), (way * 0.28, 1.06), (way * 0.36, 1.08)), coat)
            self.upright(x - 0.05, x + 0.05, 0.74, 0.82, z, (220, 40, 36, BICYCLIST))
            shift = 0.0
        for low, high, wide, colour in ((1.48, 1.75, 0.1, skin), (1.61, 1.8, 0.12, helmet)):
            self.draw.ellipse([*self.at(x + shift - wide, high, z), *self.at(x + shift + wide, low, z)], fill=colour)

    def _plan_clutter(self) -> None:
        """Bins and boxes nobody labelled, and bollards (poles)."""
        dice = self.dice
        for side in (-1, 1):
            for _ in range(dice.below(3)):
                self._put(dice(5, 20), self.bin, self.fronts[side > 0] - side * dice(0.3, 1.2))
            if dice.chance(0.2):
                start, step = dice(5, 10), dice(1.6, 3)
                for k in range(4):
                    self._put(start + k * step, self.bollard, self.kerbs[side > 0] + side * 0.4)

    def bollard(self, x: float, z: float) -> None:
        self.upright(x - 0.07, x + 0.07, 0, 0.95, z, self._light(z, (60, 60, 62), POLE))

    def bin(self, x: float, z: float) -> None:
        dice = self.dice
        wide, tall, colour = dice(0.2, 0.5), dice(0.6, 1.3), dice.near(dice.pick(PAINTWORK))
        self.upright(x - wide, x + wide, 0, tall, z, self._light(z, colour, VOID))
        self.upright(x - wide, x + wide, tall * 0.9, tall, z, self._light(z, colour, VOID, 0.6))

    def _foreground(self) -> None:
        """The bonnet of the car the camera sits in."""
        dice, H, W = self.dice, self.H, self.W
        if not dice.chance(0.16):
            return
        tall, tilt = H * dice(0.03, 0.12), H * dice(-0.02, 0.02)
        colour = dice.near(dice.pick(PAINTWORK))
        points = [(0, H), (0, H - tall * 0.4 + tilt), (W * 0.25, H - tall * 0.9), (W * 0.5, H - tall)]
        points += [(W * 0.75, H - tall * 0.9), (W, H - tall * 0.4 - tilt), (W, H)]
        self.draw.polygon(points, fill=self._light(0, colour, VOID))
        self.draw.line(points[1:-1], fill=self._light(0, colour, VOID, 1.5), width=max(1, H // 120))

    def _develop(self) -> None:
        """Lens, sensor and annotator: blur, exposure and grain on the picture, void along some outlines."""
        dice = self.dice
        pixels = np.asarray(self.image)
        blurred = dice.chance(0.7)
        rows = np.arange(self.H)[:, None] + dice.below(TILE)
        cols = np.arange(self.W) + dice.below(TILE)
        strength = int(dice(4, 24) * (1.4 if self.weather in ("dusk", "rain") else 1))
        grain = (_sample(_noise()[0], rows, cols) * np.int16(strength)) >> 7
        gain, lift = dice(0.9, 1.25), dice(-12, 12)
        steps = np.arange(-64, 320).clip(0, 255)  # the grain stays within 64 grey levels
        curve = steps * (1.12 - steps * (0.12 / 255)) * gain + lift
        self.picture = np.empty((self.H, self.W, 3), np.uint8)
        for k, tone in enumerate(self.tint):
            channel = pixels[..., k].astype(np.int16)
            if blurred:
                channel[:, 1:-1] = (channel[:, :-2] + 2 * channel[:, 1:-1] + channel[:, 2:]) >> 2
                channel[1:-1] = (channel[:-2] + 2 * channel[1:-1] + channel[2:]) >> 2
            channel += grain
            self.picture[..., k] = (curve * tone).clip(0, 255).astype(np.uint8).take(channel + 64)
        self.labels = self._outlined(np.ascontiguousarray(pixels[..., 3]))

    def _outlined(self, labels: Array) -> Array:
        dice, clouds = self.dice, _noise()[2]
        rows = (np.arange(self.H) * 400 // self.H + dice.below(TILE)) & (TILE - 1)
        cols = (np.arange(self.W) * 500 // self.W + dice.below(TILE)) & (TILE - 1)
        loose = _sample(clouds, rows[:, None], cols) > 50
        edge = np.zeros(labels.shape, bool)
        edge[:, 1:] = labels[:, 1:] != labels[:, :-1]
        edge[1:] |= labels[1:] != labels[:-1]
        labels[edge & loose] = VOID
        return labels
