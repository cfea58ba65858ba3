"""Dimension adapters: from a point's features to K-channel maps that can meet the labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DimensionAdapter(nn.Module):
    """The papers' q_m(.; phi_m): a 1x1 projection of features (B, C, h, w) to logits (B, K, h, w).

    It stays at feature resolution; the loss upsamples. It lives in training only and leaves with `release()`.

    Args:
        channels: C at the point.
        classes: K of the labels.

    >>> import torch
    >>> DimensionAdapter(64, 11)(torch.zeros(2, 64, 45, 60)).shape
    torch.Size([2, 11, 45, 60])
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, classes, kernel_size=1)

    def forward(self, features: Tensor, *, pool: bool = False) -> Tensor:
        """Logits (B, K, h, w); with `pool`, of the mean over positions: logits (B, K), for labels (B,)."""
        weight = self.project.weight
        if (features.dtype, features.device) != (weight.dtype, weight.device):  # of a part with its own
            features = features.to(weight.device) if _chosen(features) else features.to(weight)
        if pool:
            return self.project(features.mean((-2, -1), keepdim=True)).flatten(1)
        return self.project(features)


def _chosen(features: Tensor) -> bool:
    """Whether autocast chooses the dtype; it never changes float64."""
    return torch.is_autocast_enabled(features.device.type) and features.dtype != torch.float64
