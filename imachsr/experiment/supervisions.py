"""Losses by name, to stand at the points in place of a scheme's own.

Axes: B images, K classes, (h, w) logits, (H, W) labels.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from .. import losses
from ..objective import SCHEMES, Loss, at_label_size, set_as


def _dice(logits: Tensor, targets: Tensor, *, ignore_index: int = 255) -> Tensor:
    """One minus the Dice overlap of each class in the batch, mean over classes (Milletari et al., 3DV 2016)."""
    from segmentation_models_pytorch.losses import DiceLoss

    return DiceLoss("multiclass", ignore_index=ignore_index)(logits, targets)


def _lovasz(logits: Tensor, targets: Tensor, *, ignore_index: int = 255) -> Tensor:
    """The Lovasz extension of the Jaccard loss over the batch (Berman et al., CVPR 2018)."""
    from segmentation_models_pytorch.losses import LovaszLoss

    if not (targets != ignore_index).any():
        return 0.0 * logits.sum()  # nothing to rank
    return LovaszLoss("multiclass", ignore_index=ignore_index)(logits, targets)


SUPERVISIONS: dict[str, Loss] = {
    "plug_in": partial(losses.mutual_information, estimator="plug_in"),
    "variational": partial(losses.mutual_information, estimator="variational"),
    "infonce": losses.infonce,
    "region": losses.region,
    "cross_entropy": losses.cross_entropy,
    "dice": at_label_size(_dice),
    "lovasz": at_label_size(_lovasz),
}


def own_supervision(scheme: str) -> str:
    """The name of the loss a scheme has at its points, "" for none.

    >>> own_supervision("imachsr"), own_supervision("hs3"), own_supervision("conventional")
    ('plug_in', 'cross_entropy', '')
    """
    own = SCHEMES[scheme].supervision
    if own is None:
        return ""
    return next(name for name, loss in SUPERVISIONS.items() if set_as(loss) == set_as(own))
