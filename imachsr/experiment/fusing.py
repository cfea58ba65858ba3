"""HS3-Fuse as a run: the network is changed before it is trained, and what inference then costs is noted.

Axes: C channels, M points.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .. import hierarchy
from ..points import Point, choose_points, find_points
from .ledger import Result

if TYPE_CHECKING:
    from ..models.hrnet import HRNet


def fused(
    network: nn.Module,
    points: Sequence[Point],
    clusters: Sequence[Sequence[int]],
    inputs: Sequence[Tensor],
    *,
    lighter: float | None = None,
) -> nn.Module:
    """The network with its points fused into the last convolution.

    Args:
        network: fresh; it is changed.
        points: on it.
        clusters: of each class, for each point.
        inputs: an example batch.
        lighter: inference costs at most so many times the plain network's, the channels of all OCR modules scaled
            alike: those at the points, and those of the network's own head where it has one, which starts anew (HS3
            Section 4.3).

    Raises:
        ValueError: a budget that not even the smallest channels meet, or a point within the head that is scaled.
    """
    if lighter is None:
        return hierarchy.fuse(network, points, clusters, *inputs)
    plain = on_meta(network)
    images = [torch.zeros(1, *each.shape[1:], device="meta") for each in inputs]

    def build(share: float) -> nn.Module:
        return _scaled(copy.deepcopy(plain), points, clusters, images, share)

    with torch.random.fork_rng(devices=[]):
        share = hierarchy.lighter(build, *images, flops=lighter * hierarchy.operations(plain, *images))
    return _scaled(network, points, clusters, inputs, share)


def _scaled(
    network: nn.Module,
    points: Sequence[Point],
    clusters: Sequence[Sequence[int]],
    inputs: Sequence[Tensor],
    share: float,
) -> nn.Module:
    """Fused with a share of the channels; those at the points follow the network's own OCR head where it has one."""
    from ..models.hrnet import OCR_HEAD

    own = ocr_head_of(network)
    if own is None or share == 1:
        return hierarchy.fuse(network, points, clusters, *inputs, share=share)
    if inside := [point.name for point in points if {*point.path.split(".")} & {*OCR_HEAD}]:
        raise ValueError(
            f"got points {inside} within the network's OCR head; lighter changes its channels; choose points before it"
        )
    own.set_ocr_channels(max(2, round(share * own.ocr_channels)))
    return hierarchy.fuse(network, points, clusters, *inputs)


def inference_cost(network: nn.Module, model: str, example: Sequence[Tensor]) -> dict[str, Any]:
    """What a fused network costs beside the plain one, for one image: [fused, plain] parameters and operations.

    Beside them the image's size, the channels of the OCR blocks, those of HS3's rule, and where the network has an OCR
    head of its own, that head's.

    Args:
        network: fused.
        model: the plain network by name.
        example: its inputs, without the batch.
    """
    from .. import models

    plain = on_meta(models.create(model, head_of(network).head.out_channels))
    images = [torch.zeros(1, *each.shape, device="meta") for each in example]
    both, own = (on_meta(network), plain), ocr_head_of(network)
    return {
        "size": list(example[0].shape[-2:]),
        "channels": channels_of(network),
        "channels_by_rule": _rule_of(network),
        **({"ocr_head": own.ocr_channels} if own else {}),
        "parameters": [sum(one.numel() for one in each.parameters()) for each in both],
        "operations": [hierarchy.operations(each, *images) for each in both],
    }


def channels_of(network: nn.Module) -> list[int]:
    """Channels of the OCR block at each point of a fused network."""
    first = [next(m for m in pixels.modules() if isinstance(m, nn.Conv2d)) for pixels in head_of(network).pixels]
    return [convolution.out_channels for convolution in first]


def _rule_of(network: nn.Module) -> list[int]:
    """Channels that HS3's rule gives those blocks; a lighter network has fewer."""
    width, own = head_of(network).head.in_channels, channels_of(network)
    return hierarchy.channels_by_rule(width - sum(own), len(own))


def cost_in_words(result: Result) -> str:
    """What a fused network costs at inference and how wide its blocks are, in a sentence; nothing for other schemes."""
    if "inference" not in result.provenance:
        return ""
    noted = result.provenance["inference"]
    (more, plain), (height, width) = noted["operations"], noted["size"]
    found = f"inference at {height}x{width}: {more / 2e9:.4g} GMACs, {more / plain:.4f} times the plain network's"
    rule = noted.get("channels_by_rule", noted["channels"])
    scale = sum(noted["channels"]) / sum(rule)
    head = f", the network's own OCR head of {noted['ocr_head']}" if "ocr_head" in noted else ""
    return f"{found}; OCR blocks of {noted['channels']} channels, {scale:.3f} of the {rule} of HS3's rule{head}"


def head_of(network: nn.Module) -> hierarchy.FusedHead:
    """The head that `fuse` put in."""
    return next(module for module in network.modules() if isinstance(module, hierarchy.FusedHead))


def ocr_head_of(network: nn.Module) -> HRNet | None:
    """The part of a network that ends in an OCR head of its own, or None."""
    from ..models.hrnet import HRNet

    return next((module for module in network.modules() if isinstance(module, HRNet) and module.ocr), None)


def on_meta(network: nn.Module) -> nn.Module:
    """A copy without values: it computes shapes only."""
    return copy.deepcopy(network).to("meta")


def rebuilt(result: Result) -> nn.Module:
    """A filed run's network without its weights, fused where the run's was."""
    from .. import models

    network = models.create(result.settings["model"], len(result.classes))
    if result.settings["scheme"] != "hs3_fuse":
        return network
    noted = result.provenance["inference"]
    if own := ocr_head_of(network):
        own.set_ocr_channels(noted.get("ocr_head", own.ocr_channels))
    inputs = [torch.zeros(2, *shape) for shape in result.provenance["input_shapes"]]
    points = choose_points(find_points(network, *inputs), len(result.points), names=[*result.points])
    return hierarchy.fuse(network, points, result.provenance["hs3"]["clusters"], *inputs, channels=noted["channels"])
