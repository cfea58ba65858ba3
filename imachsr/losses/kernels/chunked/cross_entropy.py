"""Cross-entropy in strips."""

from __future__ import annotations

import torch
from torch import Tensor

from ..._common import check_labels, sum_dtype, working_dtype
from .._op import cross_entropy_twin
from ._strips import Image


@cross_entropy_twin("chunked")
def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    label_smoothing: float,
    align_corners: bool,
    ignore_index: int,
    mean: bool,
    wanted: bool,
) -> tuple[Tensor, Tensor]:
    K = logits.shape[1]
    check_labels(targets, K, ignore_index)
    source = logits.detach().to(working_dtype(logits))
    w = source.new_ones(K) if weight is None else weight.detach().to(source)
    loss, mass = source.new_zeros(2, dtype=sum_dtype(source))
    gradient = torch.zeros_like(source, memory_format=torch.contiguous_format) if wanted else source.new_empty(0)
    for b in range(len(source)):
        image = Image(source[b], (targets.shape[1], targets.shape[2]), align_corners)
        for part, v in image.strips():
            y, labelled = _labels(targets[b, part], ignore_index)
            factor = w[y] * labelled
            log_q = v.log_softmax(0)
            hard = (1 - label_smoothing) * factor
            terms = hard * log_q.gather(0, y[None])[0].where(labelled, 0)  # log q may be -inf
            even = label_smoothing / K * labelled
            if label_smoothing:
                terms = terms + even * (w[:, None, None] * log_q).sum(0).where(labelled, 0)
            loss, mass = loss - terms.sum(dtype=loss.dtype), mass + factor.sum(dtype=mass.dtype)
            if wanted:
                g = log_q.exp_().mul_(hard + even * w.sum())
                g.scatter_add_(0, y[None], -hard[None])
                image.add(part, g.sub_(even * w[:, None, None]) if label_smoothing else g)
        if wanted:
            gradient[b] = image.gradient()
    scale = 1 / mass.where(mass > 0, 1) if mean else torch.ones_like(mass)
    return (loss * scale).to(source.dtype), gradient * scale.to(source.dtype)


def _labels(targets: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Labels with 0 where ignored, and where they are not."""
    labelled = targets != ignore_index
    return targets.where(labelled, 0), labelled
