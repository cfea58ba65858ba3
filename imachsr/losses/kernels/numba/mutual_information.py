"""Plug-in mutual information on the CPU: one sweep for the joint, one for the gradient, nothing of label size."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..._common import label_error
from .._joint import loss_and_slope
from .._op import mutual_information_twin
from . import _sweeps
from ._strips import Plan, plan
from ._threads import run


@mutual_information_twin("numba")
def mutual_information(
    logits: Tensor, targets: Tensor, align_corners: bool, ignore_index: int, mean: bool, wanted: bool
) -> tuple[Tensor, Tensor]:
    batch = plan(logits, targets, align_corners)
    joint = torch.from_numpy(_joint(batch, ignore_index))
    loss, slope = loss_and_slope(joint, mean)
    if not wanted:
        return loss.float(), torch.empty(0)
    return loss.float(), torch.from_numpy(_gradient(batch, slope.float().numpy(), ignore_index))


def _joint(batch: Plan, ignore_index: int) -> np.ndarray:
    B, K = batch.logits.shape[:2]
    parts = np.zeros((B, len(batch.strips), K, K))

    def sweep(b: int, s: int) -> int:
        return _sweeps.joint(
            batch.logits[b], batch.targets[b], batch.rows, batch.columns, batch.strips[s], batch.tile,
            ignore_index, parts[b, s],
        )  # fmt: skip

    for wrong in run(sweep, batch.tasks()):
        if wrong != ignore_index:
            raise label_error(wrong, K, ignore_index)
    return parts.sum(1)


def _gradient(batch: Plan, slope: np.ndarray, ignore_index: int) -> np.ndarray:
    B, K, _, w = batch.logits.shape
    gradient, halo = np.zeros_like(batch.logits), np.zeros((B, len(batch.strips), K, w), np.float32)
    slope = np.concatenate([slope, np.zeros((B, K, 1), np.float32)], 2)  # ignored pixels read the last column

    def sweep(b: int, s: int) -> None:
        _sweeps.joint_gradient(
            batch.logits[b], batch.targets[b], batch.rows, batch.columns, batch.strips[s], batch.tile,
            slope[b], ignore_index, gradient[b], halo[b, s],
        )  # fmt: skip

    run(sweep, batch.tasks())
    return batch.close(gradient, halo)
