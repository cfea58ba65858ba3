"""What the losses share: rules said in words, upsampling to label size, the dtype they work in, a finite log.

Axes: B images, K classes, (h, w) logits, (H, W) labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ._impl import transformed

REDUCTIONS = ("mean", "sum")


def check_pair(logits: Tensor, targets: Tensor, reduction: str) -> None:
    """Refuse logits and targets that do not belong together.

    Raises:
        TypeError: not tensors, logits that are not floating point, or targets that are not int64.
        ValueError: shapes that do not match, or an unknown reduction.
    """
    if not isinstance(logits, Tensor) or not isinstance(targets, Tensor):
        kinds = f"got logits of type {type(logits).__name__} and targets of type {type(targets).__name__}"
        raise TypeError(f"{kinds}; both are tensors; wrap arrays with torch.as_tensor")
    got = f"got logits {tuple(logits.shape)} {logits.dtype} and targets {tuple(targets.shape)} {targets.dtype}"
    if not logits.is_floating_point():
        raise TypeError(f"{got}; logits are scores in floating point; pass them before any argmax, or call .float()")
    check_ids(targets)
    if targets.dtype != torch.int64:
        raise TypeError(
            f"{got}; targets are class ids of dtype int64, and measured values are not trained here; of ids in another "
            "dtype, call targets.long()"
        )
    dense = logits.ndim == 4 and targets.ndim == 3
    if not (dense or (logits.ndim == 2 and targets.ndim == 1)) or len(logits) != len(targets):
        raise ValueError(
            f"{got}; logits are (B, K, h, w) with targets (B, H, W), or (B, K) with (B,), of one B; "
            "squeeze or index the odd one"
        )
    if 0 in logits.shape or 0 in targets.shape[1:]:
        raise ValueError(f"{got}; no axis may be empty; drop the empty batch")
    check_reduction(reduction)


def check_ids(targets: Tensor) -> None:
    """Refuse labels that are no class ids (B, H, W) or (B,).

    Raises:
        ValueError: any other shape.
    """
    if targets.ndim in (1, 3):
        return
    remedy = "pass one id per pixel, in a batch; of one-hot labels, call .argmax(1)"
    if targets.ndim == 2:
        remedy += (
            "; of sequences, add rows: labels[:, None], logits[:, :, None]; several classes at once are not trained"
        )
    for axis in (1, -1):
        if targets.ndim in (2, 4) and targets.shape[axis] == 1:
            remedy = f"call .squeeze({axis})"
    raise ValueError(
        f"got labels {tuple(targets.shape)}; they are class ids, a tensor (B, H, W), or (B,) for whole images; {remedy}"
    )


def check_reduction(reduction: str) -> None:
    """Refuse a reduction other than mean and sum."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"got reduction={reduction!r}; a loss is one number; use 'mean' or 'sum'")


def check_labels(targets: Tensor, classes: int, ignore_index: int) -> None:
    """Refuse a label that is neither a class nor `ignore_index`, where looking is cheap (on the CPU)."""
    if not values_are_cheap(targets):
        return
    outside = (targets < 0) | (targets >= classes)
    wrong = outside & (targets != ignore_index)
    if wrong.any():
        raise label_error(int(targets[wrong][0]), classes, ignore_index)


def label_error(label: int, classes: int, ignore_index: int) -> ValueError:
    """The error for a label outside the classes."""
    return ValueError(
        f"got label {label} with {classes} classes; labels run from 0 to {classes - 1}, or are "
        f"ignore_index={ignore_index}; map it to a class or to ignore_index"
    )


def values_are_cheap(tensor: Tensor) -> bool:
    """Whether values can be looked at without waiting for a device and without a trace or transform in between."""
    plain = type(tensor) is Tensor and tensor.device.type == "cpu"
    return plain and not torch.compiler.is_compiling() and not transformed()


def upsample(logits: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """Logits (B, K, h, w) bilinearly at label size (B, K, H, W), others as they are; half precision in float32."""
    logits = logits.to(working_dtype(logits))
    if logits.ndim != 4 or logits.shape[2:] == tuple(size):
        return logits
    return F.interpolate(logits, tuple(size), mode="bilinear", align_corners=align_corners)


def working_dtype(tensor: Tensor) -> torch.dtype:
    """float32 for half precision, otherwise the tensor's own: also the dtype of a loss."""
    return torch.promote_types(tensor.dtype, torch.float32)


def sum_dtype(tensor: Tensor) -> torch.dtype:
    """float64, in which a million pixels add up without loss; float32 on a device without it."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64


def safe_log(p: Tensor) -> Tensor:
    """log p with log 0 finite, so that 0 log 0 is 0 and its gradient is no NaN."""
    return p.clamp_min(torch.finfo(p.dtype).tiny).log()


def one_hot(targets: Tensor, classes: int, ignore_index: int) -> Tensor:
    """Labels (B, ...) as (B, K, ...) of booleans, all false where ignored."""
    ids = torch.arange(classes, device=targets.device).view(1, -1, *[1] * (targets.ndim - 1))
    return (targets.unsqueeze(1) == ids) & (targets != ignore_index).unsqueeze(1)
