"""What one part of a batch counts for: means over the parts must add up to means over the whole.

Axes: B images, (H, W) labels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .. import losses
from .scheme import Loss, set_as


class Shares(NamedTuple):
    """What a part holds of the whole batch, by what a term's mean is taken over; scalars."""

    pixels: Tensor  # labelled pixels: cross-entropy and most others
    labelled: Tensor  # images with labelled pixels: mutual information per image
    images: Tensor  # images: losses of the features alone
    parts: Tensor  # 1: sums just add up


def counts(targets: Tensor, ignore_index: int = 255) -> Tensor:
    """Labelled pixels, images with labelled pixels, and images of targets (B, H, W) or (B,): float64 (3,).

    >>> counts(torch.tensor([[[0, 255]], [[255, 255]]])).tolist()
    [1.0, 1.0, 2.0]
    """
    labelled = (targets != ignore_index).flatten(1) if targets.ndim > 1 else (targets != ignore_index)[:, None]
    per_image = labelled.sum(1)
    return torch.stack(
        [per_image.sum(), (per_image > 0).sum(), torch.full_like(per_image.sum(), len(targets))]
    ).double()


def shares(part: Tensor, whole: Tensor, *, processes: int = 1) -> Shares:
    """The shares of a part with `part` counts in a batch with `whole` counts, both from `counts`.

    Args:
        processes: how many average their gradients; each share is so many times larger, so that the average is the sum.
    """
    portions = part / whole.clamp_min(1) * processes
    pixels, labelled, images = portions.float().unbind()
    return Shares(pixels, labelled, images, parts=torch.tensor(float(processes), device=part.device))


def share_of(loss: Loss, whole: Shares, *targets: Tensor) -> Tensor:
    """The share that a loss's value on a part has in its value on the whole.

    Gradients are exact where the mean runs over pixels, images or positions; values too, but for the H(Y) that the
    variational bound takes from each part. Losses of a batch as a whole (InfoNCE, Dice, Lovasz, mutual information of
    whole images) see the part alone, weighed by its pixels.

    Raises:
        ValueError: a mean over class weights, of which the part has another share than of the pixels.
    """
    function, settings = set_as(loss)
    if settings.get("reduction", getattr(function, "reduction", "mean")) == "sum":
        return whole.parts
    weighted = function.weight if isinstance(function, nn.modules.loss._WeightedLoss) else settings.get("weight")
    if weighted is not None:
        raise ValueError(
            "got a loss with class weights for a part of a batch; its mean is over the weights, and parts are weighed "
            "by their pixels; train in one process with accumulate=1, or leave the weights out"
        )
    if not targets:
        return whole.images
    estimated = function is losses.mutual_information and settings.get("estimator", "plug_in")
    per_image = function is losses.region or estimated in ("plug_in", "region")
    return whole.labelled if per_image and targets[0].ndim > 1 else whole.pixels
