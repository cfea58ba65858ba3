"""What a trainee refuses: before it begins, and in a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from numbers import Integral

from torch import Tensor, nn

from ..points import Point, is_whole
from .scheme import Scheme


def check_asked(network: nn.Module, points: Sequence[Point], scheme: Scheme, classes: int, ignore_index: int) -> None:
    """Refuse a network, a scheme, points or labels that nothing can be trained with.

    Raises:
        TypeError: a network, a scheme, points or an ignored label of another kind than they are.
        ValueError: a scheme that needs points got none, a point twice, fewer than two classes, or a class to ignore.
    """
    if not isinstance(network, nn.Module):
        kind = f"the class {network.__name__}" if isinstance(network, type) else type(network).__name__
        raise TypeError(f"got {kind} for a network; it is an nn.Module; pass the module itself, its weights loaded")
    if not isinstance(scheme, Scheme):
        raise TypeError(f"got scheme {scheme!r}; it is a Scheme; pass imachsr.scheme('imachsr')")
    if not isinstance(points, Sequence) or not all(isinstance(point, Point) for point in points):
        raise TypeError(f"got points {points!r}; they are a list of Point; pass what choose_points returned")
    if scheme.uses_points and not points:
        raise ValueError(
            f"got no points for scheme {scheme.name!r}; it supervises inside the network; "
            "choose some with choose_points, or use scheme('conventional')"
        )
    name, count = Counter([point.name for point in points] or [""]).most_common(1)[0]
    if count > 1:
        raise ValueError(f"got point {name!r} {count} times; each has one adapter and one pair of terms; name it once")
    if not is_whole(classes, least=2):
        raise ValueError(
            f"got classes={classes!r}; there are at least two to tell apart, a whole number; labels of 0 and 1 take "
            "classes=2, and a network of two logits"
        )
    if not isinstance(ignore_index, Integral):
        raise TypeError(
            f"got ignore_index={ignore_index!r}; it is the label, a whole number, of pixels that count nowhere; pass "
            "such as 255 or -1, also where every pixel is labelled"
        )
    if 0 <= ignore_index < classes:
        raise ValueError(
            f"got ignore_index={ignore_index} and classes={classes}; the label that counts nowhere must not be a "
            "class; pass such as 255 or -1, and map the labels to it"
        )


def check_logits(logits: Tensor, classes: int, name: str = "logits") -> None:
    """Refuse logits (B, K, ...) without the classes' axis, or of another number of classes than the labels'."""
    if logits.ndim < 2:
        raise ValueError(
            f"got {name} {tuple(logits.shape)}; a network gives (B, K, h, w) for labels (B, H, W), or (B, K) for (B,); "
            "wrap it so that it returns them, before any argmax or mean"
        )
    if logits.shape[1] == 1 < classes:
        raise ValueError(
            f"got {name} {tuple(logits.shape)} and classes={classes}; a single logit is made for a sigmoid, and the "
            f"losses take a softmax over the classes; give the network {classes} outputs"
        )
    if logits.shape[1] != classes:
        raise ValueError(
            f"got {name} {tuple(logits.shape)} and classes={classes}; the second axis is the classes; "
            f"pass classes={logits.shape[1]}, or a network of {classes}"
        )


def check_device(logits: Tensor, targets: Tensor) -> None:
    """Refuse labels that lie on another device than the logits."""
    if logits.device != targets.device:
        raise ValueError(
            f"got labels on {targets.device} and logits on {logits.device}; losses need both on one device; call "
            f"labels.to({str(logits.device)!r})"
        )


def check_aspect(images: Tensor, targets: Tensor) -> None:
    """Refuse labels (B, H, W) that lie over the images (B, ..., h, w) only once their height and width are exchanged.

    Labels of another shape may be right: images are often resized to a shape of their own, and scored at label size.

    Raises:
        TypeError: labels that are no tensor.
        ValueError: height and width exchanged.
    """
    if not isinstance(targets, Tensor):
        raise TypeError(
            f"got labels of type {type(targets).__name__}; they are class ids, a tensor (B, H, W), or (B,) for whole "
            "images; pass torch.as_tensor(labels).long()"
        )
    if targets.ndim != 3 or not isinstance(images, Tensor):
        return
    (h, w), (H, W) = images.shape[-2:], targets.shape[-2:]
    rounding = max(h, w, H, W)
    if abs(h * W - w * H) > rounding >= abs(h * H - w * W):
        raise ValueError(
            f"got images of {h}x{w} and labels of {H}x{W}; labels lie over the images; their height and width seem "
            "exchanged: transpose them"
        )
