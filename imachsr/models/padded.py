"""Any input size for networks that need sizes divisible by some number."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Padded(nn.Module):
    """Pads images right and below to a multiple of what the network needs, and crops its logits back.

    Where an image's side is no multiple of `stride`, the logits are upsampled over the padded area and cropped to the
    image's own size, so that they stay aligned to the pixel.

    Features inside the network cover the padded area. `padded_size` tells which, so that intermediate losses can be
    measured there, against labels padded with `ignore_index`, and stay aligned to the pixel.

    Args:
        network: images (B, 3, H, W), H and W multiples of `multiple`, to logits (B, K, H/stride, W/stride).
        multiple: what H and W must be divisible by.
        stride: image pixels per logit.
    """

    def __init__(self, network: nn.Module, *, multiple: int, stride: int) -> None:
        super().__init__()
        self.network, self.multiple, self.stride = network, multiple, stride

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """The image size (H, W) that the features inside the network cover."""
        return tuple(-(-side // self.multiple) * self.multiple for side in (height, width))  # type: ignore[return-value]

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        bottom, right = (new - old for new, old in zip(self.padded_size(height, width), (height, width), strict=True))
        logits = self.network(F.pad(images, (0, right, 0, bottom)))
        if height % self.stride or width % self.stride:  # no crop of logits ends where the image does
            size = self.padded_size(height, width)
            return F.interpolate(logits, size, mode="bilinear", align_corners=False)[..., :height, :width]
        return logits[..., : height // self.stride, : width // self.stride]
