"""WideResNet-38 (Wu et al., "Wider or Deeper", 2016; its A2 form) and the DeepLabv3+ on it (Zhu et al., CVPR 2019).

Pre-activation blocks at output stride 8. Module names are those of the official release, so that its checkpoints load.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEM = 64  # channels
STRUCTURE = (3, 3, 6, 3, 1, 1)  # blocks of mod2 to mod7
WIDTHS = ((128, 128), (256, 256), (512, 512), (512, 1024), (512, 1024, 2048), (1024, 2048, 4096))  # per convolution
STRIDES = (1, 1, 2, 1, 1, 1)  # of a module's first block; mod2 and mod3 are pooled before
DILATIONS = (1, 1, 1, 2, 4, 4)  # from mod5 on they stand for strides left out
DROPOUTS = (0.0, 0.0, 0.0, 0.0, 0.3, 0.5)
RATES = (12, 24, 36)


def deeplabv3plus(classes: int) -> DeepLabV3Plus:
    """DeepLabv3+ on WideResNet-38, 137 M parameters: logits (B, K, H/2, W/2), rounded up."""
    return DeepLabV3Plus(classes)


class WideBlock(nn.Module):
    """Pre-activation residual block: the shortcut is the raw input, or a projection of the activated one.

    Args:
        inputs: channels that come in.
        widths: of its convolutions: two of 3x3, or 1x1, 3x3 and 1x1.
        stride: of the first convolution.
        dilation: of every 3x3 convolution.
        dropout: share of whole channels dropped before the last convolution.
    """

    def __init__(self, inputs: int, widths: Sequence[int], *, stride: int, dilation: int, dropout: float) -> None:
        super().__init__()
        kernels = (3, 3) if len(widths) == 2 else (1, 3, 1)
        self.bn1 = _activation(inputs)
        self.convs = nn.Sequential(OrderedDict(_convolutions(inputs, widths, kernels, stride, dilation, dropout)))
        self.proj_conv = None
        if stride != 1 or inputs != widths[-1]:
            self.proj_conv = nn.Conv2d(inputs, widths[-1], 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, h, w) to (B, C', h/stride, w/stride)."""
        activated = self.bn1(x)
        shortcut = x if self.proj_conv is None else self.proj_conv(activated)
        return self.convs(activated) + shortcut


class WideResNet38(nn.Module):
    """The trunk: mod1 to mod7, and no normalisation after the last (the published network leaves it out)."""

    def __init__(self) -> None:
        super().__init__()
        self.mod1 = nn.Sequential(OrderedDict(conv1=nn.Conv2d(3, STEM, 3, padding=1, bias=False)))
        self.pool2, self.pool3 = (nn.MaxPool2d(3, stride=2, padding=1) for _ in range(2))
        stages = [_stage(i) for i in range(len(STRUCTURE))]
        self.mod2, self.mod3, self.mod4, self.mod5, self.mod6, self.mod7 = stages

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) to low-level features (B, 128, H/2, W/2) and the last (B, 4096, H/8, W/8)."""
        low = self.mod2(self.pool2(self.mod1(images)))
        x = self.mod4(self.mod3(self.pool3(low)))
        return low, self.mod7(self.mod6(self.mod5(x)))


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (DeepLabv3): the image's mean, a 1x1 and three dilated convolutions."""

    def __init__(self, inputs: int, channels: int, rates: Sequence[int]) -> None:
        super().__init__()
        self.features = nn.ModuleList(_conv_bn_relu(inputs, channels, rate) for rate in (0, *rates))
        self.img_conv = _conv_bn_relu(inputs, channels, 0)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, h, w) to (B, 5 channels, h, w)."""
        image = self.img_conv(x.mean((-2, -1), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        return torch.cat([image, *(branch(x) for branch in self.features)], 1)


class DeepLabV3Plus(nn.Module):
    """DeepLabv3+ on WideResNet-38; its two projections have no normalisation, its classifier no bias, as published."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.backbone = WideResNet38()
        self.aspp = ASPP(WIDTHS[-1][-1], 256, RATES)
        self.bot_fine = nn.Conv2d(WIDTHS[0][-1], 48, 1, bias=False)
        self.bot_aspp = nn.Conv2d(5 * 256, 256, 1, bias=False)
        last = nn.Conv2d(256, classes, 1, bias=False)
        self.final = nn.Sequential(*_conv_bn_relu(256 + 48, 256, 1), *_conv_bn_relu(256, 256, 1), last)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), any size, to logits (B, K, H/2, W/2), rounded up."""
        low, x = self.backbone(images)
        context = F.interpolate(self.bot_aspp(self.aspp(x)), size=low.shape[-2:], mode="bilinear", align_corners=False)
        return self.final(torch.cat([self.bot_fine(low), context], 1))


def _stage(i: int) -> nn.Sequential:
    inputs = WIDTHS[i - 1][-1] if i else STEM
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    for n in range(STRUCTURE[i]):
        stride = 1 if n else STRIDES[i]
        blocks[f"block{n + 1}"] = WideBlock(
            WIDTHS[i][-1] if n else inputs, WIDTHS[i], stride=stride, dilation=DILATIONS[i], dropout=DROPOUTS[i]
        )
    return nn.Sequential(blocks)


def _activation(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def _conv_bn_relu(inputs: int, outputs: int, dilation: int) -> nn.Sequential:
    """A 3x3 convolution, or 1x1 where the dilation is 0, normalised and rectified."""
    kernel = 3 if dilation else 1
    conv = nn.Conv2d(inputs, outputs, kernel, padding=dilation, dilation=dilation or 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _convolutions(
    inputs: int, widths: Sequence[int], kernels: Sequence[int], stride: int, dilation: int, dropout: float
) -> list[tuple[str, nn.Module]]:
    layers: list[tuple[str, nn.Module]] = []
    for n, (width, kernel) in enumerate(zip(widths, kernels, strict=True), start=1):
        if n > 1:
            layers.append((f"bn{n}", _activation(inputs)))
        if dropout and n == len(widths):
            layers.append(("dropout", nn.Dropout2d(dropout)))  # published as Dropout, run as Dropout2d
        spread = dilation if kernel == 3 else 1
        padding, step = kernel // 2 * spread, stride if n == 1 else 1
        conv = nn.Conv2d(inputs, width, kernel, stride=step, padding=padding, dilation=spread, bias=False)
        layers.append((f"conv{n}", conv))
        inputs = width
    return layers
