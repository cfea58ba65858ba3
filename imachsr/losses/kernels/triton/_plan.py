"""Tables and block sizes for the CUDA kernels."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..._common import check_labels
from .._grid import neighbours


class Plan(NamedTuple):
    """The label grid on the source grid, on a device, in blocks of `columns` source columns.

    Attributes:
        share_y, left, right, share_x: shares and neighbours, as in `neighbours`.
        row_cuts: (h + 1,) first label row on each source row.
        column_cuts: (2, blocks) label columns that touch each block of source columns.
        columns: source columns of a block, a power of two of at least 16.
    """

    share_y: Tensor
    left: Tensor
    right: Tensor
    share_x: Tensor
    row_cuts: Tensor
    column_cuts: Tensor
    columns: int


@lru_cache(maxsize=64)
def plan(source: tuple[int, int], size: tuple[int, int], align_corners: bool, device: torch.device) -> Plan:
    """Tables for logits of size `source` and labels of size `size`; kept, since training repeats its shapes."""
    top, _, share_y = neighbours(source[0], size[0], align_corners)
    left, right, share_x = neighbours(source[1], size[1], align_corners)
    columns = 32 if source[1] > 16 else 16
    starts = np.arange(0, source[1], columns)
    cuts = np.stack([np.searchsorted(right, starts), np.searchsorted(left, starts + columns)])
    row_cuts = np.searchsorted(top, np.arange(source[0] + 1))
    ids = [torch.from_numpy(a.astype(np.int32)).to(device) for a in (left, right, row_cuts, cuts)]
    shares = [torch.from_numpy(a.astype(np.float32)).to(device) for a in (share_y, share_x)]
    return Plan(shares[0], ids[0], ids[1], shares[1], ids[2], ids[3], columns)


def power(n: int, least: int = 16) -> int:
    """The next power of two, at least `least` (a matrix product's smallest side)."""
    return max(least, 1 << (n - 1).bit_length())


def label_columns(padded_classes: int) -> int:
    """Label columns handled together: a (classes, columns) block of about 2048 values."""
    return min(128, max(16, 2048 // padded_classes))


def refuse_labels(targets: Tensor, classes: int, ignore_index: int) -> None:
    """Labels outside the classes: an error, which on CUDA arrives with the next synchronization."""
    check_labels(targets, classes, ignore_index)
    if targets.device.type == "cuda":
        fine = ((targets >= 0) & (targets < classes)) | (targets == ignore_index)
        torch._assert_async(fine.all(), "a label is neither a class nor ignore_index; map it to one of them")


def close(planes: Tensor) -> Tensor:
    """Gradient (B, K, h, w) from what each source row owes itself and the row below, (2, B, K, h, w)."""
    gradient = planes[0]
    gradient[:, :, 1:] += planes[1, :, :, :-1]
    gradient[:, :, -1] += planes[1, :, :, -1]
    return gradient
