"""Mutual information between what a point says about a pixel and the pixel's label, as a loss.

Axes: B images, K classes, (h, w) logits, (H, W) labels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._impl import choose
from ._shapes import check_labels, check_pair, sum_dtype, upsample, working_dtype
from .cross_entropy import cross_entropy

ESTIMATORS = ("plug_in", "variational")


def mutual_information(
    logits: Tensor,
    targets: Tensor,
    *,
    estimator: str = "plug_in",
    align_corners: bool = False,
    ignore_index: int = 255,
    reduction: str = "mean",
    impl: str = "auto",
) -> Tensor:
    """Minus the mutual information I between the adapter's class Q and the label Y, in nats: minimized, I grows.

    The papers leave the estimator open (iMacHSR Eq. 3). With q the softmax of the upsampled logits:

    `plug_in`: per image, from the joint P[k, j] = mean over labelled pixels p of q_k(p) 1[y_p = j],

        I = sum_kj P[k, j] log(P[k, j] / (P[k] P[j])),   loss = - mean of I over images with labelled pixels

    the information of a class drawn from q about the label, given the image. It never exceeds the image's H(Y), and
    does not mind how the classes of q are permuted. Constant q is a saddle: no gradient there. With labels (B,) the
    joint runs over the batch (each image alone has one label, so no information). It overestimates where the
    labelled pixels are few beside K^2.

    `variational`: the bound I >= H(Y) - L_CE (Barber and Agakov 2003), H(Y) over the batch's labelled pixels. Its
    gradient is that of cross-entropy, which is iMacSR's Eq. 2 to the letter. Negative for a bad q; at most H(Y).

    Args:
        logits: (B, K, h, w) at any resolution, or (B, K) for classification; floating point.
        targets: class ids (B, H, W), or (B,); int64.
        estimator: "plug_in" or "variational".
        align_corners: which grid the upsampling uses, as in `torch.nn.functional.interpolate`.
        ignore_index: label of pixels that count nowhere.
        reduction: "mean" as above, or "sum": every image's (the batch's) -I times its labelled pixels, that is, the
            sum over pixels of the information each one carries.
        impl: "auto", "reference", "chunked", "numba" or "triton"; see `imachsr.losses.kernels`.

    Returns:
        A scalar in float32 (float64 for float64 logits); 0 with zero gradient when every pixel is ignored.

    Raises:
        TypeError: logits or targets of the wrong dtype.
        ValueError: shapes that do not match, a label outside the classes, an unknown estimator, an `impl` that
            cannot do this.

    >>> targets = torch.tensor([[[0, 1], [2, 3]]])
    >>> certain = torch.nn.functional.one_hot(targets, 4).movedim(-1, 1) * 50.0
    >>> f"{mutual_information(certain, targets).item():.4f}"  # - log 4: the label is known
    '-1.3863'
    """
    check_pair(logits, targets, ignore_index, reduction)
    if estimator not in ESTIMATORS:
        raise ValueError(f"got estimator={estimator!r}; the estimators are {ESTIMATORS}; use one of them")
    if estimator == "plug_in":
        run = choose("mutual_information", impl, plug_in, logits, logits.shape[1] * targets.numel())
        return run(logits, targets, align_corners, ignore_index, reduction)
    loss = cross_entropy(
        logits, targets, align_corners=align_corners, ignore_index=ignore_index, reduction=reduction, impl=impl
    )
    entropy = label_entropy(targets, classes=logits.shape[1], ignore_index=ignore_index, estimator=estimator)
    count = (targets != ignore_index).sum() if reduction == "sum" else 1
    return loss - (entropy * count).to(loss.dtype)


def plug_in(logits: Tensor, targets: Tensor, align_corners: bool, ignore_index: int, reduction: str) -> Tensor:
    """The plug-in loss as its formula reads; keeps (B, K, H, W) for backward."""
    check_labels(targets, logits.shape[1], ignore_index)
    q = upsample(logits, targets.shape[1:], align_corners).softmax(1)
    if targets.ndim == 1:  # one joint over the batch
        q, targets = q.T.unsqueeze(0), targets.unsqueeze(0)
    q, y = q.flatten(2), _one_hot(targets, q.shape[1], ignore_index).flatten(2)
    joint = torch.einsum("bkn,bjn->bkj", q.to(sum_dtype(q)), y.to(sum_dtype(q)))
    return loss_of_joint(joint, reduction).to(working_dtype(logits))


def loss_of_joint(joint: Tensor, reduction: str) -> Tensor:
    """The plug-in loss from the sums (B, K, K) over labelled pixels of q_k(p) 1[y_p = j]."""
    count = joint.detach().sum((1, 2))  # labelled pixels of each image
    P = joint / count.clamp_min(1)[:, None, None]
    P_y = P.sum(1, keepdim=True).detach()  # labels do not depend on q
    information = (P * (_log(P) - _log(P.sum(2, keepdim=True)) - _log(P_y))).sum((1, 2))
    if reduction == "sum":
        return -(information * count).sum()
    return -information.sum() / (count > 0).sum().clamp_min(1)


def label_entropy(targets: Tensor, *, classes: int, ignore_index: int = 255, estimator: str = "plug_in") -> Tensor:
    """Entropy H(Y) of the labels in nats: the most that `mutual_information` can find, so that I / H(Y) is a share.

        H(Y) = - sum_k P[k] log P[k],   P[k] = share of the labelled pixels that are of class k

    Args:
        targets: class ids (B, H, W), or (B,); int64.
        classes: K.
        ignore_index: label of pixels that count nowhere.
        estimator: whose ceiling it is: "plug_in" averages over images with labelled pixels, all others take the batch.

    Returns:
        A float64 scalar; 0 when every pixel is ignored.

    >>> label_entropy(torch.tensor([0, 1, 255]), classes=2)
    tensor(0.6931, dtype=torch.float64)
    """
    per_image = estimator == "plug_in" and targets.ndim > 1
    rows = targets.flatten(1) if per_image else targets.reshape(1, -1)
    counts = torch.zeros(len(rows), classes + 1, dtype=torch.int64, device=targets.device)
    counts.scatter_add_(1, rows.where(rows != ignore_index, classes), torch.ones_like(rows))
    counts = counts[:, :classes].to(sum_dtype(targets))
    P = counts / counts.sum(1, keepdim=True).clamp_min(1)
    return -(P * _log(P)).sum() / (counts.sum(1) > 0).sum().clamp_min(1)


def _one_hot(targets: Tensor, classes: int, ignore_index: int) -> Tensor:
    """Labels (B, ...) as (B, K, ...) of booleans, all false where ignored."""
    ids = torch.arange(classes, device=targets.device).view(1, -1, *[1] * (targets.ndim - 1))
    return (targets.unsqueeze(1) == ids) & (targets != ignore_index).unsqueeze(1)


def _log(p: Tensor) -> Tensor:
    """log p with log 0 finite, so that 0 log 0 is 0 and its gradient is no NaN."""
    return p.clamp_min(torch.finfo(p.dtype).tiny).log()
