"""What a step really costs: bytes kept and products counted exactly, seconds turn by turn, peak memory on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .network import storages_kept


def kept_bytes(forward: Callable[[], Any], *, but: Iterable[Tensor] = ()) -> int:
    """Bytes that a forward pass keeps for backward, each storage once: exact, the same every time.

    Args:
        forward: runs it; what it returns is held until all is counted.
        but: tensors that are there anyway and do not count, such as parameters and buffers.

    >>> x = torch.ones(4, requires_grad=True)
    >>> kept_bytes(lambda: x.exp())  # its own result
    16
    """
    kept: dict[int, int] = {}
    with storages_kept(kept, but):
        result = forward()
    del result
    return sum(kept.values())


@dataclass
class Products:
    """What was counted: operations of convolutions and matrix products.

    Args:
        counted: by PyTorch's counter as it is.
        corrected: with the weight gradients of grouped convolutions counted once.
    """

    counted: int = 0
    corrected: int = 0
    _over: list[int] = field(default_factory=list, repr=False)


@contextmanager
def products() -> Iterator[Products]:
    """Counts convolutions and matrix products meanwhile by `torch.utils.flop_counter`, forward and backward alike.

    The counter takes the weight gradient of a convolution with g groups for one without: g times too many. `corrected`
    is without that. Operations without a product (softmax, upsampling, fused losses) count nothing in either.

    >>> with products() as found:
    ...     _ = torch.ones(2, 3) @ torch.ones(3, 4)
    >>> found.counted
    48
    """
    from torch.utils.flop_counter import FlopCounterMode

    found = Products()

    class Corrects(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func._overloadpacket is torch.ops.aten.convolution_backward:
                found._over.append(_overcounted(args))
            return func(*args, **kwargs or {})

    counter = FlopCounterMode(display=False)
    try:
        with Corrects(), counter:
            yield found
    finally:
        found.counted = int(counter.get_total_flops())
        found.corrected = found.counted - sum(found._over)


def _overcounted(args: Any) -> int:
    """By how much the counter's number for a convolution's backward is too large."""
    upstream, images, weight, transposed, groups, wanted = args[0], args[1], args[2], args[7], args[9], args[10]
    if groups == 1 or not wanted[1]:
        return 0
    places = (images if transposed else upstream).shape[2:].numel()
    right = 2 * len(images) * places * weight.numel()
    return right * (groups - 1)


class Seconds(NamedTuple):
    """How long one run took.

    Args:
        wall: by the clock.
        processor: of all cores together, in this process; a busy neighbour stretches it far less.
    """

    wall: float
    processor: float


def seconds(run: Callable[[], Any], device: str = "cpu") -> Seconds:
    """Of one run; a GPU is waited for before and after."""
    started, worked = waited(device), time.process_time()
    run()
    return Seconds(waited(device) - started, time.process_time() - worked)


def race(runs: Mapping[str, Callable[[], Any]], rounds: int, device: str = "cpu") -> dict[str, list[Seconds]]:
    """Seconds of every run in every round: turn by turn, so that a busy neighbour hits all alike.

    Every second round goes backwards, so that none always follows the same one; one round to warm up is not counted.
    """
    times: dict[str, list[Seconds]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for turn in range(rounds):
        for name in reversed([*runs]) if turn % 2 else [*runs]:
            times[name].append(seconds(runs[name], device))
    return times


def peak_bytes(run: Callable[[], Any], device: str) -> int | None:
    """The most memory held at once on a GPU, beyond what was held before; None on a CPU."""
    if device != "cuda":
        return None
    waited(device)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    waited(device)
    return torch.cuda.max_memory_allocated() - before


def waited(device: str) -> float:
    """The clock in seconds, once the device has done all it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
