"""What a value is: tensors inside what a module took or returned, the keys that name them, whole numbers."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import torch
from torch import Tensor


def is_whole(value: Any, *, least: int) -> bool:
    """Whether it is a whole number, numpy's included, of so much at least.

    >>> is_whole(3, least=1), is_whole(3.0, least=1), is_whole(True, least=1)
    (True, False, False)
    """
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def tensors_in(structure: Any) -> dict[str, Tensor]:
    """Every tensor in it by its key: "" for a lone tensor, else "[0]", "[out]", "[0][1]"."""
    if isinstance(structure, Tensor):
        return {"": structure} if structure.layout == torch.strided else {}
    parts = _parts(structure).items()
    return {f"[{step}]{key}": tensor for step, part in parts for key, tensor in tensors_in(part).items()}


def tensor_at(structure: Any, key: str) -> Tensor | None:
    """The tensor of that key, None where there is none."""
    for step in key[1:-1].split("][") if key else ():
        structure = _parts(structure).get(step)
    return structure if isinstance(structure, Tensor) else None


def _parts(structure: Any) -> dict[str, Any]:
    if isinstance(structure, Mapping):
        return {str(step): part for step, part in structure.items()}
    if isinstance(structure, (tuple, list)):
        return {str(step): part for step, part in enumerate(structure)}
    return vars(structure) if hasattr(structure, "__dataclass_fields__") else {}
