"""What each point confuses, measured on images kept out of training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..metrics import Confusion
from ..objective import Supervised
from ..points import several
from ..training.batch import moved, pair_of
from ..training.evaluation import class_ids, evaluating


def analysis_split(
    length: int, *, share: float = 0.1, stretches: int = 3, seed: int = 0
) -> tuple[list[int], list[int]]:
    """Part the training images into a reduced training set and an analysis set (HS3 Section 3.1.1).

    Frames of a video resemble their neighbours, so the analysis set is contiguous stretches, not single images: our
    choice, HS3 says "a small subset".

    Args:
        length: number of training images.
        share: of the images that go into the analysis set.
        stretches: how many contiguous pieces it has, at places drawn by the seed.
        seed: of the draw.

    Returns:
        Indices of the reduced training set and of the analysis set, each in order; together they are all images.

    >>> [len(part) for part in analysis_split(367)]
    [330, 37]
    """
    kept = round(length * share)
    if not (0 < share < 1 and 1 <= stretches <= kept < length):
        raise ValueError(
            f"got {length} images, share={share} and stretches={stretches}; both sets need images, and each stretch "
            "at least one; raise the number of images or the share, or ask for fewer stretches"
        )
    lengths = [kept // stretches + (i < kept % stretches) for i in range(stretches)]
    draw = np.random.default_rng([seed, length])
    gaps = np.diff(np.sort(draw.integers(0, length - kept + 1, stretches)), prepend=0)
    analysis: list[int] = []
    at = 0
    for gap, size in zip(gaps, lengths, strict=True):
        analysis += range(at + int(gap), at + int(gap) + size)
        at += int(gap) + size
    chosen = set(analysis)
    return [index for index in range(length) if index not in chosen], analysis


@torch.no_grad()
def confusions(trainee: Supervised, loader: Iterable[tuple[Tensor, Tensor]]) -> list[Confusion]:
    """Count what the adapters at the points, and last the network itself, predict (HS3 Section 3.1.1).

    Args:
        trainee: trained with an adapter of K classes at each point, as deep supervision does.
        loader: batches of (images, targets (B, H, W)); logits are upsampled to (H, W) before the argmax.

    Returns:
        M + 1 confusion matrices: one per point in order, then the final output's.

    Raises:
        ValueError: a scheme without adapters, or adapters of merged classes.
    """
    if len(trainee.adapters) != len(trainee.points) or not trainee.points:
        raise ValueError(
            f"got scheme {trainee.scheme.name!r}, which puts no adapter at its points; the analysis reads what each "
            "point predicts; train with scheme('deep_supervision')"
        )
    if any(cast(nn.Conv2d, adapter.project).out_channels != trainee.classes for adapter in trainee.adapters):
        raise ValueError(
            "got adapters of merged classes; the analysis needs every point to tell all classes apart; "
            "train with scheme('deep_supervision')"
        )
    counts = [Confusion(trainee.classes, ignore_index=trainee.ignore_index) for _ in range(len(trainee.points) + 1)]
    device = next(trainee.parameters()).device
    with evaluating(trainee):
        for batch in loader:
            images, targets = moved(pair_of(batch), device)
            *inside, last = trainee.point_logits(images)
            covered = trainee.targets_covered(several(images)[0], targets)
            for count, logits in zip(counts, inside, strict=False):
                count.update(_ids(logits, covered), covered)
            counts[-1].update(_ids(last, targets), targets)
    return counts


def _ids(logits: Tensor, targets: Tensor) -> Tensor:
    return class_ids(F.interpolate(logits.float(), targets.shape[1:], mode="bilinear", align_corners=False))
