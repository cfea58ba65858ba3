"""Negative entropy in strips: keeps nothing but the features, and computes the softmax anew in backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..._common import sum_dtype, working_dtype
from .._op import refuse_second
from ._strips import CACHE


def negative_entropy(features: Tensor, dim: int, reduction: str) -> Tensor:
    """Twin of `imachsr.losses.negative_entropy`'s reference."""
    return _operator(features, dim % features.ndim, reduction == "mean")


@torch.library.custom_op("imachsr::negative_entropy_chunked", mutates_args=())
def _operator(features: Tensor, dim: int, mean: bool) -> Tensor:
    total = features.new_zeros((), dtype=sum_dtype(features))
    for part in _strips(features.detach(), dim):
        log_p = part.to(working_dtype(part)).log_softmax(dim)
        total += (log_p.exp() * log_p).sum(dtype=total.dtype)
    return (total / (features.numel() // features.shape[dim] if mean else 1)).to(working_dtype(features))


@torch.library.custom_op("imachsr::negative_entropy_gradient_chunked", mutates_args=())
def _gradient(features: Tensor, upstream: Tensor, dim: int, mean: bool) -> Tensor:
    gradient = torch.empty_like(features)
    factor = upstream / (features.numel() // features.shape[dim] if mean else 1)
    for part, out in zip(_strips(features.detach(), dim), _strips(gradient, dim), strict=True):
        log_p = part.to(working_dtype(part)).log_softmax(dim)
        p = log_p.exp()
        out.copy_(p * (log_p - (p * log_p).sum(dim, keepdim=True)) * factor)
    return gradient


def _strips(features: Tensor, dim: int) -> list[Tensor]:
    """Views of about a cache's size, cut along the longest axis that is not the channels'."""
    axis = max((a for a in range(features.ndim) if a != dim), key=lambda a: features.shape[a], default=None)
    if axis is None:
        return [features]
    return list(features.split(max(1, CACHE * features.shape[axis] // features.numel()), axis))


@_operator.register_fake
def _(features: Tensor, dim: int, mean: bool) -> Tensor:
    return features.new_empty((), dtype=working_dtype(features))


@_gradient.register_fake
def _(features: Tensor, upstream: Tensor, dim: int, mean: bool) -> Tensor:
    return torch.empty_like(features)


def _keep(ctx: Any, inputs: tuple[Tensor, int, bool], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0])
    ctx.dim, ctx.mean = inputs[1:]


def _backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
    return _gradient(ctx.saved_tensors[0], upstream, ctx.dim, ctx.mean), None, None


_operator.register_autograd(_backward, setup_context=_keep)
_gradient.register_autograd(refuse_second)
