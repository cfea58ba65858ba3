"""Negative entropy of features read as a distribution over channels.

Axes: B images, C channels, (h, w) features.
"""

from __future__ import annotations

from torch import Tensor

from ._common import check_reduction, sum_dtype, working_dtype
from ._impl import choose


def negative_entropy(features: Tensor, *, dim: int = 1, reduction: str = "mean", impl: str = "auto") -> Tensor:
    """Negative entropy of the channel softmax, in nats: minimized, it keeps features from being overconfident.

    With p the softmax of the C channels at one position,

        L_NE = mean over positions of sum_c p_c log p_c    (iMacSR Eq. 3, there a sum over them; iMacHSR Eq. 2)

    It runs from -log C (uniform) to 0 (one-hot). iMacSR's text says it is maximized: a slip in the sign, corrected in
    iMacHSR. Where one channel wins by far the gradient vanishes, so it prevents saturation better than it undoes it.

    Args:
        features: any layout, such as (B, C, h, w), or (B, tokens, C) with dim=-1; floating point.
        dim: the axis of the channels.
        reduction: "mean" over positions, or their "sum".
        impl: "auto", "reference", "chunked", "numba" or "triton"; see `imachsr.losses.kernels`.

    Returns:
        A scalar in float32 (float64 for float64 features).

    Raises:
        TypeError: features that are not floating point.
        ValueError: a `dim` the features do not have, an `impl` that cannot do this.

    >>> import torch
    >>> f"{negative_entropy(torch.zeros(2, 8, 3, 3)).item():.4f}"  # -log 8: as even as can be
    '-2.0794'
    """
    _check(features, dim, reduction)
    run = choose("negative_entropy", impl, reference, features, features.numel())
    return run(features, dim, reduction)


def reference(features: Tensor, dim: int, reduction: str) -> Tensor:
    """`negative_entropy` as its formula reads."""
    log_p = features.to(working_dtype(features)).log_softmax(dim)
    total = (log_p.exp() * log_p).sum(dtype=sum_dtype(log_p))
    if reduction == "mean":
        total = total / (features.numel() // features.shape[dim])
    return total.to(log_p.dtype)


def _check(features: Tensor, dim: int, reduction: str) -> None:
    got = f"got features {tuple(features.shape)} {features.dtype}"
    if not features.is_floating_point():
        raise TypeError(f"{got}; a softmax needs floating point; call .float()")
    if not -features.ndim <= dim < features.ndim:
        raise ValueError(f"{got} and dim={dim}; dim names the axis of the channels; use one from 0 to the last")
    if features.numel() == 0:
        raise ValueError(f"{got}; no axis may be empty; drop the empty batch")
    check_reduction(reduction)
