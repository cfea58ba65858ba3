"""The networks of the papers by name: logits at the head's own resolution, for any input size."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import Parameter, signature
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .official import load_file, load_official
from .padded import Padded

Builder = Callable[..., nn.Module]


def _built_by(module: str, builder: str, **options: Any) -> Builder:
    """A builder that imports its module when called, so that importing this package stays light."""

    def build(classes: int, **wishes: Any) -> nn.Module:
        return getattr(import_module(f".{module}", __name__), builder)(classes, **options, **wishes)

    return build


REGISTRY: dict[str, Builder] = {
    "deeplabv3plus_resnet18": _built_by("deeplabv3plus", "resnet18"),
    "topformer_tiny": _built_by("topformer", "topformer", size="tiny"),
    "topformer_small": _built_by("topformer", "topformer", size="small"),
    "topformer_base": _built_by("topformer", "topformer", size="base"),
    "topformer_base_city128": _built_by("topformer", "topformer", size="base_city128"),
    "seaformer_tiny": _built_by("seaformer", "seaformer", size="tiny"),
    "seaformer_small": _built_by("seaformer", "seaformer", size="small"),
    "seaformer_base": _built_by("seaformer", "seaformer", size="base"),
    "seaformer_large": _built_by("seaformer", "seaformer", size="large"),
    "deeplabv3plus_wrn38": _built_by("wide_resnet", "deeplabv3plus"),
    "hrnet_w18": _built_by("hrnet", "w18"),
    "hrnet_w18_ocr": _built_by("hrnet", "w18", ocr=True),
    "hrnet_w18_small_v2": _built_by("hrnet", "w18_small_v2"),
    "hrnet_w18_small_v2_ocr": _built_by("hrnet", "w18_small_v2", ocr=True),
    "hrnet_w48": _built_by("hrnet", "w48"),
    "hrnet_w48_ocr": _built_by("hrnet", "w48", ocr=True),
    "sagate_resnet101": _built_by("sagate", "resnet101"),
}

__all__ = ["REGISTRY", "Padded", "blank_inputs", "count_inputs", "create", "load_official"]


def create(
    name: str, classes: int, *, weights: str | Path | None = None, align_corners: bool | None = None
) -> nn.Module:
    """Build a network by name, randomly initialised unless a file of weights is given.

    Args:
        name: one of `REGISTRY`.
        classes: K, the channels of the logits.
        weights: path of a checkpoint, ours or official (see `load_official`); nothing is ever downloaded.
        align_corners: for HRNet, the grid of its upsampling; False unless said, as in NVIDIA's code and the official
            Cityscapes configuration without OCR. The official one with OCR says True: its checkpoints need it, and no
            tensor in them tells.

    Returns:
        A network from images (B, 3, H, W), any H and W, to logits (B, K, h, w). With OCR, and of SA-Gate, a dict of
        logits: `out`, and `aux` of the auxiliary head. SA-Gate is called with two inputs, RGB and HHA.

    Raises:
        ValueError: unknown name, classes or option, or weights that do not fit.

    >>> import torch
    >>> create("deeplabv3plus_resnet18", classes=11).eval()(torch.zeros(1, 3, 60, 80)).shape
    torch.Size([1, 11, 15, 20])
    """
    if name not in REGISTRY:
        raise ValueError(f"got model {name!r}; the names known are {[*REGISTRY]}; use one of them, or your own network")
    if not isinstance(classes, Integral) or classes < 1:
        raise ValueError(f"got classes={classes!r}; a network needs at least one class; pass a whole number K >= 1")
    if align_corners is not None and not name.startswith("hrnet"):
        raise ValueError(f"got align_corners={align_corners} for {name}; only HRNet has the choice; leave it out")
    network = REGISTRY[name](classes, **({} if align_corners is None else {"align_corners": align_corners}))
    if weights is not None:
        load_file(network, Path(weights))
    return network


def count_inputs(network: nn.Module) -> int:
    """How many images a network must be called with: what its `forward` asks for, at least one.

    >>> count_inputs(nn.Conv2d(3, 4, 1)), count_inputs(nn.Bilinear(2, 2, 1)), count_inputs(nn.Sequential())
    (1, 2, 1)
    """
    by_place = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    asked = signature(network.forward).parameters.values()
    return max(1, sum(one.default is one.empty and one.kind in by_place for one in asked))


def blank_inputs(network: nn.Module, batch_size: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
    """Zeros (B, 3, H, W) for each image a network asks for: SA-Gate takes two.

    >>> [tuple(image.shape) for image in blank_inputs(nn.Conv2d(3, 4, 1), 2, (6, 8))]
    [(2, 3, 6, 8)]
    """
    return tuple(torch.zeros(batch_size, 3, *size) for _ in range(count_inputs(network)))
