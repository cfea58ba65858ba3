"""Parts that TopFormer and SeaFormer share; parameter names are those of the official checkpoints.

Axes: B images, C channels, (h, w) positions of a map.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth


class ConvBN(nn.Sequential):
    """A convolution without bias (`c`) and its BatchNorm (`bn`)."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, groups: int = 1, name: str = "c"
    ) -> None:
        super().__init__()
        self.add_module(name, nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False))
        self.bn = nn.BatchNorm2d(outputs)


class ConvModule(ConvBN):
    """The same with the names of mmcv (`conv`, `bn`), and a ReLU if asked for."""

    def __init__(self, inputs: int, outputs: int, *, groups: int = 1, relu: bool = False) -> None:
        super().__init__(inputs, outputs, groups=groups, name="conv")
        if relu:
            self.activate = nn.ReLU()


class HardSigmoid(nn.Module):
    """relu6(x + 3) / 6, written out: torch's own has a gradient of 1/6 rounded to float32, in float64 too."""

    def forward(self, features: Tensor) -> Tensor:
        return F.relu6(features + 3) / 6


class InvertedResidual(nn.Module):
    """MobileNetV2's block (Sandler et al., CVPR 2018): expand (unless by 1), depthwise, project."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, expand: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expand
        widen = [ConvBN(inputs, hidden), nn.ReLU()] if expand != 1 else []
        depthwise = ConvBN(hidden, hidden, kernel, stride=stride, groups=hidden)
        self.conv = nn.Sequential(*widen, depthwise, nn.ReLU(), ConvBN(hidden, outputs))
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        return features + self.conv(features) if self.shortcut else self.conv(features)


class Mlp(nn.Module):
    """1x1, depthwise 3x3 with a bias and no BatchNorm, ReLU6, 1x1."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = ConvBN(width, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.act = nn.ReLU6()
        self.fc2 = ConvBN(hidden, width)

    def forward(self, features: Tensor) -> Tensor:
        return self.fc2(self.act(self.dwconv(self.fc1(features))))


class Block(nn.Module):
    """A transformer block on maps without LayerNorm: attention and MLP, each added to what came in."""

    def __init__(self, attention: nn.Module, width: int, *, mlp_ratio: int, drop: float) -> None:
        super().__init__()
        self.attn = attention
        self.drop_path = StochasticDepth(drop, "row")  # whole branches, for some images (Huang et al., ECCV 2016)
        self.mlp = Mlp(width, width * mlp_ratio)

    def forward(self, features: Tensor) -> Tensor:
        features = features + self.drop_path(self.attn(features))
        return features + self.drop_path(self.mlp(features))


class Transformer(nn.Module):
    """Blocks in a row."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        super().__init__()
        self.transformer_blocks = nn.ModuleList(blocks)

    def forward(self, features: Tensor) -> Tensor:
        for block in self.transformer_blocks:
            features = block(features)
        return features


class EncoderDecoder(nn.Module):
    """Backbone and head: images (B, 3, H, W), any H and W, to logits (B, K, h, w)."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.decode_head = backbone, head
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                _initialise(module, name)

    def forward(self, images: Tensor) -> Tensor:
        return self.decode_head(self.backbone(images))


def drop_shares(depth: int) -> list[float]:
    """How often each of `depth` blocks is dropped: from never to one in ten times, in equal steps."""
    return [0.1 * place / max(depth - 1, 1) for place in range(depth)]


def resized(features: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of another map."""
    return F.interpolate(features, like.shape[-2:], mode="bilinear", align_corners=False)


def split_heads(features: Tensor, heads: int) -> Tensor:
    """Channels (B, heads * d, n) to (B, heads, n, d)."""
    return features.unflatten(1, (heads, -1)).transpose(2, 3)


def joined_heads(features: Tensor) -> Tensor:
    """(B, heads, n, d) back to channels (B, heads * d, n)."""
    return features.transpose(2, 3).flatten(1, 2)


def _initialise(conv: nn.Conv2d, name: str) -> None:
    """As the official training starts: N(0, 2 / fan-out), a classifier N(0, 0.01^2), biases 0.

    In the backbone the fan-out is that of one group; in the head groups are not asked for.
    """
    fan_out = conv.weight[:, 0].numel() // (conv.groups if name.startswith("backbone.") else 1)
    nn.init.normal_(conv.weight, std=0.01 if name.endswith("conv_seg") else math.sqrt(2 / fan_out))
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
