"""TopFormer (Zhang et al., CVPR 2022): a token pyramid, one transformer on its pooled tokens, semantics injected back.

Axes: B images, C channels, (h, w) positions of a map, (H, W) pixels, K classes, n tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import _blocks as blocks

STEM = 16  # channels after the first convolution
KEYS, VALUES = 16, 32  # channels of a head's keys and of its values


@dataclass(frozen=True)
class Size:
    """What differs between the published sizes.

    Attributes:
        rows: of the pyramid's blocks: kernel, expansion, channels, stride.
        taps: the rows whose outputs are the tokens, at strides 4, 8, 16 and 32.
        heads: of the attention.
        width: channels of the injected maps and of the head.
        depthwise: whether the head's fusion mixes no channels.
    """

    rows: tuple[tuple[int, int, int, int], ...]
    taps: tuple[int, ...]
    heads: int
    width: int
    depthwise: bool = False

    @property
    def channels(self) -> list[int]:
        """Of each tap."""
        return [self.rows[tap][2] for tap in self.taps]


def _ten_rows(*channels: int) -> tuple[tuple[int, int, int, int], ...]:
    """The rows of Small and Base, whose channels alone differ: at strides 4, 8, 16 and 32."""
    a, b, c, d = channels
    return (
        *((3, 1, STEM, 1), (3, 4, a, 2), (3, 3, a, 1), (5, 3, b, 2), (5, 3, b, 1)),
        *((3, 3, c, 2), (3, 3, c, 1), (5, 6, d, 2), (5, 6, d, 1), (3, 6, d, 1)),
    )


SIZES = {
    "tiny": Size(
        rows=(
            *((3, 1, STEM, 1), (3, 4, 16, 2), (3, 3, 16, 1), (5, 3, 32, 2), (5, 3, 32, 1)),
            *((3, 3, 64, 2), (3, 3, 64, 1), (5, 6, 96, 2), (5, 6, 96, 1)),
        ),
        taps=(2, 4, 6, 8),
        heads=4,
        width=128,
        depthwise=True,
    ),
    "small": Size(_ten_rows(24, 48, 96, 128), taps=(2, 4, 6, 9), heads=6, width=192),
    "base": Size(_ten_rows(32, 64, 128, 160), taps=(2, 4, 6, 9), heads=8, width=256),
    "base_city128": Size(_ten_rows(32, 64, 128, 160), taps=(2, 4, 6, 9), heads=8, width=128),
}


def topformer(classes: int, *, size: str) -> nn.Module:
    """TopFormer of a published size; `base_city128` is the narrower Base of its Cityscapes training.

    Any image size: maps are rounded up where a side is odd. Logits (B, K, H/8, W/8).
    """
    chosen = SIZES[size]
    return blocks.EncoderDecoder(Backbone(chosen), SimpleHead(chosen, classes))


class Backbone(nn.Module):
    """Images (B, 3, H, W) to three maps (B, width, h, w) at strides 8, 16 and 32."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.channels = size.channels
        self.tpm = TokenPyramid(size)
        self.ppa = PyramidPool()
        width = sum(self.channels)
        drops = blocks.drop_shares(4)
        self.trans = blocks.Transformer(
            blocks.Block(Attention(width, size.heads), width, mlp_ratio=2, drop=drop) for drop in drops
        )
        injections = [Injection(channels, size.width) for channels in self.channels[1:]]
        self.SIM = nn.ModuleList([nn.Identity(), *injections])  # the finest tokens get nothing injected

    def forward(self, images: Tensor) -> list[Tensor]:
        taps = self.tpm(images)
        semantics = self.trans(self.ppa(taps)).split(self.channels, dim=1)
        return [self.SIM[i](taps[i], semantics[i]) for i in range(1, len(taps))]


class TokenPyramid(nn.Module):
    """MobileNetV2 blocks; images to the tokens at strides 4, 8, 16 and 32."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.taps = size.taps
        self.stem = nn.Sequential(blocks.ConvBN(3, STEM, 3, stride=2), nn.ReLU())
        self.rows = len(size.rows)
        inputs = STEM
        for place, (kernel, expand, channels, stride) in enumerate(size.rows, start=1):
            block = blocks.InvertedResidual(inputs, channels, kernel=kernel, expand=expand, stride=stride)
            self.add_module(f"layer{place}", block)
            inputs = channels

    def forward(self, images: Tensor) -> list[Tensor]:
        features, tokens = self.stem(images), []
        for row in range(self.rows):
            features = self.get_submodule(f"layer{row + 1}")(features)
            if row in self.taps:
                tokens.append(features)
        return tokens


class PyramidPool(nn.Module):
    """All tokens averaged to half the coarsest resolution, rounded up, and concatenated."""

    def forward(self, tokens: list[Tensor]) -> Tensor:
        height, width = ((side + 1) // 2 for side in tokens[-1].shape[-2:])
        return torch.cat([F.adaptive_avg_pool2d(token, (height, width)) for token in tokens], dim=1)


class Attention(nn.Module):
    """Every position looks at every other.

    The official attention computes a scale, keys ** -0.5, and never applies it; neither does this one.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = blocks.ConvBN(width, heads * KEYS)
        self.to_k = blocks.ConvBN(width, heads * KEYS)
        self.to_v = blocks.ConvBN(width, heads * VALUES)
        self.proj = nn.Sequential(nn.ReLU6(), blocks.ConvBN(heads * VALUES, width))

    def forward(self, features: Tensor) -> Tensor:
        q, k, v = (
            blocks.split_heads(project(features).flatten(2), self.heads)  # (B, heads, n, d)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        looked_at = (q @ k.transpose(2, 3)).softmax(dim=-1)
        mixed = blocks.joined_heads(looked_at @ v)
        return self.proj(mixed.unflatten(2, features.shape[-2:]))


class Injection(nn.Module):
    """Semantics into the tokens of one scale: local * gate(semantics) + semantics."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.local_embedding = blocks.ConvModule(channels, width)
        self.global_embedding = blocks.ConvModule(channels, width)
        self.global_act = blocks.ConvModule(channels, width)
        self.act = blocks.HardSigmoid()

    def forward(self, tokens: Tensor, semantics: Tensor) -> Tensor:
        local = self.local_embedding(tokens)
        gate = self.act(self.global_act(semantics))  # before the upsampling, as published
        return local * blocks.resized(gate, local) + blocks.resized(self.global_embedding(semantics), local)


class SimpleHead(nn.Module):
    """The injected maps summed at the finest resolution, fused, classified."""

    def __init__(self, size: Size, classes: int) -> None:
        super().__init__()
        groups = size.width if size.depthwise else 1
        self.linear_fuse = blocks.ConvModule(size.width, size.width, groups=groups, relu=True)
        self.dropout = nn.Dropout2d(0.1)
        self.conv_seg = nn.Conv2d(size.width, classes, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        fused = maps[0]
        for features in maps[1:]:
            fused = fused + blocks.resized(features, fused)
        return self.conv_seg(self.dropout(self.linear_fuse(fused)))
