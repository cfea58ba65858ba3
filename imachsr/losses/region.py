"""Mutual information of regions: a label is judged together with its neighbours.

Axes: B images, K classes, R = 9 pixels of a region, N regions, (h, w) logits, (H, W) labels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ._common import check_labels, check_pair, one_hot, sum_dtype, upsample

SIDE = 3  # a region is 3 x 3 cells


def region(
    logits: Tensor,
    targets: Tensor,
    *,
    pool: int = 4,
    noise: float = 5e-4,
    align_corners: bool = False,
    ignore_index: int = 255,
    reduction: str = "mean",
    impl: str = "auto",
) -> Tensor:
    """Minus the information that 3 x 3 regions of the softmax give about those of the label, in nats per cell.

    For each class and image, with y and q the regions' vectors of 9 labels (0 or 1) and probabilities, their
    covariances S over all regions, and `noise` on the diagonal,

        I = 1/2 log det S_y - 1/2 log det(S_y - S_yq S_q^-1 S_qy),   loss = - mean over images of sum_k I_k / 9

    the information of Gaussian vectors with these covariances. The second term is, up to a constant, the lower bound of
    Zhao et al. (Region Mutual Information Loss, NeurIPS 2019); the first, of the labels alone, has no gradient and
    makes knowing nothing 0. It overrates H(Y), as a Gaussian does any vector of its covariance, so their difference
    bounds nothing. With q = y and independent cells of variance v, I is 1/2 log((v + noise)^2 / (noise (2v + noise)))
    per cell. It sees linear dependence only, and needs upsampled maps: the memory of cross-entropy's reference, several
    times over. The conditional determinant is read off one Cholesky factor of the joint covariance, which stays
    positive where subtracting would not.

    Args:
        logits: (B, K, h, w) at any resolution; floating point.
        targets: class ids (B, H, W), at least 3 x 3; int64.
        pool: pixels per side that are averaged to a cell first (fewer in maps too small); rows and columns left over
            at the bottom and right count nowhere, and cells without labelled pixels leave their regions out.
        noise: variance added to each cell.
        align_corners, ignore_index: as in `cross_entropy`.
        reduction: "mean" as above, or "sum": each image times its labelled pixels.
        impl: "auto" or "reference"; there is no fast twin.

    Returns:
        A scalar in float32 (float64 for float64 logits); 0 with zero gradient when no region is labelled.

    Raises:
        TypeError, ValueError: as `cross_entropy`; and for labels (B,), maps below 3 x 3 and any other `impl`.

    >>> targets = torch.arange(16).view(1, 4, 4) % 2
    >>> f"{region(torch.zeros(1, 2, 4, 4), targets).item():.4f}"  # constant softmax knows nothing
    '0.0000'
    """
    check_pair(logits, targets, reduction)
    if impl not in ("auto", "reference"):
        raise ValueError(f"got impl={impl!r}; region has a reference only; use impl='auto' or 'reference'")
    if targets.ndim != 3 or min(targets.shape[1:]) < SIDE:
        raise ValueError(
            f"got targets {tuple(targets.shape)}; a region is {SIDE} x {SIDE} cells of a map (B, H, W); "
            "use another estimator here"
        )
    check_labels(targets, logits.shape[1], ignore_index)
    q = upsample(logits, targets.shape[1:], align_corners).softmax(1)
    information, found = _information(q, targets, pool, noise, ignore_index)
    if reduction == "sum":
        return -(information * (targets != ignore_index).sum((1, 2))).sum().to(q.dtype)
    return (-information.sum() / found.sum().clamp_min(1)).to(q.dtype)


def _information(q: Tensor, targets: Tensor, pool: int, noise: float, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Per image, the information in nats per cell (0 where no region is labelled), and whether any region is."""
    y = one_hot(targets, q.shape[1], ignore_index).to(q.dtype)
    labelled = (targets != ignore_index).unsqueeze(1).to(q.dtype)
    cell = max(1, min(pool, *(n // SIDE for n in targets.shape[1:])))
    mass = F.avg_pool2d(labelled, cell)
    q, y = (F.avg_pool2d(maps * labelled, cell) / mass.clamp_min(1e-6) for maps in (q, y))
    valid = _regions((mass > 0).to(q.dtype)).prod(2)  # (B, 1, N)
    S = _covariance(torch.cat([_regions(q), _regions(y)], 2).to(sum_dtype(q)), valid.to(sum_dtype(q)))
    S = S + noise * torch.eye(S.shape[-1], dtype=S.dtype, device=S.device)
    R = SIDE * SIDE
    given = torch.linalg.cholesky(S)[..., R:, R:]  # of the labels' covariance given q
    alone = torch.linalg.cholesky(S[..., R:, R:].detach())
    information = (_log_diagonal(alone) - _log_diagonal(given)).sum((1, 2)) / R
    found = valid.sum((1, 2)) > 0
    return information * found, found


def _regions(maps: Tensor) -> Tensor:
    """(B, K, H, W) -> (B, K, R, N)."""
    B, K = maps.shape[:2]
    return F.unfold(maps, SIDE).view(B, K, SIDE * SIDE, -1)


def _covariance(x: Tensor, valid: Tensor) -> Tensor:
    """Covariance over valid regions, (B, K, 2R, N) and (B, 1, N) -> (B, K, 2R, 2R)."""
    share = (valid / valid.sum(-1, keepdim=True).clamp_min(1)).unsqueeze(2)
    x = x - (x * share).sum(-1, keepdim=True)
    return (x * share) @ x.mT


def _log_diagonal(factor: Tensor) -> Tensor:
    return factor.diagonal(dim1=-2, dim2=-1).log()
