"""Segmentation metrics from exact counts, under protocols that say what a mean is over.

Axes: B images, K classes, N images seen so far. Shares are of one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

PROTOCOLS = {
    "dataset": "one confusion matrix over all images; classes that never occur are skipped (what leaderboards use)",
    "image": "per image over the classes present, then over images; absent classes are skipped",
    "image_zero": "as image, but every 0/0 counts as 0",
    "paper": "iMacSR Eq. 13: per class over images, then over classes; F1 from the averaged precision and recall",
    "paper_zero": "as paper, but every 0/0 counts as 0 and each mean runs over all images",
}


class Confusion:
    """Counts of (truth, prediction) pairs, over the whole set and per image, as exact integers.

    Args:
        classes: K, the number of classes.
        ignore_index: label whose pixels are not scored.

    >>> confusion = Confusion(2)
    >>> confusion.update(torch.tensor([[[0, 1]]]), torch.tensor([[[0, 255]]]))
    >>> confusion.scores()["mIoU"]
    1.0
    """

    def __init__(self, classes: int, *, ignore_index: int = 255) -> None:
        if classes < 1:
            raise ValueError(f"got classes={classes}; a confusion matrix needs at least one class; pass K >= 1")
        if 0 <= ignore_index < classes:
            raise ValueError(
                f"got ignore_index={ignore_index} with {classes} classes; it must not be a class; use 255 or -1"
            )
        self.classes, self.ignore_index = classes, ignore_index
        self.matrix = np.zeros((classes, classes), dtype=np.int64)  # rows: truth, columns: prediction
        self._images: list[np.ndarray] = []  # (3, K) per image: true positives, false positives, false negatives

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Count class ids (B, H, W), or (B,) for classification, against labels of the same shape.

        Raises:
            TypeError: ids that are not whole numbers.
            ValueError: shapes differ, or an id at a scored pixel is not one of the K classes.
        """
        if predictions.shape != targets.shape:
            raise ValueError(
                f"got predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)}; "
                "both are class ids of one shape; upsample the logits to label size and take argmax first"
            )
        if predictions.is_floating_point() or targets.is_floating_point():
            raise TypeError(
                f"got predictions {predictions.dtype} and targets {targets.dtype}; class ids are whole numbers; "
                "take argmax of the logits, or .long() of ids"
            )
        K = self.classes
        truth, guess = (ids.reshape(len(ids), -1).long() for ids in (targets, predictions))
        scored = truth != self.ignore_index
        for name, ids in (("targets", truth), ("predictions", guess)):
            wrong = scored & ((ids < 0) | (ids >= K))
            if wrong.any():
                raise ValueError(
                    f"got class id {int(ids[wrong][0])} in {name}; ids run from 0 to {K - 1}; "
                    f"map it to a class, or to ignore_index={self.ignore_index} in the targets"
                )
        pair = torch.where(scored, truth * K + guess, K * K)  # ignored pixels share one bin that is dropped
        image = torch.arange(len(pair), device=pair.device)[:, None] * (K * K + 1)
        counts = torch.bincount((pair + image).flatten(), minlength=len(pair) * (K * K + 1))
        for matrix in counts.reshape(len(pair), K * K + 1)[:, :-1].reshape(-1, K, K).cpu().numpy():
            hit = np.diag(matrix)
            self.matrix += matrix
            self._images.append(np.stack([hit, matrix.sum(0) - hit, matrix.sum(1) - hit]))

    def merge(self, other: Confusion) -> Confusion:
        """Add another process's counts to these; the order of images is this one's, then the other's."""
        if (other.classes, other.ignore_index) != (self.classes, self.ignore_index):
            raise ValueError(
                f"got {other.classes} classes, ignore_index={other.ignore_index}; this one has {self.classes}, "
                f"{self.ignore_index}; merge only counts of the same label set"
            )
        self.matrix = self.matrix + other.matrix
        self._images = self._images + other._images
        return self

    @property
    def per_image(self) -> np.ndarray:
        """(N, 3, K) true positives, false positives and false negatives of every image, in the order seen."""
        return np.stack(self._images) if self._images else np.zeros((0, 3, self.classes), dtype=np.int64)

    def scores(self, protocol: str = "dataset") -> dict[str, Any]:
        """mIoU, mPrecision, mRecall, mF1, pixel_accuracy and per_class under one of `PROTOCOLS`.

        0/0 is undefined: IoU and F1 of a class with no pixel in truth or prediction, precision of a class never
        predicted, recall of a class never in the truth. Protocols skip it, or count it as 0 where they say so.

        Returns:
            Shares of one; `per_class` maps iou, precision, recall, f1 to K values (nan where undefined).

        Raises:
            ValueError: unknown protocol, or no image counted yet.
        """
        if protocol not in PROTOCOLS:
            raise ValueError(f"got protocol={protocol!r}; a mean must say what it is over; use one of {[*PROTOCOLS]}")
        if not self._images:
            raise ValueError("got no images; scores need at least one update; call update(predictions, targets) first")
        if protocol == "dataset":
            return _dataset_scores(self.matrix)
        return _image_scores(self.per_image, protocol)


def _ratios(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> dict[str, np.ndarray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "iou": tp / (tp + fp + fn),
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "f1": 2 * tp / (2 * tp + fp + fn),
        }


def _mean(values: np.ndarray, axis: int | None = None) -> Any:
    """Mean over the defined values; nan where there are none."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(defined, values, 0.0).sum(axis) / defined.sum(axis)


def _summary(per_class: dict[str, np.ndarray], means: dict[str, float], accuracy: float) -> dict[str, Any]:
    names = {"mIoU": "iou", "mPrecision": "precision", "mRecall": "recall", "mF1": "f1"}
    return {
        **{name: float(means[key]) for name, key in names.items()},
        "pixel_accuracy": float(accuracy),
        "per_class": {key: [float(value) for value in values] for key, values in per_class.items()},
    }


def _dataset_scores(matrix: np.ndarray) -> dict[str, Any]:
    hit, total = np.diag(matrix), matrix.sum()
    per_class = _ratios(hit, matrix.sum(0) - hit, matrix.sum(1) - hit)
    means = {key: _mean(values) for key, values in per_class.items()}
    return _summary(per_class, means, hit.sum() / total if total else float("nan"))


def _image_scores(counts: np.ndarray, protocol: str) -> dict[str, Any]:
    tp, fp, fn = counts.transpose(1, 0, 2)  # (N, K) each
    with np.errstate(invalid="ignore"):
        accuracy = tp.sum(1) / (tp + fn).sum(1)
    tables = _ratios(tp, fp, fn)
    if protocol.endswith("_zero"):
        tables = {key: np.nan_to_num(values) for key, values in tables.items()}
        accuracy = np.nan_to_num(accuracy)
    per_class = {key: _mean(values, axis=0) for key, values in tables.items()}
    if protocol.startswith("image"):
        means = {key: _mean(_mean(values, axis=1)) for key, values in tables.items()}
    else:
        precision, recall = per_class["precision"], per_class["recall"]
        with np.errstate(invalid="ignore"):
            f1 = 2 * precision * recall / (precision + recall)
        # never right where both are defined is F1 = 0; an undefined one leaves the class undefined
        per_class["f1"] = np.where(precision + recall == 0, 0.0, f1)
        means = {key: _mean(values) for key, values in per_class.items()}
    return _summary(per_class, means, _mean(accuracy))
