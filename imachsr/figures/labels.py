"""Label maps and pictures of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def colorize(labels: np.ndarray, palette: Any) -> np.ndarray:
    """Class ids (H, W) as colours (H, W, 3); void (255) is black."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(palette)] = np.asarray(palette, dtype=np.uint8)
    return table[np.asarray(labels).astype(np.uint8)]


def grid(columns: dict[str, Sequence[np.ndarray]], classes: Sequence[str] = (), palette: Any = ()) -> Figure:
    """Pictures (H, W, 3) in columns with titles, one row per entry: image, truth, without, with, ...

    Args:
        columns: title -> pictures.
        classes: K names, for the meaning of the colours below the pictures; empty: nothing is said.
        palette: a colour per class, RGB of 0 to 255.
    """
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
    if len(classes):
        figure.legend(
            handles=_patches(classes, palette), ncols=6, loc="outside lower center", frameon=False, fontsize=8
        )
    return figure


def legend(classes: Sequence[str], palette: Any) -> Figure:
    """The colours of a dataset's classes, with void."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(7.5, 0.7))
    figure.legend(handles=_patches(classes, palette), ncols=6, loc="center", frameon=False, fontsize=9)
    return figure


def _patches(classes: Sequence[str], palette: Any) -> list[Any]:
    from matplotlib.patches import Patch

    colors = [tuple(channel / 255 for channel in color) for color in palette] + [(0.0, 0.0, 0.0)]
    return [Patch(facecolor=c, edgecolor="0.4", label=n) for c, n in zip(colors, [*classes, "void"], strict=True)]
