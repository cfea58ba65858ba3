"""Studies as pictures: a score along a setting, differences from a reference, and what nobody has run yet.

Every dot is one seed; a bar is Student's t interval of the mean at 95 %, drawn from two seeds on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..claims import SEEDS, Paired, paired
from ..experiment import METRICS, Result
from ..experiment.tables import footing
from .results import scheme_colors

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
SHOWN = ("mIoU", "mF1")  # of the papers' Figures 3 and 4
LEAST_SPAN = 4.0  # points, of an axis: what two seeds of one setting easily differ by
ALONG = {"points": "number of points M", "distance": "distance, in bases"}
MARKS = (
    f"large mark: mean, hollow below {SEEDS} seeds; dot: one seed; bar: 95 % interval of the mean, from two seeds on"
)
SHAPES = "Ds^vP"  # of means, line by line
Groups = Mapping[str, Mapping[str, Any]]  # label -> column -> value: the rows that bear the label


def score_table(
    results: Sequence[Result], fields: Sequence[str], metrics: Sequence[str] = METRICS, protocol: str = "dataset"
) -> pd.DataFrame:
    """One row per result: `where` it was run, the fields of its settings that a study varies, seed, scores in per cent.

    Args:
        results: from a ledger.
        fields: of Settings; a result older than a field has its default.
        metrics: of the protocol.
        protocol: of the scores.
    """
    import pandas as pd

    rows = [
        {
            "where": footing(result),
            **{name: result.setting(name) for name in fields},
            "seed": result.settings["seed"],
            **{name: 100 * result.score(name, protocol) for name in metrics},
        }
        for result in results
    ]
    return pd.DataFrame(rows, columns=["where", *fields, "seed", *metrics])


def rows_of(table: pd.DataFrame, wanted: Mapping[str, Any]) -> pd.DataFrame:
    """The rows whose columns have these values."""
    kept = table
    for name, value in wanted.items():
        kept = kept[kept[name] == value]
    return kept


def along(
    table: pd.DataFrame,
    x: str,
    *,
    expected: Sequence[Any],
    groups: Groups,
    metrics: Sequence[str] = SHOWN,
    colors: Mapping[str, Any] | None = None,
) -> Figure:
    """A score along a setting, a line per group; hatched where no line has a run.

    Args:
        table: from `score_table`.
        x: column along the axis.
        expected: its values, run or not.
        groups: a line each. One called "conventional" is drawn as a level, for it has no x, over the seeds that all
            drawn points share; not at all where they share none.
        metrics: a panel each.
        colors: of lines, by their label; seaborn's colour-blind palette for the others.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    size = (4.6 if len(metrics) < 3 else 3.2) * len(metrics), 3.4
    figure, axes = plt.subplots(1, len(metrics), figsize=size, squeeze=False, layout="constrained")
    palette = sns.color_palette("colorblind")
    lines = [name for name in groups if name != "conventional"]
    level = rows_of(table, groups["conventional"]) if "conventional" in groups else table.iloc[:0]
    for _, point in (place for name in lines for place in rows_of(table, groups[name]).groupby(x)):
        level = level[level["seed"].isin(point["seed"])]
    for axis, metric in zip(axes[0], metrics, strict=True):
        _level(axis, level[["seed", metric]].dropna())
        for number, name in enumerate(lines):
            shift = 0.14 * (number - (len(lines) - 1) / 2)
            style = {"color": (colors or {}).get(name, palette[number]), "marker": SHAPES[number % len(SHAPES)]}
            _line(axis, rows_of(table, groups[name]), x, metric, expected, shift, style, name)
        ran = {value for name in lines for value in rows_of(table, groups[name])[x]}
        _hatch(axis, [place for place, value in enumerate(expected) if value not in ran])
        axis.set(xticks=range(len(expected)), xticklabels=expected, xlim=(-0.6, len(expected) - 0.4))
        axis.set(xlabel=ALONG.get(x, x), ylabel=f"{metric} (%)", ylim=wide_enough(*axis.get_ylim()))
    if axes[0, 0].get_legend_handles_labels()[0]:
        axes[0, -1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.supxlabel(MARKS, fontsize=8)
    sns.despine(figure)
    return figure


def difference_table(
    table: pd.DataFrame, groups: Groups, reference: str, metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """Each group minus the reference, seed by seed: mean, interval at 95 % and seeds, in points.

    Args:
        table: from `score_table`, of runs that may be compared.
        groups: what is compared; one without rows stays, empty.
        reference: the group taken off.
        metrics: compared.

    Returns:
        Columns group, metric, mean, low, high, seeds; nan where no seed was run on both sides, and for an interval
        over one seed.
    """
    import pandas as pd

    found = {(name, metric): _paired(table, groups, name, reference, metric) for name in groups for metric in metrics}
    rows = [
        {
            "group": name,
            "metric": metric,
            "mean": one.mean if one else float("nan"),
            "low": one.low if one else float("nan"),
            "high": one.high if one else float("nan"),
            "seeds": len(one.differences) if one else 0,
        }
        for (name, metric), one in found.items()
        if name != reference
    ]
    return pd.DataFrame(rows, columns=["group", "metric", "mean", "low", "high", "seeds"])


def differences(table: pd.DataFrame, groups: Groups, reference: str, metrics: Sequence[str] = METRICS) -> Figure:
    """`difference_table` drawn: a row per group, a panel per metric, a dot per seed; hatched where nothing was run."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    rows = [name for name in groups if name != reference]
    figure, axes = plt.subplots(
        1, len(metrics), figsize=(1.8 + 2.6 * len(metrics), 1.3 + 0.36 * len(rows)), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis, metric in zip(axes[0], metrics, strict=True):
        axis.axvline(0, color="0.6", linewidth=1)
        empty = []
        for y, name in enumerate(rows):
            one = _paired(table, groups, name, reference, metric)
            if one is None:
                empty.append(y)
                continue
            color = scheme_colors().get(name, "0.2")
            axis.plot(one.differences, [y + 0.22] * len(one.differences), "o", color=color, alpha=0.45, markersize=3)
            _interval(axis, one, y, color)
        _hatch(axis, empty, across=True)
        axis.set(xlabel=f"{metric},\npoints from {reference}", ylim=(len(rows) - 0.5, -0.5))
        axis.set_xlim(wide_enough(*axis.get_xlim()))
        axis.xaxis.label.set_fontsize(9)
        axis.set_yticks(range(len(rows)), rows)
    figure.supxlabel(MARKS, fontsize=8)
    sns.despine(figure)
    return figure


def differences_alt(found: pd.DataFrame, metric: str = "mIoU") -> str:
    """A `difference_table` in words, one metric of it, as alt text for `differences`: in points, with intervals."""
    rows = found[found["metric"] == metric].to_dict("records")
    run = "; ".join(
        f"{row['group']} {row['mean']:+.2f}"
        + (f" ({row['low']:+.2f} to {row['high']:+.2f}, {row['seeds']} seeds)" if row["seeds"] > 1 else " (1 seed)")
        for row in rows
        if row["seeds"]
    )
    missing = "; ".join(row["group"] for row in rows if not row["seeds"])
    return f"{metric} in points: {run or 'nothing was run'}" + (f". Not run: {missing}." if missing else ".")


def published_table(table: pd.DataFrame, groups: Groups, metric: str = "mIoU") -> pd.DataFrame:
    """A study's cells among published results: a column per footing, empty where not run.

    A cell is the mean in per cent, half its Student interval at 95 % from two seeds on, and the number of seeds:
    "39.45 ± 0.69 (5)".

    Args:
        table: from `score_table`.
        groups: the cells.
        metric: shown.
    """
    import pandas as pd

    columns = {
        where: {label: _words(rows_of(table, {"where": where, **wanted})[metric]) for label, wanted in groups.items()}
        for where in sorted(set(table["where"]))
    }
    return pd.DataFrame(columns, index=[*groups])


def _words(scores: pd.Series) -> str:
    values = [*scores.dropna()]
    if not values:
        return ""
    found = paired(values)
    reach = f" ± {found.high - found.mean:.2f}" if len(values) > 1 else ""
    return f"{found.mean:.2f}{reach} ({len(values)})"


def _paired(table: pd.DataFrame, groups: Groups, name: str, reference: str, metric: str) -> Paired | None:
    """Over the seeds both were run with; None without any.

    Raises:
        ValueError: a group with two rows of one seed: they are not runs of one setting.
    """
    ours, theirs = (rows_of(table, groups[one]).set_index("seed")[metric] for one in (name, reference))
    for group, side in ((name, ours), (reference, theirs)):
        if (twice := side.index[side.index.duplicated()].unique()).size:
            raise ValueError(
                f"got two rows of seed {twice[0]} for {group!r}; a difference takes one run of each side and seed; "
                "name more settings in the group, or choose one ground"
            )
    both = (ours - theirs).dropna()
    return paired([*both]) if len(both) else None


def _line(
    axis: Axes,
    table: pd.DataFrame,
    x: str,
    metric: str,
    expected: Sequence[Any],
    shift: float,
    style: dict[str, Any],
    name: str,
) -> None:
    """Means along x, where anything was run; a line ends where nothing was."""
    color, means = style["color"], [float("nan")] * len(expected)
    for place, value in enumerate(expected):
        values = [*table[table[x] == value][metric].dropna()]
        if not values:
            continue
        axis.plot([place + shift] * len(values), values, "o", color=color, alpha=0.45, markersize=3)
        found = paired(values)
        if len(values) > 1:
            axis.plot([place + shift] * 2, [found.low, found.high], color=color, linewidth=2)
        axis.plot(place + shift, found.mean, **style, markersize=5, markerfacecolor=_fill(values, color), zorder=3)
        means[place] = found.mean
    if not np.isnan(means).all():
        axis.plot(np.arange(len(expected)) + shift, means, **style, markersize=5, label=name)


def _fill(values: Sequence[float], color: Any) -> Any:
    """A mean of fewer seeds than a verdict takes is hollow."""
    return color if len(values) >= SEEDS else "white"


def _level(axis: Axes, rows: pd.DataFrame) -> None:
    """Conventional training, a row per seed: its mean as a dashed line, its interval as a band."""
    if rows.empty:
        return
    seeds, found = ", ".join(map(str, sorted(rows["seed"]))), paired([*rows.iloc[:, 1]])
    label = f"conventional, seed{'s' * (len(rows) > 1)} {seeds}"
    axis.axhline(found.mean, color="0.45", linestyle="--", linewidth=1.2, label=label)
    if len(rows) > 1:
        axis.axhspan(found.low, found.high, color="0.5", alpha=0.15, linewidth=0)


def wide_enough(low: float, high: float) -> tuple[float, float]:
    """Limits at least `LEAST_SPAN` points apart: a zoomed axis makes chance look like a finding."""
    missing = max(0.0, LEAST_SPAN - (high - low))
    return low - missing / 2, high + missing / 2


def _interval(axis: Axes, found: Paired, y: float, color: Any) -> None:
    if len(found.differences) > 1:
        axis.plot([found.low, found.high], [y, y], color=color, linewidth=2)
    axis.plot(found.mean, y, "D", color=color, markerfacecolor=_fill(found.differences, color), markersize=5, zorder=3)


def _hatch(axis: Axes, places: Sequence[int], *, across: bool = False) -> None:
    """A visibly empty cell at each place of the x axis, or across at each of the y axis."""
    span, at = (axis.axhspan, axis.get_yaxis_transform()) if across else (axis.axvspan, axis.get_xaxis_transform())
    turned: dict[str, Any] = {"ha": "right"} if across else {"ha": "center", "rotation": 90}
    for place in places:
        span(place - 0.4, place + 0.4, facecolor="none", edgecolor="0.8", hatch="//", linewidth=0, zorder=0)
        x, y = (0.98, place) if across else (place, 0.14)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axis.text(x, y, "not run", transform=at, fontsize=7, color="0.35", va="center", bbox=box, **turned)
