"""From a tensor as the network makes it to features (B, C, h, w), by the meaning of its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .axes import Atom, Axes, nested, role_of, rolled, size_of


@dataclass(frozen=True)
class Layout:
    """How to read a tensor as features (B, C, h, w).

    Args:
        kind: "map" (B, C, h, w), "channels_last" (B, h, w, C), "tokens" (B, N, C), "windows", "vector" (B, C), or
            "permuted": the four axes of a map in any other order.
        order: dimensions of the split tensor in the order batch, channels, rows, columns.
        counts: how many of `order` belong to each of the four.
        split: sizes the tensor is split into before reordering, -1 for the batch; empty if it need not be split.
        grid: (dimension, first token, tokens, their sizes): the image tokens among class and register tokens.
        roll: entries by which rows and columns are rolled back.
        recorded: the shape that the sizes above hold for, -1 where the batch is; empty if any shape will do.
    """

    kind: str
    order: tuple[int, ...]
    counts: tuple[int, int, int, int]
    split: tuple[int, ...] = ()
    grid: tuple[int, int, int, tuple[int, ...]] | None = None
    roll: tuple[int, int] = (0, 0)
    recorded: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.kind

    @property
    def skipped(self) -> int:
        """Class and register tokens in front of the grid."""
        return self.grid[1] if self.grid else 0

    def features(self, tensor: Tensor) -> Tensor:
        """The tensor as (B, C, h, w), a view where possible.

        Raises:
            ValueError: tokens or windows of another count than recorded.
        """
        if self.kind == "map":
            return tensor
        if self.recorded and not fits(tensor.shape, self.recorded):
            raise ValueError(
                f"got a tensor of shape {tuple(tensor.shape)} where {self.kind} of {self.recorded} were recorded; the "
                "grid behind tokens and windows is known for one image size; call find_points with images of this size"
            )
        if self.split:
            tensor = tensor.reshape(self.split)
        if self.grid:
            dim, start, length, sizes = self.grid
            tensor = tensor.narrow(dim, start, length).unflatten(dim, sizes)
        tensor = tensor.permute(self.order)
        ends = [sum(self.counts[:i]) for i in range(5)]
        tensor = tensor.reshape([tensor.shape[a:b].numel() for a, b in pairwise(ends)])
        return torch.roll(tensor, self.roll, (2, 3)) if any(self.roll) else tensor


def layout_of(axes: Axes | None, shape: tuple[int, ...]) -> Layout | str:
    """The layout of a tensor, or the reason why it cannot be read as features."""
    if axes is None:
        return "its axes could not be followed"
    roles = [role_of(dim) for dim in axes]
    if sorted(roles) == ["b", "c", "x", "y"] and all(_in_order(dim) and not rolled(dim) for dim in axes):
        order = tuple(roles.index(role) for role in "bcyx")
        kind = {"bcyx": "map", "byxc": "channels_last"}.get("".join(roles), "permuted")
        return Layout(kind, order, (1, 1, 1, 1))
    return _split(axes, shape)


def _split(axes: Axes, shape: tuple[int, ...]) -> Layout | str:
    atoms: list[tuple[Atom, str]] = []  # every atom with the role it plays here
    split: list[int] = []
    grid = None
    for dim in axes:
        folded = role_of(dim) == "c"  # pixels folded into channels
        for atom in dim:
            split.append(-1 if atom.role == "b" else atom.size)
            if atom.role != "+":
                atoms.append((atom, "c" if folded else atom.role))
                continue
            found = _grid(atom)
            if grid or isinstance(found, str):
                return found if isinstance(found, str) else "it holds two sequences of tokens"
            start, part = found
            grid = (len(atoms), start, size_of(part), tuple(inner.size for inner in part))
            atoms.extend((inner, inner.role) for inner in part)
    return _ordered(axes, shape, atoms, tuple(split), grid)


def _grid(atom: Atom) -> tuple[int, tuple[Atom, ...]] | str:
    """The image tokens among joined tokens: where they start, and their rows and columns."""
    found, offset = [], 0
    for part in atom.parts:
        if {inner.role for inner in part} & {"y", "x"}:
            found.append((offset, part))
        offset += size_of(part)
    if len(found) != 1:
        return f"its tokens hold {len(found) or 'no'} image grids"
    return found[0]


def _ordered(
    axes: Axes,
    shape: tuple[int, ...],
    atoms: list[tuple[Atom, str]],
    split: tuple[int, ...],
    grid: tuple[int, int, int, tuple[int, ...]] | None,
) -> Layout | str:
    places: dict[str, list[int]] = {role: [] for role in "bcyx"}
    for place, (atom, role) in enumerate(atoms):
        if role in places:
            places[role].append(place)
        elif atom.size > 1:
            return "one of its dimensions is neither batch, channels, rows nor columns"
    if len(places["b"]) != 1:
        return "its batch is " + ("split" if places["b"] else "gone")
    for role in "yx":
        places[role].sort(key=lambda place: -atoms[place][0].stride)
        if not nested([atoms[place][0] for place in places[role]]):
            return "positions appear twice in it, as in an attention map"
    if not places["c"]:
        return "it has no channels"
    spatial = [atom for atom, role in atoms if role in "yx" and atom.size > 1]
    if not spatial and sum(any(a.role == "c" and a.size > 1 for a in dim) for dim in axes) > 1:
        return "channels appear twice in it, as in an attention map"
    ones = [place for place, (_, role) in enumerate(atoms) if role not in places]
    kind = "vector" if not spatial else "windows" if _windowed(axes) else "tokens"
    order = (*places["b"], *places["c"], *places["y"], *places["x"], *ones)
    counts = (1, len(places["c"]), len(places["y"]), len(places["x"]) + len(ones))
    roll = tuple(-next((atoms[place][0].shift for place in places[role]), 0) for role in "yx")
    recorded = tuple(-1 if any(atom.role == "b" for atom in axes[d]) else n for d, n in enumerate(shape))
    return Layout(kind, order, counts, split, grid, (roll[0], roll[1]), recorded)


def _in_order(dim: tuple[Atom, ...]) -> bool:
    strides = [atom.stride for atom in dim if atom.size > 1]
    return role_of(dim) == "c" or (nested(dim) and strides == sorted(strides, reverse=True))


def _windowed(axes: Axes) -> bool:
    return any({"b"} < {atom.role for atom in dim if atom.size > 1 or atom.role == "b"} for dim in axes)


def fits(shape: Sequence[int], recorded: tuple[int, ...]) -> bool:
    """Whether a shape is the one recorded, but for the batch."""
    return len(shape) == len(recorded) and all(want in (-1, got) for got, want in zip(shape, recorded, strict=True))
