"""Mutual information between what a point says about a pixel and the pixel's label, as a loss.

Axes: B images, K classes, (h, w) logits, (H, W) labels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._common import check_labels, check_pair, one_hot, safe_log, sum_dtype, upsample, working_dtype
from ._impl import choose
from .cross_entropy import cross_entropy
from .infonce import infonce
from .label_entropy import label_information
from .region import region

ESTIMATORS = ("plug_in", "variational", "infonce", "region")


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
    """Minus the mutual information I between what a point says, Q, and the label Y, in nats: minimized, I grows.

    iMacHSR leaves the estimator open (Eq. 1); iMacSR's is `variational`. With q the softmax of the upsampled logits:

    `plug_in` estimates I(Q; Y) given the image, Q a class drawn from q: from the joint P[k, j] = mean over an image's
    labelled pixels p of q_k(p) 1[y_p = j],

        I = sum_kj P[k, j] log(P[k, j] / (P[k] P[j])),   loss = - mean of I over images with labelled pixels

    It saturates at the image's H(Y), does not mind how the classes of q are permuted within an image, and is biased
    upwards where labelled pixels are few beside K^2. Every constant q is a flat maximum of the loss: no gradient
    there. With labels (B,) the joint runs over the batch, since one label alone has no information.

    `variational` is the bound I >= H(Y) - L_CE (Barber and Agakov 2003), H(Y) over the batch's labelled pixels. Its
    gradient is that of cross-entropy: with "sum" that of iMacSR's Eq. 2, which divides by the number of images. It
    saturates at H(Y); a bad q makes it negative.

    `infonce` contrasts pixels with class prototypes, see `infonce`; `region` takes the label's neighbourhood as the
    variable, see `region`. Those functions take the estimators' own settings.

    Args:
        logits: (B, K, h, w) at any resolution, or (B, K) for classification; floating point.
        targets: class ids (B, H, W), or (B,); int64.
        estimator: "plug_in", "variational", "infonce" or "region".
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
    check_pair(logits, targets, reduction)
    if estimator not in ESTIMATORS:
        raise ValueError(f"got estimator={estimator!r}; the estimators are {ESTIMATORS}; use one of them")
    common: dict[str, Any] = {
        "align_corners": align_corners,
        "ignore_index": ignore_index,
        "reduction": reduction,
        "impl": impl,
    }
    if estimator == "infonce":
        return infonce(logits, targets, **common)
    if estimator == "region":
        return region(logits, targets, **common)
    if estimator == "variational":
        loss = cross_entropy(logits, targets, **common)  # first: it refuses labels that cannot be counted
        return loss - label_information(targets, logits.shape[1], ignore_index, reduction).to(loss.dtype)
    run = choose("mutual_information", impl, plug_in, logits, logits.shape[1] * targets.numel())
    return run(logits, targets, align_corners, ignore_index, reduction)


def plug_in(logits: Tensor, targets: Tensor, align_corners: bool, ignore_index: int, reduction: str) -> Tensor:
    """The plug-in loss as its formula reads; keeps (B, K, H, W) for backward."""
    check_labels(targets, logits.shape[1], ignore_index)
    q = upsample(logits, targets.shape[1:], align_corners).softmax(1)
    if targets.ndim == 1:  # one joint over the batch
        q, targets = q.T.unsqueeze(0), targets.unsqueeze(0)
    q, y = q.flatten(2), one_hot(targets, q.shape[1], ignore_index).flatten(2)
    joint = torch.einsum("bkn,bjn->bkj", q.to(sum_dtype(q)), y.to(sum_dtype(q)))
    return _loss_of_joint(joint, reduction).to(working_dtype(logits))


def _loss_of_joint(joint: Tensor, reduction: str) -> Tensor:
    """The plug-in loss from the sums (B, K, K) over labelled pixels of q_k(p) 1[y_p = j]."""
    count = joint.detach().sum((1, 2))  # labelled pixels of each image
    P = joint / count.clamp_min(1)[:, None, None]
    P_y = P.sum(1, keepdim=True).detach()  # labels do not depend on q
    information = (P * (safe_log(P) - safe_log(P.sum(2, keepdim=True)) - safe_log(P_y))).sum((1, 2))
    if reduction == "sum":
        return -(information * count).sum()
    return -information.sum() / (count > 0).sum().clamp_min(1)
