"""Which memory format a network has, and which is faster here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ..objective import Supervised
from ..points import several
from .batch import moved, pair_of
from .loader import first_batch
from .precision import Precision

MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def memory_format_by(
    name: str, trainee: Supervised, loader: DataLoader, precision: Precision, *, parts: int = 1
) -> str:
    """The memory format a name asks for; "auto" measures on the first samples, and leaves the trainee contiguous.

    Measured is one pass as training makes it: in its precision, on one of the parts that a batch is cut into.

    Raises:
        ValueError: no memory format of that name.
    """
    if name not in (*MEMORY_FORMATS, "auto"):
        raise ValueError(f"got memory_format={name!r}; it is one of {[*MEMORY_FORMATS, 'auto']}; choose one")
    if name == "auto":
        images, targets = pair_of(first_batch(loader))
        share = math.ceil(len(targets) / parts)
        part = tuple(image[:share] for image in several(images))
        fastest = fastest_memory_format(trainee, part, targets[:share], autocast=precision.autocast)
        return next(each for each, value in MEMORY_FORMATS.items() if value == fastest)
    return name


def memory_format_of(trainee: Supervised) -> str:
    """ "channels_last" where some convolution's weights lie so, else "contiguous"."""
    kernels = [p for p in trainee.parameters() if p.ndim == 4 and not p.is_contiguous()]
    last = any(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)
    return "channels_last" if last else "contiguous"


def fastest_memory_format(
    trainee: Supervised,
    images: Tensor | Sequence[Tensor],
    targets: Tensor,
    *,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> torch.memory_format:
    """Measure one step in both formats, return the faster; weights, buffers and random state stay as they were.

    Which one wins depends on machine and resolution: channels_last is slower for small images and faster for large.
    """
    state = {name: value.clone() for name, value in trainee.state_dict().items()}
    device = next(trainee.parameters()).device
    inputs, targets = moved(several(images), device), targets.to(device)
    seconds = {}
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        for memory_format in (torch.contiguous_format, torch.channels_last):
            trainee.to(memory_format=memory_format)
            laid_out = tuple(each.to(memory_format=memory_format) for each in inputs)
            times = []
            for _ in range(3):  # the first one warms up
                started = time.perf_counter()
                with autocast():
                    total = trainee(laid_out, targets).total
                total.backward()
                if device.type == "cuda":
                    torch.cuda.synchronize()
                times.append(time.perf_counter() - started)
            seconds[memory_format] = min(times[1:])
    trainee.zero_grad(set_to_none=True)
    trainee.to(memory_format=torch.contiguous_format)
    trainee.skipped.clear()
    trainee.load_state_dict(state)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)  # the run's own peak is filed
    return min(seconds, key=seconds.__getitem__)
