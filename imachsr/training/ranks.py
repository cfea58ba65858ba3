"""The processes that train together: who they are, what they add up. One process alone is the plain case."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..objective import Supervised
from ..points import Graph, record, several
from .batch import moved, pair_of
from .loader import first_batch


class Ranks:
    """This process among those that a launcher started: torchrun, `accelerate launch` or its notebook_launcher.

    Args:
        asked: how many there must be; None takes what the launcher gave.

    Raises:
        ValueError: another number than asked for.
    """

    def __init__(self, asked: int | None = None) -> None:
        self.number, self.count, self.device = 0, 1, None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1 or _initialized():
            from accelerate import PartialState  # type: ignore[import-untyped]

            # The others wait while the first one scores, longer than a backend waits by itself. For one that died they
            # wait as long, unless a launcher ends them, as torchrun and accelerate do.
            state = PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(days=1))
            self.number, self.count, self.device = state.process_index, state.num_processes, state.device
        if asked is not None and asked != self.count:
            raise ValueError(
                f"got processes={asked} and {self.count} running; training starts none itself and does not quietly "
                f"train on fewer; start it with `torchrun --nproc-per-node {asked}`, or leave processes out"
            )

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.number == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.count > 1:
            values = values.to(self.device)
            torch.distributed.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Whether it holds in any process; all get the same answer."""
        return flag if self.count == 1 else bool(self.sum(torch.tensor(float(flag))))

    def mean(self, terms: dict[str, float], names: Sequence[str]) -> dict[str, float]:
        """The mean over the processes of each term; `names` says which there may be."""
        if self.count == 1:
            return terms
        table = torch.tensor([[terms.get(name, 0.0), float(name in terms)] for name in names], dtype=torch.float64)
        table = self.sum(table).cpu()
        return {name: value / self.count for name, (value, had) in zip(names, table.tolist(), strict=True) if had}

    def gather(self, value: Any) -> list[Any]:
        """The value of every process, in their order."""
        found = [value] * self.count
        if self.count > 1:
            torch.distributed.all_gather_object(found, value)
        return found

    def told(self, value: Any) -> Any:
        """The first process's value, in every process."""
        box = [value]
        if self.count > 1:
            torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    @contextmanager
    def wrapped(self, trainee: Supervised, loader: DataLoader) -> Iterator[nn.Module]:
        """The module to call: the trainee, or DistributedDataParallel around all of it, adapters included.

        It is in the mode it is trained in. Only a network that leaves parameters out is searched for them in each step.

        On GPUs batch norms take their statistics over all processes (SyncBatchNorm); on CPUs each process's over its
        own images, and the first one's running statistics are kept.
        """
        if self.count == 1:
            yield trainee
            return
        on_gpu = next(trainee.parameters()).is_cuda
        devices, search = [self.device] if on_gpu else None, leaves_out(trainee, loader)
        with synchronized(trainee.network) if on_gpu else nullcontext():
            yield nn.parallel.DistributedDataParallel(trainee, device_ids=devices, find_unused_parameters=search)

    def meet(self, module: nn.Module, now: bool) -> None:
        """Whether gradients are averaged after the coming backward pass: only after the last part of a batch."""
        if self.count > 1:
            vars(module)["require_backward_grad_sync"] = now  # what DDP's own no_sync() sets


def _initialized() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def leaves_out(trainee: Supervised, loader: DataLoader) -> bool:
    """Whether what the network gives for the first images is made without some of its trainable parameters."""
    inputs = moved(several(pair_of(first_batch(loader))[0]), next(trainee.parameters()).device)
    try:
        return bool(Graph(record(trainee.network, inputs, {})).unused)
    except (RuntimeError, TypeError, ValueError):  # it cannot be recorded, and may
        return True


@contextmanager
def synchronized(network: nn.Module) -> Iterator[None]:
    """Inside, every batch norm is a SyncBatchNorm: the same modules with their hooks, weights and names."""
    norms = [module for module in network.modules() if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)]
    kinds = [type(module) for module in norms]
    for module in norms:
        module.__class__ = nn.SyncBatchNorm
        vars(module)["process_group"] = None
    try:
        yield
    finally:
        for module, kind in zip(norms, kinds, strict=True):
            module.__class__ = kind
            del module.process_group
