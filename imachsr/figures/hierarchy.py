"""HS3 as pictures: what points can tell apart, which classes they merge, what groupings and fusing are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..hierarchy import RATIO_DEGREES, Tradeoff, class_count
from .studies import LEAST_SPAN, wide_enough

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^vP*X"
STEP = 10.0  # from one mark to the next beside it, in typographic points


def tradeoffs(curves: Mapping[str, Tradeoff], final: float, *, theta: float = RATIO_DEGREES) -> Figure:
    """mIoU against the number of classes at each point, and the most that a line at an angle theta leaves (HS3 Fig. 2).

    Args:
        curves: point -> its trade-off, in order of depth.
        final: the output's mIoU over all K classes, a share of one.
        theta: degrees from the vertical through the output.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, axis = plt.subplots(figsize=(7.2, 3.8), layout="constrained")
    K = max(curve.classes for curve in curves.values())
    colors = sns.color_palette("colorblind")
    label = f"{theta:g}° in HS3's units" + (":\nthe output's mIoU per class" if theta == RATIO_DEGREES else "")
    line_at, height = _line(K, final, theta)
    axis.plot(line_at, 100 * height, "--", color="0.5", linewidth=1, label=label)
    axis.plot([K], [100 * final], "o", color="black", markersize=9, label="output, all classes")
    tops: dict[int, float] = {}
    for number, (name, curve) in enumerate(curves.items()):
        color, marker = colors[number % len(colors)], MARKERS[number % len(MARKERS)]
        sizes = sorted(curve.miou)
        share = [100 * curve.miou[size] for size in sizes]
        axis.plot(sizes, share, marker=marker, color=color, markersize=4, linewidth=1.2, label=name)
        count = class_count(curve, final, theta=theta)
        axis.plot([count], [100 * curve.miou[count]], marker, color=color, markersize=11, markeredgecolor="black")
        tops[count] = max(tops.get(count, 0.0), 100 * curve.miou[count])
    for count, top in tops.items():  # points with one count share the label
        axis.annotate(
            str(count), (count, top), xytext=(0, 9), textcoords="offset points", ha="center", fontsize=9,
            fontweight="bold",
        )  # fmt: skip
    axis.set(xlabel="classes left after merging", ylabel="mIoU (%)", xlim=(0, K + 0.6), ylim=(0, None))
    axis.locator_params(axis="x", integer=True)
    axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    sns.despine(figure)
    return figure


def _line(classes: int, final: float, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """The line tan(theta) = unit (K - n) / (final - mIoU) as far as it is above 0: (n, mIoU)."""
    if theta == 0:
        return np.array([classes, classes], float), np.array([0.0, final])
    fall = final / classes * math.tan(math.radians(RATIO_DEGREES)) / math.tan(math.radians(theta))  # mIoU per class
    least = max(0.0, classes - final / fall) if fall > 0 else 0.0
    across = np.array([least, classes])
    return across, final - fall * (classes - across)


def tradeoffs_alt(curves: Mapping[str, Tradeoff], final: float, *, theta: float = RATIO_DEGREES) -> str:
    """The same in words, as alt text for `tradeoffs`."""
    K = max(curve.classes for curve in curves.values())
    parts = []
    for name, curve in curves.items():
        count, least = class_count(curve, final, theta=theta), min(curve.miou)
        parts.append(
            f"{name} falls from {100 * curve.miou[least]:.0f} % at {least} classes to {100 * curve.miou[K]:.0f} % at "
            f"{K} and is given {count}, at {100 * curve.miou[count]:.0f} %"
        )
    return (
        f"mIoU against the number of classes, a line per point; the output has {100 * final:.0f} % at all {K} classes."
        f" With the line at {theta:g} degrees: {'; '.join(parts)}."
    )


def tree(clusters: Mapping[str, Sequence[int]], classes: Sequence[str], palette: Sequence[Sequence[int]]) -> Figure:
    """Which classes each point merges, as ribbons from the earliest point to the output's classes.

    A box is a cluster, a ribbon a class in its colour. Ribbons that only ever part make a tree; two that are
    boxed together at a later point but apart before it break it.

    Args:
        clusters: point -> the cluster of each class (K,), in order of depth.
        classes: names, K.
        palette: a colour per class, RGB of 0 to 255.
    """
    import matplotlib.pyplot as plt

    levels = {**{name: [*ids] for name, ids in clusters.items()}, "output": [*range(len(classes))]}
    places = _places(list(levels.values()))
    figure, axis = plt.subplots(figsize=(1.9 * len(levels) + 1.2, 0.32 * len(classes) + 0.9), layout="constrained")
    colors = [tuple(value / 255 for value in color) for color in palette]
    for k in range(len(classes)):
        across = [x + shift for x in range(len(levels)) for shift in (-0.13, 0.13)]
        up = [place[k] for place in places for _ in range(2)]
        axis.plot(across, up, color="0.25", linewidth=6.5, solid_joinstyle="round", zorder=1)
        axis.plot(across, up, color=colors[k], linewidth=5, solid_joinstyle="round", zorder=2)
        axis.text(len(levels) - 0.78, places[-1][k], classes[k], va="center", fontsize=9)
    for x, (ids, place) in enumerate(zip(levels.values(), places, strict=True)):
        _boxes(axis, x, ids, place)
    titles = [f"{name}\n{max(ids) + 1} classes" for name, ids in levels.items()]
    axis.set(xticks=range(len(levels)), yticks=[], xlim=(-0.3, len(levels) - 0.1), ylim=(len(classes) + 0.6, -0.8))
    axis.set_xticklabels(titles, fontsize=9)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    for side in axis.spines.values():
        side.set_visible(False)
    return figure


def _places(levels: Sequence[Sequence[int]]) -> list[dict[int, float]]:
    """Heights of each class at each level: clusters stay whole, in the order of where their members were before."""
    before = {k: float(k) for k in range(len(levels[0]))}
    found = []
    for ids in levels:
        middle = {one: float(np.mean([before[k] for k, own in enumerate(ids) if own == one])) for one in set(ids)}
        order = sorted(range(len(ids)), key=lambda k, ids=ids, middle=middle: (middle[ids[k]], ids[k], before[k]))  # type: ignore[misc]
        gaps, at = {}, 0.0
        spread = 0.5 / max(1, len(set(ids)) - 1)  # half a row, shared among the gaps between clusters
        for earlier, k in zip([None, *order], order, strict=False):
            at += spread if earlier is not None and ids[earlier] != ids[k] else 0.0
            gaps[k] = at
            at += 1.0
        found.append(gaps)
        before = gaps
    return found


def _boxes(axis: Axes, x: int, ids: Sequence[int], place: Mapping[int, float]) -> None:
    from matplotlib.patches import FancyBboxPatch

    for one in sorted(set(ids)):
        rows = [place[k] for k, own in enumerate(ids) if own == one]
        low, high = min(rows) - 0.4, max(rows) + 0.4
        box = FancyBboxPatch(
            (x - 0.15, low), 0.3, high - low, boxstyle="round,pad=0,rounding_size=0.06", facecolor="none",
            edgecolor="black", linewidth=1.4, zorder=3,
        )  # fmt: skip
        axis.add_patch(box)


def tree_alt(clusters: Mapping[str, Sequence[int]], classes: Sequence[str]) -> str:
    """The same in words, as alt text for `tree`."""
    return "Ribbons of classes, boxed into clusters at each point. " + "; ".join(
        f"{name}: {', '.join(words_of(ids, classes))}" for name, ids in clusters.items()
    )


def words_of(ids: Sequence[int], classes: Sequence[str]) -> list[str]:
    """Each cluster as its classes.

    >>> words_of([0, 1, 0], ["road", "car", "pavement"])
    ['road + pavement', 'car']
    """
    return [" + ".join(c for c, own in zip(classes, ids, strict=True) if own == one) for one in range(max(ids) + 1)]


def groupings(curves: Mapping[str, Mapping[str, Tradeoff]]) -> Figure:
    """mIoU against the number of classes, a panel per point and a line per way of grouping (HS3 Table 6, untrained).

    Args:
        curves: grouping -> point -> trade-off; all on the same counts.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    points = list(next(iter(curves.values())))
    figure, axes = plt.subplots(
        1, len(points), figsize=(3.1 * len(points) + 1.2, 3.0), sharey=True, squeeze=False, layout="constrained"
    )  # fmt: skip
    colors = sns.color_palette("colorblind")
    for axis, point in zip(axes[0], points, strict=True):
        for number, (name, found) in enumerate(curves.items()):
            sizes = sorted(found[point].miou)
            share = [100 * found[point].miou[size] for size in sizes]
            axis.plot(sizes, share, MARKERS[number] + "-", color=colors[number], markersize=4, label=name)
        axis.set(xlabel="classes left", title=point)
        axis.title.set_fontsize(10)
        axis.locator_params(axis="x", integer=True)
    axes[0, 0].set(ylabel="mIoU (%)", ylim=(0, None))
    axes[0, -1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    sns.despine(figure)
    return figure


def groupings_alt(curves: Mapping[str, Mapping[str, Tradeoff]], size: int) -> str:
    """The same in words, at one number of classes, as alt text for `groupings`."""
    points = list(next(iter(curves.values())))
    parts = [
        f"{point}: " + ", ".join(f"{name} {100 * found[point].miou[size]:.1f} %" for name, found in curves.items())
        for point in points
    ]
    return f"Lines of mIoU against the number of classes, one per grouping. At {size} classes, {'; '.join(parts)}."


def accuracy_cost(panels: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """mIoU against what inference costs (HS3 Fig. 4), a panel per source.

    Marks of one cost that would cover one another stand side by side.

    Args:
        panels: title -> rows with `label`, `scheme`, `GMACs` and `mIoU` in per cent; rows of one label are joined, and
            a label other than the scheme's name is drawn hollow.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns
    from matplotlib.transforms import ScaledTranslation

    from .results import scheme_colors

    figure, axes = plt.subplots(1, len(panels), figsize=(6.0 * len(panels), 3.4), squeeze=False, layout="constrained")
    colors = scheme_colors()
    markers = dict(zip(colors, MARKERS, strict=False))
    for axis, (title, rows) in zip(axes[0], panels.items(), strict=True):
        shifts = _side_by_side(rows)
        for label in dict.fromkeys(row["label"] for row in rows):
            own = sorted((row for row in rows if row["label"] == label), key=lambda row: row["GMACs"])
            scheme = own[0]["scheme"]
            face = colors[scheme] if label == scheme else "white"
            (line,) = axis.plot(
                [row["GMACs"] for row in own], [row["mIoU"] for row in own], linewidth=1, markersize=8, label=label,
                color=colors[scheme], marker=markers[scheme], markerfacecolor=face, markeredgecolor="black",
            )  # fmt: skip
            aside = ScaledTranslation(shifts.get(label, 0.0) / 72, 0, figure.dpi_scale_trans)
            line.set_transform(axis.transData + aside)
        axis.set(xlabel="inference, 10⁹ multiply-accumulates", ylabel="mIoU (%)")
        axis.set_title(title, fontsize=10)
        axis.margins(0.12)
        axis.set_ylim(wide_enough(*axis.get_ylim()))
        axis.locator_params(axis="x", nbins=5)
        axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    sns.despine(figure)
    return figure


def _side_by_side(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How far to the side each label's marks go, in typographic points: labels of one cost and nearly one mIoU."""
    heights = [row["mIoU"] for row in rows]
    near = 0.1 * max(LEAST_SPAN, max(heights) - min(heights))
    shifts: dict[str, float] = {}
    for cost in {row["GMACs"] for row in rows}:
        same = {row["label"]: row["mIoU"] for row in rows if row["GMACs"] == cost}
        crowded = [name for name in same if any(abs(same[name] - same[o]) < near for o in same if o != name)]
        shifts |= {name: STEP * (place - (len(crowded) - 1) / 2) for place, name in enumerate(crowded)}
    return shifts


def accuracy_cost_alt(panels: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The same in words, as alt text for `accuracy_cost`."""
    return " ".join(
        f"{title}: " + "; ".join(f"{row['label']} {row['mIoU']:.1f} % at {row['GMACs']:.3g}" for row in rows) + "."
        for title, rows in panels.items()
    )
