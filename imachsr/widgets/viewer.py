"""The prediction viewer: what two runs make of a test image as they learn, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..experiment import Result, Snapshots
from .explorer import Explorer, dropdown, explorer, picture, table, toggle

VOID = 255


@dataclass(frozen=True)
class PredictionEffect:
    """Two predictions of an image beside its truth.

    Args:
        outcome: what became of each pixel (H, W), places in `figures.predictions.OUTCOMES`.
        counts: pixels of each outcome.
        right: shares of the labelled pixels that are right, without and with.
        pixels: labelled pixels of each class, (K,).
        iou: of each class on this image, without and with, (2, K); nan for a class that is in neither map.
    """

    outcome: np.ndarray
    counts: np.ndarray
    right: tuple[float, float]
    pixels: np.ndarray
    iou: np.ndarray


def compute_prediction(
    truth: np.ndarray, without: np.ndarray, with_: np.ndarray, *, classes: int, shown: Sequence[int] = ()
) -> PredictionEffect:
    """What the prediction viewer shows, from class ids (H, W).

    Args:
        truth: 255 where nothing is labelled.
        without: predicted by a run without the scheme.
        with_: predicted by a run with it.
        classes: K.
        shown: classes looked at, see `figures.predictions.outcomes`; shares and IoU are of all.

    Raises:
        ValueError: maps of different sizes, or an image without a labelled pixel.

    >>> truth = np.array([[0, 0, 1, 255]])
    >>> found = compute_prediction(truth, np.array([[0, 1, 1, 1]]), np.array([[0, 0, 1, 0]]), classes=2)
    >>> found.right[1], found.iou.tolist(), found.counts.tolist()
    (1.0, [[0.5, 0.5], [1.0, 1.0]], [2, 1, 0, 0, 0, 1])
    """
    from ..figures.predictions import OUTCOMES, outcomes

    outcome = outcomes(truth, without, with_, shown=shown, void=VOID)
    labelled = truth != VOID
    if not labelled.any():
        raise ValueError("got an image without a labelled pixel; nothing can be right or wrong there; choose another")
    y, both = truth[labelled], (without[labelled], with_[labelled])
    iou = [[_iou(y == k, found == k) for k in range(classes)] for found in both]
    return PredictionEffect(
        outcome,
        np.bincount(outcome.ravel(), minlength=len(OUTCOMES)),
        (float((both[0] == y).mean()), float((both[1] == y).mean())),
        np.bincount(y, minlength=classes),
        np.array(iou),
    )


def _iou(truth: np.ndarray, found: np.ndarray) -> float:
    union = (truth | found).sum()
    return float((truth & found).sum() / union) if union else float("nan")


def prediction_viewer(
    results: Sequence[Result], *, root: str | Path | None = None, ledger: str | Path | None = None
) -> Explorer:
    """Picks a test image, two runs, an epoch and classes, and redraws both predictions and where they differ.

    The predictions are those kept while the runs were trained, see `experiment.Snapshots`; images and truth are read
    from the data.

    Args:
        results: filed runs on one data set, some without and some with a scheme at points.
        root: folder of the data; streets needs none.
        ledger: where the runs were filed; by default the local one.

    Raises:
        ValueError: fewer than two results, results on several data sets, or data that is not what they were run on.
    """
    runs = _named(results)
    test = _test_of(results, root)
    kept = {name: Snapshots.of(result, ledger) for name, result in runs.items()}
    pairs = sorted({pair for one in kept.values() for pair in one.kept})
    epochs = sorted({epoch for epoch, _ in pairs}) or [len(results[0].history)]
    images = sorted({image for _, image in pairs}) or [0]
    palette = [[int(value) for value in color] for color in test.palette]

    def render(image: int, without: str, with_: str, epoch: int, **ticked: bool) -> str:
        if without == with_:
            raise ValueError(f"got {without!r} on both sides; two runs are compared; choose another for one of them")
        shown = [k for k, name in enumerate(test.classes) if ticked[f"show_{name}"]]
        before, after = (kept[name].read(epoch, image) for name in (without, with_))
        photograph, truth = _of_size(test, image)
        effect = compute_prediction(truth, before, after, classes=len(test.classes), shown=shown)
        schemes = tuple(runs[name].settings["scheme"] for name in (without, with_))
        drawn = {"truth": truth, without: before, with_: after}
        words = f"Test image {image} after epoch {epoch}"
        return _prediction_html(effect, photograph, drawn, schemes, test.classes, palette, shown, words)

    plain = [name for name, result in runs.items() if result.settings["scheme"] == "conventional"]
    without = (plain or [*runs])[0]
    controls = {
        "image": dropdown("Test image", images, images[0]),
        "without": dropdown("Without", [*runs], without),
        "with_": dropdown("With", [*runs], _partner(runs, without)),
        "epoch": dropdown("After epoch", epochs, epochs[-1]),
        **{f"show_{name}": toggle(name) for name in test.classes},
    }
    return explorer(controls, render)


def _named(results: Sequence[Result]) -> dict[str, Result]:
    """A name a reader can choose -> result; what only some were run on is part of it."""
    from ..experiment.tables import footing
    from ..figures.results import named

    data = {tuple(str(result.settings.get(name)) for name in ("data", "split", "length")) for result in results}
    if len(results) < 2 or len(data) != 1:
        raise ValueError(
            f"got {len(results)} results on {len(data)} data sets; two predictions of one image are compared; "
            "pass two results or more, all on the same data and split"
        )
    several = len({footing(result) for result in results}) > 1
    return {
        f"{named(result)}, seed {result.settings['seed']}" + (f", {footing(result)}" if several else ""): result
        for result in results
    }


def _partner(runs: dict[str, Result], without: str) -> str:
    """The run to compare with at first: imachsr of the same seed, else of any, else another."""
    first = runs[without].settings["seed"]

    def rank(name: str) -> tuple[bool, bool, bool]:
        settings = runs[name].settings
        return name == without, settings["scheme"] != "imachsr", settings["seed"] != first

    return min(runs, key=rank)


def _test_of(results: Sequence[Result], root: str | Path | None) -> Any:
    """The data the runs were tested on."""
    from .. import datasets

    settings = results[0].settings
    test = datasets.create(
        settings["data"], settings["split"], part="test", root=root, length=settings["length"],
        size=tuple(settings["size"]) if settings["size"] else None, classes=settings.get("classes"),
        inputs=settings.get("inputs"),
    )  # fmt: skip
    for result in results:
        if result.provenance["fingerprint"].split()[1] != test.fingerprint:
            raise ValueError(
                f"got {settings['data']} test images that are not those of run {result.key}; predictions are shown on "
                "the images they were made for; pass the root the runs were given, and runs on the same data"
            )
    return test


def _of_size(test: Any, index: int) -> tuple[np.ndarray, np.ndarray]:
    """A photograph (h, w, 3) and its truth, thinned as predictions are."""
    from ..experiment.snapshots import thinned

    images, truth = test.raw(index)
    return (images[0] if isinstance(images, tuple) else images), thinned(truth)


def _prediction_html(
    effect: PredictionEffect,
    photograph: np.ndarray,
    drawn: dict[str, np.ndarray],
    schemes: tuple[str, ...],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    shown: Sequence[int],
    words: str,
) -> str:
    from ..figures import scheme_colors
    from ..figures.predictions import APART, GAINED, LOST, SAME, prediction

    _, without, with_ = drawn
    counted = effect.counts[[SAME, GAINED, LOST, APART]].sum()
    gained, lost, apart = (100 * effect.counts[n] / max(1, counted) for n in (GAINED, LOST, APART))
    looked = f"only {', '.join(classes[k] for k in shown)}" if shown else "all classes"
    right = "; ".join(f"{name} {100 * share:.1f} %" for name, share in zip((without, with_), effect.right, strict=True))
    caption = (
        f"{words}. Right pixels: {right}. Of the pixels looked at ({looked}), only {with_} is right in {gained:.1f} %, "
        f"only {without} in {lost:.1f} %; both are wrong in different ways in {apart:.1f} %. Tick classes to see only "
        "those."
    )
    alt = (
        f"Test image, its truth, the predictions of {without} and of {with_}, and a map of where they differ: in "
        f"{gained + lost + apart:.1f} % of the pixels looked at ({looked})."
    )
    colors = scheme_colors()
    left, other = (colors[name] for name in schemes)
    other = other if other != left else "0.35"  # two seeds of one scheme
    figure = prediction(
        photograph, drawn, effect.outcome, names=(without, with_), colors=(left, other), classes=classes,
        palette=palette, shown=shown,
    )  # fmt: skip
    return picture(figure, alt, caption) + table(_rows(effect, classes, shown, without, with_))


def _rows(
    effect: PredictionEffect, classes: Sequence[str], shown: Sequence[int], without: str, with_: str
) -> list[dict[str, str]]:
    before, after = 100 * effect.iou
    return [
        {
            "class": name,
            "labelled pixels": f"{100 * effect.pixels[k] / effect.pixels.sum():.1f} %",
            f"IoU {without}": _share(before[k]),
            f"IoU {with_}": _share(after[k]),
            "difference, points": "-" if np.isnan(after[k] - before[k]) else f"{after[k] - before[k]:+.1f}",
        }
        for k, name in enumerate(classes)
        if not shown or k in shown
    ]


def _share(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.1f} %"
