"""Contrastive mutual information: pixels against class prototypes, at no more memory than cross-entropy.

Axes: B images, K classes, D dimensions of an embedding (an adapter's K logits), (h, w) logits, (H, W) labels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._common import check_labels, check_pair, safe_log, working_dtype
from .cross_entropy import cross_entropy
from .label_entropy import label_information


def infonce(
    logits: Tensor,
    targets: Tensor,
    *,
    temperature: float = 0.1,
    align_corners: bool = False,
    ignore_index: int = 255,
    reduction: str = "mean",
    impl: str = "auto",
) -> Tensor:
    """Minus the InfoNCE estimate of mutual information between a pixel's embedding and its label, in nats.

    With f(p) the logits of pixel p scaled to length 1, c_k the mean direction of class k in the batch, and every
    labelled pixel of the batch a candidate, so that class k counts with its share P[k],

        s_k(p) = <f(p), c_k> / temperature,   I = mean over p of log( exp s_y(p) / sum_k P[k] exp s_k(p) )

    (van den Oord et al. 2018, Eq. 4 and 5). It saturates at H(Y), and before that at 2 / temperature. Prototypes come
    from the very pixels they judge, so it is a bound only as far as the batch stands for all data. Scores are taken
    at the logits' resolution and upsampled by the cross-entropy they end in: log P[k] + s_k are its logits.

    Args:
        logits: (B, D, h, w) with D = K at any resolution, or (B, D) for classification; floating point.
        targets: class ids (B, H, W), or (B,); int64.
        temperature: of the scores; lower tells near classes apart more sharply.
        align_corners, ignore_index, reduction, impl: as in `cross_entropy`, which does the work at label size.

    Returns:
        A scalar in float32 (float64 for float64 logits); 0 with zero gradient when every pixel is ignored.

    Raises:
        TypeError, ValueError: as `cross_entropy`; and a temperature that is not positive.

    >>> targets = torch.tensor([[[0, 1], [2, 3]]])
    >>> certain = torch.nn.functional.one_hot(targets, 4).movedim(-1, 1).float()
    >>> f"{infonce(certain, targets).item():.4f}"  # - log 4, but for what the temperature leaves open
    '-1.3862'
    """
    check_pair(logits, targets, reduction)
    if not temperature > 0:
        raise ValueError(f"got temperature={temperature}; scores are divided by it; pass a positive number, as 0.1")
    check_labels(targets, logits.shape[1], ignore_index)
    with torch.autocast(logits.device.type, enabled=False):
        scores = _scores(logits.to(working_dtype(logits)), targets, temperature, ignore_index)
    loss = cross_entropy(
        scores, targets, align_corners=align_corners, ignore_index=ignore_index, reduction=reduction, impl=impl
    )
    return loss - label_information(targets, logits.shape[1], ignore_index, reduction).to(loss.dtype)


def _scores(logits: Tensor, targets: Tensor, temperature: float, ignore_index: int) -> Tensor:
    """log P[k] + s_k at the logits' resolution, (B, K, h, w) or (B, K)."""
    f = _unit(logits)
    counts = _counts(targets, logits, ignore_index).to(f.dtype)
    prototypes = _unit(torch.einsum("bk...,bd...->kd", counts, f))
    share = counts.transpose(0, 1).flatten(1).sum(1) / counts.sum().clamp_min(1)
    bias = safe_log(share).view(1, -1, *[1] * (f.ndim - 2))
    return torch.einsum("kd,bd...->bk...", prototypes, f) / temperature + bias


def _counts(targets: Tensor, logits: Tensor, ignore_index: int) -> Tensor:
    """How many labelled pixels of each class lie in each cell of the logits, (B, K, h, w) or (B, K)."""
    B, K, *size = logits.shape
    cell = torch.arange(B, device=targets.device).view(-1, *[1] * len(size))
    for axis, n in enumerate(size, start=1):
        N = targets.shape[axis]
        along = torch.arange(N, device=targets.device) * n // N
        cell = cell * n + along.view(-1, *[1] * (len(size) - axis))
    index = cell * (K + 1) + targets.where(targets != ignore_index, K)
    counts = torch.bincount(index.flatten(), minlength=B * torch.Size(size).numel() * (K + 1))
    return counts.view(B, *size, K + 1)[..., :K].movedim(-1, 1)


def _unit(vectors: Tensor) -> Tensor:
    """Vectors (N, D, ...) scaled to length 1, smoothly so near 0."""
    return vectors * (vectors.square().sum(1, keepdim=True) + 1e-6).rsqrt()
