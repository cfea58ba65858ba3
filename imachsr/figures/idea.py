"""The scheme in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .results import scheme_colors

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        way = [x - 0.9, x - 0.9, x - 7.1, x - 7.1], [31, 26.8, 26.8, 3.8]
        axis.plot(*way, color="0.45", linewidth=0.9, linestyle=":")
        arrow((x - 7.2, 3.8), (x - 6.3, 3.8))
    arrow((71.8, 32.5), (77.3, 32.5))
    box(78, 28, 20, 9, "cross-entropy\nwith labels $y$", output)
    arrow((88, 27.2), (88, 16.6))
    box(74.5, 2, 24, 13.8, "$L_T = L_{CE} +$\n$\\sum_m (\\alpha_m L_{MI}^m + \\lambda_m L_{NE}^m)$", "white", 11)
    for y in (11.4, 3.8):
        arrow((65.2, y), (74.1, y))
        axis.text(69.4, y + 0.5, "from every\npoint", ha="center", va="bottom", fontsize=7.5)
    return figure
