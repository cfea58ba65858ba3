"""From the joint of predicted and true class to the plug-in loss and its slope: small, so plain torch."""

from __future__ import annotations

from torch import Tensor

from .._common import safe_log


def loss_and_slope(joint: Tensor, mean: bool) -> tuple[Tensor, Tensor]:
    """The plug-in loss of the sums over pixels of q_k 1[y = j], and its slope in them.

    With P the joint over n pixels, d(-I)/d(joint)[k, j] = - log(P[k, j] / (P[k] P[j])) / n up to terms in j alone,
    which the softmax's own derivative cancels; P[j] keeps it small where q tells little, so that float32 is enough.

    Args:
        joint: (B, K, K) in float64.
        mean: over images with labelled pixels; otherwise every image counts its labelled pixels.

    Returns:
        The loss, a scalar, and the slope (B, K, K); 0 for images without labelled pixels.
    """
    count = joint.sum((1, 2))
    P = joint / count.clamp_min(1)[:, None, None]
    log_P, log_Q, log_Y = safe_log(P), safe_log(P.sum(2, keepdim=True)), safe_log(P.sum(1, keepdim=True))
    information = (P * (log_P - log_Q - log_Y)).sum((1, 2))
    images = (count > 0).sum().clamp_min(1)
    share = (count > 0) / images if mean else count
    slope = (log_Q + log_Y - log_P) * (share / count.clamp_min(1))[:, None, None]
    return -(information * share).sum(), slope
