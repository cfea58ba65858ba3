"""What a batch is: images, one input or several, and targets.

Axes: B images, C channels, (H, W) labels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..points import several


def pair_of(batch: Any) -> tuple[Any, Tensor]:
    """Images, several inputs as a tuple, and targets of what a loader gave; anything else is refused by its outline."""
    if isinstance(batch, (tuple, list)) and len(batch) == 2:
        images, targets = batch
        inputs = several(images)
        if inputs and all(isinstance(part, Tensor) for part in (*inputs, targets)):
            _check_count(inputs[0], targets)
            return images if isinstance(images, Tensor) else inputs, targets
    kind = f" with keys {[*batch]}" if isinstance(batch, dict) else ""
    if isinstance(batch, (tuple, list)):
        kind = f" of {', '.join(type(part).__name__ for part in batch) or 'nothing'}"
    raise TypeError(
        f"got a batch {type(batch).__name__}{kind}; a loader gives (images, targets): tensors (B, C, H, W), or a tuple "
        "of several inputs, and class ids (B, H, W) or (B,); let the dataset give such pairs, or a collate_fn make them"
    )


def _check_count(images: Tensor, targets: Tensor) -> None:
    if images.shape[:1] != targets.shape[:1]:
        raise ValueError(
            f"got a batch of images {tuple(images.shape)} and labels {tuple(targets.shape)}; each image of a batch has "
            "its own labels, images (B, C, H, W) and labels (B, H, W) or (B,); give as many of both"
        )


def moved(batch: Any, device: torch.device) -> Any:
    """A tensor on the device; of a tuple or list, a tuple of its entries there. Pinned memory is not waited for."""
    if isinstance(batch, (tuple, list)):
        return tuple(moved(entry, device) for entry in batch)
    return batch.to(device, non_blocking=True)
