"""Textures, made once per process from fixed seeds: noise, walls and crowns of trees."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image, ImageDraw

from .colours import Array

# materials of walls (columns of a wall's palette)
WALL, TRIM, FRAME, GLASS, CURTAIN, DOOR, FASCIA, SHOP, ROOF, RIDGE, SEE, SHINE = range(12)
# styles of walls (slices of the atlas)
HOUSE, SHOPS, OFFICE, PLAIN, BRICKS, HEDGE, BOARDS, RAILING = range(8)

TILE = 512  # side of the noise tiles, a power of two so that `&` wraps
CELL = 64  # texels per storey and per bay in the atlas


def _smooth(grid: Array, times: int) -> Array:
    """A periodic grid of integers, doubled `times` times with linear interpolation."""
    for _ in range(times):
        for axis in (0, 1):
            middle = (grid + np.roll(grid, -1, axis)) // 2
            grid = np.stack([grid, middle], axis + 1).reshape([n * (1 + (k == axis)) for k, n in enumerate(grid.shape)])
    return grid


@functools.cache
def noise() -> tuple[Array, Array, Array]:
    """Periodic int16 tiles (TILE, TILE) about zero: grain (+-64), grain with blotches (+-64), clouds (+-128)."""
    generator = np.random.default_rng(20)
    grain = generator.integers(-32, 33, (2, TILE, TILE)).sum(0)

    def layer(step: int, span: int) -> Array:
        return _smooth(generator.integers(-span, span + 1, (TILE >> step, TILE >> step)), step)

    blotches = grain // 2 + layer(2, 28) + layer(4, 24)
    clouds = layer(7, 100) + layer(6, 64) + layer(5, 36) + layer(4, 20) + layer(3, 10)
    return grain.astype(np.int16), blotches.clip(-64, 64).astype(np.int16), clouds.clip(-128, 127).astype(np.int16)


def sample(tile: Array, row: Array, column: Array) -> Array:
    """A periodic tile at integer places; flat indices, because `take` is much faster than two index arrays."""
    return tile.take(((row & (TILE - 1)) * TILE) | (column & (TILE - 1)))


@functools.cache
def atlas() -> Array:
    """Materials of one bay per style, flat (styles, 3 * CELL rows: ground floor, upper, roof, each upwards; CELL)."""
    atlas = np.full((8, 3 * CELL, CELL), WALL, np.uint8)
    atlas[:, 2 * CELL :] = ROOF
    atlas[:, 2 * CELL :: 8] = RIDGE

    def window(style: int, y0: int, y1: int, x0: int, x1: int, bars: int = 2) -> None:
        atlas[style, y0 - 3 : y0, x0 - 3 : x1 + 3] = TRIM
        atlas[style, y1 : y1 + 4, x0 - 2 : x1 + 2] = TRIM
        atlas[style, y0:y1, x0:x1] = FRAME
        step = (x1 - x0) // bars
        for left in range(x0, x1 - step + 1, step):
            atlas[style, y0 + 2 : y1 - 2, left + 2 : left + step - 1] = GLASS
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
def crowns() -> tuple[list[Array], list[Array]]:
    """Leafy and bare crowns, uint8 (128, 128): 0 is see-through, 1..255 dark to light."""
    generator, size = np.random.default_rng(22), 128
    y, x = np.mgrid[0:size, 0:size] * (2 / (size - 1)) - 1
    _, blotches, clouds = noise()
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
