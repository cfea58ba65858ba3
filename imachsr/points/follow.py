"""What the axes of a result mean, for each kind of operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from .axes import Axes, Dim, contracted, cut, fresh, joined, of_input, regroup, resized, role_of, size_of

# One function per kind of operation: (axes of its tensors, its arguments, the result) -> axes of the result.
Rule = Callable[[list[Axes | None], Sequence[Any], Tensor], Axes | None]


RECURRENT = ("mkldnn_rnn_layer", "_cudnn_rnn", "miopen_rnn")


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


def _embedding(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    ids = axes[-1]
    if not ids or len(ids) != out.ndim - 1 or out.ndim > 4:
        return None
    places = [fresh(role, size) for role, size in zip("yx"[3 - len(ids) :], out.shape[1:-1], strict=True)]
    return (ids[0], *places, fresh("c", out.shape[-1]))


def _recurrent(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    return (*axes[0][:-1], fresh("c", out.shape[-1])) if axes[0] else None


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


def _index(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    """`x[:, numbers]`: one dimension in another order; with several at once nothing can be followed."""
    asked = [d for d, numbers in enumerate(args[1]) if numbers is not None]
    return _reordered(axes[0], asked[0], out) if len(asked) == 1 else None


def _along(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    return _reordered(axes[0], args[1] if len(args) > 1 and isinstance(args[1], int) else None, out)


def _topk(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    return _reordered(axes[0], args[2] if len(args) > 2 else -1, out)


def _index_put(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    """`x[:, numbers] = ...`; what a mask covers stays in its place."""
    known = axes[0]
    for d, numbers in enumerate(args[1]):
        if numbers is not None and numbers.dtype not in (torch.bool, torch.uint8):
            known = _reordered(known, d, out)
    return known


def _rot90(axes: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    known = axes[0]
    for d in args[2] if len(args) > 2 else (0, 1):
        known = _reordered(known, d, out)
    return known


def _reordered(axes: Axes | None, d: int | None, out: Tensor) -> Axes | None:
    """What lies along a dimension (every one, where it is not told) is in an unknown order; channels have none."""
    if not axes or len(axes) != out.ndim:
        return None
    moved = {*range(len(axes))} if d is None else {d % len(axes)}
    kept = [place not in moved and size_of(dim) == out.shape[place] for place, dim in enumerate(axes)]
    return tuple(
        dim if keep else fresh("c" if role_of(dim) == "c" else "?", size)
        for dim, keep, size in zip(axes, kept, out.shape, strict=True)
    )


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


AFTER: dict[str, Rule] = {
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "_reshape_alias", "view_copy"), _view),
    **dict.fromkeys(("mm", "addmm", "bmm", "baddbmm", "matmul"), _product),
    **dict.fromkeys(("select", "unbind"), _select),
    **dict.fromkeys(("split", "split_with_sizes"), _split),
    **dict.fromkeys(("transpose", "t"), _transpose),
    **dict.fromkeys(("convolution", "transposed_convolution"), _convolution),
    **dict.fromkeys(("index_select", "gather", "scatter", "scatter_add", "scatter_reduce", "sort"), _along),
    **dict.fromkeys(("index_copy", "index_add"), _along),
    "index": _index, "index_put": _index_put, "topk": _topk, "rot90": _rot90,
    "permute": _permute, "unsqueeze": _unsqueeze, "squeeze": _squeeze, "stack": _stack, "slice": _slice, "cat": _cat,
    **dict.fromkeys(RECURRENT, _recurrent),
    "roll": _roll, "flip": _flip, "im2col": _im2col, "col2im": _col2im, "unfold": _unfold, "embedding": _embedding,
}  # fmt: skip


def follow(name: str, operands: list[Axes | None], args: Sequence[Any], out: Tensor) -> Axes | None:
    """Axes of an operation's result.

    Args:
        name: of the ATen operation, without trailing underscore.
        operands: axes of its tensor arguments in order, None where nothing is known (weights).
        args: its positional arguments.
        out: one of its results.
    """
    rule = _attention if "attention" in name else AFTER.get(name, _shrunk)
    axes = rule(operands, args, out)
    return axes if axes is not None and tuple(map(size_of, axes)) == tuple(out.shape) else None
