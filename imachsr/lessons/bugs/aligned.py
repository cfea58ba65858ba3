"""Every logit lands beside the pixels it was computed from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...losses import cross_entropy
from .bug import Bug, Step


def step(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits (B, K, h, w), h = H / 4, against labels (B, H, W)."""
    upsampled = F.interpolate(logits, labels.shape[1:], mode="bilinear", align_corners=True)
    return F.cross_entropy(upsampled, labels, ignore_index=255)


def mended(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits (B, K, h, w), h = H / 4, against labels (B, H, W)."""
    upsampled = F.interpolate(logits, labels.shape[1:], mode="bilinear", align_corners=False)
    return F.cross_entropy(upsampled, labels, ignore_index=255)


def measure(step: Step) -> float:
    """How much more than the library's the loss is, in per cent, for logits that know each 4x4 block of labels."""
    blocks = torch.randint(4, (2, 6, 6), generator=torch.Generator().manual_seed(0))
    labels = blocks.repeat_interleave(4, 1).repeat_interleave(4, 2)
    logits = 6.0 * F.one_hot(blocks, 4).movedim(-1, 1).float()
    right = cross_entropy(logits, labels)
    return float(100 * (step(logits, labels) - right) / right)


BUG = Bug(
    name="wrong alignment",
    question="Coarse points never get borders right, however well their features know the blocks. Where are the "
    "logits?",
    broken=step,
    mended=mended,
    measure=measure,
    symptom="excess of the loss over the library's for features that know every block, in per cent",
    healthy=lambda value: abs(value) < 0.01,
    tool="losses.cross_entropy and its align_corners: the same logits, both grids",
    lesson="With align_corners=True the corner centres coincide, which stretches the map by up to half a stride at the "
    "border. Here each logit stands for a block and lies at its middle: align_corners=False. (Padded kernels of odd "
    "size leave centres up to half a block beside it, which no interpolation mends.)",
)
