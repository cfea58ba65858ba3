"""DeepLabv3+ (Chen et al., ECCV 2018), the papers' convolutional network."""

from __future__ import annotations

from torch import nn

from .padded import Padded


def resnet18(classes: int) -> nn.Module:
    """DeepLabv3+ on ResNet18, output stride 16, from segmentation-models-pytorch; 12.3 M parameters.

    Its final x4 upsampling is left out, because the loss does it: logits (B, K, H/4, W/4).
    """
    import segmentation_models_pytorch as smp

    network = smp.DeepLabV3Plus(encoder_name="resnet18", encoder_weights=None, classes=classes, upsampling=1)
    return Padded(network, multiple=16, stride=4)
