"""What the negative entropy does to a feature map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def entropies(shares: Mapping[str, np.ndarray], ranked: Mapping[str, np.ndarray]) -> Figure:
    """Two states of a feature map: the channel entropy at each position of both, and their probabilities by rank.

    Args:
        shares: `before` and `after`: entropy of the channel softmax as a share of log C, (h, w).
        ranked: of both, mean probability of the largest channel, the second, ..., (C,).
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, axes = plt.subplots(1, 3, figsize=(10, 2.7), layout="constrained")
    for axis, (title, share) in zip(axes, shares.items(), strict=False):
        image = axis.imshow(100 * share, vmin=0, vmax=100, cmap="cividis", interpolation="nearest")
        axis.set(title=title, xticks=[], yticks=[])
    figure.colorbar(image, ax=axes[1], label="entropy (% of log C)")
    ranks = np.arange(min(len(ranked["before"]), 12))
    colors = sns.color_palette("colorblind")
    for shift, name, color in ((-0.2, "before", colors[7]), (0.2, "after", colors[0])):
        axes[2].bar(ranks + shift, ranked[name][: len(ranks)], 0.4, label=name, color=color)
    axes[2].set(ylim=(0, 1), xlabel="channels, from the largest down", ylabel="mean probability", xticks=ranks)
    axes[2].set_xticklabels(ranks + 1)
    axes[2].legend(frameon=False)
    sns.despine(ax=axes[2])
    return figure
