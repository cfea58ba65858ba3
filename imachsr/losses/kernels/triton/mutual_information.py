"""Plug-in mutual information on CUDA: one sweep for the joint, one for the gradient, nothing of label size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from .._joint import loss_and_slope
from .._op import mutual_information_twin
from ._plan import close, label_columns, plan, power, refuse_labels
from ._sweeps import joint, sweep

LABELS = 64  # columns of the joint a program holds


@mutual_information_twin("triton")
def mutual_information(
    logits: Tensor, targets: Tensor, align_corners: bool, ignore_index: int, mean: bool, wanted: bool
) -> tuple[Tensor, Tensor]:
    (B, K, h, w), (H, W) = logits.shape, targets.shape[1:]
    refuse_labels(targets, K, ignore_index)
    logits, targets = logits.detach().contiguous(), targets.contiguous()
    grid = plan((h, w), (H, W), align_corners, logits.device)
    single: dict[str, Any] = {"device": logits.device, "dtype": torch.float32}
    KP, sizes = power(K), (K, h, w, H, W)
    labels = min(LABELS, KP)
    parts = torch.empty(B, h, K, K, **single)
    joint[(-(-K // labels), h, B)](
        logits, targets, grid.share_y, grid.left, grid.right, grid.share_x, grid.row_cuts, parts,
        *sizes, ignore_index, KP=KP, PX=label_columns(KP), LABELS=labels,
    )  # fmt: skip
    loss, slope = loss_and_slope(parts.sum(1, dtype=torch.float64), mean)
    if not wanted:
        return loss.float(), parts[:0].flatten()
    slope = pad(slope, (0, 1)).float().contiguous()  # ignored pixels read the last column
    planes, blocks, none = torch.empty(2, B, K, h, w, **single), grid.column_cuts.shape[1], torch.zeros(K, **single)
    sweep[(blocks, h, B)](
        logits, targets, none, slope, grid.share_y, grid.left, grid.right, grid.share_x,
        grid.row_cuts, grid.column_cuts, none, none, planes,
        *sizes, 1.0, 0.0, ignore_index,
        KP=KP, PX=label_columns(KP), J=grid.columns, JOINT=True, WANTED=True,
    )  # fmt: skip
    return loss.float(), close(planes)
