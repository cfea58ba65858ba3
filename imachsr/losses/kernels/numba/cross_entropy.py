"""Cross-entropy on the CPU without anything of label size."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..._common import label_error
from .._op import cross_entropy_twin
from . import _sweeps
from ._strips import Plan, plan
from ._threads import run


@cross_entropy_twin("numba")
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
    batch = plan(logits, targets, align_corners)
    w = np.ones(K, np.float32) if weight is None else weight.detach().float().contiguous().numpy()
    loss, mass, gradient = _sweep(batch, w, label_smoothing, ignore_index, wanted)
    if label_smoothing:
        share = torch.from_numpy(label_smoothing / K * w)[:, None, None]
        covered = _coverage(targets != ignore_index, logits, align_corners)
        blended = (torch.from_numpy(batch.logits) * share * covered).where(covered > 0, 0)  # a logit may be -inf
        loss -= float(blended.sum(dtype=torch.float64))
        gradient -= (share * covered).numpy() if wanted else 0
    scale = 1 / mass if mean and mass > 0 else 1.0
    return torch.tensor(loss * scale, dtype=torch.float32), torch.from_numpy(gradient * np.float32(scale))


def _sweep(
    batch: Plan, weight: np.ndarray, label_smoothing: float, ignore_index: int, wanted: bool
) -> tuple[float, float, np.ndarray]:
    B, K, h, w = batch.logits.shape
    gradient = np.zeros((B, K, h, w) if wanted else (0, K, 0, 0), np.float32)
    halo = np.zeros((B, len(batch.strips), K, w), np.float32)
    hard, even = np.float32(1 - label_smoothing), np.float32(label_smoothing / K * weight.sum(dtype=np.float64))

    def sweep(b: int, s: int) -> tuple[float, float, int]:
        return _sweeps.cross_entropy(
            batch.logits[b], batch.targets[b], batch.rows, batch.columns, batch.strips[s], batch.tile,
            weight, hard, even, ignore_index, wanted, gradient[b if wanted else slice(0)], halo[b, s],
        )  # fmt: skip

    loss, mass = 0.0, 0.0
    for part, share, wrong in run(sweep, batch.tasks()):
        if wrong != ignore_index:
            raise label_error(wrong, K, ignore_index)
        loss, mass = loss + part, mass + share
    return loss, mass, batch.close(gradient, halo) if wanted else gradient.reshape(0)


def _coverage(labelled: Tensor, logits: Tensor, align_corners: bool) -> Tensor:
    """(B, 1, h, w): how much of the labelled pixels' blends each source position makes up."""
    mask, size = labelled.float().unsqueeze(1), logits.shape[2:]
    if mask.shape[2:] == size:
        return mask
    return torch.ops.aten.upsample_bilinear2d_backward(mask, mask.shape[2:], [len(mask), 1, *size], align_corners)
