"""Object-contextual representations (Yuan et al., ECCV 2020, "OCR"): each pixel asks the classes seen in its image.

Axes: B images, K classes (soft regions), C channels, N = h w pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def region_features(features: Tensor, prediction: Tensor) -> Tensor:
    """What each class looks like in its image: features averaged over its soft region (OCR, Sec. 3.2).

        f_k = sum_i m_ki x_i,   m_k = softmax over the pixels i of the logits of class k

    Args:
        features: x, (B, C, h, w).
        prediction: logits (B, K, h, w), from any head; in another size they are resized bilinearly.

    Returns:
        Region features (B, C, K, 1).

    >>> import torch
    >>> x = torch.tensor([1.0, 5.0]).view(1, 1, 1, 2)
    >>> region_features(x, torch.tensor([[[[99.0, 0.0]], [[0.0, 0.0]]]])).flatten().tolist()
    [1.0, 3.0]
    """
    if prediction.shape[-2:] != features.shape[-2:]:
        prediction = F.interpolate(prediction, features.shape[-2:], mode="bilinear", align_corners=False)
    regions = prediction.flatten(2).softmax(-1)
    return (features.flatten(2) @ regions.mT).unsqueeze(-1)


class RegionAttention(nn.Module):
    """Attention from the pixels (queries) to the regions (keys, values) of their image (OCR, Sec. 3.2).

    Args:
        channels: C, in and out.
        key_channels: width of queries, keys and values.
    """

    def __init__(self, channels: int, key_channels: int) -> None:
        super().__init__()
        self.f_pixel = nn.Sequential(*_projection(channels, key_channels), *_projection(key_channels, key_channels))
        self.f_object = nn.Sequential(*_projection(channels, key_channels), *_projection(key_channels, key_channels))
        self.f_down = nn.Sequential(*_projection(channels, key_channels))
        self.f_up = nn.Sequential(*_projection(key_channels, channels))

    def forward(self, features: Tensor, regions: Tensor) -> Tensor:
        """Context (B, C, h, w) of features (B, C, h, w) from regions (B, C, K, 1)."""
        query = self.f_pixel(features).flatten(2).mT  # (B, N, D)
        key = self.f_object(regions).flatten(2)  # (B, D, K)
        value = self.f_down(regions).flatten(2).mT  # (B, K, D)
        attention = (query @ key * key.shape[1] ** -0.5).softmax(-1)
        return self.f_up((attention @ value).mT.unflatten(2, features.shape[-2:]))


class OCR(nn.Module):
    """Features enriched by the classes that a prediction sees in the image, at any feature map.

    Args:
        channels: C of the features, in and out; `pixel_representations` brings any other count to C. The attention is
            C/2 wide (as published, 512 and 256).

    >>> import torch
    >>> OCR(channels=8)(torch.rand(2, 8, 6, 10), torch.rand(2, 5, 3, 5)).shape
    torch.Size([2, 8, 6, 10])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 2:
            raise ValueError(f"got channels={channels}; the attention halves them; pass 2 or more")
        self.object_context_block = RegionAttention(channels, channels // 2)
        self.conv_bn_dropout = nn.Sequential(*_projection(2 * channels, channels), nn.Dropout2d(0.05))

    def forward(self, features: Tensor, prediction: Tensor) -> Tensor:
        """Features (B, C, h, w) from features (B, C, h, w) and a prediction's logits (B, K, any h, any w)."""
        context = self.object_context_block(features, region_features(features, prediction))
        return self.conv_bn_dropout(torch.cat([context, features], 1))


def pixel_representations(in_channels: int, channels: int) -> nn.Sequential:
    """Any feature map brought to the `channels` of an `OCR`: 3x3 convolution, normalised and rectified."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
    )


def _projection(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, 1, bias=False), nn.Sequential(nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
