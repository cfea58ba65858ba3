"""What a network is judged by: its predictions at full label size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..losses import check_ids
from ..metrics import Confusion, Measure
from ..objective import Supervised, check_aspect, check_logits
from ..points import answer, logits_of, several
from .batch import moved, pair_of
from .progress import progress_bar

Images = Tensor | tuple[Tensor, ...]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Inside, every module is in evaluation mode; afterwards, each is in its own again, frozen layers too."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@torch.no_grad()
def evaluate(
    network: nn.Module,
    loader: Iterable[tuple[Images, Tensor]],
    *,
    classes: int,
    ignore_index: int = 255,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    depth: Sequence[int] = (),
    measures: Sequence[Measure] = (),
    progress: bool | None = None,
) -> Confusion:
    """Count the network's predictions against labels at full label size, in one pass over the data.

    Args:
        network: images (B, 3, H', W'), or several such inputs, to logits (B, K, h, w) of any resolution.
        loader: batches of (images, targets (B, H, W)); images may be a tuple. Logits are upsampled bilinearly to (H, W)
            before the argmax.
        classes: K.
        ignore_index: label of pixels that are not scored.
        scales: multi-scale inference: factors the images are resized by, such as (0.5, 0.75, 1.0, 1.25, 1.5, 2.0).
        flip: add each view mirrored left to right. Over several views the softmax is averaged, at label size.
        depth: places, among several inputs, of those that hold depth, see `probabilities`.
        measures: what else to update from the same probabilities, such as `metrics.Calibration(classes)`.

    Returns:
        The confusion. The measures are updated in place.

    Raises:
        TypeError: a network, a batch or images of another kind, dtype or device.
        ValueError: scales that are none or not positive, labels that are no class ids, logits of other than K classes.

    >>> from imachsr.metrics import Calibration
    >>> network, calibration = nn.Conv2d(3, 2, 1), Calibration(2)
    >>> batch = torch.rand(1, 3, 8, 8), torch.zeros(1, 8, 8, dtype=torch.long)
    >>> confusion = evaluate(network, [batch], classes=2, scales=(0.5, 1.0), flip=True, measures=(calibration,))
    >>> confusion.scores()["pixel_accuracy"] == calibration.scores()["accuracy"]
    True
    """
    scales = _checked(scales)
    if isinstance(network, Supervised):
        raise TypeError("got a Supervised; it asks for labels, and a network is judged alone; pass its `.network`")
    if not isinstance(network, nn.Module):
        raise TypeError(f"got a {type(network).__name__} for a network; it is put to evaluation; pass an nn.Module")
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    confusion = Confusion(classes, ignore_index=ignore_index)
    with evaluating(network), progress_bar(loader, "evaluating", progress) as bar:
        for batch in bar:
            images, targets = moved(pair_of(batch), device)
            check_ids(targets)
            check_aspect(several(images)[0], targets)
            size = targets.shape[1:]
            if measures or flip or scales != (1.0,):
                judged = probabilities(network, images, size=size, scales=scales, flip=flip, depth=depth)
            else:
                judged = logits_at(network, images, size=size)  # the argmax needs no softmax
            check_logits(judged, classes)
            confusion.update(class_ids(judged), targets)
            for measure in measures:
                measure.update(judged, targets)
    return confusion


@torch.no_grad()
def predict(network: nn.Module, images: Images, *, size: tuple[int, ...] = ()) -> Tensor:
    """Class ids (B, H, W) for images, at `size` (H, W); or (B,) where the network classifies whole images."""
    return class_ids(logits_at(network, images, size=size))


@torch.no_grad()
def probabilities(
    network: nn.Module,
    images: Images,
    *,
    size: tuple[int, ...] = (),
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    depth: Sequence[int] = (),
) -> Tensor:
    """Probabilities (B, K, H, W), the mean softmax over all views of the images; (B, K) for whole images.

    Args:
        network: images to logits; in evaluation mode, if its predictions are to be judged.
        images: (B, 3, H', W'), or a tuple of inputs, all of which are resized and mirrored together.
        size: (H, W) of the labels; by default the size of the images.
        scales: factors the images are resized by, bilinearly; sides are rounded to whole pixels.
        flip: add each view mirrored left to right.
        depth: places, among the inputs, of those resized to the nearest pixel instead: between a near and a far surface
            there is nothing, and 0 says that nothing was measured.
    """
    scales = _checked(scales)
    total: Tensor | None = None
    for view, mirrored in _views(images, scales, flip, depth):
        logits = logits_at(network, view, size=size or several(images)[0].shape[-2:])
        if mirrored and logits.ndim == 4:
            logits = logits.flip(-1)
        softmax = logits.softmax(1)
        total = softmax if total is None else total.add_(softmax)
    assert total is not None  # there is at least one view
    return total.div_(len(scales) * (1 + flip))


def logits_at(network: nn.Module, images: Images, *, size: tuple[int, ...] = ()) -> Tensor:
    """The network's logits in float32, upsampled bilinearly to `size` where they are maps."""
    logits = logits_of(answer(network, *several(images))).float()
    if logits.ndim == 4 and size:
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    return logits


def class_ids(scores: Tensor) -> Tensor:
    """Of each place the class of the highest score, of equals the first: (B, K, ...) to (B, ...)."""
    return scores.max(1).indices  # the same as argmax(1), which takes five times as long on a CPU


def _views(images: Images, scales: Sequence[float], flip: bool, depth: Sequence[int]) -> Iterator[tuple[Images, bool]]:
    """Every scale, as it is and mirrored: the view, and whether it is a mirrored one."""
    inputs = several(images)
    if (flip or set(scales) != {1.0}) and any(entry.ndim != 4 for entry in inputs):
        raise ValueError(
            f"got inputs of shapes {[tuple(entry.shape) for entry in inputs]}; only maps (B, C, H, W) are resized and "
            "mirrored; leave scales at (1.0,) and flip at False"
        )
    for scale in scales:
        scaled = tuple(_resized(entry, scale, place in depth) for place, entry in enumerate(inputs))
        for mirrored in (False, True) if flip else (False,):
            yield (tuple(entry.flip(-1) for entry in scaled) if mirrored else scaled), mirrored


def _resized(images: Tensor, scale: float, nearest: bool) -> Tensor:
    """Without antialiasing, as the field resizes for multi-scale inference."""
    if scale == 1:
        return images
    size = [max(1, round(side * scale)) for side in images.shape[-2:]]
    if nearest:
        return F.interpolate(images, size=size, mode="nearest-exact")
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False)


def _checked(scales: Sequence[float]) -> tuple[float, ...]:
    scales = tuple(scales)
    if not scales or not all(0 < scale < float("inf") for scale in scales):
        raise ValueError(
            f"got scales={scales}; inference needs at least one factor, all positive; pass (1.0,), or such as "
            "(0.5, 0.75, 1.0, 1.25, 1.5, 2.0)"
        )
    return scales
