"""The point picker: network, rule, count, position and distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..points import RULES, Point, choose_points
from ..points.choose import NEAR
from .explorer import Explorer, dropdown, explorer, picture, table

COUNTS = ("log", 1, 2, 3, 4, 5, 6)
DISTANCES = (("open", 0), ("1", 1), ("2", 2), ("3", 3), ("4", 4))


def compute_points(
    points: Sequence[Point], *, rule: str, count: int | str, near: str = "spread", distance: int = 0
) -> tuple[Point, ...]:
    """What the point picker shows: `choose_points` with at most one rule.

    Args:
        points: from `find_points`.
        rule: a transition rule that every chosen point must meet, or "any".
        count: M, or "log".
        near: which row of points: "spread", "input", "center" or "output".
        distance: bases from one point to the next, with "spread" a multiple of it, or 0 to leave it open.

    Raises:
        ValueError: fewer points than asked.
    """
    rules = None if rule == "any" else [rule]
    return choose_points(points, count, near=near, distance=distance or None, rules=rules)


def point_picker(networks: Mapping[str, Sequence[Point]]) -> Explorer:
    """Picks network, rule, count, position and distance, and redraws the ribbon.

    Args:
        networks: name -> its points from `find_points`.

    Raises:
        ValueError: no networks.
    """
    if not networks:
        raise ValueError("got no networks; the picker draws at least one; pass {name: find_points(network, images)}")

    def render(network: str, **wishes: Any) -> str:
        distance = wishes["distance"] if wishes["near"] == "spread" else 0
        return _chosen_html(network, networks[network], compute_points(networks[network], **wishes), distance)

    controls = {
        "network": dropdown("Network", [*networks], next(iter(networks))),
        "rule": dropdown("Rule", ["any", *RULES], "any"),
        "count": dropdown("Count M", COUNTS, 3),
        "near": dropdown("Near", [*NEAR], "spread"),
        "distance": dropdown("Distance", DISTANCES, 0),
    }
    return explorer(controls, render)


def _chosen_html(network: str, points: Sequence[Point], chosen: Sequence[Point], multiple: int) -> str:
    from ..figures import ribbon, ribbon_alt

    rows = [
        {
            "point": point.name,
            "depth": f"{100 * point.depth:.0f} %",
            "channels": point.channels,
            "size": f"{point.size[0]}x{point.size[1]}",
            "rules it meets, and why": "; ".join(f"{rule}: {why}" for rule, why in point.rules.items()) or "none",
        }
        for point in chosen
    ]
    caption = f"{network}: {len(chosen)} of {len(points)} points chosen."
    if multiple > 1:
        caption += f" Spread over depth, they lie a multiple of {multiple} bases apart."
    return picture(ribbon(points, chosen), ribbon_alt(points, chosen), caption) + table(rows)
