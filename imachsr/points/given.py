"""What callers give: numbers that count, inputs that a network can take."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

WRAPPERS = ("DistributedDataParallel", "FullyShardedDataParallel")  # by name: importing them is slow
MISMATCH = ("type", "device", "implemented for")  # what torch says of tensors that do not go together


def is_whole(value: Any, *, least: int) -> bool:
    """Whether it is a whole number, numpy's included, of so much at least.

    >>> is_whole(3, least=1), is_whole(3.0, least=1), is_whole(True, least=1)
    (True, False, False)
    """
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def several(images: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The inputs of a network as a tuple, where one may come alone, and several as a tuple or list.

    >>> depth = torch.zeros(2, 1, 8, 8)
    >>> len(several(depth)), len(several([depth, depth]))
    (1, 2)
    """
    return tuple(images) if isinstance(images, (tuple, list)) else (images,)  # type: ignore[return-value]


def check_plain(network: nn.Module) -> None:
    """Refuse what is no network, or one in a wrapper: hooks belong into the network itself, wrappers around a trainee.

    Raises:
        TypeError: no module, or one that DataParallel, DistributedDataParallel, FSDP or TorchScript made.
        ValueError: a compiled network, or one with a compiled part.
    """
    if not isinstance(network, nn.Module):
        raise TypeError(
            f"got a {type(network).__name__} for a network; points are outputs of modules; pass the nn.Module itself"
        )
    compiled = next((name for name, module in network.named_modules() if hasattr(module, "_orig_mod")), None)
    if compiled is not None:
        raise ValueError(
            f"got a compiled {f'part {compiled!r}' if compiled else 'network'}; hooks added after compiling capture "
            "nothing; find points in the network itself and compile the Supervised module that holds it"
        )
    sharded = any(hasattr(weight, "device_mesh") for weight in network.parameters())
    wrapped = isinstance(network, (nn.DataParallel, torch.jit.ScriptModule)) or type(network).__name__ in WRAPPERS
    if wrapped or sharded:
        raise TypeError(
            f"got a {'sharded network' if sharded else type(network).__name__}; points are recorded in the modules of "
            "the network itself, and their adapters are trained with it; find them there, and wrap the Supervised that "
            "holds it, in DistributedDataParallel or by fully_shard"
        )


def answer(network: nn.Module, *inputs: Any) -> Any:
    """What a network returns; where it fails because of its inputs' kind, dtype or device, an error that says so."""
    if torch.compiler.is_compiling():
        return network(*inputs)
    try:
        return network(*inputs)
    except (RuntimeError, TypeError) as error:
        explain(error, network, inputs)
        raise


def explain(error: Exception, network: nn.Module, inputs: Sequence[Any]) -> None:
    """Raise what the error comes to where the inputs and the network's weights do not go together.

    Only once it failed: a network may well take bytes, or ids of words.

    Raises:
        TypeError: inputs that are no tensors, or of another dtype or device.
    """
    weight = next(filter(torch.is_floating_point, network.parameters()), None)
    if weight is None or (isinstance(error, RuntimeError) and not any(word in str(error) for word in MISMATCH)):
        return
    for place, entry in enumerate(inputs):
        if not isinstance(entry, Tensor):
            if place:
                continue  # whatever else the network takes
            raise TypeError(
                f"got images of type {type(entry).__name__}; a network takes tensors; pass a tensor (B, C, H, W), "
                "such as torch.as_tensor(images), with its channels before its rows"
            ) from error
        if _misfits(entry, weight):
            dtype = "" if _may_be_ids(entry) else f", {weight.dtype}"
            scale = ".div(255)" if entry.dtype == torch.uint8 else ""
            raise TypeError(
                f"got images {entry.dtype} on {entry.device} and a network of {weight.dtype} on {weight.device}; both "
                f"are of one floating dtype and device; call images.to({str(weight.device)!r}{dtype}){scale}"
            ) from error


def _misfits(images: Tensor, weight: Tensor) -> bool:
    if images.device != weight.device:
        return True
    if _may_be_ids(images) or images.dtype == weight.dtype:
        return False
    return not (images.is_floating_point() and torch.is_autocast_enabled(weight.device.type))


def _may_be_ids(inputs: Tensor) -> bool:
    return not inputs.is_floating_point() and inputs.ndim != 4
