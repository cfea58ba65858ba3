"""Label-sized strips of bilinearly upsampled logits, and the way back.

Columns are spread once for a whole image, (K, h, W); label rows are blends of two such rows, a strip at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .._grid import neighbours

CACHE = 2**18  # values per strip: 1 MB in float32


class Image:
    """One image's logits, spread over columns, with a gradient of the same shape that strips add to.

    Args:
        logits: (K, h, w).
        size: (H, W) of the labels.
        align_corners: as in `torch.nn.functional.interpolate`.
    """

    def __init__(self, logits: Tensor, size: tuple[int, int], align_corners: bool) -> None:
        K, h, w = logits.shape
        self.shape, self.size, self.align_corners = (1, K, h, w), size, align_corners
        self.wide = _spread(logits[None], (h, size[1]), align_corners)[0]
        self.slope = torch.zeros_like(self.wide)
        upper, lower, share = (torch.from_numpy(a.astype("float64")) for a in neighbours(h, size[0], align_corners))
        self.upper, self.lower = upper.long().to(logits.device), lower.long().to(logits.device)
        self.share = share.to(logits)[None, :, None]

    def strips(self) -> Iterator[tuple[slice, Tensor]]:
        """Label rows and their logits (K, rows, W), strip by strip."""
        rows = max(1, CACHE // (self.shape[1] * self.size[1]))
        for start in range(0, self.size[0], rows):
            part = slice(start, min(start + rows, self.size[0]))
            if self.size[0] == self.shape[2]:  # nothing to blend; -inf would not survive it
                yield part, self.wide[:, part]
                continue
            above, below = self.wide[:, self.upper[part]], self.wide[:, self.lower[part]]
            yield part, above + self.share[:, part] * (below - above)

    def add(self, part: slice, gradient: Tensor) -> None:
        """Take the gradient (K, rows, W) at a strip's logits back to source rows."""
        weighted = self.share[:, part] * gradient
        self.slope.index_add_(1, self.lower[part], weighted)
        self.slope.index_add_(1, self.upper[part], gradient - weighted)

    def gradient(self) -> Tensor:
        """(K, h, w)."""
        _, _, h, w = self.shape
        if self.slope.shape[-1] == w:
            return self.slope
        return torch.ops.aten.upsample_bilinear2d_backward(
            self.slope[None], [h, self.size[1]], list(self.shape), self.align_corners
        )[0]


def _spread(logits: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    if logits.shape[2:] == size:
        return logits
    return F.interpolate(logits, size, mode="bilinear", align_corners=align_corners)
