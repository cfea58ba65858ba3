"""Pictures of scores: one prediction under five protocols, and confidence against accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics import PROTOCOLS, Confusion
from ..metrics.protocols import MEANS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def protocol_table(scores: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Scores in per cent, one row per protocol in the order of `PROTOCOLS`.

    Args:
        scores: protocol -> scores, as a `Confusion` gives them or a `Result` keeps them.
    """
    import pandas as pd

    rows = {name: {mean: _percent(scores[name][mean]) for mean in MEANS} for name in PROTOCOLS if name in scores}
    return pd.DataFrame(rows).T


def all_protocols(confusion: Confusion) -> dict[str, dict[str, Any]]:
    """Protocol -> scores of one confusion."""
    return {name: confusion.scores(name) for name in PROTOCOLS}


def protocol_chart(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """One panel per prediction: each mean under each protocol, the numbers on the bars.

    Args:
        tables: title -> `protocol_table`.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, axes = plt.subplots(
        len(tables), 1, figsize=(10, 2.7 * len(tables)), squeeze=False, sharey=True, layout="constrained"
    )
    colors = sns.color_palette("colorblind", len(PROTOCOLS))
    for axis, (title, table) in zip(axes[:, 0], tables.items(), strict=True):
        table.T.plot.bar(ax=axis, color=colors, width=0.85, rot=0, legend=axis is axes[0, 0])
        for bars in axis.containers:
            axis.bar_label(bars, fmt="%.1f", fontsize=7, padding=1)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set(ylabel="%", ylim=(0, min(112, 1.2 * np.nanmax(table.to_numpy()))))
    axes[0, 0].legend(title="protocol", frameon=False, fontsize=8, bbox_to_anchor=(1.0, 1.0), loc="upper left")
    sns.despine(figure)
    return figure


def reliability(scores: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Reliability diagrams (Guo et al., 2017): accuracy against confidence per bin, with the share of the pixels below.

    Args:
        scores: title -> what `Calibration.scores` gave.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    columns = len(scores)
    figure, axes = plt.subplots(
        2, columns, figsize=(max(5.0, 3.6 * columns), 4.7), height_ratios=(3, 1), sharex=True, sharey="row",
        squeeze=False, layout="constrained",
    )  # fmt: skip
    blue, red = sns.color_palette("colorblind")[0], sns.color_palette("colorblind")[3]
    for (top, bottom), (title, found) in zip(axes.T, scores.items(), strict=True):
        bins = {name: 100 * np.array(values) for name, values in found["bins"].items()}
        width = 100 / len(bins["share"])
        left = width * np.arange(len(bins["share"]))
        top.bar(left, bins["accuracy"], width, align="edge", color=blue, edgecolor="white", label="accuracy")
        top.plot([0, 100], [0, 100], color="0.15", linewidth=1, linestyle="--", label="accuracy = confidence")
        top.plot(bins["confidence"], bins["confidence"], "o", markersize=4, color=red, label="mean confidence")
        top.set_title(f"{title}\nECE {100 * found['ece']:.1f} %", fontsize=9)
        bottom.bar(left, bins["share"], width, align="edge", color="0.7", edgecolor="white")
        bottom.set_xlabel("confidence (%)")
    axes[0, 0].set_ylabel("accuracy (%)")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), frameon=False, fontsize=8, ncols=3, loc="outside upper center"
    )
    axes[1, 0].set_ylabel("pixels (%)")
    sns.despine(figure)
    return figure


def frequencies(shares: Mapping[str, Sequence[float]], classes: Mapping[str, Sequence[str]]) -> Figure:
    """Share of the labelled pixels per class in words and as a dot, one panel per dataset, on a logarithmic axis.

    Args:
        shares: dataset -> share of each class, of one.
        classes: dataset -> names.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    tall = max(map(len, shares.values()))
    figure, axes = plt.subplots(
        1, len(shares), figsize=(max(6.0, 3.6 * len(shares)), 0.2 * tall + 1.0), squeeze=False, layout="constrained"
    )
    color = sns.color_palette("colorblind")[0]
    for axis, (name, values) in zip(axes[0], shares.items(), strict=True):
        order = np.argsort(values)[::-1]
        percent = 100 * np.array(values)[order]
        axis.plot(percent, range(len(order)), "o", color=color)
        words = [f"{classes[name][k]}  {value:.2g}" for k, value in zip(order, percent, strict=True)]
        axis.set_yticks(range(len(order)), words, fontsize=8 if tall < 25 else 6)
        axis.grid(axis="y", color="0.92")
        axis.invert_yaxis()
        axis.set(title=name, xscale="log", xlabel="labelled pixels (%)")
        axis.set_xlim(right=100)
    sns.despine(figure)
    return figure


def _percent(value: float | None) -> float:
    return float("nan") if value is None else 100 * value
