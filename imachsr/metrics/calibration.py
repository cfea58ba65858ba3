"""Whether confidence is deserved. Axes: B images, K classes, J bins; every scored pixel counts once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .probabilities import UNIT, check, check_alike, check_classes, check_counted, scored, units


class Calibration:
    """Expected calibration error: how far confidence is from accuracy.

    A pixel's confidence is its largest probability. Pixels are put into J equal bins ((j-1)/J, j/J] by confidence, and

        ECE = sum_j n_j / n * |accuracy_j - confidence_j|          (Guo et al., ICML 2017, Eq. 3)

    with n the scored pixels, n_j of them in bin j. ECE has no sign; `overconfidence`, the mean confidence minus the
    accuracy, has one.

    Args:
        classes: K, the number of classes.
        bins: J; 15 as in Guo et al., Table 1.
        ignore_index: label whose pixels are not scored.

    >>> calibration = Calibration(2)
    >>> calibration.update(torch.tensor([[0.9, 0.1], [0.9, 0.1]]), torch.tensor([0, 1]))  # sure twice, right once
    >>> round(calibration.scores()["ece"], 3)
    0.4
    """

    def __init__(self, classes: int, *, bins: int = 15, ignore_index: int = 255) -> None:
        check_classes(classes, ignore_index)
        if bins < 1:
            raise ValueError(f"got bins={bins}; confidences need at least one bin; pass bins >= 1, such as 15")
        self.classes, self.bins, self.ignore_index = classes, bins, ignore_index
        self.counts = np.zeros((3, bins), dtype=np.int64)  # pixels, right ones, sum of confidence in 2^-24

    def update(self, probabilities: Tensor, targets: Tensor) -> None:
        """Add probabilities (B, K, H, W), or (B, K) for classification, and labels (B, H, W) or (B,).

        Raises:
            TypeError: probabilities that are not floating point, or labels that are not whole numbers.
            ValueError: shapes that do not fit, values that are no probabilities, or a label that is no class.
        """
        check(probabilities, targets, self.classes, self.ignore_index)
        edges = torch.arange(1, self.bins, device=probabilities.device) / self.bins
        for image, truth in scored(probabilities, targets, self.ignore_index):
            confidence, guess = image.max(dim=0)
            places = torch.bucketize(confidence, edges.to(confidence.dtype))
            values = torch.stack([torch.ones_like(guess), (guess == truth).long(), units(confidence)])
            sums = values.new_zeros(3, self.bins).scatter_add_(1, places.expand_as(values), values)
            self.counts += sums.cpu().numpy()

    def merge(self, other: Calibration) -> Calibration:
        """Add another process's sums to these.

        Raises:
            ValueError: sums of other classes or bins.
        """
        check_alike(self, other, ("classes", "bins", "ignore_index"))
        self.counts = self.counts + other.counts
        return self

    def scores(self) -> dict[str, Any]:
        """ece, mce (the largest gap of a bin), confidence, accuracy, overconfidence; per bin under `bins`.

        Returns:
            Shares of one. `bins` maps share, confidence and accuracy to J values (nan in an empty bin).

        Raises:
            ValueError: no scored pixel yet.
        """
        pixels, right, sums = self.counts
        total = pixels.sum()
        check_counted(total)
        with np.errstate(invalid="ignore"):
            confidence, accuracy = sums * UNIT / pixels, right / pixels
        gaps = np.abs(accuracy - confidence)[pixels > 0]
        share = pixels / total
        means = {"confidence": float(sums.sum() * UNIT / total), "accuracy": float(right.sum() / total)}
        return {
            "ece": float((share[pixels > 0] * gaps).sum()),
            "mce": float(gaps.max()),
            **means,
            "overconfidence": means["confidence"] - means["accuracy"],
            "bins": {
                name: [float(value) for value in values]
                for name, values in (("share", share), ("confidence", confidence), ("accuracy", accuracy))
            },
        }
