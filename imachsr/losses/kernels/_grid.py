"""Where the label grid lies on the source grid."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=64)
def neighbours(source: int, size: int, align_corners: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bilinear neighbours of `size` positions along an axis of `source` ones.

        at = i (source - 1) / (size - 1)               with align_corners (0 where size is 1)
        at = max(0, (i + 1/2) source / size - 1/2)     without

    Returns:
        floor(at) and the next position (the same at the border) as uint32, and the next one's share as float64.
    """
    i = np.arange(size, dtype=np.float64)
    at = i * (source - 1) / max(size - 1, 1) if align_corners else np.maximum((i + 0.5) * source / size - 0.5, 0)
    lower = np.minimum(at.astype(np.int64), source - 1)
    upper = np.minimum(lower + 1, source - 1)
    return lower.astype(np.uint32), upper.astype(np.uint32), at - lower
