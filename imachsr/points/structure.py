"""Tensors inside what a module took or returned: the keys that name them, and which of them are trained."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

LOGITS = ("out", "logits")  # what a dict or an object calls them


def tensors_in(structure: Any, inside: tuple[int, ...] = ()) -> dict[str, Tensor]:
    """Every tensor in it by its key: "" for a lone tensor, else "[0]", "[out]", "[0][1]"."""
    if isinstance(structure, Tensor):
        return {"": structure} if structure.layout == torch.strided else {}
    if id(structure) in inside:  # it holds itself
        return {}
    parts, inside = _parts(structure).items(), (*inside, id(structure))
    return {f"[{step}]{key}": tensor for step, part in parts for key, tensor in tensors_in(part, inside).items()}


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
    if hasattr(structure, "__dataclass_fields__"):
        return {name: getattr(structure, name, None) for name in structure.__dataclass_fields__}
    named = isinstance(structure, SimpleNamespace) or any(hasattr(structure, key) for key in LOGITS)
    return dict(vars(structure)) if named and hasattr(structure, "__dict__") else {}


def logits_of(output: Any) -> Tensor:
    """The logits in what a network returned: a tensor, `out` or `logits` of a dict or object, the first of a tuple.

    Raises:
        TypeError: none of these.
    """
    if isinstance(output, Tensor):
        return output
    for key in LOGITS:
        if isinstance(output, Mapping) and key in output:
            return logits_of(output[key])
        if not isinstance(output, Mapping) and hasattr(output, key):
            return logits_of(getattr(output, key))
    if isinstance(output, (tuple, list)) and output:
        return logits_of(output[0])
    named = f" with keys {[*output]}" if isinstance(output, Mapping) else ""
    raise TypeError(
        f"got a network output of type {type(output).__name__}{named}; logits must be a tensor, the first of a tuple, "
        "or 'out' or 'logits' of a dict or object; wrap the network so that it returns them"
    )


def auxiliary_of(output: Any) -> Tensor | None:
    """A network's own second prediction, `aux` of a dict or object: part of how it is trained, whatever the scheme."""
    found = output.get("aux") if isinstance(output, Mapping) else getattr(output, "aux", None)
    return found if isinstance(found, Tensor) else None


def trained(output: Any) -> list[Tensor]:
    """The tensors of an output that a loss meets; all of them where none is known for logits."""
    try:
        logits = logits_of(output)
    except TypeError:
        return [*tensors_in(output).values()]
    auxiliary = auxiliary_of(output)
    return [logits] if auxiliary is None else [logits, auxiliary]
