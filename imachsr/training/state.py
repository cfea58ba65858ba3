"""Everything a run is made of between two steps: what a checkpoint holds."""

from __future__ import annotations

import hashlib
import json
import random
import re
from dataclasses import asdict, dataclass, field
from functools import partial
from inspect import unwrap
from typing import Any

import torch
from torch import nn

from ..objective import Supervised
from .options import Average
from .precision import Precision


@dataclass(frozen=True)
class Epoch:
    """What one epoch left behind: mean of each loss term over the batches that had it, seconds, scores if evaluated."""

    number: int  # from 1
    losses: dict[str, float]
    seconds: float
    images_per_second: float
    scores: dict[str, Any] = field(default_factory=dict)
    unlabelled: int = 0  # images without a single labelled pixel
    overflows: int = 0  # steps left out because fp16 gradients overflowed

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)


@dataclass
class Tally:
    """The running sums of the epoch at hand."""

    sums: dict[str, list[float]] = field(default_factory=dict)  # term -> [sum, batches that had it]
    images: int = 0
    unlabelled: int = 0
    overflows: int = 0
    seconds: float = 0.0

    def add(self, terms: dict[str, float]) -> None:
        """Take one batch's terms in."""
        for name, value in terms.items():
            entry = self.sums.setdefault(name, [0.0, 0.0])
            entry[0] += value
            entry[1] += 1

    def epoch(self, number: int, scores: dict[str, Any]) -> Epoch:
        """The sums as means."""
        means = {name: total / batches for name, (total, batches) in self.sums.items()}
        speed = self.images / max(self.seconds, 1e-9)
        return Epoch(number, means, self.seconds, speed, scores, self.unlabelled, self.overflows)


@dataclass
class State:
    """The parts of a run that change, and where it stands."""

    trainee: Supervised
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    precision: Precision
    average: Average
    memory_format: str | None = None
    epoch: int = 0  # finished
    step: int = 0  # taken in the epoch at hand
    taken: int = 0  # in all
    tally: Tally = field(default_factory=Tally)
    history: list[Epoch] = field(default_factory=list)

    def as_dict(self, randoms: list[dict[str, Any]]) -> dict[str, Any]:
        """All of it as tensors and plain data; `randoms` holds every process's random state."""
        return {
            "trainee": self.trainee.state_dict(),
            "points_skipped": [dict(self.trainee.skipped), dict(self.trainee._streaks)],
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
            "average": self.average.state,
            "position": [self.epoch, self.step, self.taken],
            "tally": asdict(self.tally),
            "history": [plain(epoch.as_dict()) for epoch in self.history],
            "random": randoms,
            "memory_format": self.memory_format,
            "threads": torch.get_num_threads(),
        }

    def restore(self, saved: dict[str, Any], rank: int) -> None:
        """Stand where the saved state stood."""
        self.trainee.load_state_dict(saved["trainee"])
        self.trainee.skipped.update(saved["points_skipped"][0])
        self.trainee._streaks.update(saved["points_skipped"][1])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scheduler.load_state_dict(saved["scheduler"])
        if saved["scaler"]:
            self.precision.scaler.load_state_dict(saved["scaler"])
        for name, value in saved["average"].items():
            self.average.state[name].copy_(value)
        self.epoch, self.step, self.taken = saved["position"]
        self.tally = Tally(**saved["tally"])
        self.history[:] = [Epoch(**entry) for entry in saved["history"]]
        set_random_state(saved["random"][rank])


def identity(trainee: Supervised, optimizer: torch.optim.Optimizer, **settings: Any) -> dict[str, Any]:
    """What a checkpoint must have been made with to go on as this run."""
    shapes = {name: list(value.shape) for name, value in trainee.network.state_dict().items()}
    # a schedule moves the rate and keeps what it began from: an optimizer used before is still the same
    groups = [
        {
            **{k: v for k, v in group.items() if k not in ("params", "initial_lr")},
            "lr": group.get("initial_lr", group["lr"]),
        }
        for group in optimizer.param_groups
    ]
    scheme = trainee.scheme
    return plain(
        {
            "network": f"{type(trainee.network).__name__} {_digest(shapes)}",
            "points": [point.name for point in trainee.points],
            "classes": trainee.classes,
            "ignore_index": trainee.ignore_index,
            "scheme": f"{scheme.name} {scheme.weighting} {scheme.schedule} {scheme.weights(len(trainee.points))}",
            **{name: described(getattr(scheme, name)) for name in ("output", "supervision", "regularizer")},
            "clusters": [[*map(int, ids)] for ids in (() if scheme.clusters is None else scheme.clusters)],
            "optimizer": f"{type(optimizer).__name__} {_digest(groups)}",
            **settings,
        }
    )


def described(loss: Any) -> str:
    """A loss by its name and what is bound in it, in words that another process finds again.

    What is hidden deeper, as in a closure or a module within a module, is not told apart.

    >>> described(partial(torch.nn.functional.cross_entropy, ignore_index=255))
    'torch.nn.functional.cross_entropy(ignore_index=255)'
    """
    loss = unwrap(loss) if callable(loss) else loss
    if isinstance(loss, partial):
        bound = [*map(described, loss.args), *(f"{name}={described(value)}" for name, value in loss.keywords.items())]
        return f"{described(loss.func)}({', '.join(bound)})"
    if isinstance(loss, nn.Module):
        own = {name: described(value) for name, value in vars(loss).items() if name[0] != "_" and name != "training"}
        return f"{type(loss).__qualname__} {_digest([own, plain(dict(loss.named_buffers()))])}"
    name = getattr(loss, "__qualname__", None)
    return f"{loss.__module__}.{name}" if name else re.sub(r" at 0x[0-9a-f]+", "", repr(plain(loss)))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]


def random_state() -> dict[str, Any]:
    """The state of every generator in this process: torch's, the GPU's, numpy's and Python's."""
    import numpy

    name, keys, *rest = numpy.random.get_state(legacy=True)  # noqa: NPY002 the global generator must be kept
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
        "numpy": [name, numpy.asarray(keys).tolist(), *rest],
        "python": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Set every generator of this process as `random_state` found it."""
    import numpy

    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    name, keys, *rest = state["numpy"]
    numpy.random.set_state((name, numpy.array(keys, dtype=numpy.uint32), *rest))  # noqa: NPY002
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))


def plain(value: Any) -> Any:
    """Numbers of other libraries as Python's own, so that a checkpoint can be read without trusting anything."""
    if isinstance(value, dict):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else [*map(plain, value)]
    return value.tolist() if hasattr(value, "tolist") else value
