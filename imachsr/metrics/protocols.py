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


def dataset_scores(matrix: np.ndarray) -> dict[str, Any]:
    """Scores of one confusion matrix (K, K), rows truth and columns prediction."""
    hit, total = np.diag(matrix), matrix.sum()
    per_class = _ratios(hit, matrix.sum(0) - hit, matrix.sum(1) - hit)
    means = {key: _mean(values) for key, values in per_class.items()}
    return _summary(per_class, means, hit.sum() / total if total else float("nan"))


def image_scores(counts: np.ndarray, protocol: str) -> dict[str, Any]:
    """Scores from every image's true positives, false positives and false negatives (N, 3, K)."""
    means, per_class = image_means(counts, protocol)
    return _summary(per_class, means, image_accuracy(counts, protocol))


def image_accuracy(counts: np.ndarray, protocol: str) -> Any:
    """Pixel accuracy, as a mean over images, from counts (..., N, 3, K) of sets of images: (...)."""
    hit, missed = counts[..., 0, :].sum(-1), counts[..., 2, :].sum(-1)
    with np.errstate(invalid="ignore"):
        accuracy = hit / (hit + missed)
    return _mean(np.nan_to_num(accuracy) if protocol.endswith("_zero") else accuracy)


def image_means(counts: np.ndarray, protocol: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Means of iou, precision, recall and f1, and the same per class, from counts (..., N, 3, K) of sets of images.

    Returns:
        Means (...), and means over images for each class (..., K).
    """
    tables = _ratios(*np.moveaxis(counts, -2, 0))  # (..., N, K) each
    if protocol.endswith("_zero"):
        tables = {key: np.nan_to_num(values) for key, values in tables.items()}
    per_class = {key: _mean(values, axis=-2) for key, values in tables.items()}
    if protocol.startswith("image"):
        return {key: _mean(_mean(values)) for key, values in tables.items()}, per_class
    precision, recall = per_class["precision"], per_class["recall"]
    with np.errstate(invalid="ignore"):
        f1 = 2 * precision * recall / (precision + recall)
    # never right where both are defined is F1 = 0; an undefined one leaves the class undefined
    per_class["f1"] = np.where(precision + recall == 0, 0.0, f1)
    return {key: _mean(values) for key, values in per_class.items()}, per_class


def _ratios(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> dict[str, np.ndarray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "iou": tp / (tp + fp + fn),
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "f1": 2 * tp / (2 * tp + fp + fn),
        }


def _mean(values: np.ndarray, axis: int = -1) -> Any:
    """Mean over the defined values; nan where there are none."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(defined, values, 0.0).sum(axis) / defined.sum(axis)


def _summary(per_class: dict[str, np.ndarray], means: dict[str, Any], accuracy: float) -> dict[str, Any]:
    return {
        **{name: float(means[key]) for name, key in MEANS.items()},
        "pixel_accuracy": float(accuracy),
        "per_class": {key: [float(value) for value in values] for key, values in per_class.items()},
    }
