"""Cross-entropy of logits at any resolution against labels at theirs.

Axes: B images, K classes, (h, w) logits, (H, W) labels.
"""

from __future__ import annotations

from torch import Tensor

from ._common import check_labels, check_pair, sum_dtype, upsample
from ._impl import choose


def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
    align_corners: bool = False,
    ignore_index: int = 255,
    reduction: str = "mean",
    impl: str = "auto",
) -> Tensor:
    """Cross-entropy between labels and the bilinearly upsampled logits, in nats.

    With q the softmax of the upsampled logits, y_p the label of pixel p and w its class weight,

        L_CE = - sum_p w[y_p] log q[y_p](p) / sum_p w[y_p]                  (iMacHSR Eq. 3, its first term)

    over labelled pixels p of the whole batch. `label_smoothing` e mixes the label with all classes alike
    (Szegedy et al. 2016, section 7): (1 - e) times the above + e/K times - sum_p sum_k w[k] log q[k](p) / sum_p w[y_p].

    Args:
        logits: (B, K, h, w) at any resolution, or (B, K) for classification; floating point. At label size, -inf
            excludes a class; upsampled it gives nan, as in torch.
        targets: class ids (B, H, W), or (B,); int64.
        weight: one factor per class, (K,); none weighs all alike.
        label_smoothing: e, a share of one.
        align_corners: which grid the upsampling uses, as in `torch.nn.functional.interpolate`.
        ignore_index: label of pixels that count nowhere.
        reduction: "mean" over labelled pixels, or their "sum".
        impl: "auto", "reference", "chunked", "numba" or "triton"; see `imachsr.losses.kernels`.

    Returns:
        A scalar in float32 (float64 for float64 logits); 0 with zero gradient when every pixel is ignored.

    Raises:
        TypeError: logits or targets of the wrong dtype.
        ValueError: shapes that do not match, a label outside the classes, an `impl` that cannot do this.

    >>> import torch
    >>> logits = torch.zeros(1, 4, 2, 2)
    >>> f"{cross_entropy(logits, torch.ones(1, 6, 8, dtype=torch.int64)).item():.4f}"  # log 4: it knows nothing
    '1.3863'
    """
    check_pair(logits, targets, reduction)
    _check_options(logits, weight, label_smoothing)
    run = choose("cross_entropy", impl, reference, logits, logits.shape[1] * targets.numel())
    return run(logits, targets, weight, label_smoothing, align_corners, ignore_index, reduction)


def reference(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    label_smoothing: float,
    align_corners: bool,
    ignore_index: int,
    reduction: str,
) -> Tensor:
    """`cross_entropy` as its formula reads; keeps (B, K, H, W) for backward."""
    check_labels(targets, logits.shape[1], ignore_index)
    log_q = upsample(logits, targets.shape[1:], align_corners).log_softmax(1)
    labelled = targets != ignore_index
    y = targets.where(labelled, 0)
    w = log_q.new_ones(log_q.shape[1]) if weight is None else weight.to(log_q)
    w_y = w[y] * labelled
    loss = -w_y * log_q.gather(1, y.unsqueeze(1)).squeeze(1).where(labelled, 0)  # log q may be -inf
    if label_smoothing:
        spread = -(log_q.movedim(1, -1) * w).mean(-1).where(labelled, 0)
        loss = (1 - label_smoothing) * loss + label_smoothing * spread
    total = loss.sum(dtype=sum_dtype(loss))
    if reduction == "mean":
        mass = w_y.sum(dtype=total.dtype)
        total = total / mass.where(mass > 0, 1)
    return total.to(log_q.dtype)


def _check_options(logits: Tensor, weight: Tensor | None, label_smoothing: float) -> None:
    if weight is not None and weight.shape != logits.shape[1:2]:
        raise ValueError(
            f"got weight {tuple(weight.shape)} for {logits.shape[1]} classes; it holds one factor per class; "
            f"pass a tensor of shape ({logits.shape[1]},)"
        )
    if not 0 <= label_smoothing <= 1:
        raise ValueError(
            f"got label_smoothing={label_smoothing}; it is a share of one; pass a number from 0 (off) to 1"
        )
