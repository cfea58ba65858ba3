"""Pictures of points, training and predictions. Every picture has alt text, a caption and the numbers it shows."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .experiment import METRICS, Result, home, write_atomically
from .objective import SCHEMES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from .points import Point


def scheme_colors() -> dict[str, Any]:
    """One colour per scheme, from seaborn's colour-blind palette."""
    import seaborn as sns

    return dict(zip(SCHEMES, sns.color_palette("colorblind", len(SCHEMES)), strict=True))


def show(figure: Figure, name: str, *, alt: str, caption: str, folder: str | Path | None = None) -> None:
    """File a figure as `folder/name.png` with its words beside it, and display it with alt text where one looks.

    Args:
        figure: a matplotlib figure; it is closed.
        name: file name without ending; the report orders by it.
        alt: what someone who cannot see it should know.
        caption: what to see in it.
        folder: by default `figures/` of the checkout.
    """
    import matplotlib.pyplot as plt
    from IPython.display import HTML, display

    if not alt.strip() or not caption.strip():
        raise ValueError(f"got no alt text or caption for figure {name!r}; every picture needs both; write them")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    folder = Path(folder) if folder else home() / "figures"
    write_atomically(folder / f"{name}.png", buffer.getvalue())
    write_atomically(folder / f"{name}.json", json.dumps({"alt": alt, "caption": caption}, indent=1) + "\n")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    display(HTML(figure_html(encoded, alt, caption)))


def figure_html(encoded: str, alt: str, caption: str) -> str:
    """A PNG in base64 as HTML with alt text and caption, for places that show HTML."""
    return (
        f'<figure><img alt="{html.escape(alt)}" style="max-width:100%" src="data:image/png;base64,{encoded}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


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


def colorize(labels: np.ndarray, palette: Any) -> np.ndarray:
    """Class ids (H, W) as colours (H, W, 3); void (255) is black."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(palette)] = np.asarray(palette, dtype=np.uint8)
    return table[np.asarray(labels).astype(np.uint8)]


def grid(columns: dict[str, Sequence[np.ndarray]]) -> Figure:
    """Pictures (H, W, 3) in columns with titles, one row per entry: image, truth, without, with, ..."""
    import matplotlib.pyplot as plt

    rows = len(next(iter(columns.values())))
    height, width = next(iter(columns.values()))[0].shape[:2]
    size = 2.4
    figure, axes = plt.subplots(
        rows, len(columns), figsize=(size * len(columns), size * height / width * rows + 0.3),
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for j, (title, pictures) in enumerate(columns.items()):
        axes[0, j].set_title(title, fontsize=10)
        for i, picture in enumerate(pictures):
            axes[i, j].imshow(picture, interpolation="nearest")
            axes[i, j].axis("off")
    return figure


def legend(classes: Sequence[str], palette: Any) -> Figure:
    """The colours of a dataset's classes, with void."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    figure = plt.figure(figsize=(7.5, 0.7))
    colors = [tuple(channel / 255 for channel in color) for color in palette] + [(0.0, 0.0, 0.0)]
    patches = [Patch(facecolor=c, edgecolor="0.4", label=n) for c, n in zip(colors, [*classes, "void"], strict=True)]
    figure.legend(handles=patches, ncols=6, loc="center", frameon=False, fontsize=9)
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


def idea() -> Figure:
    """The scheme in one picture: the network, its points, the adapters and every loss term."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyBboxPatch

    colors = scheme_colors()
    figure, axis = plt.subplots(figsize=(10, 4.1))
    axis.set(xlim=(0, 100), ylim=(0, 41))
    axis.axis("off")

    def box(x: float, y: float, width: float, height: float, text: str, color: Any, size: float = 10) -> None:
        patch = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0.3", facecolor=color, edgecolor="0.25")
        axis.add_patch(patch)
        axis.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=size)

    def arrow(start: tuple[float, float], end: tuple[float, float]) -> None:
        axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.25", "shrinkA": 0, "shrinkB": 0})

    network, adapter, output = "0.9", "#cfe3f5", "#f3cfdc"
    supervision, regularizer = "#f8d7a8", "#d5ecd4"
    box(1, 28, 9, 9, "images\n$x$", "white")
    for m in range(4):
        box(17 + 15 * m, 28, 9, 9, "block" if m < 3 else "head", network)
        arrow((10.8 if m == 0 else 11.8 + 15 * m, 32.5), (16.3 + 15 * m, 32.5))
    for m in range(3):
        x = 28.8 + 15 * m
        axis.plot([x], [32.5], "o", color=colors["imachsr"], markersize=9, zorder=3)
        axis.text(x, 35, f"$G_{m + 1}$", ha="center", fontsize=10)
        arrow((x, 31.3), (x, 25.8))
        box(x - 5.4, 19.5, 10.8, 5.6, f"adapter $q_{m + 1}$", adapter, 9)
        arrow((x, 18.8), (x, 14.8))
        box(x - 6, 8.2, 12, 6.4, "mutual inform-\nation with $y$", supervision, 8.5)
        box(x - 6, 1, 12, 5.6, "negative\nentropy", regularizer, 9)
        axis.plot([x + 0.4, x + 6.9, x + 6.9], [30.4, 29.2 - 2.6, 4], color="0.6", linewidth=0.9, linestyle=":")
        arrow((x + 6.9, 3.8), (x + 6.4, 3.8))
    arrow((71.8, 32.5), (77.3, 32.5))
    box(78, 28, 20, 9, "cross-entropy\nwith labels $y$", output)
    arrow((88, 27.2), (88, 16.6))
    box(74.5, 2, 24, 13.8, "$L_T = L_{CE} +$\n$\\sum_m \\alpha_m L_{MI}^m + \\lambda_m L_{NE}^m$", "white", 11)
    arrow((65.4, 11.4), (73.7, 11.4))
    arrow((67, 4.4), (73.7, 4.4))
    return figure


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
    rows.set_xlabel("depth: share of the operations done (%)")
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

    from .points import RULES

    colors = sns.color_palette("colorblind", len(RULES))
    for row, (rule, color) in enumerate(zip(RULES, colors, strict=True)):
        met = [100 * point.depth for point in points if rule in point.rules]
        axis.scatter(met, [row] * len(met), marker="|", s=70, color=color, zorder=3)
    axis.set_yticks(range(len(RULES)), list(RULES), fontsize=8)
    axis.set_ylim(len(RULES) - 0.5, -0.5)
    sns.despine(ax=axis)


def ribbon_alt(points: Sequence[Point], chosen: Sequence[Point] = ()) -> str:
    """The same in words, as alt text for `ribbon`.

    Args:
        points: from `find_points`.
        chosen: from `choose_points`.
    """
    from .points import RULES

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
