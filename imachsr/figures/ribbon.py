"""A network as a ribbon from input to output, its points and the rules they meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..points import Point

DEPTH = "depth: share of the tensor operations done (%), each counted once"  # label of an axis of `Point.depth`


def place_colors() -> dict[str, Any]:
    """One colour per `near` of `choose_points`, from seaborn's colour-blind palette."""
    import seaborn as sns

    from ..points import NEAR

    return dict(zip(NEAR, sns.color_palette("colorblind"), strict=False))


def ribbon(points: Sequence[Point], chosen: Sequence[Point] = ()) -> Figure:
    """A network from left to right: how large its maps are, where its blocks end, which rules are met, what is chosen.

    Args:
        points: from `find_points`.
        chosen: from `choose_points`; drawn as lines with their names.

    Raises:
        ValueError: no points at all.
    """
    import matplotlib.pyplot as plt

    if not len(points):
        raise ValueError("got no points; a ribbon needs some; record the network with find_points")
    figure, (band, rows) = plt.subplots(
        2, 1, figsize=(10, 4.6), sharex=True, height_ratios=(3, 2), layout="constrained"
    )  # fmt: skip
    _ribbon_band(band, points)
    _ribbon_rules(rows, points)
    for number, point in enumerate(chosen):
        height = 1.2 - 0.09 * (number % 3)  # falling, so that a name passes over the next line
        band.axvline(100 * point.depth, ymax=height, color="black", linewidth=1.2, zorder=1, clip_on=False)
        rows.axvline(100 * point.depth, color="0.6", linewidth=1.2, zorder=0)
        band.text(
            100 * point.depth + 0.5, height, point.name, transform=band.get_xaxis_transform(), va="top", fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip
    rows.set_xlabel(DEPTH)
    return figure


def _ribbon_band(axis: Any, points: Sequence[Point]) -> None:
    """A band as tall as the logarithm of the map's height, with block ends as dots."""
    import seaborn as sns

    maps = [point for point in points if point.size != (1, 1)]
    depth = [100 * point.depth for point in maps]
    tall = np.log2([point.size[0] for point in maps])
    color = sns.color_palette("colorblind")[0]
    axis.fill_between(depth, -tall, tall, step="mid", color=color, alpha=0.25, linewidth=0)
    blocks = [100 * point.depth for point in points if point.block >= 0]
    axis.scatter(blocks, [0] * len(blocks), s=28, color=color, zorder=3, label="end of a block")
    ticks = sorted({point.size[0] for point in maps})
    axis.set_yticks([np.log2(rows) for rows in ticks], [f"{rows} rows" for rows in ticks], fontsize=8)
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
    sns.despine(ax=axis)


def _ribbon_rules(axis: Any, points: Sequence[Point]) -> None:
    """One row of ticks per transition rule."""
    import seaborn as sns

    from ..points import RULES

    for row, rule in enumerate(RULES):
        met = [100 * point.depth for point in points if rule in point.rules]
        axis.scatter(met, [row] * len(met), marker="|", s=70, color="0.2", zorder=3)
    axis.set_yticks(range(len(RULES)), list(RULES), fontsize=8)
    axis.set_ylim(len(RULES) - 0.5, -0.5)
    sns.despine(ax=axis)


def placements(
    points: Sequence[Point], choices: Mapping[str, Sequence[Point]], colors: Mapping[str, Any] | None = None
) -> Figure:
    """Where chosen points lie: a row per choice over the network's depth, its bases as ticks.

    Args:
        points: from `find_points`.
        choices: label -> from `choose_points`.
        colors: of the dots, by label; blue for the others.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, axis = plt.subplots(figsize=(9.0, 1.0 + 0.32 * len(choices)), layout="constrained")
    bases = [100 * point.depth for point in points if point.block >= 0]
    blue = sns.color_palette("colorblind")[0]
    for y, (label, chosen) in enumerate(choices.items()):
        color = (colors or {}).get(label, blue)
        axis.plot([0, 100], [y, y], color="0.85", linewidth=1, zorder=0)
        axis.plot(bases, [y] * len(bases), "|", color="0.6", markersize=7)
        axis.plot([100 * point.depth for point in chosen], [y] * len(chosen), "o", color=color, markersize=8)
    axis.set_yticks(range(len(choices)), [*choices])
    axis.set(ylim=(len(choices) - 0.5, -0.5), xlabel=DEPTH)
    sns.despine(figure, left=True)
    return figure


def ribbon_alt(points: Sequence[Point], chosen: Sequence[Point] = ()) -> str:
    """The same in words, as alt text for `ribbon`.

    Args:
        points: from `find_points`.
        chosen: from `choose_points`.
    """
    from ..points import RULES

    turns = [points[0].size]
    for point in points:
        if point.size not in (turns[-1], (1, 1)):
            turns.append(point.size)
    course = ", ".join(f"{height}x{width}" for height, width in turns[:12]) + (", ..." if len(turns) > 12 else "")
    met = [f"{rule} {count}" for rule in RULES if (count := sum(rule in point.rules for point in points))]
    blocks = sum(point.block >= 0 for point in points)
    text = f"A network from left to right with {len(points)} points and {blocks} blocks. Map sizes in order: {course}. "
    text += f"Points meeting each rule: {', '.join(met) or 'none'}. "
    picks = ", ".join(f"{point.name} at {100 * point.depth:.0f} %" for point in chosen)
    return text + (f"Chosen: {picks} of the depth." if chosen else "Nothing is chosen.")
