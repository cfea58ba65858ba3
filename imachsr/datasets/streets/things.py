"""Things that stand on the ground: trees, lamps, signs, bins; each planned on a street, then painted."""

from __future__ import annotations

from .camera import Canvas
from .colours import LEAVES, METALS, PAINTWORK, PLATES, POLE, SIGN, TREE, VOID, Colour
from .layout import Street
from .textures import crowns


def plan_trees(street: Street) -> None:
    """Rows of trees along the kerb or behind the fronts, and single ones in side streets."""
    dice = street.dice
    bare = dice.chance(0.3)
    for side in (-1, 1):
        if dice.chance(0.9 if street.green[side > 0] else 0.64):
            front, kerb = street.fronts[side > 0], street.kerbs[side > 0]
            x = front + side * dice(0.5, 4) if dice.chance(0.6) else kerb + side * dice(0.5, 1)
            z, step, tall = dice(5, 20), dice(5, 13), dice(5, 12)
            for _ in range(1 + dice.below(6)):
                street.put(z, tree, x + dice(-0.5, 0.5), tall * dice(0.8, 1.2), bare)
                if z < 40:
                    street.shadow(x, z, tall * 0.25, tall * 0.2, tall)
                z += step * dice(0.8, 1.3)
    for side, start, stop in street.gaps[:3]:
        if start > 6 and dice.chance(0.5):
            street.put(stop, tree, street.fronts[side > 0] + side * dice(2, 5), dice(5, 10), bare)


def tree(canvas: Canvas, x: float, z: float, tall: float, bare: bool) -> None:
    """A trunk and a crown, bare in winter, standing at (x, z) metres."""
    dice = canvas.dice
    bark = dice.near((84, 72, 60), 20)
    wide = tall * dice(0.55, 0.85)
    trunk = tall * (dice(0.2, 0.34) if not bare else 0.22)
    canvas.upright(x - tall * 0.02, x + tall * 0.02, 0, trunk + 0.3 * (tall - trunk), z, canvas.light(z, bark, TREE))
    colour = dice.near(dice.pick(LEAVES), 20) if not bare else bark
    sprite = dice.pick(crowns()[bare])
    left, top = canvas.at(x - wide / 2, tall, z)
    right, bottom = canvas.at(x + wide / 2, trunk, z)
    canvas.stamp(sprite, left, top, right, bottom, colour, z, TREE)


def plan_poles(street: Street) -> None:
    """Street lamps, traffic signs and lights along the kerbs, and boards on the fronts."""
    dice = street.dice
    for side in (-1, 1):
        kerb = street.kerbs[side > 0]
        if dice.chance(0.65):
            x, z, step = kerb + side * dice(0.3, 0.8), dice(7, 22), dice(16, 32)
            style = dice(5, 9), dice.near(dice.pick(METALS)), dice(-1, 1.8)
            for _ in range(1 + dice.below(4)):
                street.put(z, lamp, x, side, *style)
                z += step
        for _ in range(dice.below(3)):
            painter = traffic_light if dice.chance(0.3) else sign
            street.put(dice(7, 32), painter, kerb + side * dice(0.3, 0.9))
        for wall in street.walls:  # on a front that is there
            if wall.side == side and wall.eaves > 3.5 and 6 < wall.start < 30 and dice.chance(0.4):
                street.put(wall.start + dice(0, 2), board, side * (wall.distance - 0.4))


def lamp(canvas: Canvas, x: float, z: float, side: int, tall: float, colour: Colour, arm: float) -> None:
    """A street lamp whose arm reaches over the road."""
    ink = canvas.light(z, colour, POLE)
    canvas.upright(x - 0.055, x + 0.055, 0, tall, z, ink)
    canvas.upright(x - 0.09, x + 0.09, 0, 1.1, z, ink)
    if arm > 0:
        tip = x - side * arm
        width = max(1, int(canvas.camera.focal * 0.07 / z))
        canvas.draw.line([canvas.at(x, tall, z), canvas.at(tip, tall + 0.3, z)], fill=ink, width=width)
        canvas.upright(min(tip, tip + 0.5), max(tip, tip + 0.5), tall + 0.2, tall + 0.38, z, ink)
    else:
        canvas.upright(x - 0.22, x + 0.22, tall, tall + 0.45, z, canvas.light(z, (214, 210, 196), POLE))


def sign(canvas: Canvas, x: float, z: float) -> None:
    """A traffic sign on its pole."""
    dice = canvas.dice
    y, size = dice(2.0, 2.7), dice(0.3, 0.45)
    canvas.upright(x - 0.035, x + 0.035, 0, y + size, z, canvas.light(z, dice.pick(METALS), POLE))
    rim, plate = dice.pick(PLATES)
    shape = dice.below(3)
    for scale, colour in ((1.0, rim), (0.66, plate)):
        r, ink = size * scale, canvas.light(z, dice.near(colour), SIGN)
        if shape == 0:
            canvas.draw.ellipse([*canvas.at(x - r, y + r, z), *canvas.at(x + r, y - r, z)], fill=ink)
        elif shape == 1:
            canvas.face([(x - r, y - 0.7 * r, z), (x + r, y - 0.7 * r, z), (x, y + r, z)], ink)
        else:
            canvas.upright(x - r, x + r, y - r * 0.8, y + r * 0.8, z, ink)


def traffic_light(canvas: Canvas, x: float, z: float) -> None:
    """A signal head on its pole, one lamp lit."""
    dice = canvas.dice
    canvas.upright(x - 0.055, x + 0.055, 0, 2.6, z, canvas.light(z, dice.pick(METALS), POLE))
    canvas.upright(x - 0.24, x + 0.24, 2.1, 3.5, z, canvas.light(z, (30, 32, 32), SIGN))
    on = dice.below(3)
    for k, colour in enumerate(((60, 200, 120), (240, 170, 40), (240, 50, 40))):
        glow = colour if k == on else (50, 46, 44)
        canvas.draw.ellipse(
            [*canvas.at(x - 0.14, 2.57 + 0.45 * k, z), *canvas.at(x + 0.14, 2.29 + 0.45 * k, z)],
            fill=(*glow, SIGN) if k == on else canvas.light(z, glow, SIGN),
        )


def board(canvas: Canvas, x: float, z: float) -> None:
    """A shop sign or advertisement, fixed to a front or hanging from it."""
    dice = canvas.dice
    y, wide, tall = dice(2.2, 4.2), dice(0.3, 0.8), dice(0.3, 0.7)
    canvas.upright(
        x - wide, x + wide, y - tall, y + tall, z, canvas.light(z, dice.near(dice.pick(PAINTWORK), 60), SIGN)
    )
    ink = canvas.light(z, dice.near(dice.pick(PAINTWORK), 60), SIGN)
    canvas.upright(x - wide * 0.7, x + wide * 0.7, y - tall * 0.3, y + tall * 0.3, z, ink)


def plan_clutter(street: Street) -> None:
    """Bins and boxes nobody labelled, and bollards (poles)."""
    dice = street.dice
    for side in (-1, 1):
        for _ in range(dice.below(3)):
            street.put(dice(5, 20), litter_bin, street.fronts[side > 0] - side * dice(0.3, 1.2))
        if dice.chance(0.2):
            start, step = dice(5, 10), dice(1.6, 3)
            for k in range(4):
                street.put(start + k * step, bollard, street.kerbs[side > 0] + side * 0.4)


def bollard(canvas: Canvas, x: float, z: float) -> None:
    """A low post on the pavement."""
    canvas.upright(x - 0.07, x + 0.07, 0, 0.95, z, canvas.light(z, (60, 60, 62), POLE))


def litter_bin(canvas: Canvas, x: float, z: float) -> None:
    """A bin: clutter without a class, void."""
    dice = canvas.dice
    wide, tall, colour = dice(0.2, 0.5), dice(0.6, 1.3), dice.near(dice.pick(PAINTWORK))
    canvas.upright(x - wide, x + wide, 0, tall, z, canvas.light(z, colour, VOID))
    canvas.upright(x - wide, x + wide, tall * 0.9, tall, z, canvas.light(z, colour, VOID, 0.6))


def paint_bonnet(canvas: Canvas) -> None:
    """The bonnet of the car the camera sits in."""
    dice, H, W = canvas.dice, canvas.H, canvas.W
    if not dice.chance(0.16):
        return
    tall, tilt = H * dice(0.03, 0.12), H * dice(-0.02, 0.02)
    colour = dice.near(dice.pick(PAINTWORK))
    points = [(0, H), (0, H - tall * 0.4 + tilt), (W * 0.25, H - tall * 0.9), (W * 0.5, H - tall)]
    points += [(W * 0.75, H - tall * 0.9), (W, H - tall * 0.4 - tilt), (W, H)]
    canvas.draw.polygon(points, fill=canvas.light(0, colour, VOID))
    canvas.draw.line(points[1:-1], fill=canvas.light(0, colour, VOID, 1.5), width=max(1, H // 120))
