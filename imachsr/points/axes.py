"""What each axis of a tensor means, followed through the operations of a recorded forward pass.

A dimension is a product of atoms, as in `(h w)`: the image height split into windows and merged with the batch is still
known to be height. So tokens, windows and channels-last find their way back to maps (B, C, h, w) without guessing.

Roles: b batch, c channels, y rows, x columns, ? anything else, + tokens joined end to end (class tokens, then a grid).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any

from torch import Tensor


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

OF_RANK = {2: "bc", 3: "bcx", 4: "bcyx"}  # what the dimensions of an input mean


def of_input(shape: Sequence[int]) -> Axes:
    """Axes of a network input: (B, C), (B, C, W) or (B, C, H, W); of any other rank only the batch is known."""
    roles = OF_RANK.get(len(shape), "b" + "?" * (len(shape) - 1))
    return tuple(fresh(role, size) for role, size in zip(roles, shape, strict=False))


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
    return tuple(dims)


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
    return fresh(role if role != "+" else "?", size)


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
        simple = len(dim) == 1 or role == "c"
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


# One function per kind of operation: (axes of the operands, their tensors, arguments, result) -> axes of the result.
Rule = Callable[[list[Axes | None], Sequence[Any], Tensor], Axes | None]


def _insert(axes: Axes, d: int, dim: Dim) -> Axes:
    d %= len(axes) + 1
    return (*axes[:d], dim, *axes[d:])


def _drop(axes: Axes, dims: Sequence[int]) -> Axes:
    gone = {d % len(axes) for d in dims}
    return tuple(dim for d, dim in enumerate(axes) if d not in gone)


def _view(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    return regroup(axes[0], out.shape) if axes[0] else None


def _permute(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    return tuple(axes[0][d] for d in args[1]) if axes[0] else None


def _transpose(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    if not axes[0]:
        return None
    swapped = list(axes[0])
    d0, d1 = (args[1], args[2]) if len(args) > 2 else (0, len(swapped) - 1)
    swapped[d0], swapped[d1] = swapped[d1], swapped[d0]
    return tuple(swapped)


def _unsqueeze(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    return _insert(axes[0], args[1], ()) if axes[0] else None


def _stack(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    d = args[1] if len(args) > 1 else 0
    first = next((a for a in axes if a), None)
    return _insert(first, d, fresh("?", len(args[0]))) if first else None


def _squeeze(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    if not axes[0]:
        return None
    asked = range(len(axes[0])) if len(args) < 2 else args[1] if isinstance(args[1], (list, tuple)) else [args[1]]
    return _drop(axes[0], [d for d in asked if size_of(axes[0][d]) == 1])


def _select(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    return _drop(axes[0], [args[1] if len(args) > 1 else 0]) if axes[0] else None


def _slice(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    if not axes[0]:
        return None
    d = args[1] % len(axes[0]) if len(args) > 1 else 0
    start, stop, step = (
        slice(*[*args[2:5], None][:3]).indices(size_of(axes[0][d])) if len(args) > 2 else (0, out.shape[d], 1)
    )
    dims = list(axes[0])
    dims[d] = cut(dims[d], start, stop, step)
    return tuple(dims)


def _split(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    if not axes[0]:
        return None
    whole, d = args[0], (args[2] if len(args) > 2 else 0) % out.ndim
    start = (out.storage_offset() - whole.storage_offset()) // max(whole.stride(d), 1)  # which of the pieces
    return (*axes[0][:d], cut(axes[0][d], start, start + out.shape[d]), *axes[0][d + 1 :])


def _cat(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    d = (args[1] if len(args) > 1 else 0) % out.ndim
    tensors = [tensor for tensor in args[0] if tensor.ndim == out.ndim]
    known = [a for a in axes if a]
    if not known or len(tensors) != len(axes):
        return None
    dims = list(resized(known, out.shape) or ())
    dims[d] = joined([a[d] if a else fresh("?", tensor.shape[d]) for a, tensor in zip(axes, tensors, strict=True)])
    return tuple(dims)


def _product(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    left, right = axes[-2], axes[-1]
    if left and right:  # both from the input: rows of one, columns of the other
        return (*left[:-1], right[-1])
    if left:
        return (*left[:-1], contracted(left[-1], out.shape[-1]))
    if right:
        return (*right[:-2], contracted(right[-2], out.shape[-2]), right[-1])
    return None


def _attention(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    query, value = axes[0], axes[2]
    return (*query[:-1], value[-1]) if query and value and out.ndim == len(query) else None


def _convolution(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    dims = resized([axes[0]], out.shape) if axes[0] else None
    return (dims[0], fresh("c", out.shape[1]), *dims[2:]) if dims else None


def _roll(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    if not axes[0] or len(args) < 3:
        return None
    dims = list(axes[0])
    for shift, d in zip(args[1], args[2], strict=True):
        dims[d] = tuple(replace(atom, shift=atom.shift + shift) for atom in dims[d])
        if len(dims[d]) != 1:
            dims[d] = fresh("?", size_of(dims[d]))
    return tuple(dims)


def _flip(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    dims = list(axes[0]) if axes[0] else []
    for d in args[1] if dims else ():
        dims[d] = fresh("?", size_of(dims[d]))
    return tuple(dims) or None


def _im2col(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    image, kernel, dilation, padding, stride = args[:5]
    sizes = [
        (image.shape[-2 + i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in range(2)
    ]
    return (axes[0][0], fresh("c", out.shape[1]), fresh("y", sizes[0]) + fresh("x", sizes[1])) if axes[0] else None


def _col2im(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    return (axes[0][0], *of_input(out.shape)[1:]) if axes[0] and out.ndim == 4 else None


def _unfold(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    if not axes[0]:
        return None
    d = args[1] % len(axes[0])
    dims = list(axes[0])
    dims[d] = fresh(role_of(dims[d]), out.shape[d])
    return (*dims, fresh("?", out.shape[-1]))


def _shrunk(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    """Anything else: dimensions keep their order; a reduction may drop some."""
    known = [a for a in axes if a]
    same = resized(known, out.shape)
    if same or not known or out.ndim > len(known[0]) or len(args) < 2:
        return same
    dims = args[1] if isinstance(args[1], (list, tuple)) else [args[1]]
    if len(dims) + out.ndim != len(known[0]) or not all(isinstance(d, int) for d in dims):
        return None
    return _drop(known[0], dims)


RULES: dict[str, Rule] = {
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "_reshape_alias", "view_copy"), _view),
    **dict.fromkeys(("mm", "addmm", "bmm", "baddbmm", "matmul"), _product),
    **dict.fromkeys(("select", "unbind"), _select),
    **dict.fromkeys(("split", "split_with_sizes"), _split),
    **dict.fromkeys(("transpose", "t"), _transpose),
    **dict.fromkeys(("convolution", "transposed_convolution"), _convolution),
    "permute": _permute, "unsqueeze": _unsqueeze, "squeeze": _squeeze, "stack": _stack, "slice": _slice, "cat": _cat,
    "roll": _roll, "flip": _flip, "im2col": _im2col, "col2im": _col2im, "unfold": _unfold,
}  # fmt: skip


def follow(name: str, operands: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    """Axes of an operation's result.

    Args:
        name: of the ATen operation, without trailing underscore.
        operands: axes of its tensor arguments in order, None where nothing is known (weights).
        args: its positional arguments.
        out: one of its results.
    """
    rule = _attention if "attention" in name else RULES.get(name, _shrunk)
    axes = rule(operands, args, out)
    return axes if axes is not None and tuple(map(size_of, axes)) == tuple(out.shape) else None
