"""Which implementation computes a loss: the reference that is read, or one of its fast twins in `kernels/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

IMPLS = ("auto", "reference")


def choose(loss: str, impl: str, reference: Callable[..., Any], tensor: Tensor) -> Callable[..., Any]:
    """The function that computes `loss` on `tensor`; an explicit wish is honoured or refused, never changed."""
    if impl not in IMPLS:
        raise ValueError(f"got impl={impl!r} for {loss}; the implementations are {IMPLS}; use one of them")
    return reference
