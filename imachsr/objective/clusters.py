"""Labels as the points of HS3 see them: classes merged into clusters (Borse et al., BMVC 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Merged(nn.Module):
    """Labels as the points see them: the cluster of each class, or the classes themselves where none are merged."""

    def __init__(self, clusters: Sequence[Sequence[int]] | None, points: int, classes: int, ignore_index: int) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.ids: Tensor
        if clusters is None:
            return
        if any(not hasattr(ids, "__len__") for ids in clusters):
            raise TypeError(
                f"got clusters {clusters!r}; each point has its own, a list of each class's cluster; pass a list of "
                f"{points} such lists"
            )
        if len(clusters) != points or any(len(ids) != classes for ids in clusters):
            raise ValueError(
                f"got clusters of {[len(ids) for ids in clusters]} classes for {points} points and {classes} classes; "
                "each point needs the cluster of every class; derive them with imachsr.hierarchy"
            )
        seen = [{*map(float, ids)} for ids in clusters]
        gap = next((ids for ids, there in zip(clusters, seen, strict=True) if there != {*range(len(there))}), None)
        if gap is not None:
            raise ValueError(
                f"got clusters {[*gap]}; they are numbered 0, 1, ... without a gap, and none is ignored; number them "
                "anew, as imachsr.hierarchy does"
            )
        self.ignore_index = ignore_index
        self.sizes = [int(max(ids)) + 1 for ids in clusters]
        self.register_buffer("ids", torch.tensor([[*map(int, ids)] for ids in clusters]), persistent=False)

    def forward(self, m: int, targets: Tensor) -> Tensor:
        if not self.sizes:
            return targets
        scored = targets != self.ignore_index
        return torch.where(scored, self.ids[m][torch.where(scored, targets, 0)], self.ignore_index)
