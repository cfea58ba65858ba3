"""SA-Gate (Chen et al., ECCV 2020): a ResNet-101 on RGB and one on HHA, gated together after every stage.

Module names are those of the official release, so that its checkpoints load as they are.
"""

from __future__ import annotations

from torch import Tensor, nn

from .backbone import DualResNet
from .gate import Gate
from .head import Head

__all__ = ["Gate", "SAGate", "resnet101"]


def resnet101(classes: int) -> SAGate:
    """SA-Gate on two ResNet-101, output stride 16, 110.9 M parameters; called with (RGB, HHA)."""
    return SAGate(classes)


class SAGate(nn.Module):
    """SA-Gate ResNet-101.

    Args:
        classes: K.
    """

    auxiliary_weight = 0.2  # of the loss at `aux`, as published

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.backbone, self.head = DualResNet(), Head(classes)

    def forward(self, rgb: Tensor, hha: Tensor) -> dict[str, Tensor]:
        """RGB and HHA images (B, 3, H, W), any size, to a dict.

        `out`: logits (B, K, H/4, W/4); `aux`: logits (B, K, H/16, W/16) of the auxiliary head (weight 0.2 as
        published); both rounded up. The official code upsamples with align_corners=True; the losses here do not.
        """
        return self.head(*self.backbone(rgb, hha))
