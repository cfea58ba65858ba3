"""What measures of probabilities share: the pixels that count, sums that merge exactly, what is refused.

Sums are kept as whole numbers of 2^-24 (what a float32 in 0.5..1 resolves), so that they merge to the very same numbers
in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any, Protocol

import torch
from torch import Tensor

UNIT = 2.0**-24
SLACK = 1e-2  # by how much probabilities may miss a sum of one: half precision does, logits miss it by far more


class Measure(Protocol):
    """What `evaluate(..., measures=...)` feeds beside the confusion."""

    def update(self, probabilities: Tensor, targets: Tensor) -> None:
        """Add a batch of probabilities (B, K, H, W) and its labels (B, H, W)."""


def scored(probabilities: Tensor, targets: Tensor, ignore_index: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Per image, its scored pixels: probabilities (K, P) and labels (P,)."""
    for image, truth in zip(probabilities, targets, strict=True):
        flat, labels = image.reshape(len(image), -1), truth.reshape(-1).long()
        kept = labels != ignore_index
        yield (flat.float() if flat.dtype in (torch.half, torch.bfloat16) else flat)[:, kept], labels[kept]


def units(values: Tensor) -> Tensor:
    """Whole numbers of 2^-24."""
    return (values.double() / UNIT).round().long()


def check_classes(classes: int, ignore_index: int) -> None:
    if not (isinstance(classes, Integral) and isinstance(ignore_index, Integral)):
        raise TypeError(
            f"got classes={classes!r} and ignore_index={ignore_index!r}; both are whole numbers; pass the number of "
            "classes, and a label that is none of them, such as 255"
        )
    if classes < 1 or 0 <= ignore_index < classes:
        raise ValueError(
            f"got classes={classes} and ignore_index={ignore_index}; there must be a class, and ignore_index must not "
            "be one; pass K >= 1, and 255 or -1"
        )


def check(probabilities: Tensor, targets: Tensor, classes: int, ignore_index: int) -> None:
    """Refuse what are no probabilities (B, K, ...) and labels (B, ...) of them."""
    if not probabilities.is_floating_point() or targets.is_floating_point():
        raise TypeError(
            f"got probabilities {probabilities.dtype} and targets {targets.dtype}; probabilities are floating point, "
            "labels whole numbers; take softmax of the logits, and .long() of the labels"
        )
    wanted = (targets.shape[0], classes, *targets.shape[1:]) if targets.ndim else ()
    if tuple(probabilities.shape) != wanted:
        raise ValueError(
            f"got probabilities {tuple(probabilities.shape)} and targets {tuple(targets.shape)}; "
            f"with {classes} classes probabilities are {wanted}; upsample the logits to label size and "
            "take softmax over the classes"
        )
    if not probabilities.numel():
        return
    lowest, miss = float(probabilities.min()), float((probabilities.sum(dim=1) - 1).abs().max())
    if not (lowest >= 0 and miss <= SLACK):
        raise ValueError(
            f"got values from {lowest:.3g} up whose sum over the classes misses 1 by {miss:.3g}; probabilities are "
            "never negative and add up to 1 at each pixel; take softmax(dim=1) of the logits"
        )
    ids = targets.long()  # an unsigned -1 would be 255
    wrong = ids[(ids != ignore_index) & ((ids < 0) | (ids >= classes))]
    if wrong.numel():
        raise ValueError(
            f"got class id {int(wrong[0])} in targets; ids run from 0 to {classes - 1}; map it to a class, or to "
            f"ignore_index={ignore_index}"
        )


def check_alike(one: Any, other: Any, names: tuple[str, ...]) -> None:
    ours, theirs = ({name: getattr(measure, name, None) for name in names} for measure in (one, other))
    if type(one) is not type(other) or ours != theirs:
        raise ValueError(
            f"got a {type(other).__name__} of {theirs}; this {type(one).__name__} has {ours}; "
            "merge only measures made alike"
        )


def check_counted(pixels: int) -> None:
    if not pixels:
        raise ValueError("got no scored pixel; a mean needs at least one; call update(probabilities, targets) first")
