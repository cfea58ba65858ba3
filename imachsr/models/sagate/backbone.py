"""Two ResNet-101 side by side, one on RGB and one on HHA, with a gate after every stage.

Axes: B images, C channels, (h, w) features. A pair is (RGB, HHA).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .gate import Gate

Pair = tuple[Tensor, Tensor]

LAYERS = (3, 4, 23, 3)
STRIDES = (1, 2, 2, 1)  # the last stage is dilated instead
GRID = (2, 4, 8)  # dilations of its blocks
STREAMS = ("", "hha_")


class DualBottleneck(nn.Module):
    """A bottleneck block for each stream. Their first blocks share one `downsample`, as the official code does.

    So its BatchNorm counts each training step twice, RGB first.

    Args:
        inputs: channels that come in.
        width: channels inside; 4 times as many go out.
        stride: of the 3x3 convolution.
        dilation: of the 3x3 convolution.
    """

    def __init__(self, inputs: int, width: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        for stream in STREAMS:
            spatial = {"stride": stride, "padding": dilation, "dilation": dilation}
            self._add(stream, 1, nn.Conv2d(inputs, width, 1, bias=False))
            self._add(stream, 2, nn.Conv2d(width, width, 3, bias=False, **spatial))  # type: ignore[arg-type]
            self._add(stream, 3, nn.Conv2d(width, 4 * width, 1, bias=False))
        self.downsample = self.hha_downsample = None
        if stride != 1 or inputs != 4 * width:
            conv = nn.Conv2d(inputs, 4 * width, 1, stride=stride, bias=False)
            self.downsample = self.hha_downsample = nn.Sequential(conv, nn.BatchNorm2d(4 * width))

    def _add(self, stream: str, number: int, conv: nn.Conv2d) -> None:
        self.add_module(f"{stream}conv{number}", conv)
        self.add_module(f"{stream}bn{number}", nn.BatchNorm2d(conv.out_channels))

    def forward(self, pair: Pair) -> Pair:
        """A pair of features (B, C, h, w) to the next."""
        rgb, hha = (self._stream(x, stream) for x, stream in zip(pair, STREAMS, strict=True))
        return rgb, hha

    def _stream(self, x: Tensor, stream: str) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        for number in (1, 2):
            x = F.relu(self._convolved(x, stream, number), inplace=True)
        return F.relu(self._convolved(x, stream, 3) + shortcut, inplace=True)

    def _convolved(self, x: Tensor, stream: str, number: int) -> Tensor:
        return getattr(self, f"{stream}bn{number}")(getattr(self, f"{stream}conv{number}")(x))


class DualResNet(nn.Module):
    """Two ResNet-101 with deep stems, gated after each stage."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = _stem(), nn.BatchNorm2d(128)
        self.hha_conv1, self.hha_bn1 = _stem(), nn.BatchNorm2d(128)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool, self.hha_maxpool = nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(3, 2, 1)
        self.layer1, self.layer2, self.layer3, self.layer4 = (_layer(stage) for stage in range(4))
        self.sagates = nn.ModuleList(Gate(256 * 2**i) for i in range(4))

    def forward(self, rgb: Tensor, hha: Tensor) -> tuple[Tensor, Tensor]:
        """Two images (B, 3, H, W) to the merged maps (B, 256, H/4, W/4) and (B, 2048, H/16, W/16)."""
        rgb = self.maxpool(self.relu(self.bn1(self.conv1(rgb))))
        hha = self.hha_maxpool(self.relu(self.hha_bn1(self.hha_conv1(hha))))
        merged = []
        for layer, gate in zip((self.layer1, self.layer2, self.layer3, self.layer4), self.sagates, strict=True):
            rgb, hha, both = gate(layer((rgb, hha)))
            merged.append(both)
        return merged[0], merged[3]


def _stem() -> nn.Sequential:
    return nn.Sequential(
        *conv_bn_relu(3, 64, stride=2), *conv_bn_relu(64, 64), nn.Conv2d(64, 128, 3, padding=1, bias=False)
    )


def _layer(stage: int) -> nn.Sequential:
    width, stride = 64 * 2**stage, STRIDES[stage]
    dilations = GRID if stage == 3 else (1,) * LAYERS[stage]
    first = DualBottleneck(2 * width if stage else 128, width, stride=stride, dilation=dilations[0])
    return nn.Sequential(first, *(DualBottleneck(4 * width, width, dilation=d) for d in dilations[1:]))


def conv_bn_relu(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution, normalised and rectified."""
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
