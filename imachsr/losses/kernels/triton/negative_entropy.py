"""Negative entropy on CUDA: keeps nothing but the features, and computes the softmax anew in backward."""

from __future__ import annotations

import torch
from torch import Tensor

from .._op import negative_entropy_twin
from ._plan import power
from ._sweeps import negative_entropy as kernel


def _gradient(features: Tensor, upstream: Tensor, dim: int, mean: bool) -> Tensor:
    source, layout, CP, P = _lay_out(features.detach(), dim)
    out, factor = torch.empty_like(source), 1 / layout[1] if mean else 1.0
    kernel[(-(-layout[1] // P),)](source, out, upstream.float(), factor, *layout, CP=CP, P=P, WANTED=True)
    return torch.empty_like(features).copy_(out) if source.stride() != torch.empty_like(features).stride() else out


@negative_entropy_twin("triton", _gradient)
def negative_entropy(features: Tensor, dim: int, mean: bool) -> Tensor:
    features, layout, CP, P = _lay_out(features.detach(), dim)
    programs = -(-layout[1] // P)
    out = torch.empty(programs, device=features.device)
    kernel[(programs,)](features, out, out, 1.0, *layout, CP=CP, P=P, WANTED=False)
    return (out.sum(dtype=torch.float64) / (layout[1] if mean else 1)).float()


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
