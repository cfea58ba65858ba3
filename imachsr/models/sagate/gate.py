"""The gate that mixes two streams, and the filters that it looks through.

Axes: B images, C channels, (h, w) features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelWeights(nn.Module):
    """The channels of one stream weighed by both: squeeze, two linear layers, sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 16
        self.fc = nn.Sequential(
            nn.Linear(2 * channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, channels), nn.Sigmoid()
        )

    def forward(self, both: Tensor) -> Tensor:
        """Two streams side by side (B, 2C, h, w) to weights (B, C, 1, 1)."""
        return self.fc(both.mean((-2, -1)))[:, :, None, None]


class Separation(nn.Module):
    """Feature separation: what the other stream has, filtered, recalibrates this one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.filter = ChannelWeights(channels)

    def forward(self, guide: Tensor, main: Tensor) -> Tensor:
        """main + w guide, (B, C, h, w)."""
        return main + self.filter(torch.cat([guide, main], 1)) * guide


class Gate(nn.Module):
    """Separation-and-aggregation gate: per pixel, how much of RGB and how much of HHA.

        merged = g rgb + (1 - g) hha,   each stream goes on as relu((x + merged) / 2)

    g is a softmax over two scores of the recalibrated streams, and weighs the streams as they came in.

    Args:
        channels: C of each stream.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fsp_rgb, self.fsp_hha = Separation(channels), Separation(channels)
        self.gate_rgb, self.gate_hha = nn.Conv2d(2 * channels, 1, 1), nn.Conv2d(2 * channels, 1, 1)

    def forward(self, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """RGB and HHA features (B, C, h, w) to the gated pair and the merged map."""
        rgb, hha = pair
        both = torch.cat([self.fsp_rgb(hha, rgb), self.fsp_hha(rgb, hha)], 1)
        share = torch.cat([self.gate_rgb(both), self.gate_hha(both)], 1).softmax(1)
        merged = rgb * share[:, :1] + hha * share[:, 1:]
        return F.relu((rgb + merged) / 2), F.relu((hha + merged) / 2), merged
