"""How an image batch is cut into tasks for the compiled loops, by shapes alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from .._grid import neighbours
from ._threads import TASKS, WORK

Axis = tuple[np.ndarray, np.ndarray, np.ndarray]


class Plan(NamedTuple):
    """One batch for the sweeps.

    Attributes:
        logits, targets: (B, K, h, w) float32 and (B, H, W) int64, contiguous.
        rows, columns: the label grid's neighbours on the source grid.
        strips: (first, last) source rows and (begin, end) label rows of each strip.
        tile: columns handled together.
    """

    logits: np.ndarray
    targets: np.ndarray
    rows: Axis
    columns: Axis
    strips: list[tuple[int, int, int, int]]
    tile: int

    def tasks(self) -> list[tuple[int, int]]:
        """(image, strip) pairs."""
        return [(b, s) for b in range(len(self.logits)) for s in range(len(self.strips))]

    def close(self, gradient: np.ndarray, halo: np.ndarray) -> np.ndarray:
        """gradient (B, K, h, w) with what every strip owes to the row below it, halo (B, strips, K, w), added."""
        for s, (_, last, _, _) in enumerate(self.strips):
            gradient[:, :, min(last, gradient.shape[2] - 1)] += halo[:, s]
        return gradient


def plan(logits: Tensor, targets: Tensor, align_corners: bool) -> Plan:
    """Cut a batch into strips of source rows."""
    B, K, h, w = logits.shape
    H, W = targets.shape[1:]
    rows, columns = _axis(h, H, align_corners), _axis(w, W, align_corners)
    count = min(h, max(1, TASKS // B), max(1, K * H * W // WORK))
    cuts = [h * s // count for s in range(count + 1)]
    label_cuts = np.searchsorted(rows[0], cuts).tolist()
    strips = list(zip(cuts[:-1], cuts[1:], label_cuts[:-1], label_cuts[1:], strict=True))
    return Plan(
        logits.detach().float().contiguous().numpy(), targets.contiguous().numpy(), rows, columns, strips, tile(W, K)
    )


def _axis(source: int, size: int, align_corners: bool) -> Axis:
    lower, upper, share = neighbours(source, size, align_corners)
    return lower, upper, share.astype(np.float32)


def tile(length: int, channels: int, values: int = 2**13) -> int:
    """Equal tiles of about `values` numbers, at least 32 long: what a few buffers of (channels, tile) take in cache."""
    most = max(32, values // channels // 16 * 16)
    return -(-length // -(-length // most))
