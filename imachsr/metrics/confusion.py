"""Exact counts of (truth, prediction) pairs.

Axes: B images, K classes, N images seen so far. Shares are of one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .probabilities import check_alike, check_classes
from .protocols import PROTOCOLS, scores_of


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
        check_classes(classes, ignore_index)
        self.classes, self.ignore_index = classes, ignore_index
        self.matrix = np.zeros((classes, classes), dtype=np.int64)  # rows: truth, columns: prediction
        self._images: list[np.ndarray] = []  # (3, K) per image: true positives, false positives, false negatives

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Count class ids (B, H, W), or (B,) for classification, against labels of the same shape.

        Raises:
            TypeError: no tensors, or ids that are not whole numbers.
            ValueError: shapes differ, or an id at a scored pixel is not one of the K classes.
        """
        if not (isinstance(predictions, Tensor) and isinstance(targets, Tensor)):
            raise TypeError(
                f"got {type(predictions).__name__} and {type(targets).__name__}; class ids are tensors; "
                "wrap arrays with torch.as_tensor"
            )
        if predictions.shape != targets.shape or not targets.ndim:
            raise ValueError(
                f"got predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)}; both are class ids "
                "of one shape, (B, H, W) or (B,); upsample the logits to label size and take argmax first"
            )
        if predictions.is_floating_point() or targets.is_floating_point():
            raise TypeError(
                f"got predictions {predictions.dtype} and targets {targets.dtype}; class ids are whole numbers; "
                "take argmax of the logits, or .long() of ids"
            )
        counted = [self._count(guess, truth) for guess, truth in zip(predictions, targets, strict=True)]
        for matrix in counted:  # after all of them counted: a refused batch leaves nothing behind
            hit = np.diag(matrix)
            self.matrix += matrix
            self._images.append(np.stack([hit, matrix.sum(0) - hit, matrix.sum(1) - hit]))

    def _count(self, predictions: Tensor, targets: Tensor) -> np.ndarray:
        """(K, K) of one image: so small that what it takes stays in the processor's cache."""
        K = self.classes
        guess, truth = predictions.reshape(-1).long(), targets.reshape(-1).long()
        scored = truth != self.ignore_index
        self._check("targets", truth, scored)
        self._check("predictions", guess, scored)
        pair = torch.where(scored, truth * K + guess, K * K)  # ignored pixels share one bin that is dropped
        return torch.bincount(pair, minlength=K * K + 1)[:-1].reshape(K, K).cpu().numpy()

    def _check(self, name: str, ids: Tensor, scored: Tensor) -> None:
        ids = torch.where(scored, ids, 0)
        if not ids.numel():
            return
        lowest, highest = ids.aminmax()
        if lowest < 0 or highest >= self.classes:
            wrong = ids[(ids < 0) | (ids >= self.classes)]
            raise ValueError(
                f"got class id {int(wrong[0])} in {name}; ids run from 0 to {self.classes - 1}; "
                f"map it to a class, or to ignore_index={self.ignore_index} in the targets"
            )

    def merge(self, other: Confusion) -> Confusion:
        """Add another process's counts to these; the order of images is this one's, then the other's.

        Raises:
            ValueError: counts of other classes, or no counts at all.
        """
        check_alike(self, other, ("classes", "ignore_index"))
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
        return scores_of(self.per_image, protocol)
