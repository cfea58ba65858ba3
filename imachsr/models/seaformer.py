"""SeaFormer (Wan et al., ICLR 2023): a mobile network whose coarse stages attend along axes squeezed to single lines.

Axes: B images, C channels, (h, w) positions of a map, (H, W) pixels, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import _blocks as blocks

RATIO = 2  # channels of a value per channel of a key
POSITIONS = 16  # length at which position embeddings are kept; interpolated to the map's own

AXES = {"row": 3, "column": 2}  # name -> the axis averaged away

Row = tuple[int, int, int, int]  # kernel, expansion, channels, stride


@dataclass(frozen=True)
class Size:
    """What differs between the published sizes.

    Attributes:
        stages: rows of the five mobile stages, to strides 4, 8, 16, 32 and 64.
        heads: of the attention.
        keys: channels of a head's keys, for each of the last stages that are followed by a transformer.
        depths: blocks of each transformer.
        mlp_ratios: hidden channels of its MLP per channel.
        fused: channels of each fusion in the head.
    """

    stages: tuple[tuple[Row, ...], ...]
    heads: int
    keys: tuple[int, ...]
    depths: tuple[int, ...]
    mlp_ratios: tuple[int, ...]
    fused: tuple[int, ...]

    @property
    def channels(self) -> list[int]:
        """After each stage."""
        return [rows[-1][2] for rows in self.stages]

    @property
    def transformers(self) -> int:
        """How many of the last stages are followed by one."""
        return len(self.keys)


def _stages(*channels: int, expand: int) -> tuple[tuple[Row, ...], ...]:
    """The stages of Tiny, Small and Base; the fourth one's expansion is 3, 4, 5."""
    a, b, c, d, e = channels
    return (
        ((3, 1, 16, 1), (3, 4, a, 2), (3, 3, a, 1)),
        ((5, 3, b, 2), (5, 3, b, 1)),
        ((3, 3, c, 2), (3, 3, c, 1)),
        ((5, expand, d, 2),),
        ((3, 6, e, 2),),
    )


_LARGE = (
    ((3, 3, 32, 1), (3, 4, 64, 2), (3, 4, 64, 1)),
    ((5, 4, 128, 2), (5, 4, 128, 1)),
    ((3, 4, 192, 2), (3, 4, 192, 1)),
    ((5, 4, 256, 2),),
    ((3, 6, 320, 2),),
)
_TWO = {"keys": (16, 24), "mlp_ratios": (2, 4)}  # transformers after the last two stages

SIZES = {
    "tiny": Size(_stages(16, 32, 64, 128, 160, expand=3), heads=4, depths=(2, 2), fused=(64, 96), **_TWO),
    "small": Size(_stages(24, 48, 96, 160, 192, expand=4), heads=6, depths=(3, 3), fused=(96, 128), **_TWO),
    "base": Size(_stages(32, 64, 128, 192, 256, expand=4), heads=8, depths=(4, 4), fused=(128, 160), **_TWO),
    "large": Size(_LARGE, 8, keys=(16, 20, 24), depths=(3, 3, 3), mlp_ratios=(2, 4, 6), fused=(128, 160, 192)),
}


def seaformer(classes: int, *, size: str) -> nn.Module:
    """SeaFormer of a published size.

    Any image size: maps are rounded up where a side is odd. Logits (B, K, H/8, W/8).
    """
    chosen = SIZES[size]
    return blocks.EncoderDecoder(Backbone(chosen), LightHead(chosen, classes))


class Backbone(nn.Module):
    """Images (B, 3, H, W) to the map at stride 8 and the output of each transformer, down to stride 64."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.transformers, self.plain = size.transformers, len(size.stages) - size.transformers
        inputs = size.stages[0][0][2]  # the stem makes the channels of the first row
        for place, rows in enumerate(size.stages, start=1):
            self.add_module(f"smb{place}", _mobile_stage(inputs, rows, stem=place == 1))
            inputs = rows[-1][2]
        for place in range(size.transformers):
            self.add_module(f"trans{place + 1}", _transformer(size, place))

    def forward(self, images: Tensor) -> list[Tensor]:
        features, maps = images, []
        for stage in range(self.plain):
            features = self.get_submodule(f"smb{stage + 1}")(features)
            if stage == 1:
                maps.append(features)
        for place in range(1, self.transformers + 1):
            features = self.get_submodule(f"smb{self.plain + place}")(features)
            features = self.get_submodule(f"trans{place}")(features)
            maps.append(features)
        return maps


def _mobile_stage(inputs: int, rows: tuple[Row, ...], *, stem: bool) -> nn.Sequential:
    """MobileNetV2 blocks in a row, behind the first convolution in the first stage."""
    stage = nn.Sequential()
    if stem:
        stage.add_module("stem_block", nn.Sequential(blocks.ConvBN(3, inputs, 3, stride=2), nn.ReLU()))
    for place, (kernel, expand, channels, stride) in enumerate(rows, start=1):
        block = blocks.InvertedResidual(inputs, channels, kernel=kernel, expand=expand, stride=stride)
        stage.add_module(f"layer{place}", block)
        inputs = channels
    return stage


def _transformer(size: Size, place: int) -> blocks.Transformer:
    """The transformer in its place; the share of dropped blocks starts anew in each."""
    width = size.channels[-size.transformers :][place]
    keys, ratio = size.keys[place], size.mlp_ratios[place]
    drops = blocks.drop_shares(size.depths[place])
    return blocks.Transformer(
        blocks.Block(SeaAttention(width, size.heads, keys), width, mlp_ratio=ratio, drop=drop) for drop in drops
    )


class PositionEmbedding(nn.Module):
    """A learned embedding along one axis, interpolated to that axis's length."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.randn(1, channels, POSITIONS))

    def forward(self, line: Tensor) -> Tensor:
        return line + F.interpolate(self.pos_embed, line.shape[-1], mode="linear", align_corners=False)


class SeaAttention(nn.Module):
    """Squeeze-enhanced axial attention: rows attend to rows, columns to columns, and a convolution keeps the detail."""

    def __init__(self, width: int, heads: int, keys: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, keys**-0.5
        inner, values = heads * keys, heads * keys * RATIO
        self.to_q = blocks.ConvBN(width, inner)
        self.to_k = blocks.ConvBN(width, inner)
        self.to_v = blocks.ConvBN(width, values)
        self.proj = nn.Sequential(nn.ReLU6(), blocks.ConvBN(values, width))
        for axis in AXES:
            self.add_module(f"proj_encode_{axis}", nn.Sequential(nn.ReLU6(), blocks.ConvBN(values, values)))
            self.add_module(f"pos_emb_{axis}q", PositionEmbedding(inner))
            self.add_module(f"pos_emb_{axis}k", PositionEmbedding(inner))
        self.dwconv = blocks.ConvBN(2 * values, 2 * values, 3, groups=2 * values)
        self.act = nn.ReLU6()
        self.pwconv = blocks.ConvBN(2 * values, width)
        self.gate = blocks.HardSigmoid()

    def forward(self, features: Tensor) -> Tensor:
        q, k, v = self.to_q(features), self.to_k(features), self.to_v(features)
        detail = self.pwconv(self.act(self.dwconv(torch.cat([q, k, v], dim=1))))
        rows, columns = (self._along(axis, q, k, v) for axis in AXES)
        seen = self.proj(v + (rows + columns))
        return self.gate(seen) * detail

    def _along(self, axis: str, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention along one axis, the other averaged away to length 1; only q and k know their places."""
        part, averaged = self.get_submodule, AXES[axis]
        q = part(f"pos_emb_{axis}q")(q.mean(averaged))
        k = part(f"pos_emb_{axis}k")(k.mean(averaged))
        q, k, v = (blocks.split_heads(line, self.heads) for line in (q, k, v.mean(averaged)))
        looked_at = (q @ k.transpose(2, 3) * self.scale).softmax(dim=-1)
        return part(f"proj_encode_{axis}")(blocks.joined_heads(looked_at @ v).unsqueeze(averaged))


class Fusion(nn.Module):
    """Detail gated by semantics: local * gate(semantics), and unlike TopFormer nothing is added."""

    def __init__(self, inputs: int, semantics: int, width: int) -> None:
        super().__init__()
        self.local_embedding = blocks.ConvModule(inputs, width)
        self.global_act = blocks.ConvModule(semantics, width)
        self.act = blocks.HardSigmoid()

    def forward(self, detail: Tensor, semantics: Tensor) -> Tensor:
        local = self.local_embedding(detail)
        return local * blocks.resized(self.act(self.global_act(semantics)), local)


class LightHead(nn.Module):
    """The map at stride 8, gated by one transformer's output after the other, classified."""

    def __init__(self, size: Size, classes: int) -> None:
        super().__init__()
        inputs = size.channels[1]
        semantics = size.channels[-size.transformers :]
        for place, (channels, width) in enumerate(zip(semantics, size.fused, strict=True), start=1):
            self.add_module(f"fuse{place}", Fusion(inputs, channels, width))
            inputs = width
        self.linear_fuse = blocks.ConvModule(inputs, inputs, groups=inputs, relu=True)
        self.dropout = nn.Dropout2d(0.1)
        self.conv_seg = nn.Conv2d(inputs, classes, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        detail = maps[0]
        for place, semantics in enumerate(maps[1:], start=1):
            detail = self.get_submodule(f"fuse{place}")(detail, semantics)
        return self.conv_seg(self.dropout(self.linear_fuse(detail)))
