"""Surfaces: the sky, the ground, the light on them and on the walls, and what a wet road mirrors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .camera import Camera
from .colours import BUILDING, LEAVES, PAVEMENT, ROAD, SKY, TREE, VOID, Array, mixed, pack
from .layout import Street
from .textures import TILE, noise, sample
from .walls import Walls

ASPHALT, PAINT, YELLOW, KERB, SLAB, JOINT, VERGE, PATCH = range(8)  # materials of the ground
LATERAL = 64  # ground table: steps per metre, from -32 m to 32 m


def paint_surfaces(camera: Camera, street: Street) -> Array:
    """The packed picture (H, W) uint32 of sky, ground and walls, lit and hazy."""
    H, W = camera.H, camera.W
    packed = np.empty((H, W), np.uint32)
    light = np.full((H, W), 256, np.float32)
    depth = np.full((H, W), 0, np.float32)
    _sky(packed, camera, street)
    _ground(packed, light, depth, camera, street)
    walls = Walls(camera, street)
    for layer in walls.layers:
        walls.paint(packed, light, depth, *layer)
    _light(packed, light, depth, camera, street, walls.backdrop)
    return packed


def _sky(packed: Array, camera: Camera, street: Street) -> None:
    """Gradient and clouds, then a far skyline of trees and roofs."""
    dice, weather, H, W = street.dice, street.weather, camera.H, camera.W
    clouds = noise()[2]
    rows = ((np.arange(H) * 300 // H) + dice.below(TILE)) & (TILE - 1)
    cols = ((np.arange(W) * 400 // W) + dice.below(TILE)) & (TILE - 1)
    strength = {"clear": 0.5, "golden": 0.6, "overcast": 0.3, "dusk": 0.5, "rain": 0.4}.get(weather.name, 0.1)
    height = (np.arange(H, dtype=np.float32) * (150 / max(camera.v0, 1))).clip(0, 150).astype(np.int16)
    index = height[:, None] + (sample(clouds, rows[:, None], cols) * np.float32(strength)).astype(np.int16)
    steps, (above, below) = np.arange(256.0)[:, None], np.array((weather.sky_top, weather.sky_low))
    shades = above + (below - above) * (steps / 150).clip(0, 1)
    white = dice(0.2, 0.7) * (strength > 0.3)
    shades += (247 - shades) * (white * (steps - 96).clip(0, None) / 160)
    table = (shades.clip(0, 255).astype(np.uint32) * np.array((1, 1 << 8, 1 << 16), np.uint32)).sum(1, dtype=np.uint32)
    packed[:] = (table + np.uint32(SKY << 24)).take(index, mode="clip")
    silhouette = clouds[rows[0], (cols * 5 + cols * cols // 97) & (TILE - 1)] * np.float32(H / 3600)
    top = camera.v0 - H * dice(0.01, 0.05) - silhouette
    label = dice.pick((TREE, TREE, BUILDING, VOID))
    base = (88, 92, 74) if label == TREE else (130, 122, 118)
    far = pack(mixed(dice.near(base), weather.mist, min(0.8, 120 / (120 + weather.haze) + 0.2)), label)
    rows_v = np.arange(H, dtype=np.float32)[:, None]
    np.copyto(packed, np.uint32(far), where=rows_v >= top)


def _ground(packed: Array, light: Array, depth: Array, camera: Camera, street: Street) -> None:
    """Road and pavements, in sun and shade, with the shadows of things on them."""
    weather = street.weather
    top = min(max(int(camera.v0) + 1, 0), camera.H)
    rows = np.arange(top, camera.H, dtype=np.float32) + 0.5
    z = (camera.focal * camera.eye / np.maximum(rows - camera.v0, 0.5))[:, None].astype(np.float32)
    x = camera.slope * z - 0.5 * camera.bend * z * z
    table, colours = _ground_table(street), _ground_colours(street)
    kinds = _row_kinds(z[:, 0], street)
    place = ((x + 32) * LATERAL).clip(0, 64 * LATERAL - 1).astype(np.intp)
    packed[top:] = colours.take(table.take(place + kinds[:, None] * (64 * LATERAL)))
    depth[top:] = z
    _, blotches, clouds = noise()
    ix, iz = (x * 24).astype(np.intp), (z * 24).astype(np.intp)
    rough = sample(blotches, iz, ix) * (0.9 * 14 / (14 + z))
    rough += sample(clouds, iz >> 2, ix >> 2) * np.float32(0.16)
    rough = 256 + rough * np.float32(street.dice(0.6, 1.4))
    light[top:] = rough * (weather.ambient + weather.direct * _sunlit(x, z, street))
    for sx, sz, wide, deep, left in street.shadows:
        near, far = np.searchsorted(-z[:, 0], (-sz - deep, -sz + deep))
        if near < far:
            dx, dz = (x[near:far] - sx) * (1 / wide), (z[near:far] - sz) * (1 / deep)
            round_off = dx * dx
            round_off += round_off * round_off + dz * dz * dz * dz
            light[top + near : top + far][round_off < 1.6] *= left


def _ground_table(street: Street) -> Array:
    """Material by kind of row (bits: dash, crossing, left street, right street, joint, end) and by place across."""
    dice = street.dice
    table = np.empty((64, 64 * LATERAL), np.uint8)

    def fill(rows: Any, x0: float, x1: float, material: int) -> None:
        table[rows, max(0, int((x0 + 32) * LATERAL)) : max(0, int((x1 + 32) * LATERAL))] = material

    left, right = street.kerbs
    rows = np.arange(64)
    beyond = dice.pick((SLAB, VERGE, VERGE)) if street.density < 0.6 else SLAB
    table[:] = beyond
    if street.green[0]:
        fill(rows, -32, street.fronts[0], VERGE)
    if street.green[1]:
        fill(rows, street.fronts[1], 32, VERGE)
    strip = dice.chance(0.2)
    fill(rows, street.fronts[0], street.fronts[1], SLAB)
    for x in np.arange(street.fronts[0], street.fronts[1], dice(0.5, 0.9)):
        fill(rows, x, x + 0.035, JOINT)
    fill(rows & 16 > 0, street.fronts[0], street.fronts[1], JOINT)
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


def _ground_colours(street: Street) -> Array:
    dice = street.dice
    asphalt = dice.near(dice.pick(((88, 88, 90), (104, 102, 100), (70, 72, 78), (122, 116, 108))), 8)
    if street.weather.wet:
        asphalt = mixed(asphalt, (20, 24, 30), 0.35)
    slab = dice.near(dice.pick(((140, 136, 130), (120, 118, 116), (156, 132, 116), (100, 98, 98))), 8)
    paint = mixed((236, 236, 230), asphalt, dice(0.05, 0.45))
    verge = dice.near(dice.pick(LEAVES))
    return np.array(
        [
            pack(asphalt, ROAD),
            pack(paint, ROAD),
            pack(mixed((206, 170, 70), asphalt, dice(0.1, 0.4)), ROAD),
            pack(mixed(slab, (220, 218, 210), 0.35), PAVEMENT),
            pack(slab, PAVEMENT),
            pack(mixed(slab, (30, 30, 30), 0.3), PAVEMENT),
            pack(mixed(verge, (90, 110, 60), 0.5), TREE),
            pack(mixed(asphalt, (40, 40, 42) if dice.chance(0.5) else (160, 156, 150), 0.25), ROAD),
        ],
        np.uint32,
    )


def _row_kinds(z: Array, street: Street) -> Array:
    """The kind of every row, at depth z: the bits `_ground_table` lists."""
    dice = street.dice
    phase, on, period = dice(0, 8), dice(1.5, 4), dice(5, 9)
    kinds = ((z + phase) % period < on).astype(np.intp)
    if dice.chance(0.18):
        cross = dice(5, 22)
        kinds |= 2 * ((z > cross) & (z < cross + 3))
    for side, start, stop in street.gaps:
        kinds |= (4 if side < 0 else 8) * ((z > start + 0.5) & (z < stop - 0.5))
    slabs = dice(0.6, 1.2)
    if street.closed:
        kinds |= 32 * (z > street.end - 2)
    return kinds | 16 * ((z % slabs < 0.05) & (z < 14))


def _sunlit(x: Array, z: Array, street: Street) -> Array:
    """1 where the sun reaches the ground, less in the shadow of the houses on its side."""
    weather = street.weather
    if weather.direct < 0.08:
        return np.float32(0.6)  # type: ignore[return-value]
    front = street.fronts[weather.sun > 0]
    heights = np.zeros(512, np.float32)
    for side, _, start, stop, eaves, roof, *_ in street.walls:
        if side == weather.sun and stop > 0 and start < 240:
            cell = slice(max(0, int(start * 2) + 64), int(stop * 2) + 64)
            heights[cell] = np.maximum(heights[cell], eaves + roof / 2)
    inside = (front - x) * weather.sun
    at = ((z + inside * weather.sun_shear) * 2 + 64).clip(0, 511).astype(np.intp)
    return np.where(inside < heights.take(at) * weather.sun_reach, np.float32(0.12), np.float32(1))


def _light(packed: Array, light: Array, depth: Array, camera: Camera, street: Street, backdrop: Array) -> None:
    """Light, haze and wet reflections on the packed surfaces, channel by channel."""
    weather = street.weather
    pixels = packed.view(np.uint8).reshape(camera.H, camera.W, 4)
    mirror = _mirror(pixels[..., 3], camera, street, backdrop) if weather.wet else None
    share = depth / (depth + np.float32(weather.haze))
    gain = light * (1 - share) * np.float32(1 / 256)
    for k in range(3):
        channel = pixels[..., k] * gain + share * np.float32(weather.mist[k])
        if mirror is not None:
            top, source, strength = mirror
            channel[top:] += (channel.take(source) - channel[top:]) * strength
        pixels[..., k] = channel.clip(0, 255)


def _mirror(labels: Array, camera: Camera, street: Street, backdrop: Array) -> tuple[int, Array, Array]:
    """A wet road shows what stands behind it, upside down: from which row, which pixels, how strongly."""
    foot = (camera.v0 + camera.focal * camera.eye / np.minimum(backdrop, np.float32(400))).astype(np.intp)
    top = min(max(int(camera.v0) + 1, 0), camera.H)
    rows, columns = np.arange(top, camera.H)[:, None], np.arange(camera.W)
    ripple = sample(noise()[1], rows, columns) >> 4
    source = (2 * foot - rows + ripple).clip(0, camera.H - 1) * camera.W + columns
    return top, source, (labels[top:] == ROAD) * np.float32(street.dice(0.25, 0.55))
