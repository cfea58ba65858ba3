"""How sure predictions are. Axes: B images, K classes; every scored pixel counts once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .probabilities import UNIT, check, check_alike, check_classes, check_counted, scored, units


class PredictiveEntropy:
    """Mean over scored pixels of the entropy of the predicted distribution, -sum_k p_k log p_k.

    In nats, and as a share of its largest value log K: 0 where every pixel is certain, 1 where none knows anything.

    Args:
        classes: K, the number of classes.
        ignore_index: label whose pixels are not scored.

    >>> entropy = PredictiveEntropy(4)
    >>> entropy.update(torch.full((1, 4), 0.25), torch.tensor([0]))
    >>> round(entropy.scores()["entropy_share"], 6)
    1.0
    """

    def __init__(self, classes: int, *, ignore_index: int = 255) -> None:
        check_classes(classes, ignore_index)
        self.classes, self.ignore_index = classes, ignore_index
        self.pixels, self.sum = 0, 0  # sum: of the entropy, in 2^-24 nats

    def update(self, probabilities: Tensor, targets: Tensor) -> None:
        """Add probabilities (B, K, H, W), or (B, K), and labels; see `Calibration.update`."""
        check(probabilities, targets, self.classes, self.ignore_index)
        for image, truth in scored(probabilities, targets, self.ignore_index):
            self.pixels += truth.numel()
            self.sum += int(units(torch.special.entr(image).sum(dim=0)).sum())

    def merge(self, other: PredictiveEntropy) -> PredictiveEntropy:
        """Add another process's sums to these.

        Raises:
            ValueError: sums of other classes.
        """
        check_alike(self, other, ("classes", "ignore_index"))
        self.pixels, self.sum = self.pixels + other.pixels, self.sum + other.sum
        return self

    def scores(self) -> dict[str, float]:
        """entropy in nats, and entropy_share of log K (nan for a single class).

        Raises:
            ValueError: no scored pixel yet.
        """
        check_counted(self.pixels)
        entropy, largest = self.sum * UNIT / self.pixels, math.log(self.classes)
        return {"entropy": entropy, "entropy_share": entropy / largest if largest else float("nan")}
