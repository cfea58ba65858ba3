"""Learning curves and tables of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..experiment import METRICS, Result
from ..objective import SCHEMES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def scheme_colors() -> dict[str, Any]:
    """One colour per scheme, from seaborn's colour-blind palette."""
    import seaborn as sns

    return dict(zip(SCHEMES, sns.color_palette("colorblind", len(SCHEMES)), strict=True))


def curves_table(results: Sequence[Result], metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """The scores after each evaluated epoch: one row per (scheme, seed, epoch), metrics in per cent."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "scheme": result.settings["scheme"],
                "seed": result.settings["seed"],
                "epoch": epoch["number"],
                "loss": epoch["losses"]["output"],
                **{name: 100 * epoch["scores"][name] for name in metrics},
            }
            for result in results
            for epoch in result.history
            if epoch["scores"]
        ]
    )


def curves(results: Sequence[Result], metrics: Sequence[str] = METRICS) -> Figure:
    """Learning curves as in iMacHSR Fig. 2: one panel per metric, one line per scheme, a band over seeds."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    table = curves_table(results, metrics)
    figure, axes = plt.subplots(1, len(metrics), figsize=(3.1 * len(metrics), 3.0), squeeze=False, layout="constrained")
    order = [name for name in SCHEMES if name in set(table["scheme"])]
    for axis, metric in zip(axes[0], metrics, strict=True):
        sns.lineplot(
            table, x="epoch", y=metric, hue="scheme", style="scheme", hue_order=order, style_order=order, ax=axis,
            palette=scheme_colors(), markers=True, dashes=False, errorbar="sd", legend=axis is axes[0, 0],
        )  # fmt: skip
        axis.set(ylabel=f"{metric} (%)", xlabel="epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
    sns.despine(figure)
    return figure


def cells(order: Sequence[tuple[str, str]], paper: pd.DataFrame, measured: Any, metric: str = "mIoU") -> Figure:
    """The papers' Table 2 as panels: off and on, reported in grey and measured in colour; empty cells are hatched.

    Args:
        order: (data, model) of each panel.
        paper: reported numbers in per cent, indexed by (data, model, "off" | "on").
        measured: function (data, model, scheme) -> row with `metric` in per cent, or None.
        metric: column to draw.
    """
    import matplotlib.pyplot as plt

    columns = 5 if len(order) > 9 else 3
    rows = -(-len(order) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.3 * columns, 2.1 * rows), sharey=True, squeeze=False, layout="constrained"
    )
    colors = scheme_colors()
    for axis in axes.flat[len(order) :]:
        axis.set_visible(False)
    for axis, (data, model) in zip(axes.flat, order, strict=False):
        axis.set_title(f"{data}\n{model.removesuffix('_resnet18')}", fontsize=9)
        for x, (state, scheme) in enumerate((("off", "conventional"), ("on", "imachsr"))):
            if (data, model, state) in paper.index:
                axis.bar(x - 0.2, paper.loc[(data, model, state), metric], 0.36, color="0.7")
            row = measured(data, model, scheme)
            if row is None:
                axis.bar(x + 0.2, 100, 0.36, facecolor="none", edgecolor="0.85", hatch="//", linewidth=0)
            else:
                axis.bar(x + 0.2, row[metric], 0.36, color=colors[scheme])
                axis.annotate(f"{row[metric]:.1f}", (x + 0.2, row[metric]), ha="center", va="bottom", fontsize=8)
        axis.set(xticks=[0, 1], xticklabels=["off", "on"], xlim=(-0.6, 1.6), ylim=(0, 100))
    for axis in axes[:, 0]:
        axis.set_ylabel(f"{metric} (%)")
    return figure
