"""Five readings of "mean IoU": from counts to scores, each protocol saying what its mean is over.

Axes: N images, K classes. Shares are of one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

PROTOCOLS = {
    "dataset": "one confusion matrix over all images; classes that never occur are skipped (what leaderboards use)",
    "image": "per image over the classes present, then over images; absent classes are skipped",
    "image_zero": "as image, but every 0/0 counts as 0",
    "paper": "iMacSR Eq. 13: per class over images, then over classes; F1 from the averaged precision and recall",
    "paper_zero": "as paper, but every 0/0 counts as 0 and each mean runs over all images",
}

MEANS = {"mIoU": "iou", "mPrecision": "precision", "mRecall": "recall", "mF1": "f1"}  # metric -> what it is the mean of


def scores_of(counts: np.ndarray, protocol: str) -> dict[str, Any]:
    """The metrics and `per_class` of images by their counts; arguments as in `means_of`."""
    means, per_class = means_of(counts, protocol)
    every = {key: [float(value) for value in values] for key, values in per_class.items()}
    return {**{metric: float(value) for metric, value in means.items()}, "per_class": every}


def means_of(
    counts: np.ndarray, protocol: str, times: np.ndarray | None = None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The metrics over images and classes, and what they are means of, per class.

    Args:
        counts: true positives, false positives and false negatives of each image, (N, 3, K).
        protocol: of the means.
        times: how often each image counts, (..., N): in each draw of a bootstrap, say. Once, unless given.

    Returns:
        mIoU, mPrecision, mRecall, mF1 and pixel_accuracy, (...); iou, precision, recall and f1, (..., K).
    """
    times = np.ones(len(counts)) if times is None else times
    if protocol == "dataset":
        per_class, accuracy = _shares(np.tensordot(times, counts, 1))
        return _metrics(per_class, accuracy), per_class
    tables, accuracy = _shares(counts)
    if protocol.endswith("_zero"):
        tables, accuracy = {key: np.nan_to_num(values) for key, values in tables.items()}, np.nan_to_num(accuracy)
    per_class = {key: _over_images(values, times) for key, values in tables.items()}
    if protocol.startswith("image"):
        by_image = _metrics(tables, accuracy)
        return {metric: _over_images(values, times) for metric, values in by_image.items()}, per_class
    precision, recall = per_class["precision"], per_class["recall"]
    with np.errstate(invalid="ignore"):
        f1 = 2 * precision * recall / (precision + recall)
    # never right where both are defined is F1 = 0; an undefined one leaves the class undefined
    per_class["f1"] = np.where(precision + recall == 0, 0.0, f1)
    return _metrics(per_class, _over_images(accuracy, times)), per_class


def _shares(counts: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Iou, precision, recall and f1 (..., K), and the share of right pixels (...), of counts (..., 3, K)."""
    tp, fp, fn = np.moveaxis(counts, -2, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        per_class = {
            "iou": tp / (tp + fp + fn),
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "f1": 2 * tp / (2 * tp + fp + fn),
        }
        return per_class, tp.sum(-1) / (tp + fn).sum(-1)


def _metrics(per_class: dict[str, np.ndarray], accuracy: np.ndarray) -> dict[str, np.ndarray]:
    return {**{metric: _mean(per_class[key]) for metric, key in MEANS.items()}, "pixel_accuracy": accuracy}


def _mean(values: np.ndarray) -> np.ndarray:
    """Over the last axis where defined; nan where nothing is."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(defined, values, 0.0).sum(-1) / defined.sum(-1)


def _over_images(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Over the first axis of (N, ...) likewise, each image as many times as (..., N) says."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.tensordot(times, np.where(defined, values, 0.0), 1) / np.tensordot(times, defined.astype(float), 1)
