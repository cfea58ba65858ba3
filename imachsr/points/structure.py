"""Tensors inside what a module took or returned, and the keys that name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


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
