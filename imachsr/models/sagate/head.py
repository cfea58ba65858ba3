"""The head: DeepLabv3+ with a pyramid of its own, and an auxiliary one.

Axes: B images, C channels, K classes, (h, w) features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbone import conv_bn_relu

RATES = (6, 12, 18)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling, SA-Gate's own: one norm for all branches, and the image's mean is added."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.map_convs = nn.ModuleList([nn.Conv2d(inputs, channels, 1, bias=False)])
        self.map_convs.extend(nn.Conv2d(inputs, channels, 3, padding=r, dilation=r, bias=False) for r in RATES)
        self.map_bn = nn.BatchNorm2d(4 * channels)
        self.global_pooling_conv = nn.Conv2d(inputs, channels, 1, bias=False)
        self.global_pooling_bn = nn.BatchNorm2d(channels)
        self.red_conv = nn.Conv2d(4 * channels, channels, 1, bias=False)
        self.pool_red_conv = nn.Conv2d(channels, channels, 1, bias=False)
        self.red_bn = nn.BatchNorm2d(channels)
        self.leak_relu = nn.LeakyReLU(0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, h, w) to (B, channels, h, w)."""
        maps = self.leak_relu(self.map_bn(torch.cat([conv(x) for conv in self.map_convs], 1)))
        pooled = self.global_pooling_bn(self.global_pooling_conv(x.mean((-2, -1), keepdim=True)))
        both = self.red_conv(maps) + self.pool_red_conv(self.leak_relu(pooled))
        return self.leak_relu(self.red_bn(both))


class AuxiliaryHead(nn.Module):
    """Logits (B, K, h, w) straight from the last merged map."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        last = nn.Dropout(0.1), nn.Conv2d(512, classes, 1)
        self.block = nn.Sequential(*conv_bn_relu(inputs, 512), *last)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, h, w) to logits (B, K, h, w)."""
        return self.block(x)


class Head(nn.Module):
    """DeepLabv3+ decoder on the first and the last merged map, and the auxiliary head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.aspp = ASPP(2048, 256)
        self.reduce = nn.Sequential(nn.Conv2d(256, 48, 1, bias=False), nn.BatchNorm2d(48), nn.ReLU(inplace=True))
        self.last_conv = nn.Sequential(*conv_bn_relu(256 + 48, 256), *conv_bn_relu(256, 256), nn.Dropout2d(0.1))
        self.classify = nn.Conv2d(256, classes, 1)
        self.auxlayer = AuxiliaryHead(2048, classes)

    def forward(self, low: Tensor, high: Tensor) -> dict[str, Tensor]:
        """Merged maps at 1/4 and 1/16 to logits: `out` at 1/4, `aux` at 1/16."""
        context = F.interpolate(self.aspp(high), size=low.shape[-2:], mode="bilinear", align_corners=True)
        features = self.last_conv(torch.cat([context, self.reduce(low)], 1))
        return {"out": self.classify(features), "aux": self.auxlayer(high)}
