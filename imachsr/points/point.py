"""Intermediate points: where a network can be supervised, and the table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from torch import Tensor

from .layout import Layout

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Point:
    """An intermediate point G_m: one tensor in the output of one call of one module.

    Args:
        name: `path`, `path#2` for the second call, with `[key]` for one tensor of a tuple, list or dict.
        path: of the module in the network.
        call: which call of the module, from 1.
        key: place in the returned structure, "" for a lone tensor.
        shape: of the tensor as recorded, batch included.
        layout: how it is read as (B, C, h, w).
        channels: C.
        size: (h, w).
        depth: share of the network's operations done when it appears, in (0, 1].
        flops: share of the network's floating point operations done when it appears.
        scale: h divided by the input's height (w by its width where the input has one row).
        parameters: how many trainable parameters the operations up to it have read.
        rules: the transition rules it meets -> why.
        block: place in the network's block sequence, -1 for the points between.
        overwritten: changed in place later, so that it must be copied where it appears.
        aliases: other names of the same tensor.
        inputs: shapes of the network's inputs as recorded, -1 but for rows and columns.
    """

    name: str
    path: str
    call: int
    key: str
    shape: tuple[int, ...]
    layout: Layout
    channels: int
    size: tuple[int, int]
    depth: float
    flops: float
    scale: float
    parameters: int
    rules: Mapping[str, str] = field(default_factory=dict, hash=False)
    block: int = -1
    overwritten: bool = False
    aliases: tuple[str, ...] = ()
    inputs: tuple[tuple[int, ...], ...] = ()

    def __repr__(self) -> str:
        height, width = self.size
        return f"Point({self.name!r}, {self.channels}x{height}x{width} {self.layout}, {100 * self.depth:.0f} % deep)"

    def features(self, tensor: Tensor) -> Tensor:
        """The point's tensor as features (B, C, h, w)."""
        return self.layout.features(tensor)


class Points(Sequence[Point]):
    """Every point of a network by depth; prints as a table.

    Args:
        points: in order of depth.
        recorded: how the forward pass was recorded.
        left_out: name of a tensor on the way to the output that cannot be a point -> why.
        unused: trainable parameters that the output recorded does not depend on; `fit` looks for them itself, and a
            DistributedDataParallel of your own needs find_unused_parameters=True, or them frozen.
    """

    def __init__(
        self,
        points: Sequence[Point],
        recorded: str = "",
        left_out: Mapping[str, str] | None = None,
        unused: Sequence[str] = (),
    ) -> None:
        self.points = tuple(points)
        self.recorded = recorded
        self.left_out = dict(left_out or {})
        self.unused = tuple(unused)

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> Points: ...
    def __getitem__(self, index: int | slice) -> Point | Points:
        if isinstance(index, slice):
            return Points(self.points[index], self.recorded, self.left_out, self.unused)
        return self.points[index]

    def __len__(self) -> int:
        return len(self.points)

    @property
    def blocks(self) -> tuple[Point, ...]:
        """The block sequence: outputs of major blocks in order of depth."""
        return tuple(sorted((point for point in self.points if point.block >= 0), key=lambda point: point.block))

    def rows(self) -> list[dict[str, Any]]:
        """One dict per point, the columns of the table."""
        return [_row(point) for point in self.points]

    def to_dataframe(self) -> pd.DataFrame:
        """The table as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def __repr__(self) -> str:
        return f"Points({len(self)} points, {len(self.blocks)} of them block outputs, recorded with {self.recorded})"

    def __str__(self) -> str:
        if self.points:
            return table(self.rows())
        reasons = [f"{name}: {reason}" for name, reason in self.left_out.items()]
        return "\n".join(
            ["(no points)", *(reasons or ["no module inside hands a tensor on: only outputs of modules are points"])]
        )


def _row(point: Point) -> dict[str, Any]:
    return {
        "name": point.name,
        "layout": point.layout.kind,
        "channels": point.channels,
        "size": f"{point.size[0]}x{point.size[1]}",
        "scale": point.scale,
        "depth": point.depth,
        "flops": point.flops,
        "parameters": point.parameters,
        "block": point.block >= 0,
        "rules": ", ".join(point.rules),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as aligned text: words to the left, numbers to the right."""
    text = [[_cell(key, value) for key, value in row.items()] for row in rows]
    cells = [list(rows[0]), *text]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = [isinstance(value, str) and key != "size" for key, value in rows[0].items()]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if word else cell.rjust(width)
            for cell, width, word in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in cells
    )


def _cell(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "*" if value else ""
    if key == "scale" and value:
        return f"1/{1 / value:.3g}"
    if isinstance(value, float):
        return f"{100 * value:.1f} %"
    return f"{value:,}" if isinstance(value, int) else str(value)
