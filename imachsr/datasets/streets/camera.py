"""The camera: where it stands, how things get onto its picture, and how the picture is developed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from .colours import VOID, Array, Colour, Dice, Ink
from .textures import TILE, noise, sample
from .weather import Weather

NEAR = 0.7  # m, nothing is projected from closer than this


class Camera:
    """A camera in a car, `eye` metres above a road that bends; focal length, u0 and v0 are in pixels."""

    def __init__(self, dice: Dice, height: int, width: int) -> None:
        H, W = self.H, self.W = height, width
        self.focal = W * dice(0.8, 1.15)
        self.u0 = W * (0.5 + dice(-0.14, 0.14) + dice(-0.1, 0.1))
        self.v0 = H * dice(0.38, 0.54)
        self.eye = dice(1.25, 1.9)
        self.bend = dice(-1, 1) * dice(0, 1) * 0.012  # 1 / m
        self.slope = (np.arange(W, dtype=np.float32) + 0.5 - self.u0) / self.focal  # x / z of every column

    def at(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Pixel of a point (x along the bent road, y above the ground, z ahead)."""
        z = max(z, NEAR)
        scale = self.focal / z
        return self.u0 + (x + 0.5 * self.bend * z * z) * scale, self.v0 + (self.eye - y) * scale


class Canvas:
    """The picture of a camera, RGBA with the class as A; things are painted onto it in metres."""

    def __init__(self, surfaces: Array, camera: Camera, weather: Weather, dice: Dice) -> None:
        self.camera, self.weather, self.dice, self.H, self.W = camera, weather, dice, camera.H, camera.W
        self.at, self.light = camera.at, weather.light
        self.image = Image.frombuffer("RGBA", (self.W, self.H), surfaces.tobytes(), "raw", "RGBA", 0, 1)
        self.draw = ImageDraw.Draw(self.image)

    def face(self, corners: Sequence[tuple[float, float, float]], ink: Ink) -> None:
        self.draw.polygon([self.at(*corner) for corner in corners], fill=ink)

    def upright(self, x0: float, x1: float, y0: float, y1: float, z: float, ink: Ink) -> None:
        """A rectangle that faces the camera, at least one pixel wide."""
        left, top = self.at(x0, y1, z)
        right, bottom = self.at(x1, y0, z)
        left, top, right, bottom = int(left + 0.5), int(top + 0.5), int(right - 0.5), int(bottom - 0.5)
        self.draw.rectangle((left, top, max(left, right), max(top, bottom)), fill=ink)

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
        dark, light = self.light(z, colour, label, 0.3), self.light(z, colour, label, 1.9)
        steps = np.arange(256, dtype=np.int32)[:, None]
        table = (np.array(dark) + (np.array(light) - np.array(dark)) * steps // 255).astype(np.uint8)
        patch = Image.fromarray(table[texels], "RGBA")
        self.image.paste(patch, (x0, y0), Image.fromarray((texels > 0).view(np.uint8) * np.uint8(255)))


def develop(canvas: Canvas) -> tuple[Array, Array]:
    """Lens, sensor and annotator: blur, exposure and grain on the picture, void along some outlines."""
    dice = canvas.dice
    pixels = np.asarray(canvas.image)
    blurred = dice.chance(0.7)
    rows = np.arange(canvas.H)[:, None] + dice.below(TILE)
    cols = np.arange(canvas.W) + dice.below(TILE)
    strength = int(dice(4, 24) * (1.4 if canvas.weather.name in ("dusk", "rain") else 1))
    grain = (sample(noise()[0], rows, cols) * np.int16(strength)) >> 7
    gain, lift = dice(0.9, 1.25), dice(-12, 12)
    steps = np.arange(-64, 320).clip(0, 255)  # the grain stays within 64 grey levels
    curve = steps * (1.12 - steps * (0.12 / 255)) * gain + lift
    picture = np.empty((canvas.H, canvas.W, 3), np.uint8)
    for k, tone in enumerate(canvas.weather.tint):
        channel = pixels[..., k].astype(np.int16)
        if blurred:
            channel[:, 1:-1] = (channel[:, :-2] + 2 * channel[:, 1:-1] + channel[:, 2:]) >> 2
            channel[1:-1] = (channel[:-2] + 2 * channel[1:-1] + channel[2:]) >> 2
        channel += grain
        picture[..., k] = (curve * tone).clip(0, 255).astype(np.uint8).take(channel + 64)
    return picture, _outlined(np.ascontiguousarray(pixels[..., 3]), dice)


def _outlined(labels: Array, dice: Dice) -> Array:
    clouds, (H, W) = noise()[2], labels.shape
    rows = (np.arange(H) * 400 // H + dice.below(TILE)) & (TILE - 1)
    cols = (np.arange(W) * 500 // W + dice.below(TILE)) & (TILE - 1)
    loose = sample(clouds, rows[:, None], cols) > 50
    edge = np.zeros(labels.shape, bool)
    edge[:, 1:] = labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    labels[edge & loose] = VOID
    return labels
