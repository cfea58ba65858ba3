"""Plug-in mutual information in strips: one pass for the joint, one for the gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from ..._common import check_labels, sum_dtype, working_dtype
from .._joint import loss_and_slope
from .._op import mutual_information_twin
from ._strips import Image


@mutual_information_twin("chunked")
def mutual_information(
    logits: Tensor, targets: Tensor, align_corners: bool, ignore_index: int, mean: bool, wanted: bool
) -> tuple[Tensor, Tensor]:
    B, K = logits.shape[:2]
    check_labels(targets, K, ignore_index)
    source = logits.detach().to(working_dtype(logits))
    joint = source.new_zeros(B, K, K + 1, dtype=sum_dtype(source))
    y = targets.where(targets != ignore_index, K)  # ignored pixels have a column of their own
    images = [Image(source[b], (targets.shape[1], targets.shape[2]), align_corners) for b in range(B)]
    for b, image in enumerate(images):
        for part, v in image.strips():
            joint[b] += _strip_joint(v.softmax(0), y[b, part], joint.dtype)
    loss, slope = loss_and_slope(joint[:, :, :K], mean)
    if not wanted:
        return loss.to(source.dtype), source.new_empty(0)
    slope = torch.nn.functional.pad(slope, (0, 1)).to(source.dtype)
    for b, image in enumerate(images):
        for part, v in image.strips():
            q, s = v.softmax(0), slope[b][:, y[b, part]]
            image.add(part, q * (s - (q * s).sum(0)))
    return loss.to(source.dtype), torch.stack([image.gradient() for image in images])


def _strip_joint(q: Tensor, y: Tensor, dtype: torch.dtype) -> Tensor:
    """(K, K + 1) sums of q_k 1[y = j]: a matrix product with the labels as rows of an identity."""
    K = len(q)
    hot = torch.nn.functional.one_hot(y.flatten(), K + 1)
    return q.flatten(1).to(dtype) @ hot.to(dtype)
