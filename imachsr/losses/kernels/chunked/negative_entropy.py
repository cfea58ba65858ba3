"""Negative entropy in strips: keeps nothing but the features, and computes the softmax anew in backward."""

from __future__ import annotations

import torch
from torch import Tensor

from ..._common import sum_dtype, working_dtype
from .._op import negative_entropy_twin
from ._strips import CACHE


def _gradient(features: Tensor, upstream: Tensor, dim: int, mean: bool) -> Tensor:
    gradient = torch.empty_like(features)
    factor = upstream / (features.numel() // features.shape[dim] if mean else 1)
    for part, out in zip(_strips(features.detach(), dim), _strips(gradient, dim), strict=True):
        log_p = part.to(working_dtype(part)).log_softmax(dim)
        p = log_p.exp()
        out.copy_(p * (log_p - (p * log_p).sum(dim, keepdim=True)) * factor)
    return gradient


@negative_entropy_twin("chunked", _gradient)
def negative_entropy(features: Tensor, dim: int, mean: bool) -> Tensor:
    total = features.new_zeros((), dtype=sum_dtype(features))
    for part in _strips(features.detach(), dim):
        log_p = part.to(working_dtype(part)).log_softmax(dim)
        total += (log_p.exp() * log_p).sum(dtype=total.dtype)
    return (total / (features.numel() // features.shape[dim] if mean else 1)).to(working_dtype(features))


def _strips(features: Tensor, dim: int) -> list[Tensor]:
    """Views of about a cache's size, cut along the longest axis that is not the channels'."""
    axis = max((a for a in range(features.ndim) if a != dim), key=lambda a: features.shape[a], default=None)
    if axis is None:
        return [features]
    return list(features.split(max(1, CACHE * features.shape[axis] // features.numel()), axis))
