"""What a network is judged by: its predictions at full label size."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..metrics import Confusion
from ..objective import logits_of
from .loader import moved
from .progress import progress_bar


@torch.no_grad()
def evaluate(
    network: nn.Module,
    loader: Iterable[tuple[Tensor, Tensor]],
    *,
    classes: int,
    ignore_index: int = 255,
    progress: bool | None = None,
) -> Confusion:
    """Count the network's predictions against labels at full label size.

    Args:
        network: images (B, 3, H', W') to logits (B, K, h, w) of any resolution.
        loader: batches of (images, targets (B, H, W)); logits are upsampled bilinearly to (H, W) before the argmax.
        classes: K.
        ignore_index: label of pixels that are not scored.
    """
    was_training, device = network.training, next(network.parameters()).device
    network.eval()
    confusion = Confusion(classes, ignore_index=ignore_index)
    try:
        with progress_bar(loader, "evaluating", progress) as bar:
            for images, targets in bar:
                confusion.update(
                    predict(network, moved(images, device), size=targets.shape[1:]), moved(targets, device)
                )
    finally:
        network.train(was_training)
    return confusion


@torch.no_grad()
def predict(network: nn.Module, images: Tensor | tuple[Tensor, ...], *, size: tuple[int, ...] = ()) -> Tensor:
    """Class ids (B, H, W) for images, at `size` (H, W); or (B,) where the network classifies whole images."""
    logits = logits_of(network(*images) if isinstance(images, tuple) else network(images)).float()
    if logits.ndim == 4 and size:
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    return logits.argmax(1)
