"""HS3-Fuse: what each supervised point sees, handed to the layer that makes the logits (HS3 Section 3.2).

Axes: B images, K classes, S clusters of them at a point, C channels, M points.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..adapters import DimensionAdapter
from ..models.ocr import OCR, pixel_representations
from ..points import Capture, Point, logits_of
from ..training import evaluating

HALVINGS = 12  # of the interval in which `lighter` looks for a share


class FusedHead(nn.Module):
    """The convolution that makes the logits, widened by what the points see.

    At each point: an adapter predicts the point's clusters, these are the soft regions of an OCR block (Yuan et al.,
    ECCV 2020) on the point's features, and what comes out joins the head's input. The adapters belong to the network
    from now on; `Supervised` supervises them.

    Args:
        head: the convolution that made the logits; its weights are kept for the inputs it had.
        capture: of the points.
        sizes: S at each point.
        channels: of the OCR block at each point.
    """

    def __init__(self, head: nn.Conv2d, capture: Capture, sizes: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        self.capture = capture
        wide = [point.channels for point in capture.points]
        self.supervised_adapters = nn.ModuleList(DimensionAdapter(c, s) for c, s in zip(wide, sizes, strict=True))
        self.pixels = nn.ModuleList(pixel_representations(c, n) for c, n in zip(wide, channels, strict=True))
        self.contexts = nn.ModuleList(OCR(n) for n in channels)
        self.head = _widened(head, sum(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, K, h, w) of the network's last features (B, C, h, w)."""
        parts = zip(self.capture.read(), self.supervised_adapters, self.pixels, self.contexts, strict=True)
        seen = [context(pixels(at), adapter(at)) for at, adapter, pixels, context in parts]
        size = features.shape[-2:]
        resized = [F.interpolate(each, size, mode="bilinear", align_corners=False) for each in seen]
        return self.head(torch.cat([features, *resized], dim=1))


def fuse(
    network: nn.Module,
    points: Sequence[Point],
    clusters: Sequence[Sequence[int]],
    *images: Tensor,
    channels: Sequence[int] | None = None,
    share: float = 1.0,
) -> nn.Module:
    """Fuse what the points see into the network's last convolution (HS3 Section 3.2, Fig. 3), in place.

    It changes inference: more parameters, more operations, other outputs.

    Args:
        network: one whose logits come from a single convolution.
        points: from `choose_points` on this network, in order of depth.
        clusters: the cluster of each class (K,) at each point.
        images: an example input, to find that convolution.
        channels: of the OCR block at each point; by default HS3's, see `channels_by_rule`, times `share`.
        share: of those channels.

    Returns:
        The network, its convolution replaced by a `FusedHead`.

    Raises:
        ValueError: logits that do not come from a single convolution alone, or counts that do not match.
    """
    path, head = _logits_convolution(network, images)
    if len(clusters) != len(points) or not points:
        raise ValueError(
            f"got clusters for {len(clusters)} points and {len(points)} points; each point needs its own; "
            "derive them with class_count and tradeoff"
        )
    channels = channels or [max(2, round(share * each)) for each in channels_by_rule(head.in_channels, len(points))]
    if len(channels) != len(points) or min(channels) < 2:
        raise ValueError(
            f"got channels={list(channels)} for {len(points)} points; each point needs two or more; give as many "
            "numbers as points, or leave channels out"
        )
    sizes = [max(ids) + 1 for ids in clusters]
    fused = FusedHead(head, Capture(network, points), sizes, channels).to(head.weight.device, head.weight.dtype)
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, fused)
    return network


def channels_by_rule(width: int, count: int) -> list[int]:
    """Channels of the OCR blocks at `count` points: each half of the next, the last half of `width`; at least two.

    Args:
        width: channels that enter the convolution which makes the logits.

    >>> channels_by_rule(256, 3)
    [32, 64, 128]
    """
    return [max(2, width // 2 ** (count - m)) for m in range(count)]


def lighter(build: Callable[[float], nn.Module], *images: Tensor, flops: float) -> float:
    """The largest share of channels at which a fused network costs no more than a budget (HS3 Section 4.3).

    HS3 scales the channels of all OCR modules by one factor, those of the network's own OCR head too.

    Args:
        build: share in (0, 1] -> the network with the channels of its OCR modules scaled so.
        images: an example input; only its shape matters, so a meta tensor will do for a network on meta.
        flops: budget, floating point operations of one forward pass.

    Returns:
        The share, found in `HALVINGS` of the interval.

    Raises:
        ValueError: a budget that not even the smallest share meets.

    >>> build = lambda share: nn.Conv2d(3, max(1, round(100 * share)), 1)
    >>> lighter(build, torch.zeros(1, 3, 2, 2), flops=1200)
    0.5048828125
    """
    low, high = 0.0, 1.0
    if operations(build(1.0), *images) <= flops:
        return 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if operations(build(middle), *images) <= flops:
            low = middle
        else:
            high = middle
    if low == 0.0:
        least = operations(build(high), *images)
        raise ValueError(
            f"got a budget of {flops:.3g} operations; even the smallest blocks cost {least:.3g}; raise the budget, or "
            "take a network with an OCR head of its own, which is scaled too"
        )
    return low


@torch.no_grad()
def operations(network: nn.Module, *images: Tensor) -> int:
    """Floating point operations of one forward pass in eval mode, a multiply-accumulate counted as two."""
    from torch.utils.flop_counter import FlopCounterMode

    with evaluating(network), FlopCounterMode(display=False) as counter:
        network(*images)
    return int(counter.get_total_flops())


def _logits_convolution(network: nn.Module, images: Sequence[Tensor]) -> tuple[str, nn.Conv2d]:
    """The convolution that makes the logits: cut there, nothing that learns and no pixel reaches them any more."""
    probe = copy.deepcopy(network).eval().requires_grad_()
    inputs = [image.detach().clone().requires_grad_() for image in images]
    found = {name: module for name, module in probe.named_modules() if name and isinstance(module, nn.Conv2d)}
    ran: list[str] = []
    for name, module in found.items():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    with torch.enable_grad():
        classes = logits_of(probe(*inputs)).shape[1]
        once = [name for name in reversed(ran) if ran.count(name) == 1]
        able = [name for name in once if found[name].out_channels == classes and found[name].groups == 1]
        for name in able:
            handle = found[name].register_forward_hook(lambda *words: words[-1].detach())
            if not logits_of(probe(*inputs)).requires_grad:
                return name, network.get_submodule(name)  # type: ignore[return-value]
            handle.remove()
    raise ValueError(
        f"got a network whose {classes} logits no convolution makes alone, looked at {able}; fusing needs one, run "
        "once, with nothing learned after or beside it; use scheme 'hs3' instead, or end the network in a convolution"
    )


def _widened(head: nn.Conv2d, extra: int) -> nn.Conv2d:
    """The convolution with more inputs: its weights for those it had, fresh ones for the rest."""
    wide = nn.Conv2d(
        head.in_channels + extra, head.out_channels, head.kernel_size, head.stride, head.padding,  # type: ignore[arg-type]
        head.dilation, bias=head.bias is not None, padding_mode=head.padding_mode,  # type: ignore[arg-type]
        device=head.weight.device, dtype=head.weight.dtype,
    )  # fmt: skip
    with torch.no_grad():
        wide.weight[:, : head.in_channels].copy_(head.weight)
        if head.bias is not None and wide.bias is not None:
            wide.bias.copy_(head.bias)
    return wide
