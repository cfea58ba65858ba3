"""Which layout of memory is faster here."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from ..objective import Supervised


def fastest_memory_format(trainee: Supervised, images: Tensor, targets: Tensor) -> torch.memory_format:
    """Measure one step in both layouts and return the faster; weights, buffers and random state stay as they were.

    Which one wins depends on machine and resolution: channels_last is slower for small images and faster for large.
    """
    state = {name: value.clone() for name, value in trainee.state_dict().items()}
    device = next(trainee.parameters()).device
    images, targets = images.to(device), targets.to(device)
    seconds = {}
    with torch.random.fork_rng():
        for memory_format in (torch.contiguous_format, torch.channels_last):
            trainee.to(memory_format=memory_format)
            laid_out = images.to(memory_format=memory_format)
            times = []
            for _ in range(3):  # the first one warms up
                started = time.perf_counter()
                trainee(laid_out, targets).total.backward()
                if device.type == "cuda":
                    torch.cuda.synchronize()
                times.append(time.perf_counter() - started)
            seconds[memory_format] = min(times[1:])
    trainee.zero_grad(set_to_none=True)
    trainee.to(memory_format=torch.contiguous_format)
    trainee.skipped.clear()
    trainee.load_state_dict(state)
    return min(seconds, key=seconds.__getitem__)
