"""Negative entropy on the CPU: keeps nothing but the features, and computes the softmax anew in backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._op import refuse_second
from . import _sweeps
from ._strips import tile
from ._threads import TASKS, WORK, run


def negative_entropy(features: Tensor, dim: int, reduction: str) -> Tensor:
    """Twin of `imachsr.losses.negative_entropy`'s reference."""
    return _operator(features, dim % features.ndim, reduction == "mean")


@torch.library.custom_op("imachsr::negative_entropy_numba", mutates_args=())
def _operator(features: Tensor, dim: int, mean: bool) -> Tensor:
    C = features.shape[dim]
    flat, strides, tasks = _lay_out(features, dim)
    step = tile(tasks[0][2] - tasks[0][1], C)
    parts = run(lambda b, begin, end: _sweeps.negative_entropy(flat[b], begin, end, strides, C, step), tasks)
    return torch.tensor(sum(parts) / (features.numel() // C if mean else 1), dtype=torch.float32)


@torch.library.custom_op("imachsr::negative_entropy_gradient_numba", mutates_args=())
def _gradient(features: Tensor, upstream: Tensor, dim: int, mean: bool) -> Tensor:
    C = features.shape[dim]
    flat, strides, tasks = _lay_out(features, dim)
    factor = np.float32(upstream.item() / (features.numel() // C if mean else 1))
    step, out = tile(tasks[0][2] - tasks[0][1], C), np.empty_like(flat)

    def sweep(b: int, begin: int, end: int) -> None:
        _sweeps.negative_entropy_gradient(flat[b], begin, end, strides, C, step, factor, out[b])

    run(sweep, tasks)
    gradient = torch.empty_like(features)
    return gradient.copy_(_like(torch.from_numpy(out), features, dim, strides))


def _lay_out(features: Tensor, dim: int) -> tuple[np.ndarray, tuple[int, int], list[tuple[int, int, int]]]:
    """Features as rows of flat memory, the strides (channel, position) in a row, and (row, begin, end) tasks."""
    C = features.shape[dim]
    last = features.detach().movedim(dim, -1)
    if last.is_contiguous():
        rows, strides = last.float().reshape(1, -1), (1, C)
    else:
        whole = features.detach().float().contiguous()
        outer, inner = whole.shape[:dim].numel(), whole.shape[dim + 1 :].numel()
        rows, strides = whole.view(outer, -1), (inner, 1)
    positions = rows.shape[1] // C
    count = min(positions, max(1, TASKS // len(rows)), max(1, positions * C // WORK))
    cuts = [positions * s // count for s in range(count + 1)]
    tasks = [(b, cuts[s], cuts[s + 1]) for b in range(len(rows)) for s in range(count)]
    return rows.numpy(), strides, tasks


def _like(rows: Tensor, features: Tensor, dim: int, strides: tuple[int, int]) -> Tensor:
    """Rows of flat memory in the shape of the features."""
    if strides[0] == 1:
        shape = features.movedim(dim, -1).shape
        return rows.view(shape).movedim(-1, dim)
    return rows.view(features.shape)


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
