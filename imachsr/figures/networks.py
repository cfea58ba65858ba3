"""Networks side by side, built without memory or arithmetic: what they cost and how their maps shrink and grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..points import logits_of
from .ribbon import DEPTH

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ..points import Point


def outline(
    name: str, *, classes: int = 19, size: tuple[int, int] = (512, 1024), batch: int = 1
) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """A network of `models.create` without weights, and zeros of its inputs (B, 3, H, W), all on the meta device."""
    from .. import models

    with torch.device("meta"):
        network = models.create(name, classes)
        return network, models.blank_inputs(network, batch, size)


def network_table(names: Sequence[str], *, classes: int = 19, size: tuple[int, int] = (512, 1024)) -> pd.DataFrame:
    """One row per network: inputs, parameters, operations for one image, image pixels per logit.

    Operations are those of convolutions and matrix products in the forward pass; a multiplication and an addition count
    two. Nothing else is counted, as in the papers that introduced these networks.

    Args:
        names: of `models.REGISTRY`.
        classes: K of the heads.
        size: (H, W) of the image.

    Returns:
        Indexed by name, ordered by operations: `inputs`, `parameters`, `operations`, `stride`.
    """
    import pandas as pd

    from ..complexity import products

    rows = []
    for name in names:
        network, inputs = outline(name, classes=classes, size=size)
        with products() as found, torch.no_grad():
            logits = logits_of(network.eval()(*inputs))
        rows.append(
            {"network": name, "inputs": len(inputs), "parameters": sum(p.numel() for p in network.parameters()),
             "operations": found.counted, "stride": size[0] // logits.shape[-2]}
        )  # fmt: skip
    return pd.DataFrame(rows).set_index("network").sort_values("operations")


def families(names: Sequence[str]) -> dict[str, list[str]]:
    """Networks by family, the word before the first underscore; a head of its own (`_ocr`) makes no family."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.split("_")[0], []).append(name)
    return found


def cost_chart(table: pd.DataFrame, *, size: tuple[int, int]) -> Figure:
    """Parameters against operations, both on logarithmic axes, every network by its name, a marker per family.

    Args:
        table: from `network_table`.
        size: (H, W) of the image it was made for.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, axis = plt.subplots(figsize=(10, 5), layout="constrained")
    groups = families(list(table.index))
    colors = sns.color_palette("colorblind", len(groups))
    for color, mark, (family, names) in zip(colors, cycle("osD^vPX"), groups.items(), strict=False):
        rows = table.loc[names].sort_values("operations")
        axis.scatter(rows["operations"] / 1e9, rows["parameters"] / 1e6, s=45, color=color, marker=mark, label=family)
        following = [*rows["operations"][1:], float("inf")]
        for (name, row), after in zip(rows.iterrows(), following, strict=True):
            close = after < 1.5 * row["operations"]  # the next name would be written over this one
            axis.annotate(
                str(name).removeprefix(f"{family}_"), (row["operations"] / 1e9, row["parameters"] / 1e6),
                xytext=(-6, 4) if close else (6, -3), ha="right" if close else "left",
                textcoords="offset points", fontsize=8,
            )  # fmt: skip
    words = f"operations for one image of {size[0]}x{size[1]} (10⁹)"
    axis.set(xscale="log", yscale="log", xlabel=words, ylabel="parameters (10⁶)")
    axis.margins(x=0.12, y=0.1)
    axis.legend(frameon=False, fontsize=9)
    sns.despine(figure)
    return figure


def resolutions(points: Mapping[str, Sequence[Point]], *, rows: int) -> Figure:
    """One panel per network, from input to output: at which share of the image's rows each point works.

    Args:
        points: name -> points, from `find_points`.
        rows: H of the image they were found on.

    Raises:
        ValueError: no networks.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    if not points:
        raise ValueError("got no networks; a picture needs some; pass name -> points, from find_points")
    figure, axes = plt.subplots(
        len(points), 1, figsize=(10, 1.35 * len(points) + 0.5), sharex=True, sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis, color, (name, found) in zip(
        axes[:, 0], sns.color_palette("colorblind", len(points)), points.items(), strict=True
    ):
        maps = [point for point in found if point.size[0] > 1 and point.size[1] > 1]
        axis.scatter([100 * p.depth for p in maps], [rows / p.size[0] for p in maps], s=7, color=color, alpha=0.5)
        blocks = [point for point in maps if point.block >= 0]
        axis.plot([100 * p.depth for p in blocks], [rows / p.size[0] for p in blocks], "o-", color=color, markersize=5,
                  linewidth=0.8)  # fmt: skip
        axis.set_title(name, fontsize=9, loc="left", pad=2)
        axis.grid(axis="y", color="0.92")
        axis.tick_params("y", labelsize=7)
    axes[0, 0].set_yscale("log", base=2)
    ticks = [2**power for power in range(7)]
    axes[0, 0].set_yticks(ticks, [f"1/{tick}" for tick in ticks])
    axes[0, 0].set_ylim(90, 0.8)  # full resolution on top
    axes[-1, 0].set_xlabel(DEPTH)
    sns.despine(figure)
    return figure


def resolutions_alt(points: Mapping[str, Sequence[Point]], *, rows: int) -> str:
    """The same in words: per network the scales of its block ends in order, runs of equal ones once."""
    texts = []
    for name, found in points.items():
        scales = [round(rows / point.size[0]) for point in found if point.block >= 0]
        course = [scale for i, scale in enumerate(scales) if i == 0 or scale != scales[i - 1]]
        texts.append(f"{name}: 1/" + ", 1/".join(map(str, course)))
    return "Per network, the scale of its maps over depth. Block ends in order: " + "; ".join(texts) + "."
