"""Negative entropy on CUDA: keeps nothing but the features, and computes the softmax anew in backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .._op import refuse_second
from ._plan import power
from ._sweeps import negative_entropy as kernel


def negative_entropy(features: Tensor, dim: int, reduction: str) -> Tensor:
    """Twin of `imachsr.losses.negative_entropy`'s reference."""
    return _operator(features, dim % features.ndim, reduction == "mean")


@torch.library.custom_op("imachsr::negative_entropy_triton", mutates_args=())
def _operator(features: Tensor, dim: int, mean: bool) -> Tensor:
    features, layout, CP, P = _lay_out(features.detach(), dim)
    programs = -(-layout[1] // P)
    out = torch.empty(programs, device=features.device)
    kernel[(programs,)](features, out, out, 1.0, *layout, CP=CP, P=P, WANTED=False)
    return (out.sum(dtype=torch.float64) / (layout[1] if mean else 1)).float()


@torch.library.custom_op("imachsr::negative_entropy_gradient_triton", mutates_args=())
def _gradient(features: Tensor, upstream: Tensor, dim: int, mean: bool) -> Tensor:
    source, layout, CP, P = _lay_out(features.detach(), dim)
    out, factor = torch.empty_like(source), 1 / layout[1] if mean else 1.0
    kernel[(-(-layout[1] // P),)](source, out, upstream.float(), factor, *layout, CP=CP, P=P, WANTED=True)
    return torch.empty_like(features).copy_(out) if source.stride() != torch.empty_like(features).stride() else out


def _lay_out(features: Tensor, dim: int) -> tuple[Tensor, tuple[int, int, int, int, int, int], int, int]:
    """Dense features, (C, positions, inner, across, along, leap) as the kernel counts them, and its block."""
    C = features.shape[dim]
    positions = features.numel() // C
    if features.movedim(dim, -1).is_contiguous():
        layout = (C, positions, positions, 1, C, 0)
    else:
        features = features.contiguous()
        inner = features.shape[dim + 1 :].numel()
        layout = (C, positions, inner, inner, 1, C * inner)
    CP = power(C, 1)
    return features, layout, CP, max(8, 4096 // CP)


@_operator.register_fake
def _(features: Tensor, dim: int, mean: bool) -> Tensor:
    return features.new_empty((), dtype=torch.float32)


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
