"""Where each class lies in a point's feature space, for grouping by k-means.

Axes: B images, K classes, C channels at a point, (h, w) features, (H, W) labels.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..objective import Supervised
from ..points import several
from ..training import evaluating
from ..training.batch import moved, pair_of


@torch.no_grad()
def embeddings(trainee: Supervised, loader: Iterable[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """The mean feature of each class at each point (HS3 Section 3.1.3).

    A feature counts for a class with the share of its cell that the class covers, so that thin classes are not lost.

    Args:
        trainee: a network with its points.
        loader: batches of (images, targets (B, H, W)).

    Returns:
        For each point a float64 (K, C); a class without a pixel is a row of nan.
    """
    sums: list[Tensor | float] = [0.0] * len(trainee.points)
    shares: list[Tensor | float] = [0.0] * len(trainee.points)
    device = next(trainee.parameters()).device
    with evaluating(trainee):
        for batch in loader:
            images, targets = moved(pair_of(batch), device)
            inputs = several(images)
            trainee.network(*inputs)
            covered = trainee.targets_covered(inputs[0], targets)
            for m, features in enumerate(trainee.capture.read()):
                share = cell_shares(covered, features.shape[-2:], trainee.classes, trainee.ignore_index)
                sums[m] = sums[m] + torch.einsum("bkhw,bchw->kc", share, features.double()).cpu()
                shares[m] = shares[m] + share.sum((0, 2, 3)).cpu()
    return [total / torch.as_tensor(share)[:, None] for total, share in zip(sums, shares, strict=True)]


def cell_shares(targets: Tensor, size: torch.Size, classes: int, ignore_index: int) -> Tensor:
    """The share of each cell that each class covers: targets (B, H, W) to float64 (B, K, h, w).

    >>> cell_shares(torch.tensor([[[0, 1], [1, 255]]]), torch.Size([1, 1]), 2, 255).flatten().tolist()
    [0.25, 0.5]
    """
    scored = targets != ignore_index
    one_hot = F.one_hot(torch.where(scored, targets, 0), classes) * scored[..., None]
    return F.adaptive_avg_pool2d(one_hot.permute(0, 3, 1, 2).double(), (size[0], size[1]))
