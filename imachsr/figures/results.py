"""Learning curves and tables of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..claims import paired
from ..experiment import METRICS, Result, Settings
from ..experiment.settings import OF_SCHEME
from ..experiment.tables import footing
from ..objective import SCHEMES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Curve:
    """One run's values.

    Args:
        name: of the run but for its seed.
        scheme: of the run.
        seed: of the run.
        epochs: from 1.
        values: one per epoch, in per cent for scores; nan where undefined.
    """

    name: str
    scheme: str
    seed: int
    epochs: tuple[int, ...]
    values: tuple[float, ...]


def named(result: Result) -> str:
    """A run among those on one footing, in words: its scheme, and what is unusual about its points."""
    unusual = [
        f", {name.rstrip('_')} {result.setting(name)}"
        for name in OF_SCHEME
        if not result.idle(name) and result.setting(name) != getattr(Settings, name)
    ]
    return f"{result.settings['scheme']}" + "".join(unusual)


def by_footing(results: Sequence[Result]) -> dict[str, list[Result]]:
    """What results were run on, in words -> those that may be compared; the ground with the most of them first."""
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(footing(result), []).append(result)
    return dict(sorted(found.items(), key=lambda ground: (-len(ground[1]), ground[0])))


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
    """Learning curves as in iMacHSR Fig. 2: a panel per metric, a line per scheme, its mean over n seeds.

    A band is Student's interval of the mean at 95 %, from three seeds on: that of two would hide all else. Where a score
    is undefined, the others make the mean.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    table = curves_table(results, metrics)
    figure, axes = plt.subplots(1, len(metrics), figsize=(3.1 * len(metrics), 3.0), squeeze=False, layout="constrained")
    seeds = table.groupby("scheme")["seed"].nunique()
    words = {name: f"{name} (n = {seeds[name]})" for name in SCHEMES if name in seeds}
    colors = {words[name]: color for name, color in scheme_colors().items() if name in words}
    for axis, metric in zip(axes[0], metrics, strict=True):
        sns.lineplot(
            table.assign(scheme=table["scheme"].map(words)), x="epoch", y=metric, hue="scheme", style="scheme",
            hue_order=[*colors], style_order=[*colors], ax=axis, palette=colors, markers=True, dashes=False,
            errorbar=_interval, legend=axis is axes[0, 0],
        )  # fmt: skip
        axis.set(ylabel=f"{metric} (%)", xlabel="epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
    sns.despine(figure)
    return figure


def _interval(values: Sequence[float]) -> tuple[float, float]:
    found = paired(values)
    return (found.low, found.high) if len(values) > 2 else (float("nan"), float("nan"))


def lines(curves: Sequence[Curve], label: str) -> Figure:
    """Values over epochs: a colour and marker per scheme, a thin line per run, a thick one for the mean over seeds.

    Args:
        curves: of runs that may be compared; those of one name differ in their seed alone.
        label: of the values, with their unit.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns
    from matplotlib.ticker import MaxNLocator

    figure, axis = plt.subplots(figsize=(8.5, 3.4), layout="constrained")
    colors, strokes = scheme_colors(), ("-", "--", ":", "-.")
    marks = dict(zip(SCHEMES, "osD^vP", strict=True))
    names = sorted({(curve.name, curve.scheme) for curve in curves}, key=lambda one: ([*SCHEMES].index(one[1]), one[0]))
    for place, (name, scheme) in enumerate(names):
        alike = [curve for curve in curves if curve.name == name]
        number = [other for _, other in names[:place]].count(scheme)  # of one scheme's settings
        style = {"color": colors[scheme], "marker": marks[scheme], "linestyle": strokes[number % len(strokes)]}
        thin = (
            {"linewidth": 0.8, "markersize": 2.5, "alpha": 0.5} if len(alike) > 1 else {"markersize": 4, "label": name}
        )
        for curve in alike:
            axis.plot(curve.epochs, curve.values, **style, **thin)
        if len(alike) > 1:
            epochs, means = _means(alike)
            axis.plot(epochs, means, **style, linewidth=2.2, markersize=5, label=f"{name}, {len(alike)} seeds")
    axis.set(xlabel="epoch", ylabel=label)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    sns.despine(figure)
    return figure


def _means(curves: Sequence[Curve]) -> tuple[list[int], list[float]]:
    """Over the epochs that all of them have."""
    found = [dict(zip(curve.epochs, curve.values, strict=True)) for curve in curves]
    epochs = sorted(set.intersection(*map(set, found)))
    return epochs, [sum(one[epoch] for one in found) / len(found) for epoch in epochs]


def cells(
    order: Sequence[tuple[str, str]],
    paper: pd.DataFrame,
    measured: Callable[[str, str, str], Sequence[float]],
    metric: str = "mIoU",
    ran_as: Mapping[str, str] | None = None,
) -> Figure:
    """The papers' Table 2 as panels: off and on, reported in grey and measured in colour; empty cells are hatched.

    A bar is a mean over n seeds, a dot a seed, a line Student's t interval of the mean at 95 %, from two seeds on.

    Args:
        order: (data, model) of each panel.
        paper: reported numbers in per cent, indexed by (data, model, "off" | "on").
        measured: (data, model, scheme) -> scores in per cent, one per seed; none where nothing was run.
            Conventional training stands beside "off", our schemes beside "on".
        metric: column of `paper` to draw.
        ran_as: the papers' name of a network -> the one that was measured, where they name no size.
    """
    import matplotlib.pyplot as plt

    columns = 5 if len(order) > 9 else 3
    rows = -(-len(order) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.5 * columns, 2.1 * rows + 0.4), sharey=True, squeeze=False, layout="constrained"
    )
    groups = {"off": ("conventional",), "on": ("imacsr", "imachsr")}
    for axis in axes.flat[len(order) :]:
        axis.set_visible(False)
    for axis, (data, model) in zip(axes.flat, order, strict=False):
        here = f" (here {ran_as[model]})" if ran_as and model in ran_as else ""
        axis.set_title(f"{data}\n{model}{here}", fontsize=9)
        x, middles = 0.0, []
        for state, names in groups.items():
            middles.append(x + len(names) / 2)
            if (data, model, state) in paper.index:
                reported = axis.bar(x, paper.loc[(data, model, state), metric], 0.9, color="0.7")
                axis.bar_label(reported, fmt="%.2f", fontsize=6.5)
            for place, scheme in enumerate(names, 1):
                _bar(axis, x + place, measured(data, model, scheme), scheme)
            x += len(names) + 1.6
        axis.set(xticks=middles, xticklabels=[*groups], xlim=(-0.8, x - 0.8), ylim=(0, 100))
    for axis in axes[:, 0]:
        axis.set_ylabel(f"{metric} (%)")
    _cells_key(figure, (*groups["off"], *groups["on"]))
    return figure


def _bar(axis: Axes, x: float, scores: Sequence[float], scheme: str) -> None:
    """A mean with its seeds, or a visibly empty place."""
    if not len(scores):
        axis.bar(x, 100, 0.9, facecolor="none", edgecolor="0.6", hatch="//", linewidth=0)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axis.text(x, 50, "not run", ha="center", va="center", rotation=90, fontsize=7, color="0.35", bbox=box)
        return
    found = paired(scores)
    axis.bar(x, found.mean, 0.9, color=scheme_colors()[scheme])
    if len(scores) > 1:
        axis.plot([x, x], [found.low, found.high], color="0.1", linewidth=1.2)
    axis.plot([x] * len(scores), scores, "o", color="0.1", markersize=2)
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8}
    words = f"{found.mean:.2f}\nn = {len(scores)}"
    axis.text(x, 0.45 * found.mean, words, ha="center", va="center", fontsize=6, bbox=box)


def _cells_key(figure: Figure, schemes: Sequence[str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    patches: list[Any] = [Patch(color="0.7", label="papers")]
    patches += [Patch(color=scheme_colors()[scheme], label=f"{scheme}, here") for scheme in schemes]
    patches.append(Patch(facecolor="none", edgecolor="0.6", hatch="//", label="not run"))
    patches.append(Line2D([], [], color="0.1", marker="o", markersize=2, linewidth=1.2, label="a seed; 95 % interval"))
    figure.legend(handles=patches, loc="outside upper center", ncols=len(patches), frameon=False, fontsize=8)
