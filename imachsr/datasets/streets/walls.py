"""Walls: house fronts, garden walls, hedges and railings, cast column by column."""

from __future__ import annotations

import functools

import numpy as np

from .camera import Camera
from .colours import Array
from .layout import Street
from .textures import CELL, CURTAIN, GLASS, HEDGE, PLAIN, RAILING, SEE, SHINE, atlas, noise, sample


class Walls:
    """The walls a camera sees: `layers` to paint, the farther one first; `backdrop` (W,), depth of the nearer."""

    def __init__(self, camera: Camera, street: Street) -> None:
        self.camera, self.street = camera, street
        self.layers = self._nearest() if street.walls else []  # a rare street has none on either side
        self.backdrop = self.layers[-1][1] if self.layers else np.full(camera.W, np.inf, np.float32)

    def _cast(self) -> tuple[Array, Array, Array]:
        """Depth, position along the wall and whether an end was hit, each (walls, W); depth is inf where missed."""
        column = [np.array(values, np.float32)[:, None] for values in list(zip(*self.street.walls, strict=True))[:10]]
        side, distance, start, stop, _, _, _, _, _, depth = column
        slope, bend = side * self.camera.slope, side * np.float32(self.camera.bend)
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

    def _nearest(self) -> list[tuple[Array, ...]]:
        """Per column the second, then the nearest wall: number, depth (inf for none), position along it, end."""
        z, along, end = self._cast()
        eye, layers = self.camera.eye, []
        for _ in range(2):
            order = z.argmin(0)
            layers.append((order, *(np.take_along_axis(a, order[None], 0)[0] for a in (z, along, end))))
            np.put_along_axis(z, order[None], np.float32(np.inf), 0)
        (front, near, *_), (behind, far, *_) = layers
        eaves, roof, style = np.array([row[4:7] for row in self.street.walls], np.float32).T
        hidden = (eaves[behind] + roof[behind] + 2 - eye) / far < (eaves[front] - eye) / near
        far[hidden & (style[front] != RAILING)] = np.inf
        return layers[::-1]

    def paint(
        self, packed: Array, light: Array, depth: Array, order: Array, z: Array, along: Array, end: Array
    ) -> None:
        """One wall per column, in place: fronts, ends, gables, roofs and what is on them."""
        seen = np.flatnonzero(np.isfinite(z))
        if not len(seen):
            return
        camera, walls, weather = self.camera, self.street.walls, self.street.weather
        span = slice(seen[0], seen[-1] + 1)
        missed = ~np.isfinite(z[span])
        order, z, along, end = order[span], np.where(missed, np.float32(300), z[span]), along[span], end[span]
        along = np.where(missed, np.float32(0), along)
        numbers = np.array([row[:10] for row in walls], np.float32)[order].T
        side, distance, _, _, eaves, roof, style, storey, bay, thick = numbers
        gable = roof * (1 - np.abs(2 * along / thick - 1))
        rise = (eaves + roof - camera.eye) * distance / np.maximum(distance + thick / 2, 1) + camera.eye - eaves
        chimney = (along % 7 < 0.8) * np.float32(1.3) * (roof > 0)
        top = np.where(missed, np.float32(-1), eaves + np.where(end, gable, np.maximum(rise, 0) + chimney))
        wide = end & (thick > 20)
        style = np.where(end & ~wide & (style < PLAIN), PLAIN, style).astype(np.intp)
        first = max(0, int((camera.v0 - camera.focal * (top - camera.eye) / z).min()))
        last = min(camera.H, int((camera.v0 + camera.focal * camera.eye / z).max()) + 1)
        rows = np.arange(first, last, dtype=np.float32)[:, None] + 0.5
        y = camera.eye + (camera.v0 - rows) * (z / camera.focal)
        inside = (y >= 0) & (y < top)
        upper = ((y - storey) * (CELL / storey)).astype(np.intp)
        row = np.where(y < storey, upper + CELL, (upper & (CELL - 1)) + CELL)
        row = np.where(y < eaves, row, 2 * CELL + (upper & (CELL - 1)))
        bays = along / bay
        number = bays.astype(np.intp)
        texel = ((bays - number) * CELL).astype(np.intp)
        material = atlas().take((style * (3 * CELL * CELL) + texel) + np.maximum(row, 0) * CELL)
        variant = self._panes.take((((upper >> 6) * 37 + (number * 11 + order * 5)) & 255) * 16 + material)
        palettes = np.array([wall.palette for wall in walls], np.uint32).reshape(-1)
        colours = palettes.take(order * 12 + variant)
        here = slice(first, last), span
        part = packed[here]
        solid = inside
        if (style == RAILING).any():  # between the bars one sees what is behind, under the label of the fence
            open_ = material == SEE
            colours = np.where(open_, (part & np.uint32(0xFFFFFF)) | (colours & np.uint32(0xFF000000)), colours)
            solid = inside & ~open_
        lit = np.where(end, max(0.0, weather.sun_behind), np.where(side != weather.sun, 0.9, 0.05)).astype(np.float32)
        level = weather.ambient + weather.direct * lit
        texture = sample(noise()[1], (y * 26).astype(np.intp), (along * 26).astype(np.intp) + order * 77)
        rough = np.where(style == HEDGE, np.float32(1.8), np.float32(0.5)) * (20 / (20 + z))
        shade = (256 + texture * rough) * level
        np.copyto(part, colours, where=inside)
        np.copyto(light[here], shade, where=solid)
        np.copyto(depth[here], z, where=solid)

    @functools.cached_property
    def _panes(self) -> Array:
        table = np.tile(np.arange(16, dtype=np.uint8), (256, 1))
        kinds = np.array([self.street.dice.pick((GLASS, GLASS, CURTAIN, SHINE)) for _ in range(64)], np.uint8)
        table[:, GLASS] = np.tile(kinds, 4)
        return table.reshape(-1)
