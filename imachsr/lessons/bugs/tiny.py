"""A network small enough to read, and a batch for it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...points import Point, choose_points, find_points

CLASSES = 4


class Tiny(nn.Sequential):
    """Layers by name."""

    stem: nn.Conv2d
    norm: nn.BatchNorm2d
    body: nn.Conv2d


def network(*, norm: bool = False, seed: int = 0) -> Tiny:
    """Images (B, 3, 16, 16) to logits (B, 4, 4, 4); points "body" and "neck"."""
    torch.manual_seed(seed)
    layers: dict[str, nn.Module] = {"stem": nn.Conv2d(3, 8, 3, 2, 1)}
    if norm:
        layers["norm"] = nn.BatchNorm2d(8)
    layers |= {"relu": nn.ReLU(inplace=norm), "body": nn.Conv2d(8, 8, 3, 2, 1), "act": nn.ReLU()}
    layers |= {"neck": nn.Conv2d(8, 8, 3, 1, 1), "last": nn.ReLU(), "head": nn.Conv2d(8, CLASSES, 1)}
    tiny = Tiny()
    for name, layer in layers.items():
        tiny.add_module(name, layer)
    return tiny


def batch(seed: int = 0, images: int = 4) -> tuple[Tensor, Tensor]:
    """Images and labels (B, 16, 16), a fifth of them void, fewer labels in later images."""
    random = torch.Generator().manual_seed(seed)
    pictures = torch.randn(images, 3, 16, 16, generator=random)
    labels = torch.randint(CLASSES, (images, 16, 16), generator=random)
    labels[torch.rand(labels.shape, generator=random) < 0.2] = 255
    for image in range(images):
        labels[image, : 4 * image] = 255
    return pictures, labels


def points(net: nn.Module, names: tuple[str, ...] = ("body", "neck")) -> tuple[Point, ...]:
    """The points of those names."""
    return choose_points(find_points(net, batch()[0]), len(names), names=names)
