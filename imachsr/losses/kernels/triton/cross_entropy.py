"""Cross-entropy on CUDA without anything of label size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .._op import cross_entropy_twin
from ._plan import close, label_columns, plan, power, refuse_labels
from ._sweeps import sweep


@cross_entropy_twin("triton")
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
    (B, K, h, w), (H, W) = logits.shape, targets.shape[1:]
    refuse_labels(targets, K, ignore_index)
    logits, targets = logits.detach().contiguous(), targets.contiguous()
    grid = plan((h, w), (H, W), align_corners, logits.device)
    single: dict[str, Any] = {"device": logits.device, "dtype": torch.float32}
    w_k = torch.ones(K, **single) if weight is None else weight.detach().to(**single).contiguous()
    blocks = grid.column_cuts.shape[1]
    loss, mass = torch.empty(2, B, h, blocks, **single)
    planes = torch.empty((2, B, K, h, w) if wanted else (1,), **single)
    sweep[(blocks, h, B)](
        logits, targets, w_k, w_k, grid.share_y, grid.left, grid.right, grid.share_x,
        grid.row_cuts, grid.column_cuts, loss, mass, planes,
        K, h, w, H, W, 1 - label_smoothing, label_smoothing / K, ignore_index,
        KP=power(K), PX=label_columns(power(K)), J=grid.columns, JOINT=False, WANTED=wanted,
    )  # fmt: skip
    total = mass.sum(dtype=torch.float64)
    scale = 1 / total.where(total > 0, 1) if mean else torch.ones_like(total)
    gradient = close(planes) * scale.float() if wanted else planes[:0]
    return (loss.sum(dtype=torch.float64) * scale).float(), gradient
