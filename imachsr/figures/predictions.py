"""Two predictions of one image beside its truth, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .labels import colorize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# what became of a pixel, in the order of its number
OUTCOMES = ("same class", "only {with_} right", "only {without} right", "both wrong, differently", "left out", "void")
SAME, GAINED, LOST, APART, LEFT_OUT, VOID = range(len(OUTCOMES))
WHITE = (255, 255, 255)


def outcomes(
    truth: np.ndarray, without: np.ndarray, with_: np.ndarray, *, shown: Sequence[int] = (), void: int = 255
) -> np.ndarray:
    """What became of each pixel of two predictions, as places in `OUTCOMES` (H, W).

    Args:
        truth: class ids (H, W).
        without: predicted class ids (H, W).
        with_: those of the other run.
        shown: classes looked at: pixels that neither are one nor are taken for one are left out. None: all.
        void: label of pixels that are not scored.

    Raises:
        ValueError: maps of different sizes.

    >>> outcomes(np.array([[0, 1, 1, 255]]), np.array([[0, 0, 1, 1]]), np.array([[0, 1, 0, 1]])).tolist()
    [[0, 1, 2, 5]]
    """
    sizes = {np.shape(one) for one in (truth, without, with_)}
    if len(sizes) > 1:
        raise ValueError(
            f"got maps of sizes {sorted(sizes)}; a truth and two predictions of one image are of one size; "
            "take them from one data set"
        )
    found = np.full(truth.shape, APART)
    found[with_ == truth] = GAINED
    found[without == truth] = LOST
    found[without == with_] = SAME
    if shown:
        found[~(np.isin(truth, shown) | np.isin(without, shown) | np.isin(with_, shown))] = LEFT_OUT
    found[truth == void] = VOID
    return found


def prediction(
    image: np.ndarray,
    maps: Mapping[str, np.ndarray],
    outcome: np.ndarray,
    *,
    names: tuple[str, str],
    colors: tuple[Any, Any],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    shown: Sequence[int] = (),
) -> Figure:
    """Image, truth, where two predictions differ, the predictions, and what the colours mean.

    Args:
        image: uint8 (h, w, 3).
        maps: title -> class ids (H, W): truth, without, with.
        outcome: from `outcomes`.
        names: of the two runs, without and with.
        colors: of the two runs.
        classes: K names.
        palette: a colour per class, RGB of 0 to 255.
        shown: classes in colour; the others are white. None: all.
    """
    import matplotlib.pyplot as plt

    width, (height, wide) = 3.4, outcome.shape
    figure, axes = plt.subplots(2, 3, figsize=(3 * width, 2 * width * height / wide + 0.5), layout="constrained")
    table = np.array([color if not shown or k in shown else WHITE for k, color in enumerate(palette)])
    truth, without, with_ = ((title, colorize(ids, table)) for title, ids in maps.items())
    differ = colored(outcome, colors)
    panels = (("image", image), truth, ("where they differ", differ), without, with_)
    for axis, (title, picture) in zip(axes.flat, panels, strict=False):
        axis.imshow(picture, interpolation="nearest", extent=(0, wide, height, 0))
        axis.set_title(title, fontsize=10)
        axis.set(xticks=[], yticks=[])
    _key(axes.flat[-1], table, classes, shown, _rgb(colors), names)
    return figure


def colored(outcome: np.ndarray, colors: tuple[Any, Any]) -> np.ndarray:
    """Outcomes (H, W) as colours (H, W, 3) of 0 to 1: a run's own where it alone is right, greys where neither is.

    Args:
        outcome: from `outcomes`.
        colors: of the two runs, without and with.
    """
    return _rgb(colors)[outcome]


def _rgb(colors: tuple[Any, Any]) -> np.ndarray:
    """RGB of every outcome, (6, 3) of 0 to 1."""
    without, with_ = colors
    return np.array([(0.85,) * 3, with_, without, (0.35,) * 3, (1.0,) * 3, (0.0,) * 3])


def _key(
    axis: Any, table: np.ndarray, classes: Sequence[str], shown: Sequence[int], colors: np.ndarray, names: Any
) -> None:
    from matplotlib.patches import Patch

    without, with_ = names
    told = [word.format(without=without, with_=with_) for word in OUTCOMES]
    seen = [k for k in range(len(classes)) if not shown or k in shown][:30]
    patches = [Patch(facecolor=table[k] / 255, edgecolor="0.4", label=classes[k]) for k in seen]
    kinds = [Patch(facecolor=colors[n], edgecolor="0.4", label=told[n]) for n in range(len(told)) if n != LEFT_OUT]
    axis.axis("off")
    style = {"frameon": False, "fontsize": 8, "borderaxespad": 0.0, "handlelength": 1.2}
    axis.add_artist(axis.legend(handles=kinds, loc="upper left", **style))
    axis.legend(handles=patches, loc="lower left", ncols=3, columnspacing=0.8, **style)
