"""HRNetV2 (Wang et al., TPAMI 2020), plain and with OCR: four resolutions side by side, fused after every module.

Branch i has width 2^i w at a resolution of 1/(4 2^i). Module names are those of the official release, so that its
checkpoints load as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from .ocr import OCR, pixel_representations

STEM = 64  # channels; its bottlenecks end in 4 times as many
OCR_HEAD = ("conv3x3_ocr", "ocr_distri_head", "cls_head")  # the modules whose width is that of the OCR head


def w18(classes: int, *, ocr: bool = False, align_corners: bool = False) -> HRNet:
    """HRNetV2-W18, 9.6 M parameters (12.1 M with OCR)."""
    return HRNet(classes, width=18, ocr=ocr, align_corners=align_corners)


def w18_small_v2(classes: int, *, ocr: bool = False, align_corners: bool = False) -> HRNet:
    """HRNetV2-W18-small-v2, 3.9 M parameters: fewer modules, two blocks each. HS3's "w18" by its operations."""
    options = {"bottlenecks": 2, "modules": (1, 3, 2), "blocks": 2}
    return HRNet(classes, width=18, ocr=ocr, align_corners=align_corners, **options)  # type: ignore[arg-type]


def w48(classes: int, *, ocr: bool = False, align_corners: bool = False) -> HRNet:
    """HRNetV2-W48, 65.9 M parameters (70.4 M with OCR)."""
    return HRNet(classes, width=48, ocr=ocr, align_corners=align_corners)


class HRNet(nn.Module):
    """HRNetV2 with its segmentation head.

    Args:
        classes: K.
        width: w, channels of the branch of highest resolution.
        bottlenecks: blocks of stage 1.
        modules: fused modules in stages 2, 3 and 4.
        blocks: residual blocks per branch and module.
        ocr: whether object-contextual representations refine the prediction.
        ocr_channels: C of their pixel features.
        align_corners: of every bilinear upsampling; the official code has both, by configuration.
    """

    def __init__(
        self,
        classes: int,
        *,
        width: int,
        bottlenecks: int = 4,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        ocr: bool = False,
        ocr_channels: int = 512,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.conv1, self.bn1 = _conv(3, STEM, stride=2)
        self.conv2, self.bn2 = _conv(STEM, STEM, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _bottlenecks(bottlenecks)
        widths = [width * 2**i for i in range(4)]
        self.transition1 = nn.ModuleDict(
            {"0": _conv_relu(4 * STEM, widths[0]), "1": nn.Sequential(_conv_relu(4 * STEM, widths[1], stride=2))}
        )
        self.stage2 = _stage(modules[0], widths[:2], blocks, align_corners)
        self.transition2 = nn.ModuleDict({"2": nn.Sequential(_conv_relu(widths[1], widths[2], stride=2))})
        self.stage3 = _stage(modules[1], widths[:3], blocks, align_corners)
        self.transition3 = nn.ModuleDict({"3": nn.Sequential(_conv_relu(widths[2], widths[3], stride=2))})
        self.stage4 = _stage(modules[2], widths, blocks, align_corners)
        self.ocr = ocr
        if ocr:
            self.aux_head = _head(sum(widths), classes)
            self.set_ocr_channels(ocr_channels)
        else:
            self.last_layer = _head(sum(widths), classes)

    def set_ocr_channels(self, channels: int) -> None:
        """Give the OCR head C `channels`; its weights start anew."""
        first, last, like = cast(nn.Conv2d, self.aux_head[0]), cast(nn.Conv2d, self.aux_head[-1]), self.conv1.weight
        self.ocr_channels = channels
        self.conv3x3_ocr = pixel_representations(first.in_channels, channels).to(like)
        self.ocr_distri_head = OCR(channels).to(like)
        self.cls_head = nn.Conv2d(channels, last.out_channels, 1).to(like)

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor]:
        """Images (B, 3, H, W), any size, to logits (B, K, H/4, W/4), rounded up.

        With OCR a dict: `out`, the logits, and `aux`, those that shaped the soft regions (weight 0.4 as published).
        """
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        branches = self.stage2([self.transition1["0"](x), self.transition1["1"](x)])
        branches = self.stage3([*branches, self.transition2["2"](branches[-1])])
        branches = self.stage4([*branches, self.transition3["3"](branches[-1])])
        size = branches[0].shape[-2:]
        features = torch.cat([_upsampled(branch, size, self.align_corners) for branch in branches], 1)
        if not self.ocr:
            return self.last_layer(features)
        aux = self.aux_head(features)
        return {"out": self.cls_head(self.ocr_distri_head(self.conv3x3_ocr(features), aux)), "aux": aux}


class FusedBranches(nn.Module):
    """Residual blocks on every branch, then every branch becomes the sum of all, each brought to its resolution.

    Args:
        widths: channels of the branches, from high to low resolution.
        blocks: residual blocks per branch.
        align_corners: of the upsampling.
    """

    def __init__(self, widths: Sequence[int], blocks: int, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(w, w) for _ in range(blocks))) for w in widths)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleDict({str(j): _exchange(widths, j, i) for j in range(len(widths)) if j != i})
            for i in range(len(widths))
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per branch in, and one out, each of its own shape."""
        own = [branch(x) for branch, x in zip(self.branches, features, strict=True)]
        return [F.relu(self._fused(own, i), inplace=True) for i in range(len(own))]

    def _fused(self, own: list[Tensor], i: int) -> Tensor:
        size, layers = own[i].shape[-2:], self.fuse_layers[i]
        total = None
        for j, x in enumerate(own):
            term = x if j == i else _upsampled(layers.get_submodule(str(j))(x), size, self.align_corners)
            total = term if total is None else total + term
        assert total is not None
        return total


def _upsampled(features: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    if features.shape[-2:] == torch.Size(size):
        return features
    return F.interpolate(features, size=tuple(size), mode="bilinear", align_corners=align_corners)


def _exchange(widths: Sequence[int], source: int, target: int) -> nn.Sequential:
    """From one branch to the resolution and width of another; upwards the resizing itself is left to the caller."""
    if source > target:
        return nn.Sequential(*_conv(widths[source], widths[target], kernel=1))
    steps = [_conv_relu(widths[source], widths[source], stride=2) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, nn.Sequential(*_conv(widths[source], widths[target], stride=2)))


def _stage(modules: int, widths: Sequence[int], blocks: int, align_corners: bool) -> nn.Sequential:
    return nn.Sequential(*(FusedBranches(widths, blocks, align_corners) for _ in range(modules)))


def _bottlenecks(count: int) -> nn.Sequential:
    first = Bottleneck(STEM, STEM, downsample=nn.Sequential(*_conv(STEM, 4 * STEM, kernel=1)))
    return nn.Sequential(first, *(Bottleneck(4 * STEM, STEM) for _ in range(count - 1)))


def _head(channels: int, classes: int) -> nn.Sequential:
    mixed = nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
    return nn.Sequential(*mixed, nn.Conv2d(channels, classes, 1))


def _conv(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return conv, nn.BatchNorm2d(outputs)


def _conv_relu(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*_conv(inputs, outputs, stride=stride), nn.ReLU(inplace=True))
