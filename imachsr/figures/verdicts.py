"""The claim sheet as pictures: how many verdicts of each kind, and measured differences beside reported ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..claims import SEEDS, VERDICTS, Judgement, label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = dict(zip(VERDICTS, "Dsov^P", strict=True))  # a verdict is told by shape and colour


def verdict_counts(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """Claims per table (rows) and verdict (columns, all of them), with their sum."""
    import pandas as pd

    rows = [(judgement.claim.paper, judgement.claim.table, judgement.verdict) for judgement in judgements]
    table = pd.DataFrame(rows, columns=["paper", "table", "verdict"])
    table["verdict"] = pd.Categorical(table["verdict"], VERDICTS)
    counts = pd.crosstab([table["paper"], table["table"]], table["verdict"], dropna=False)
    counts = counts.reindex(columns=[*VERDICTS], fill_value=0)
    counts = counts[counts.sum(axis=1) > 0]
    counts.columns.name = None
    return counts.assign(claims=counts.sum(axis=1))


def verdict_chart(judgements: Sequence[Judgement]) -> Figure:
    """`verdict_counts` as stacked bars, the numbers on them."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    counts = verdict_counts(judgements)
    colors = dict(zip(VERDICTS, _verdict_colors(), strict=True))
    figure, axis = plt.subplots(figsize=(9.5, 0.8 + 0.34 * len(counts)), layout="constrained")
    left = [0] * len(counts)
    for verdict in VERDICTS:
        values = [int(value) for value in counts[verdict]]
        hatch = "//" if verdict == "not testable here" else None
        bars = axis.barh(range(len(counts)), values, left=left, color=colors[verdict], label=verdict, hatch=hatch,
                         edgecolor="0.75" if hatch else "white")  # fmt: skip
        axis.bar_label(bars, [str(v) if v else "" for v in values], label_type="center", fontsize=8)
        left = [a + b for a, b in zip(left, values, strict=True)]
    axis.set_yticks(
        range(len(counts)), [f"{paper}: {_short(paper, table)}" for paper, table in counts.index], fontsize=8
    )
    axis.invert_yaxis()
    axis.set(xlabel="claims")
    axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    sns.despine(figure)
    return figure


def forest_table(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """A row per measured comparison, named by `label`: reported and measured difference in points, intervals, seeds."""
    import pandas as pd

    rows = [
        {
            "claim": judgement.claim.id,
            "comparison": label(judgement.claim, contrast),
            "metric": contrast.metric,
            "reported": judgement.claim.reported.get(contrast.metric, float("nan")),
            "measured": contrast.found.mean,
            "low": contrast.found.low,
            "high": contrast.found.high,
            "frames low": contrast.frames[0] if contrast.frames else float("nan"),
            "frames high": contrast.frames[1] if contrast.frames else float("nan"),
            "seeds": len(contrast.found.differences),
            "visible": contrast.visible,
            "verdict": judgement.verdict,
        }
        for judgement in judgements
        for contrast in judgement.contrasts
        if contrast.found
    ]
    columns = ["claim", "comparison", "metric", "reported", "measured", "low", "high", "frames low", "frames high",
               "seeds", "visible", "verdict"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def forest(judgements: Sequence[Judgement]) -> Figure:
    """Measured differences with intervals over seeds (thick) and over frames (thin), reported ones as crosses.

    The axis is as wide as the comparisons with the seeds that a verdict takes; intervals of fewer end in an arrow where
    they are wider, and their marks are hollow. Comparisons without runs are counted below, not drawn.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    table = forest_table(judgements)
    missing = sum(contrast.found is None for judgement in judgements for contrast in judgement.contrasts)
    colors = dict(zip(VERDICTS, _verdict_colors(), strict=True))
    figure, axis = plt.subplots(figsize=(10.0, 1.2 + 0.34 * max(1, len(table))), layout="constrained")
    axis.axvline(0, color="0.6", linewidth=1)
    limits = _limits(table)
    for y, row in enumerate(table.to_dict("records")):
        _span(axis, row["frames low"], row["frames high"], y + 0.2, limits, color="0.35", linewidth=1)
        _span(axis, row["low"], row["high"], y, limits, color="0.2", linewidth=3)
        fill = colors[row["verdict"]] if row["seeds"] >= SEEDS else "white"
        axis.plot(row["measured"], y, MARKS[row["verdict"]], color=fill, markeredgecolor="0.2", markersize=7)
        axis.plot(row["reported"], y - 0.22, "x", color="0.1", markersize=6)
    axis.set_yticks(range(len(table)), [_counted(row) for row in table.to_dict("records")], fontsize=8)
    axis.set(ylim=(len(table) - 0.4, -0.6), xlim=limits)
    axis.set(xlabel=f"difference in points; {missing} more comparisons have no runs")
    if table.empty:
        axis.text(0.5, 0.5, "no comparison has runs", transform=axis.transAxes, ha="center", color="0.35")
    axis.legend(handles=_forest_legend(table, colors), frameon=False, fontsize=8, loc="upper left",
                bbox_to_anchor=(1.0, 1.0))  # fmt: skip
    sns.despine(figure)
    return figure


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    """All that is measured or reported, and the intervals of comparisons with all seeds, or of all where none has."""
    whole = table[table["seeds"] >= SEEDS]
    spans = table if whole.empty else whole
    ends = spans[["low", "high", "frames low", "frames high"]]
    values = [*table["measured"], *table["reported"], *ends.to_numpy().flat]
    known = [value for value in values if value == value]
    low, high = min([0.0, *known]), max([0.0, *known])
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _span(axis: Axes, low: float, high: float, y: float, limits: tuple[float, float], **style: Any) -> None:
    """An interval, with an arrow where it goes on beyond the limits."""
    axis.plot([low, high], [y, y], **style)
    for beyond, place, mark in ((low < limits[0], limits[0], "<"), (high > limits[1], limits[1], ">")):
        if beyond:
            axis.plot(place, y, mark, color=style["color"], markersize=3 + style["linewidth"], clip_on=False)


def _short(paper: str, table: str) -> str:
    """A table's name without its paper's in front."""
    return table.removeprefix(f"{paper} ").removeprefix(f"{paper.lower()} ")


def _counted(row: Mapping[Any, Any]) -> str:
    return f"{row['comparison']} ({row['seeds']} seed{'s' if row['seeds'] != 1 else ''})"


def _forest_legend(table: pd.DataFrame, colors: dict[str, str]) -> list:
    from matplotlib.lines import Line2D

    verdicts = sorted(set(table["verdict"]), key=VERDICTS.index)
    hollow = Line2D([], [], color="white", marker="o", markeredgecolor="0.2", linewidth=0, label=f"below {SEEDS} seeds")
    return [
        *(
            Line2D([], [], color=colors[v], marker=MARKS[v], markeredgecolor="0.2", linewidth=0, label=v)
            for v in verdicts
        ),
        *([hollow] if (table["seeds"] < SEEDS).any() else []),
        Line2D([], [], color="0.2", linewidth=3, label="95 % over seeds"),
        Line2D([], [], color="0.35", linewidth=1, label="95 % over test frames"),
        Line2D([], [], color="0.1", marker="x", linewidth=0, label="reported"),
    ]


def _verdict_colors() -> list:
    """One per verdict, from seaborn's colour-blind palette; what nobody knows is pale."""
    import seaborn as sns

    palette = sns.color_palette("colorblind")
    return [palette[2], palette[3], palette[8], (0.93, 0.93, 0.93), palette[4], palette[9]]
