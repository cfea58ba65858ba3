"""What each axis of a tensor means, followed through the operations of a recorded forward pass.

A dimension is a product of atoms, as in `(h w)`: the image height split into windows and merged with the batch is still
known to be height. So tokens, windows and channels-last find their way back to maps (B, C, h, w) without guessing.

Roles: b batch, c channels, y rows, x columns, ? anything else, + tokens joined end to end (class tokens, then a grid).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod


@dataclass(frozen=True)
class Atom:
    """An indivisible piece of a dimension.

    Args:
        role: one of "b", "c", "y", "x", "?", "+".
        size: how many entries.
        stride: its step along its axis, so that rows split into (windows, rows within) sort back.
        shift: by how many entries its axis has been rolled.
        parts: of "+": the dimensions joined, each with its size.
    """

    role: str
    size: int
    stride: int = 1
    shift: int = 0
    parts: tuple[tuple[Atom, ...], ...] = ()


Dim = tuple[Atom, ...]
Axes = tuple[Dim, ...]

OF_RANK = {2: "bc", 3: "bcx", 4: "bcyx"}  # what the dimensions of an input mean, where no layer says otherwise


def roles_of(rank: int) -> str:
    """(B, C), (B, C, W) or (B, C, H, W); of any other rank only the batch is known."""
    return OF_RANK.get(rank, "b" + "?" * (rank - 1))


def of_input(shape: Sequence[int], roles: str | None = None) -> Axes:
    """Axes of a network input, a role for each dimension."""
    return tuple(fresh(role, size) for role, size in zip(roles or roles_of(len(shape)), shape, strict=False))


def fresh(role: str, size: int) -> Dim:
    """A dimension of one new atom."""
    return (Atom(role, size),)


def size_of(dim: Dim) -> int:
    """Entries along a dimension."""
    return prod(atom.size for atom in dim)


def role_of(dim: Dim) -> str:
    """The one role of a dimension, "?" for a mixture; pixels folded into channels count as channels."""
    roles = {atom.role for atom in dim if atom.size > 1} or {atom.role for atom in dim}
    if len(roles) == 1:
        return roles.pop()
    return "c" if "c" in roles and roles <= {"c", "y", "x"} else "?"


def rolled(dim: Dim) -> bool:
    """Whether rows or columns do not begin where their axis does: padded or cut, nobody can roll them back."""
    return any(atom.shift and atom.role != "c" for atom in dim)


def nested(atoms: Sequence[Atom]) -> bool:
    """Whether atoms of one axis lie inside one another, outermost to innermost, each place counted once."""
    sized = sorted((atom for atom in atoms if atom.size > 1), key=lambda atom: -atom.stride)
    return all(outer.stride >= inner.stride * inner.size for outer, inner in pairwise(sized))


def regroup(axes: Axes, shape: Sequence[int]) -> Axes:
    """Axes after a view to `shape`: atoms are handed out from the left and split where a boundary falls inside one."""
    atoms = [atom for dim in axes for atom in dim]
    dims: list[Dim] = []
    for size in shape:
        dim: list[Atom] = []
        missing = size
        while atoms and (missing > 1 or (atoms[0].size == 1 and not dim)):
            atom = atoms.pop(0)
            if missing % atom.size:
                if atom.size % missing or atom.role == "+":
                    return tuple(fresh("?", size) for size in shape)
                inner = atom.size // missing
                atoms.insert(0, replace(atom, size=inner))
                atom = replace(atom, size=missing, stride=atom.stride * inner)
            dim.append(atom)
            missing //= atom.size
        dims.append(merged(dim))
    return _finer(tuple(dims))


def _finer(axes: Axes) -> Axes:
    """Rows or columns with channels behind them, where other channels are left, are rows of a finer grid."""
    left = any(all(atom.role == "c" for atom in dim) and size_of(dim) > 1 for dim in axes)
    places = [dim for dim in axes if any(atom.role in ("y", "x") and atom.size > 1 for atom in dim)]
    if not left or not places or not all(map(_depth_to_space, places)):  # one of two alone: heads beside columns
        return axes
    return tuple(fresh(dim[0].role, size_of(dim)) if dim in places else dim for dim in axes)


def _depth_to_space(dim: Dim) -> bool:
    first, *rest = dim or (Atom("?", 1),)
    whole = first.role in ("y", "x") and first.stride == 1 and not first.shift
    return whole and size_of(tuple(rest)) > 1 and all(atom.role == "c" for atom in rest)


def merged(dim: Sequence[Atom]) -> Dim:
    """Neighbours that were split and meet again become one atom."""
    whole: list[Atom] = []
    for atom in dim:
        last = whole[-1] if whole else None
        alike = last is not None and (last.role, last.shift) == (atom.role, atom.shift) and atom.role != "+"
        if last and alike and last.stride == atom.stride * atom.size:
            whole[-1] = replace(atom, size=last.size * atom.size)
        else:
            whole.append(atom)
    return tuple(whole)


def resized(donors: Sequence[Axes], shape: Sequence[int]) -> Axes | None:
    """Axes of an operation that keeps the order of dimensions: pointwise, convolution, pooling, resizing, padding."""
    donors = [axes for axes in donors if len(axes) == len(shape)]
    if not donors:
        return None
    return tuple(_resized_dim([axes[d] for axes in donors], size) for d, size in enumerate(shape))


def _resized_dim(dims: Sequence[Dim], size: int) -> Dim:
    known = sorted(dims, key=lambda dim: role_of(dim) == "?")  # stable: the earliest known operand leads
    equal = [dim for dim in known if size_of(dim) == size]
    if equal:
        return equal[0]
    role = next((role_of(dim) for dim in known if size_of(dim) > 1), role_of(known[0]) if known[0] else "?")
    lost = role == "+" or any(rolled(dim) for dim in known)
    return fresh("?" if lost else role, size)


def joined(dims: Sequence[Dim]) -> Dim:
    """A dimension made by concatenation. Tokens keep their parts; channels and rows simply grow."""
    sizes = sum(size_of(dim) for dim in dims)
    roles = {role_of(dim) for dim in dims}
    if len(roles) == 1 and roles <= {"b", "c", "y", "x"}:
        return fresh(roles.pop(), sizes)
    parts: list[Dim] = []
    for dim in dims:
        parts.extend(dim[0].parts if len(dim) == 1 and dim[0].role == "+" else [dim])
    return (Atom("+", sizes, parts=tuple(parts)),)


def cut(dim: Dim, start: int, stop: int, step: int = 1) -> Dim:
    """A slice of a dimension; a slice of joined tokens falls back into the parts it covers."""
    size = len(range(start, stop, step))
    if size == size_of(dim):
        return dim
    if len(dim) != 1 or dim[0].role != "+" or step != 1:
        role = role_of(dim)
        simple = (len(dim) == 1 or role == "c") and not rolled(dim)
        return fresh(role if simple and role != "+" else "?", size)
    kept, offset = [], 0
    for part in dim[0].parts:
        low, high = max(start - offset, 0), min(stop - offset, size_of(part))
        if low < high:
            kept.append(cut(part, low, high))
        offset += size_of(part)
    return kept[0] if len(kept) == 1 else (Atom("+", size, parts=tuple(kept)),)


def contracted(dim: Dim, size: int) -> Dim:
    """The new last dimension of a product with weights: new channels, or positions mixed among themselves."""
    if role_of(dim) == "c" or not dim:
        return fresh("c", size)
    return dim if size_of(dim) == size else fresh("?", size)
