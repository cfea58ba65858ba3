"""The loop: Algorithm 1 of both papers on one screen, and the evaluation it is judged by."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from .metrics import Confusion
from .objective import Supervised, logits_of


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


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batches of (epoch, index): with the epoch in the index, every random draw of a sample can be fixed by its name.

    Args:
        length: samples in the dataset.
        batch_size: samples per batch; the last, smaller batch of a shuffled epoch is left out.
        seed: fixes the order of every epoch.
        shuffle: a new order each epoch; else 0, 1, 2, ... with the last batch kept.
    """

    def __init__(self, length: int, batch_size: int, *, seed: int = 0, shuffle: bool = True) -> None:
        if shuffle and length < batch_size:
            raise ValueError(
                f"got {length} training samples and batch_size={batch_size}; an epoch needs at least one full batch; "
                "lower the batch size"
            )
        self.length, self.batch_size, self.seed, self.shuffle, self.epoch = length, batch_size, seed, shuffle, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (from 0) that the next iteration gives."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length // self.batch_size if self.shuffle else -(-self.length // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = torch.arange(self.length).tolist()
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            order = torch.randperm(self.length, generator=generator).tolist()
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            yield [(self.epoch, index) for index in order[start : start + self.batch_size]]


def batches(
    dataset: Dataset, batch_size: int = 8, *, seed: int = 0, shuffle: bool = True, workers: int = 0
) -> DataLoader:
    """A loader whose order and augmentation depend on (seed, epoch, index) only, whatever the number of workers."""
    sampler = EpochBatches(len(dataset), batch_size, seed=seed, shuffle=shuffle)  # type: ignore[arg-type]
    own = torch.Generator().manual_seed(seed)  # else the loader draws from the global generator
    return DataLoader(
        dataset, batch_sampler=sampler, num_workers=workers, generator=own, persistent_workers=workers > 0
    )


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
        with _bar(loader, f"{label} epoch {number}/{epochs}", progress) as bar:
            for step, (images, targets) in enumerate(bar, start=(number - 1) * len(loader)):
                trainee.progress = step / steps
                losses = trainee(_to(images, device), _to(targets, device))  # forward pass and loss computation
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


@torch.no_grad()
def evaluate(
    network: nn.Module,
    loader: Iterable[tuple[Tensor, Tensor]],
    *,
    classes: int,
    ignore_index: int = 255,
    progress: bool | None = None,
) -> Confusion:
    """Count the network's predictions against labels at full label size.

    Args:
        network: images (B, 3, H', W') to logits (B, K, h, w) of any resolution.
        loader: batches of (images, targets (B, H, W)); logits are upsampled bilinearly to (H, W) before the argmax.
        classes: K.
        ignore_index: label of pixels that are not scored.
    """
    was_training, device = network.training, next(network.parameters()).device
    network.eval()
    confusion = Confusion(classes, ignore_index=ignore_index)
    try:
        with _bar(loader, "evaluating", progress) as bar:
            for images, targets in bar:
                confusion.update(predict(network, _to(images, device), size=targets.shape[1:]), _to(targets, device))
    finally:
        network.train(was_training)
    return confusion


@torch.no_grad()
def predict(network: nn.Module, images: Tensor | tuple[Tensor, ...], *, size: tuple[int, ...] = ()) -> Tensor:
    """Class ids (B, H, W) for images, at `size` (H, W); or (B,) where the network classifies whole images."""
    logits = logits_of(network(*images) if isinstance(images, tuple) else network(images)).float()
    if logits.ndim == 4 and size:
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    return logits.argmax(1)


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


def _to(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, (tuple, list)):
        return tuple(_to(entry, device) for entry in batch)
    return batch.to(device, non_blocking=True)


@contextmanager
def _bar(loader: Iterable, label: str, progress: bool | None) -> Iterator[Any]:
    from tqdm.auto import tqdm

    show = _interactive() if progress is None else progress
    with tqdm(loader, desc=label.strip(), unit="batch", leave=False, disable=not show) as bar:
        yield bar


def _interactive() -> bool:
    """A terminal, or a notebook somebody looks at; not a notebook run in batch."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return sys.stderr.isatty() or (getattr(shell, "kernel", None) is not None and "TQDM_DISABLE" not in os.environ)


def _say(epoch: Epoch, epochs: int, label: str, progress: bool | None) -> None:
    if progress is False:
        return
    score = f"  mIoU {100 * epoch.scores['mIoU']:.2f} %" if epoch.scores.get("mIoU") is not None else ""
    line = f"{label} epoch {epoch.number}/{epochs}  output loss {epoch.losses['output']:.3f}{score}"
    print(f"{line}  {epoch.images_per_second:.1f} images/s".strip(), file=sys.stderr, flush=True)
