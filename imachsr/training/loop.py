"""The loop: Algorithm 1 of both papers on one screen."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..objective import Supervised
from .loader import moved
from .progress import progress_bar


@dataclass(frozen=True)
class Epoch:
    """What one epoch left behind: mean of each loss term over the batches that had it, seconds, scores if evaluated."""

    number: int  # from 1
    losses: dict[str, float]
    seconds: float
    images_per_second: float
    scores: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)


def adam(trainee: nn.Module, *, learning_rate: float = 3e-4, weight_decay: float = 1e-4) -> torch.optim.Optimizer:
    """The papers' optimizer (iMacSR Table III): Adam, betas (0.9, 0.999), over network and adapters alike."""
    named = dict(trainee.named_parameters())
    learned = [parameter for name, parameter in named.items() if name.endswith("log_variances")]
    others = [parameter for name, parameter in named.items() if not name.endswith("log_variances")]
    groups: list[dict[str, Any]] = [{"params": others}]
    if learned:
        groups.append({"params": learned, "weight_decay": 0.0})  # decay would pull every learned weight to one
    return torch.optim.Adam(groups, lr=learning_rate, betas=(0.9, 0.999), weight_decay=weight_decay)


def fit(
    trainee: Supervised,
    loader: DataLoader,
    *,
    epochs: int,
    optimizer: torch.optim.Optimizer | None = None,
    schedule: str = "poly",
    evaluation: Callable[[nn.Module, int], dict[str, Any]] | None = None,
    progress: bool | None = None,
    label: str = "",
) -> list[Epoch]:
    """Train network and adapters together (Algorithm 1).

    Args:
        trainee: the network with its scheme.
        loader: batches of (images, targets), see `batches`; its batch sampler is told each epoch, from 0.
        epochs: passes over the loader.
        optimizer: the papers' Adam by default.
        schedule: "constant", or "poly": learning rate times (1 - step/steps)^0.9, the field's habit.
        evaluation: called with the network and the epoch's number after each; what it returns becomes `Epoch.scores`.
        progress: bars, or one line per epoch; by default bars where output is a terminal.
        label: shown before the progress.

    Returns:
        One `Epoch` per pass.

    Raises:
        FloatingPointError: a loss term is not finite; named before any weight changes.
    """
    if epochs < 1:
        raise ValueError(f"got epochs={epochs}; training needs at least one pass over the data; pass epochs >= 1")
    optimizer = optimizer or adam(trainee)
    steps = epochs * len(loader)
    scheduler = _schedule(optimizer, schedule, steps=steps)
    device = next(trainee.parameters()).device
    history = []
    for number in range(1, epochs + 1):
        trainee.train()
        started, images_seen = time.perf_counter(), 0
        seen: dict[str, list[float]] = {}
        _set_epoch(loader, number - 1)
        with progress_bar(loader, f"{label} epoch {number}/{epochs}", progress) as bar:
            for step, (images, targets) in enumerate(bar, start=(number - 1) * len(loader)):
                trainee.progress = step / steps
                losses = trainee(moved(images, device), moved(targets, device))  # forward pass and loss computation
                _check_finite(losses.terms)
                optimizer.zero_grad(set_to_none=True)
                losses.total.backward()  # back propagation
                optimizer.step()  # parameter update
                scheduler.step()
                for name, value in losses.terms.items():
                    seen.setdefault(name, []).append(float(value))
                images_seen += len(targets)
                bar.set_postfix(output=f"{float(losses.terms['output']):.3f}", refresh=False)
        seconds = time.perf_counter() - started
        scores = evaluation(trainee.network, number) if evaluation else {}
        means = {name: sum(values) / len(values) for name, values in seen.items()}
        history.append(Epoch(number, means, seconds, images_seen / seconds, scores))
        _say(history[-1], epochs, label, progress)
    return history


def _schedule(optimizer: torch.optim.Optimizer, name: str, *, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    factors: dict[str, Callable[[int], float]] = {
        "constant": lambda step: 1.0,
        "poly": lambda step: (1 - min(step, steps - 1) / steps) ** 0.9,
    }
    if name not in factors:
        raise ValueError(f"got schedule {name!r}; the schedules known are {[*factors]}; use one of them")
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factors[name])


def _set_epoch(loader: DataLoader, epoch: int) -> None:
    sampler: Any = getattr(loader, "batch_sampler", None)
    if hasattr(sampler, "set_epoch"):
        sampler.set_epoch(epoch)


def _check_finite(terms: dict[str, Tensor]) -> None:
    for name, value in terms.items():
        if not math.isfinite(float(value)):
            raise FloatingPointError(
                f"got {float(value)} for the loss term {name!r}; every term must be finite; this step was not taken: "
                "check the images of this batch, or lower the learning rate"
            )


def _say(epoch: Epoch, epochs: int, label: str, progress: bool | None) -> None:
    if progress is False:
        return
    score = f"  mIoU {100 * epoch.scores['mIoU']:.2f} %" if epoch.scores.get("mIoU") is not None else ""
    line = f"{label} epoch {epoch.number}/{epochs}  output loss {epoch.losses['output']:.3f}{score}"
    print(f"{line}  {epoch.images_per_second:.1f} images/s".strip(), file=sys.stderr, flush=True)
