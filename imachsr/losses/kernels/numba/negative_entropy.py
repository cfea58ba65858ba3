"""Negative entropy on the CPU: keeps nothing but the features, and computes the softmax anew in backward."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .._op import negative_entropy_twin
from . import _sweeps
from ._strips import tile
from ._threads import TASKS, WORK, run


def _gradient(features: Tensor, upstream: Tensor, dim: int, mean: bool) -> Tensor:
    C = features.shape[dim]
    dense = _dense(features, dim)
    gradient = torch.empty_like(dense)
    (maps, last), (out, _) = _maps(dense, dim), _maps(gradient, dim)
    tasks, step = _cut(maps, last)
    factor = np.float32(upstream.item() / (features.numel() // C if mean else 1))

    def sweep(b: int, begin: int, end: int) -> None:
        _sweeps.negative_entropy_gradient(maps[b], last, begin, end, step, factor, out[b])

    run(sweep, tasks)
    like = torch.empty_like(features, device="meta")
    if (gradient.dtype, gradient.stride()) == (like.dtype, like.stride()):
        return gradient
    return torch.empty_like(features).copy_(gradient)


@negative_entropy_twin("numba", _gradient)
def negative_entropy(features: Tensor, dim: int, mean: bool) -> Tensor:
    C = features.shape[dim]
    maps, last = _maps(_dense(features, dim), dim)
    tasks, step = _cut(maps, last)
    parts = run(lambda b, begin, end: _sweeps.negative_entropy(maps[b], last, begin, end, step), tasks)
    return torch.tensor(sum(parts) / (features.numel() // C if mean else 1), dtype=torch.float32)


def _dense(features: Tensor, dim: int) -> Tensor:
    """Features in float32, in a layout the sweeps walk: with channels last, or contiguous."""
    features = features.detach().float()
    return features if features.movedim(dim, -1).is_contiguous() else features.contiguous()


def _maps(dense: Tensor, dim: int) -> tuple[np.ndarray, bool]:
    """Dense features as (1, positions, C) and True where channels come last, else as (B, C, positions) and False."""
    channels_last = dense.movedim(dim, -1)
    if channels_last.is_contiguous():
        return channels_last.reshape(1, -1, dense.shape[dim]).numpy(), True
    return dense.view(dense.shape[:dim].numel(), dense.shape[dim], -1).numpy(), False


def _cut(maps: np.ndarray, last: bool) -> tuple[list[tuple[int, int, int]], int]:
    """(map, begin, end) tasks by positions, and how many positions are handled together."""
    B, (positions, C) = len(maps), maps.shape[1:] if last else maps.shape[:0:-1]
    count = min(positions, max(1, TASKS // B), max(1, positions * C // WORK))
    cuts = [positions * s // count for s in range(count + 1)]
    return [(b, cuts[s], cuts[s + 1]) for b in range(B) for s in range(count)], tile(
        cuts[1], C, 2**13 if last else 2**17
    )
