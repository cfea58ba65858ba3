"""Which implementation computes a loss: the reference that is read, or one of its fast twins in `kernels/`."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

IMPLS = ("auto", "reference", "chunked", "numba", "triton")
SMALL = 2**18  # values below which `auto` stays with the reference: a fast twin would win microseconds
MOST_CLASSES = 256  # a CUDA block holds all classes of its pixels


def _constant(function: Callable[..., Any]) -> Callable[..., Any]:
    """`torch.compiler.assume_constant_result`, which would import the compiler (seconds) to set this very mark."""
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


def choose(loss: str, impl: str, reference: Callable[..., Any], tensor: Tensor, values: int) -> Callable[..., Any]:
    """The function that computes `loss` on `tensor`; an explicit wish is honoured or refused, never changed.

    Args:
        loss: its name, which is also its twins'.
        impl: what the caller asked for.
        reference: used for "reference", and by "auto" where no twin is better.
        tensor: logits or features.
        values: how many numbers the softmax takes, at label size.

    Raises:
        ValueError: an unknown `impl`, or one that cannot do this, with the reason.
    """
    if impl == "reference":
        return reference
    large = True if values >= SMALL else False  # noqa: SIM210  sizes may be symbols while tracing; these are not
    wide = True if loss != "negative_entropy" and tensor.shape[1] > MOST_CLASSES else False  # noqa: SIM210
    name = _decide(loss, impl, tensor.device.type, tensor.dtype, large, wide, transformed())
    return reference if name == "reference" else _twin(loss, name)


def transformed() -> bool:
    """Whether a functorch transform (`torch.func.grad`, `vmap`, ...) is at work."""
    return torch._C._functorch.peek_interpreter_stack() is not None


@_constant
def _decide(loss: str, impl: str, device: str, dtype: torch.dtype, large: bool, wide: bool, transformed: bool) -> str:
    if impl not in IMPLS:
        raise ValueError(f"got impl={impl!r} for {loss}; the implementations are {IMPLS}; use one of them")
    if impl != "auto":
        reason = _obstacle(impl, device, dtype, wide, transformed)
        if reason:
            raise ValueError(f"got impl={impl!r} for {loss}; {reason}; use impl='auto' or impl='reference'")
        return impl
    if transformed or dtype == torch.float64 or device not in ("cpu", "cuda") or not large:
        return "reference"
    fast = "numba" if device == "cpu" else "triton"
    return "chunked" if _obstacle(fast, device, dtype, wide, transformed) else fast


def _obstacle(impl: str, device: str, dtype: torch.dtype, wide: bool, transformed: bool) -> str:
    """Why `impl` cannot do this, or nothing."""
    if transformed:
        return "it has no rules for functorch transforms, which only the reference goes through"
    if impl == "chunked":
        return ""
    if find_spec(impl) is None:
        return f"the package {impl} is not installed"
    if dtype == torch.float64:
        return f"{impl} works in float32, which would lose float64's digits"
    if impl == "numba" and device != "cpu":
        return f"numba runs on the CPU and the tensor is on {device}"
    if impl == "triton" and device != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        return f"triton runs on CUDA and the tensor is on {device}"
    if impl == "triton" and wide:
        return f"triton takes up to {MOST_CLASSES} classes and there are more"
    return ""


@_constant
def _twin(loss: str, impl: str) -> Callable[..., Any]:
    return getattr(import_module(f"{__package__}.kernels.{impl}.{loss}"), loss)
