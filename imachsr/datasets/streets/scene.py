"""How a street scene of `Streets` is drawn: decide what stands where, then paint it far to near.

Coordinates are metres: x to the right of the camera along the (possibly curved) road, y up from the ground, z ahead.
Surfaces (sky, ground, house fronts, walls, fences) are cast column by column in numpy; things that stand on the
ground are polygons, painted far to near. A pixel is one uint32, red | green << 8 | blue << 16 | class << 24, so that
colour and label are written by the same stroke and cannot drift apart. Only +, -, *, / and sqrt touch floats, so that
no platform's libm has a say.
"""

from __future__ import annotations

from collections.abc import Sequence

from .camera import Camera, Canvas, develop
from .colours import Array, Dice
from .layout import Street, raise_walls
from .surfaces import paint_surfaces
from .things import paint_bonnet, plan_clutter, plan_poles, plan_trees
from .traffic import plan_cars, plan_people
from .weather import Weather


def draw(key: Sequence[int], height: int, width: int) -> tuple[Array, Array]:
    """One street, drawn once: the picture, uint8 (H, W, 3), and its labels, uint8 (H, W).

    Every choice is a throw of the same dice, so the order of the lines below is part of the scene.
    """
    dice = Dice(key)
    camera, weather = Camera(dice, height, width), Weather(dice)
    street = Street(dice, weather)
    for plan in (raise_walls, plan_trees, plan_poles, plan_cars, plan_people, plan_clutter):
        plan(street)
    canvas = Canvas(paint_surfaces(camera, street), camera, weather, dice)
    for _, painter, arguments in sorted(street.things, key=lambda thing: -thing[0]):  # far to near
        painter(canvas, *arguments)
    paint_bonnet(canvas)
    return develop(canvas)
