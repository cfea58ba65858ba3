"""Official checkpoints into our networks: every tensor finds its place, or an error says which do not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

WRAPPERS = ("state_dict", "model", "model_state_dict")  # entries under which training frameworks file the tensors
COUNTER = "num_batches_tracked"  # of BatchNorm, absent from old checkpoints; no output depends on it
SHOWN = 20  # names of each kind of fault; the others are counted

Renames = tuple[tuple[str, str], ...]  # (pattern, replacement); the first pattern found in a name renames it

NAMINGS: tuple[Renames, ...] = (
    (),  # as they are: the names in this package are those of the official releases
    ((r"^", "network."),),  # a network inside `Padded`
    (  # NVIDIA's HRNet with OCR, to those of HRNet-Semantic-Segmentation
        (r"^backbone\.", ""),
        (r"^ocr\.conv3x3_ocr\.1\.0\.", "conv3x3_ocr.1."),
        (r"^ocr\.aux_head\.1\.0\.", "aux_head.1."),
        (r"^ocr\.aux_head\.2\.", "aux_head.3."),
        (r"^ocr\.", ""),
    ),
)


def load_official(network: nn.Module, state_dict: Mapping[str, Any]) -> None:
    """Fill a network from an official checkpoint, or from one of our own; all of it, or nothing.

    The tensors may be filed under "state_dict" or "model", and their names may start with "module." (DataParallel) or
    "model." (a training wrapper, whose "loss." tensors are no part of a network). `NAMINGS` is the map of names.
    BatchNorm's `num_batches_tracked` alone may be absent.

    Args:
        network: from `create`, with the classes the checkpoint was trained for.
        state_dict: what `torch.load` gave.

    Raises:
        TypeError: no mapping of names to tensors.
        ValueError: names or shapes that do not fit, counted and listed; the network is as it was.

    >>> network, again = (nn.Sequential(nn.Linear(2, 3), nn.ReLU()) for _ in range(2))
    >>> load_official(again, {"state_dict": {f"module.{name}": value for name, value in network.state_dict().items()}})
    >>> torch.equal(network[0].weight, again[0].weight)
    True
    """
    given, wanted = _tensors(state_dict), network.state_dict()
    namings = [named for naming in NAMINGS if len(named := _renamed(given, naming)) == len(given)]
    named = min(namings, key=lambda tensors: len(tensors.keys() ^ wanted.keys()))
    for name in wanted.keys() - named.keys():
        if name.endswith(COUNTER):
            named[name] = torch.zeros_like(wanted[name])
    faults = _faults(named, wanted)
    if faults:
        raise ValueError(
            "got a checkpoint that does not fit this network; every name and shape must match; "
            f"build the network and the classes that it was saved from; {'; '.join(faults)}"
        )
    network.load_state_dict(named)


def load_file(network: nn.Module, path: Path) -> None:
    """Fill a network from a file of `torch.save`: tensors and plain values only, nothing in it is executed."""
    if not path.is_file():
        raise ValueError(f"got weights={str(path)!r}, which is no file; give the path of a saved state_dict")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the unpickler stumble anywhere
        raise ValueError(
            f"got weights={str(path)!r}, which cannot be read safely ({_told(error)}); it may hold tensors and plain "
            "values only; save its state_dict alone, by torch.save, where you trust it, or fetch it again"
        ) from error
    try:
        load_official(network, checkpoint)
    except (TypeError, ValueError) as error:
        raise type(error)(f"weights={str(path)!r}: {error}") from error


def _told(error: Exception) -> str:
    """What stopped the reading, without torch's advice to execute the file."""
    if stranger := re.search(r"Unsupported global: GLOBAL (\S+)", str(error)):
        return f"it holds {stranger[1]}"
    return str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__


def _tensors(checkpoint: Any) -> dict[str, Tensor]:
    """Name -> tensor, out of whatever wraps them."""
    found = checkpoint
    while isinstance(found, Mapping):
        inner = next((found[key] for key in WRAPPERS if isinstance(found.get(key), Mapping)), None)
        if inner is None:
            break
        found = inner
    strange = [key for key, value in found.items() if not isinstance(value, Tensor)] if _named(found) else [...]
    if strange:
        what = type(found).__name__ if strange == [...] else f"entries {strange} that are no tensors"
        raise TypeError(
            f"got {what} for a state_dict; it maps names to tensors, by itself or under one of {[*WRAPPERS]}; "
            "pass what torch.load gave, or the part that holds the tensors"
        )
    return _unprefixed(dict(found))


def _named(found: Any) -> bool:
    return isinstance(found, Mapping) and all(isinstance(key, str) for key in found)


def _unprefixed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without the prefixes of wrappers, where all names have them."""
    parts = {name.partition(".")[0] for name in tensors}
    if parts in ({"module"}, {"model"}, {"model", "loss"}):
        kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("loss.")}
        return _unprefixed({name.partition(".")[2]: tensor for name, tensor in kept.items()})
    return tensors


def _renamed(tensors: Mapping[str, Tensor], naming: Renames) -> dict[str, Tensor]:
    return {_rename(name, naming): tensor for name, tensor in tensors.items()}


def _rename(name: str, naming: Renames) -> str:
    for pattern, replacement in naming:
        if re.search(pattern, name):
            return re.sub(pattern, replacement, name)
    return name


def _faults(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """What does not fit, in words: missing, unexpected, and wrong in shape."""
    lists = {
        "missing": [name for name in wanted if name not in given],
        "unexpected": [name for name in given if name not in wanted],
        "shapes": [
            f"{name} {tuple(given[name].shape)} for {tuple(wanted[name].shape)}"
            for name in wanted
            if name in given and given[name].shape != wanted[name].shape
        ],
    }
    return [f"{what} ({len(names)}): {_few(names)}" for what, names in lists.items() if names]


def _few(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
