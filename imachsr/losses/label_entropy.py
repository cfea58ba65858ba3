"""Entropy of the labels: what there is to be known."""

from __future__ import annotations

import torch
from torch import Tensor

from ._common import check_ids, check_labels, safe_log, sum_dtype


def label_entropy(targets: Tensor, *, classes: int, ignore_index: int = 255, estimator: str = "plug_in") -> Tensor:
    """Entropy H(Y) of the labels in nats: the most there is to find, so that I / H(Y) is a share.

        H(Y) = - sum_k P[k] log P[k],   P[k] = share of the labelled pixels that are of class k

    Args:
        targets: class ids (B, H, W), or (B,); int64.
        classes: K.
        ignore_index: label of pixels that count nowhere.
        estimator: of `mutual_information`, whose ceiling it is: "plug_in" averages over images with labelled pixels,
            "variational" and "infonce" take the batch; "region" has units of its own and may exceed it.

    Returns:
        A float64 scalar; 0 when every pixel is ignored.

    Raises:
        TypeError: no tensor of int64.
        ValueError: labels of another shape, or one outside the classes.

    >>> import torch
    >>> label_entropy(torch.tensor([0, 1, 255]), classes=2)
    tensor(0.6931, dtype=torch.float64)
    """
    if not isinstance(targets, Tensor) or targets.dtype != torch.int64:
        kind = targets.dtype if isinstance(targets, Tensor) else type(targets).__name__
        raise TypeError(
            f"got labels of {kind}; they are class ids, an int64 tensor; call torch.as_tensor(labels).long()"
        )
    check_ids(targets)
    check_labels(targets, classes, ignore_index)
    per_image = estimator == "plug_in" and targets.ndim > 1
    rows = targets.flatten(1) if per_image else targets.reshape(1, -1)
    labelled = rows != ignore_index
    counts = torch.zeros(len(rows), classes, dtype=torch.int64, device=targets.device)
    counts = counts.scatter_add(1, rows.where(labelled, 0), labelled.long()).to(sum_dtype(targets))
    P = counts / counts.sum(1, keepdim=True).clamp_min(1)
    return -(P * safe_log(P)).sum() / (counts.sum(1) > 0).sum().clamp_min(1)


def label_information(targets: Tensor, classes: int, ignore_index: int, reduction: str) -> Tensor:
    """H(Y) of the batch for a loss with this reduction: once, or for "sum" once per labelled pixel."""
    entropy = label_entropy(targets, classes=classes, ignore_index=ignore_index, estimator="variational")
    return entropy * (targets != ignore_index).sum() if reduction == "sum" else entropy
