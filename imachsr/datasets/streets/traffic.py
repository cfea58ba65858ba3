"""Traffic: cars, walkers and cyclists; each planned on a street, then painted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from .camera import Canvas
from .colours import BICYCLIST, CAR, CLOTHES, PAINTWORK, PEDESTRIAN, ROAD, SKIN, Ink, mixed
from .layout import Street


def plan_cars(street: Street) -> None:
    """Cars parked along the kerbs, driving in both lanes and, now and then, crossing."""
    dice = street.dice
    for side in (-1, 1):
        kerb, away = street.kerbs[side > 0], side == street.drives
        if dice.chance(0.5):
            z = dice(2.5, 20)
            for _ in range(1 + dice.below(5)):
                x = kerb - side * dice(1.0, 1.25)
                if abs(x) > 1.5 or z > 12:
                    _plan_car(street, x, z, away)
                z += dice(5.2, 8)
        if dice.chance(0.6):
            lane = (street.kerbs[0] + street.kerbs[1]) / 2 + side * (street.kerbs[1] - street.kerbs[0]) * 0.22
            _plan_car(street, lane, dice(7, 45), away)
    if dice.chance(0.16):
        x, z = dice(*street.kerbs), dice(10, 26)
        street.put(z, car_across, x)
        street.shadow(x, z + 0.8, 2.1, 0.9, 1.2)


def _plan_car(street: Street, x: float, z: float, away: bool) -> None:
    """A car, seldom a van or a bus: half width, waist, height and length in metres."""
    dice, kind = street.dice, street.dice()
    build = 0.88, 0.92, dice(1.38, 1.6), dice(3.7, 4.6)
    if kind > 0.88 and z > 6:
        build = 0.98, 1.1, dice(1.9, 2.4), dice(4.6, 5.4)
    if kind > 0.97 and z > 14:
        build = 1.2, 1.2, 3.1, 9.0
    street.put(z, car, x, away, *build)
    street.shadow(x, z + build[3] / 2, build[0], build[3] / 2, build[2])


def car(canvas: Canvas, x: float, z: float, away: bool, wide: float, waist: float, tall: float, long: float) -> None:
    """A vehicle along the road, seen from behind (away) or from the front, and from its inner side."""
    dice = canvas.dice
    paint, glass = dice.near(dice.pick(PAINTWORK), 20), mixed((36, 40, 46), canvas.weather.sky_low, dice(0.05, 0.4))
    x0, x1, back = x - wide, x + wide, z + long
    side = x1 if x < -0.5 * wide else x0
    inner = 1 if side == x1 else -1
    sun = 1.08 if inner != canvas.weather.sun else 0.8
    ink = functools.partial(canvas.light, z)
    body, flank, roof = ink(paint, CAR, 0.92), ink(paint, CAR, 0.8 * sun), ink(paint, CAR, 1.2)
    dark, pane = ink((22, 22, 24), CAR), ink(glass, CAR)
    under = [(x0 + 0.1, 0.02, z + 0.3), (x1 - 0.1, 0.02, z + 0.3), (x1 - 0.1, 0.02, back), (x0 + 0.1, 0.02, back)]
    canvas.face(under, ink((24, 24, 26), ROAD))
    boxy = tall > 1.7
    fore, aft = (0.1, 0.1) if boxy else (0.55, 1.0) if away else (1.25, 0.3)
    rake = 0.1 if boxy else 0.5
    trim = 0.12 if not boxy else 0.03
    canvas.face([(side, 0.22, z), (side, waist, z), (side, waist, back), (side, 0.22, back)], flank)
    canvas.face([(x0, waist, z), (x1, waist, z), (x1, waist, back), (x0, waist, back)], roof)
    a, b, c, d = z + fore, z + fore + rake, back - aft - rake, back - aft
    t0, t1, ts = x0 + trim, x1 - trim, side - inner * trim
    canvas.face([(side, waist, a), (ts, tall, b), (ts, tall, c), (side, waist, d)], flank)
    canvas.face([(t0, tall, b), (t1, tall, b), (t1, tall, c), (t0, tall, c)], roof)
    canvas.face([(x0, waist, a), (x1, waist, a), (t1, tall, b), (t0, tall, b)], body)
    canvas.face([(x0, 0.25, z), (x1, 0.25, z), (x1, waist, z), (x0, waist, z)], body)
    if canvas.camera.focal / z < 3:
        return
    low, high = waist + 0.06 * (tall - waist), waist + 0.85 * (tall - waist)
    canvas.face([(x0 + 0.1, low, a), (x1 - 0.1, low, a), (t1 - 0.1, high, b), (t0 + 0.1, high, b)], pane)
    middle = (b + c) / 2
    for p, q in ((a + 0.35, middle - 0.05), (middle + 0.05, d - 0.35)):
        canvas.face([(side, low, p), (ts, high, min(p + 0.3, q)), (ts, high, q - 0.1), (side, low, q)], pane)
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
        canvas.face([(side, 0.31 + dy, wheel + dz) for dz, dy in ring], dark)
        canvas.face([(side, 0.31 + dy * 0.5, wheel + dz * 0.5) for dz, dy in ring[::2]], ink((130, 132, 134), CAR))
    canvas.upright(x0 + 0.05, x0 + 0.3, 0.0, 0.3, z, dark)
    canvas.upright(x1 - 0.3, x1 - 0.05, 0.0, 0.3, z, dark)
    bright = canvas.weather.name in ("dusk", "rain", "fog") and dice.chance(0.8)
    lamp = (190, 30, 30) if away else (236, 236, 220)
    glow = (*((255, 60, 50) if away else (255, 250, 225)), CAR) if bright else ink(lamp, CAR)
    for edge in (x0 + 0.04, x1 - 0.3):
        canvas.upright(edge, edge + 0.26, waist - 0.3, waist - 0.12, z, glow)
    canvas.upright(x - 0.26, x + 0.26, 0.42, 0.54, z, ink((230, 228, 200) if not away else (226, 190, 60), CAR))
    canvas.face([(x0, 0.25, z), (x1, 0.25, z), (x1, 0.36, z), (x0, 0.36, z)], ink((40, 40, 42), CAR))


def car_across(canvas: Canvas, x: float, z: float) -> None:
    """A car crossing the road, seen from its side."""
    dice = canvas.dice
    way = dice.pick((-1, 1))
    paint, glass = dice.near(dice.pick(PAINTWORK), 20), mixed((36, 40, 46), canvas.weather.sky_low, 0.25)
    ink = functools.partial(canvas.light, z)
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
    canvas.face([(x + way * dx, y, z) for dx, y in hull], ink(paint, CAR))
    canvas.face(
        [(x + way * dx, y, z) for dx, y in ((-1.3, 1.0), (-0.75, 1.34), (-0.15, 1.34), (-0.15, 1.0))],
        ink(glass, CAR),
    )
    canvas.face(
        [(x + way * dx, y, z) for dx, y in ((-0.05, 1.0), (-0.05, 1.34), (0.55, 1.34), (1.05, 1.0))],
        ink(glass, CAR),
    )
    for centre in (-1.35, 1.4):
        wheel = x + way * centre
        for radius, colour in ((0.34, (24, 24, 26)), (0.17, (140, 142, 144))):
            box = [*canvas.at(wheel - radius, 0.33 + radius, z), *canvas.at(wheel + radius, 0.33 - radius, z)]
            canvas.draw.ellipse(box, fill=ink(colour, CAR))


def plan_people(street: Street) -> None:
    """Pedestrians on the pavements, some on the road, and sometimes a cyclist at the kerb."""
    dice = street.dice
    for side in (-1, 1):
        for _ in range(dice.below(4)):
            place = street.kerbs[side > 0] + side * dice(0.3, max(0.6, street.paths[side > 0] - 0.3))
            _plan_person(street, pedestrian, place, dice(6, 32))
    if dice.chance(0.18):
        _plan_person(street, pedestrian, dice(*street.kerbs), dice(7, 24))
    if dice.chance(0.45):
        side = dice.pick((-1, 1))
        _plan_person(street, bicyclist, street.kerbs[side > 0] - side * dice(0.5, 2.2), dice(5, 20))


def _plan_person(street: Street, painter: Callable[..., None], x: float, z: float) -> None:
    street.put(z, painter, x)
    street.shadow(x, z, 0.22, 0.2, 1.3)


def pedestrian(canvas: Canvas, x: float, z: float) -> None:
    """Somebody standing or walking at (x, z) metres."""
    dice = canvas.dice
    size, stride = dice(0.88, 1.08) if dice.chance(0.88) else dice(0.6, 0.75), dice(0.02, 0.22)
    ink = functools.partial(canvas.light, z, label=PEDESTRIAN)
    coat, legs, skin = ink(dice.near(dice.pick(CLOTHES))), ink(dice.near(dice.pick(CLOTHES))), ink(dice.pick(SKIN))

    def part(points: Sequence[tuple[float, float]], colour: Ink) -> None:
        canvas.face([(x + dx * size, y * size, z) for dx, y in points], colour)

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
        box = [*canvas.at(x - wide * size, high * size, z), *canvas.at(x + wide * size, low * size, z)]
        canvas.draw.ellipse(box, fill=colour)
    if dice.chance(0.3):
        canvas.upright(
            x + 0.2 * size, x + 0.42 * size, 0.6 * size, 0.95 * size, z, ink(dice.near(dice.pick(PAINTWORK)))
        )


def bicyclist(canvas: Canvas, x: float, z: float) -> None:
    dice = canvas.dice
    ink = functools.partial(canvas.light, z, label=BICYCLIST)
    coat, legs, skin, metal = (
        ink(dice.near(dice.pick(CLOTHES), 50)),
        ink(dice.near(dice.pick(CLOTHES))),
        ink(dice.pick(SKIN)),
        ink((40, 40, 44)),
    )
    across = dice.chance(0.45)
    helmet = ink(dice.near(dice.pick(PAINTWORK), 40))
    width = max(1, int(canvas.camera.focal * 0.05 / z))

    def part(points: Sequence[tuple[float, float]], colour: Ink) -> None:
        canvas.face([(x + dx, y, z) for dx, y in points], colour)

    if across:
        for hub in (-0.52, 0.52):
            box = [*canvas.at(x + hub - 0.34, 0.68, z), *canvas.at(x + hub + 0.34, 0, z)]
            canvas.draw.ellipse(box, fill=ink((96, 96, 98)), outline=metal, width=width)
        canvas.draw.line(
            [canvas.at(x + dx, y, z) for dx, y in ((-0.52, 0.34), (-0.2, 0.8), (0.4, 0.8), (0.52, 0.34))],
            fill=metal,
            width=width,
        )
        part(((-0.25, 0.95), (-0.02, 0.95), (0.12, 0.35), (-0.02, 0.3)), legs)
        part(((-0.3, 0.9), (0.0, 0.9), (0.32, 1.4), (0.08, 1.52)), coat)
        part(((0.2, 1.4), (0.3, 1.3), (0.5, 0.95), (0.42, 0.92)), coat)
        shift = 0.28
    else:
        canvas.upright(x - 0.36, x + 0.36, 1.04, 1.1, z, metal)
        for way, foot in ((-1, 0.22), (1, 0.42)):
            part(((way * 0.02, 1.0), (way * 0.19, 1.0), (way * 0.2, foot), (way * 0.1, foot)), legs)
        canvas.draw.ellipse([*canvas.at(x - 0.06, 0.7, z), *canvas.at(x + 0.06, 0, z)], fill=metal)
        part(((-0.15, 0.92), (0.15, 0.92), (0.23, 1.42), (0.1, 1.52), (-0.1, 1.52), (-0.23, 1.42)), coat)
        for way in (-1, 1):
            part(((way * 0.22, 1.42), (way * 0.15, 1.36), (way * 0.28, 1.06), (way * 0.36, 1.08)), coat)
        canvas.upright(x - 0.05, x + 0.05, 0.74, 0.82, z, (220, 40, 36, BICYCLIST))
        shift = 0.0
    for low, high, wide, colour in ((1.48, 1.75, 0.1, skin), (1.61, 1.8, 0.12, helmet)):
        canvas.draw.ellipse([*canvas.at(x + shift - wide, high, z), *canvas.at(x + shift + wide, low, z)], fill=colour)
