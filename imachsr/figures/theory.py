"""Bounds beside measured gradient norms: over M, over lengths, over random instances, and along a network's training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..theory import corrected_bound, stated_bound

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOISES = ("exact", "shared", "independent")


def short_names(names: Sequence[str]) -> list[str]:
    """Terms as `output`, `supervision 1`, `regularizer 1`, `supervision 2`, ... in place of their points' paths.

    >>> short_names(["output", "a.b/supervision", "a.b/regularizer", "c/supervision"])
    ['output', 'supervision 1', 'regularizer 1', 'supervision 2']
    """
    points = list(dict.fromkeys(name.rpartition("/")[0] for name in names if "/" in name))
    return [
        f"{name.rpartition('/')[2]} {points.index(name.rpartition('/')[0]) + 1}" if "/" in name else name
        for name in names
    ]


def growth(*, most: int = 8, share: float = 1.0, steps: int = 1000) -> dict[str, np.ndarray]:
    """Both bounds over M for equal components with unit weights: at fixed eta, and at fixed eta L_S over (sum w)^2.

    Args:
        most: M runs from 0 to this.
        share: eta at M = 0; and eta * L_S where that is fixed.
        steps: T.
    """
    found: dict[str, list[float]] = {}
    for M in range(most + 1):
        ones = np.ones(2 * M + 1)
        lists = {"smoothness": ones, "gradients": ones, "noise": ones, "weights": ones}
        for name, eta, norm in (("fixed", share, 1), ("normalised", share / ones.sum(), ones.sum() ** 2)):
            given: dict[str, Any] = {"delta": 0.5 * ones.sum(), "eta": eta, "steps": steps, **lists}
            found.setdefault(f"stated_{name}", []).append(stated_bound(**given) / norm)
            found.setdefault(f"corrected_{name}", []).append(corrected_bound(**given) / norm)
    return {"points": np.arange(most + 1), **{name: np.array(values) for name, values in found.items()}}


def growth_figure(table: Mapping[str, np.ndarray]) -> Figure:
    """`growth` in two panels, one scale each."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    colors = sns.color_palette("colorblind")
    titles = {"fixed": "eta fixed", "normalised": "eta $L_S$ fixed, over $(\\sum w)^2$"}
    for axis, (name, title) in zip(axes, titles.items(), strict=True):
        axis.plot(table["points"], table[f"stated_{name}"], "--s", color=colors[1], label="stated")
        axis.plot(table["points"], table[f"corrected_{name}"], "-.^", color=colors[2], label="corrected")
        axis.set(title=title, xlabel="intermediate points M", ylabel="value of the bound", yscale="log")
    axes[0].legend(frameon=False)
    sns.despine(figure)
    return figure


def runs_figure(squares: np.ndarray, steps: np.ndarray, lines: Mapping[str, np.ndarray]) -> Figure:
    """Runs beside both bounds: the longest step by step, and the mean over each against its length.

    Args:
        squares: squared gradient norms of the longest run, (T, R), R replicates.
        steps: T of each run, (S,).
        lines: `measured`, `stated` and `corrected`, (S,) each.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
    colors, floor = sns.color_palette("colorblind"), 1e-12  # a logarithm needs more than zero
    t = np.arange(1, len(squares) + 1)
    left.plot(t, squares[:, 0].clip(floor), color="0.75", linewidth=0.8, label="one run")
    left.plot(t, squares.mean(1).clip(floor), color=colors[0], label="mean over runs")
    looks = (("measured", colors[0], "-", "o"), ("stated", colors[1], "--", "s"), ("corrected", colors[2], "-.", "^"))
    for name, color, style, marker in looks:
        if name != "measured":
            left.axhline(lines[name][-1], color=color, linestyle=style, label=f"{name} bound")
        right.plot(steps, lines[name].clip(floor), color=color, linestyle=style, marker=marker, label=name)
    top = 3 * max(squares.max(), lines["corrected"].max(), lines["stated"].max())
    low = max(min(values.min() for values in lines.values()), 1e-6 * top)
    left.set(xlabel="step t", ylabel="squared gradient norm", yscale="log", ylim=(low / 10, top))
    right.set(xlabel="steps T", ylabel="mean over the run", xscale="log", yscale="log", ylim=(low / 10, top))
    left.legend(frameon=False, fontsize=8)
    right.legend(frameon=False, fontsize=8)
    sns.despine(figure)
    return figure


def study_figure(columns: Mapping[str, Sequence[Any]]) -> Figure:
    """Every random instance: measured over each bound, against eta_t L_S; one column per kind of noise.

    What lies below 1e-4 is drawn at the bottom edge.

    Args:
        columns: `noise`, `step`, `over_stated` and `over_corrected`, one entry per instance.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    array = {name: np.asarray(columns[name]) for name in ("noise", "step", "over_stated", "over_corrected")}
    figure, axes = plt.subplots(2, 3, figsize=(10, 5), sharex=True, sharey=True, layout="constrained")
    colors = sns.color_palette("colorblind")
    titles = {"exact": "exact gradients", "shared": "one noise for all", "independent": "independent noises"}
    for row, (bound, color) in enumerate((("stated", colors[1]), ("corrected", colors[2]))):
        for axis, noise in zip(axes[row], NOISES, strict=True):
            chosen = array["noise"] == noise
            x, y = array["step"][chosen], array[f"over_{bound}"][chosen].clip(1.2e-4)
            axis.scatter(x, y, s=2, alpha=0.35, color=color, linewidths=0, rasterized=True)
            axis.axhline(1, color="black", linewidth=1)
            axis.axvline(1, color="0.5", linewidth=1, linestyle=":")
            axis.set(xscale="log", yscale="log", ylim=(1e-4, 300))
        axes[row, 0].set_ylabel(f"measured / {bound}")
    for axis, noise in zip(axes[0], NOISES, strict=True):
        axis.set_title(titles[noise])
    for axis in axes[1]:
        axis.set_xlabel("step length as a share of $1/L_S$")
    sns.despine(figure)
    return figure


def terms_figure(run: Mapping[str, Any]) -> Figure:
    """Along one run of a network: gradient norm and noise of every term, and curvature where it was measured.

    Args:
        run: one entry of `runs` as filed by benchmarks/theory.py.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    rows = run["measured"]
    names = short_names(rows[0]["terms"])
    colors, marks = sns.color_palette("colorblind"), "osD^vPX<>"
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.3), sharex=True, layout="constrained")
    for s, name in enumerate(names):
        look = {"color": colors[s % len(colors)], "marker": marks[s % len(marks)], "markersize": 4, "label": name}
        for axis, what in zip(axes, ("gradients", "noise"), strict=False):
            axis.plot([row["step"] for row in rows], [row[what][s] for row in rows], **look)
        curved = [row for row in rows if "smoothness" in row]
        curvature = [row["smoothness"][row["terms"][s]] for row in curved]
        axes[2].plot([row["step"] for row in curved], curvature, **look)
    titles = ("norm of the full gradient", "root mean square noise", "local smoothness")
    for axis, title in zip(axes, titles, strict=True):
        axis.set(title=title, xlabel="step", yscale="log")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=9)
    sns.despine(figure)
    return figure


def alignment_figure(run: Mapping[str, Any]) -> Figure:
    """Cosines between the terms' gradients, and between their noises: mean over the places measured in one run."""
    import matplotlib.pyplot as plt

    names = short_names(run["measured"][0]["terms"])
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
    for axis, (what, title) in zip(axes, (("alignment", "full gradients"), ("noise_alignment", "noises")), strict=True):
        mean = np.mean([row[what] for row in run["measured"]], axis=0)
        image = axis.imshow(mean, vmin=-1, vmax=1, cmap="PuOr")
        for i, j in np.ndindex(mean.shape):
            color = "white" if abs(mean[i, j]) > 0.6 else "black"
            axis.text(j, i, f"{mean[i, j]:.2f}", ha="center", va="center", fontsize=8, color=color)
        axis.set(title=title, xticks=range(len(names)), yticks=range(len(names)), yticklabels=names)
        axis.set_xticklabels(names, rotation=30, ha="right")
    figure.colorbar(image, ax=axes, label="cosine")
    return figure


def over_steps(run: Mapping[str, Any], values: Sequence[float] | np.ndarray) -> float:
    """Mean over all T steps of what was measured at some of them, with straight lines between and after them.

    Looks are denser at the start than later, so their own mean would count the start too often.
    """
    return float(np.interp(np.arange(run["steps"]), [row["step"] for row in run["measured"]], values).mean())


def network_table(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per run: mean squared gradient norm over its steps, and both bounds.

    The bounds take the largest gradient norm, noise and local smoothness of each term found in any run of the same
    optimizer, and a gap to the least total any network could reach. Measured along a path, these are no bounds on what
    lies beside it, so this is an illustration, not an instance of the theorem.
    """
    rows = []
    for run in runs:
        alike = [row for other in runs if other["optimizer"] == run["optimizer"] for row in other["measured"]]
        first, weights = run["measured"][0], np.asarray(run["weights"])
        given: dict[str, Any] = {
            "delta": float(weights @ first["values"]) - run["least"],
            "eta": run["eta"],
            "steps": run["steps"],
            "smoothness": np.max([[*r["smoothness"].values()][:-1] for r in alike if "smoothness" in r], axis=0),
            "gradients": np.max([r["gradients"] for r in alike], axis=0),
            "noise": np.max([r["noise"] for r in alike], axis=0),
            "weights": weights,
        }
        rows.append(
            {
                "optimizer": run["optimizer"],
                "steps": run["steps"],
                "measured": over_steps(run, [row["squared"] for row in run["measured"]]),
                "stated": stated_bound(**given),
                "corrected": corrected_bound(**given),
                "total at the end": float(weights @ run["measured"][-1]["values"]),
            }
        )
    return rows


def network_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """`network_table` on logarithmic axes, one panel per optimizer, with the slope -1/2 marked."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    colors = sns.color_palette("colorblind")
    looks = (("measured", colors[0], "-o"), ("stated", colors[1], "--s"), ("corrected", colors[2], "-.^"))
    for axis, optimizer in zip(axes, ("sgd", "adam"), strict=True):
        part = [row for row in rows if row["optimizer"] == optimizer]
        T = np.array([row["steps"] for row in part])
        for name, color, look in looks:
            hollow = "none" if optimizer == "adam" and name != "measured" else color
            axis.plot(T, [row[name] for row in part], look, color=color, markerfacecolor=hollow, label=name)
        axis.plot(T, part[0]["measured"] * np.sqrt(T[0] / T), ":", color="0.4", label="slope -1/2")
        title = "SGD" if optimizer == "sgd" else "Adam (no bound is claimed for it)"
        axis.set(title=title, xlabel="steps T of the run", xscale="log", yscale="log")
    axes[0].set_ylabel("mean squared gradient norm")
    axes[0].legend(frameon=False, fontsize=9)
    sns.despine(figure)
    return figure
