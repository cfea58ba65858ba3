"""What points cost: per layer, per term, and over M, measured beside predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..complexity import Cost, Counted

KINDS = ("features", "adapter", "supervision", "regularizer")
LOOKS = {"eager": (1, "s"), "fused": (0, "o")}  # colour of the palette, marker


def layers(counted: Counted) -> Figure:
    """Operations of every layer with weights, in the order they run, beside what equal layers would take.

    Args:
        counted: from `complexity.count`.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, axis = plt.subplots(figsize=(10, 2.8), layout="constrained")
    colors = sns.color_palette("colorblind")
    forward, backward = _shares(counted)
    place = np.arange(1, len(forward) + 1)
    axis.bar(place, forward, color=colors[0], label="forward")
    axis.bar(place, backward, bottom=forward, color=colors[1], label="backward")
    axis.axhline(100 / len(forward), color="black", linestyle="--", linewidth=1, label="if all were equal")
    axis.set(xlabel="layers with weights, in the order they run", ylabel="% of operations", xlim=(0, len(forward) + 1))
    axis.legend(frameon=False)
    sns.despine(figure)
    return figure


def layers_alt(counted: Counted) -> str:
    """The same in words, as alt text for `layers`."""
    weighted = [layer for layer in counted.layers if layer.weighted]
    forward, backward = _shares(counted)
    both = forward + backward
    most, order = int(both.argmax()), np.sort(both)[::-1]
    half = int(np.searchsorted(order.cumsum(), 50)) + 1
    return (
        f"Bars of the operations of {len(both)} layers. They are far from equal: {weighted[most].path} alone takes "
        f"{both[most]:.1f} %, the largest {half} take half, and an equal share would be {100 / len(both):.1f} %. "
        f"The way back takes {100 * backward.sum() / both.sum():.0f} % of all."
    )


def _shares(counted: Counted) -> tuple[np.ndarray, np.ndarray]:
    weighted = [layer for layer in counted.layers if layer.weighted]
    forward, backward = (
        np.array([getattr(layer, way) for layer in weighted], float) for way in ("forward", "backward")
    )
    whole = (forward + backward).sum()
    return 100 * forward / whole, 100 * backward / whole


def cost_bars(cost: Cost) -> Figure:
    """What each point adds to the conventional step, kind by kind: operations, and bytes kept.

    Args:
        cost: from `complexity.cost`, with points.

    Raises:
        ValueError: a cost without points.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    if not cost.points:
        raise ValueError("got a cost without points; bars show what points add; choose points and count again")
    names = [point.name for point in cost.points]
    figure, axes = plt.subplots(
        1, 2, figsize=(10, 1.1 + 0.42 * len(names)), sharey=True, layout="constrained"
    )  # fmt: skip
    colors = sns.color_palette("colorblind")
    for axis, what in zip(axes, ("operations", "kept"), strict=True):
        left = np.zeros(len(names))
        for kind, color in zip(KINDS, colors, strict=False):
            added = np.array([added_share(cost, what, kind, name) for name in names])
            axis.barh(names, added, left=left, color=color, label=kind)
            left += added
        label = {"operations": "operations", "kept": "bytes kept"}[what]
        axis.set_xlabel(f"{label}, % of the conventional step")
    axes[0].invert_yaxis()
    axes[1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    sns.despine(figure)
    return figure


def cost_bars_alt(cost: Cost) -> str:
    """The same in words, as alt text for `cost_bars`."""
    parts = [
        f"{point.name} adds {sum(added_share(cost, 'operations', k, point.name) for k in KINDS):.2f} % operations and "
        f"{sum(added_share(cost, 'kept', k, point.name) for k in KINDS):.2f} % bytes"
        for point in cost.points
    ]
    return f"Bars of what each of {len(parts)} points adds to the conventional step: {'; '.join(parts)}."


def added_share(cost: Cost, what: str, kind: str, point: str) -> float:
    """What one kind of term at one point adds, in per cent of the conventional step.

    Args:
        cost: from `complexity.cost`.
        what: "operations" or "kept".
        kind: one of `KINDS`.
        point: its name.
    """
    base = sum(getattr(term, what) for term in cost.terms if not term.point)
    return 100 * sum(getattr(t, what) for t in cost.extra if t.name == kind and t.point == point) / base


def overhead(networks: Sequence[Mapping[str, Any]], *, clock: str = "wall") -> Figure:
    """Time and bytes over M for each network: measured with spread, the line through it, and what was predicted.

    Args:
        networks: from data/results/benchmarks/complexity.json.
        clock: "wall", or "processor" time, which a busy machine does not stretch.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, axes = plt.subplots(
        2, len(networks), figsize=(3.7 * len(networks), 5.4), sharex=True, sharey="row", squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for column, network in zip(axes.T, networks, strict=True):
        for implementation in LOOKS:
            rows = [row for row in network["rows"] if row["implementation"] == implementation]
            fits = network["fits"][implementation]
            _times(column[0], rows, fits[clock], clock)
            _bytes(column[1], rows, fits["bytes"])
        column[0].set_title(network["network"], fontsize=10)
        column[1].set(xlabel="M", xticks=range(len(rows)))
    axes[0, 0].set_ylabel(f"{'' if clock == 'wall' else clock + ' '}time,\ntimes conventional")
    axes[1, 0].set_ylabel("bytes kept,\ntimes conventional")
    axes[0, 0].legend(frameon=False, fontsize=8)
    sns.despine(figure)
    return figure


def _times(axis: Axes, rows: Sequence[Mapping[str, Any]], fit: Mapping[str, Any], clock: str) -> None:
    import seaborn as sns

    number, marker = LOOKS[rows[0]["implementation"]]
    color = sns.color_palette("colorblind")[number]
    M = np.array([row["M"] for row in rows])
    median = np.array([row[clock]["median"] for row in rows])
    low, high = np.array([row[clock]["quartiles"] for row in rows]).T
    bars = np.clip([median - low, high - median], 0, None)
    label = rows[0]["implementation"]
    axis.errorbar(M, median, bars, fmt=marker, color=color, capsize=2, markersize=5, label=f"{label}, measured")
    axis.plot(M, fit["intercept"] + fit["slope"] * M, color=color, linewidth=1)
    predicted = [row["predicted"]["time"] for row in rows]
    axis.plot(M, predicted, marker, markerfacecolor="none", color=color, markersize=9, label=f"{label}, predicted")


def _bytes(axis: Axes, rows: Sequence[Mapping[str, Any]], fit: Mapping[str, Any]) -> None:
    import seaborn as sns

    number, marker = LOOKS[rows[0]["implementation"]]
    color = sns.color_palette("colorblind")[number]
    M = np.array([row["M"] for row in rows])
    for source, size, face in (("measured", 5, color), ("predicted", 9, "none")):
        kept = [row[source]["kept"] / rows[0]["measured"]["kept"] for row in rows]
        axis.plot(M, kept, marker, color=color, markersize=size, markerfacecolor=face)
    axis.plot(M, fit["intercept"] + fit["slope"] * M, color=color, linewidth=1)


def overhead_alt(networks: Sequence[Mapping[str, Any]], *, clock: str = "wall") -> str:
    """The same in words, as alt text for `overhead`."""
    parts = []
    for network in networks:
        for implementation in LOOKS:
            fits = network["fits"][implementation]
            last = [row for row in network["rows"] if row["implementation"] == implementation][-1]
            name, times = f"{network['network']} {implementation}", last[clock]["median"]
            parts.append(
                f"{name}: at M = {last['M']} {times:.2f} times the time, predicted {last['predicted']['time']:.2f}; "
                f"{100 * fits[clock]['slope']:.1f} % of time and {100 * fits['bytes']['slope']:.1f} % of bytes a point"
            )
    return f"Time and bytes kept over M, measured, predicted and fitted by lines. {'; '.join(parts)}."
