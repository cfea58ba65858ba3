"""A training under way: everything around the steps of Algorithm 1, which `loop.fit` shows."""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..objective import Losses, Shares, Supervised, counts, shares
from ..points import several
from .batch import moved, pair_of
from .guard import (
    check_batch,
    check_gradients,
    check_optimizer,
    check_run,
    check_scores,
    check_terms,
    gradient_norms,
    memory_advice,
)
from .keeper import Keeper
from .loader import EpochBatches, origin
from .log import Log
from .memory_format import MEMORY_FORMATS, memory_format_by
from .options import Average, learning_rates, rates_put_back
from .precision import Precision
from .progress import progress_bar, say, show
from .ranks import Ranks
from .state import Epoch, State, Tally, identity

Part = tuple[Any, Tensor, Shares | None]


class Run:
    """One call of `fit`, whose arguments it takes: batches in, parts of them out, and what must happen in between."""

    def __init__(
        self,
        trainee: Supervised,
        loader: DataLoader,
        optimizer: torch.optim.Optimizer,
        *,
        epochs: int,
        schedule: str,
        warmup: int,
        clip_norm: float | None,
        accumulate: int,
        precision: str,
        ema: float | None,
        memory_format: str | None,
        compile: bool | str,
        checkpoints: str | Path | None,
        save_every: float,
        log: str | Path | None,
        processes: int | None,
        progress: bool | None,
        label: str,
    ) -> None:
        self.trainee, self.loader, self.optimizer = trainee, loader, optimizer
        self.epochs, self.accumulate, self.clip_norm, self.compile = epochs, accumulate, clip_norm, compile
        self.ranks = ranks = Ranks(processes)
        check_run(
            trainee, loader, epochs=epochs, accumulate=accumulate, clip_norm=clip_norm, checkpoints=checkpoints,
            save_every=save_every, processes=ranks.count,
        )  # fmt: skip
        check_optimizer(optimizer, trainee)
        if isinstance(loader.batch_sampler, EpochBatches):
            loader.batch_sampler.share(ranks.number, ranks.count)
        self.epochs = epochs = int(epochs)  # a checkpoint holds Python's own numbers
        network = trainee.network  # layers that were put to evaluation before stay there, frozen
        self.frozen = [module for module in network.modules() if not module.training] if network.training else []
        self.steps, self.label = epochs * len(loader), label
        self.progress = progress if ranks.first else False
        self.bar: Any = None
        if ranks.device is not None:
            trainee.to(ranks.device)
        self.device = next(trainee.parameters()).device
        decides = {
            "epochs": epochs, "schedule": schedule, "warmup": warmup, "clip_norm": clip_norm, "accumulate": accumulate,
            "precision": precision, "ema": ema and f"{ema} of network and adapters", "processes": ranks.count,
            "batches": _described(loader),
        }  # fmt: skip
        self.keeper = Keeper(checkpoints, identity(trainee, optimizer, **decides), ranks, every=save_every)
        saved = self.keeper.latest()
        memory_format = saved["memory_format"] if saved else memory_format
        arithmetic = Precision(precision, self.device)
        if memory_format:
            with memory_advice():
                parts = accumulate * ranks.count
                memory_format = memory_format_by(memory_format, trainee, loader, arithmetic, parts=parts)
            memory_format = ranks.told(memory_format)  # processes may measure differently
            trainee.to(memory_format=MEMORY_FORMATS[memory_format])
        average = Average(nn.ModuleList([trainee.network, trainee.adapters]), ema)
        rates = learning_rates(optimizer, schedule, steps=self.steps, warmup=warmup)  # last: it changes the optimizer
        self.state = State(trainee, optimizer, rates, arithmetic, average, memory_format)
        self.log = Log(log if ranks.first else None, self.state)
        if saved:
            self.state.restore(saved, ranks.number)
            self.keeper.interruption.kept = self.state.taken
            if ranks.first and progress is not False:
                print(f"{label} going on after {self.state.taken} of {self.steps} steps".strip(), file=sys.stderr)
            self.log.rewind()

    @property
    def epoch(self) -> int:
        """Epochs finished."""
        return self.state.epoch

    @contextmanager
    def under_way(self) -> Iterator[nn.Module]:
        """The module to call, between opening and closing everything."""
        self._to_training()
        wrapped = self.ranks.wrapped(self.trainee, self.loader)
        rates = rates_put_back(self.optimizer)
        with rates, memory_advice(self.state), wrapped as module, self.log, self.keeper.listening():
            self.module = module
            try:
                yield module
            finally:
                if self.bar is not None:
                    self.bar.close()
                self.trainee._compiled_call_impl = None
        self.state.average.keep()

    def batches(self) -> Iterator[tuple[Any, Tensor]]:
        """What is left of the epoch, checked; before each batch a checkpoint where one is due."""
        state = self.state
        self._to_training()
        self.clock = time.perf_counter()
        title = f"{self.label} epoch {state.epoch + 1}/{self.epochs}"
        bar = progress_bar(self.loader, title, self.progress, done=state.step)
        with self._beginning_at(state.step), bar as self.bar:
            for batch in self.bar:
                self.keeper.pause(state, self.log)
                images, targets = pair_of(batch)
                check_batch(images, targets, self.trainee, self._sample)
                self.trainee.progress = state.taken / self.steps
                if self.compile and not self.trainee.weights.measuring and not self.trainee._compiled_call_impl:
                    self.trainee.compile(**({} if self.compile is True else {"backend": self.compile}))
                self.terms: dict[str, float] = {}
                yield images, targets
                show(self.bar, self.terms, state.tally, self.steps - state.taken)

    @contextmanager
    def _beginning_at(self, step: int) -> Iterator[None]:
        """Inside, the loader gives the epoch from a batch on; afterwards whole epochs again."""
        sampler, epoch = self.loader.batch_sampler, self.state.epoch
        if isinstance(sampler, EpochBatches):
            sampler.set_epoch(epoch, start=step)
        elif sampler is not None and hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)
        try:
            yield
        finally:
            if isinstance(sampler, EpochBatches):
                sampler.set_epoch(epoch)

    def _to_training(self) -> None:
        self.trainee.train()
        for module in self.frozen:
            module.training = False

    def _sample(self, place: int) -> str:
        return origin(self.loader, self.state.epoch, self.state.step, place)

    def parts(self, images: Any, targets: Tensor) -> Iterator[Part]:
        """The batch in `accumulate` parts on the device, each with its shares; a whole batch alone needs none."""
        whole = self.ranks.sum(counts(targets, self.trainee.ignore_index)).cpu()
        self.state.tally.unlabelled += int(whole[2] - whole[1])
        self.state.tally.images += int(whole[2])
        if self.accumulate == 1 and self.ranks.count == 1:
            self.pieces: list[Part] = [(moved(images, self.device), moved(targets, self.device), None)]
        else:
            self.pieces = [*self._pieces(images, targets, whole)]
        self.places = range(0)
        for number, piece in enumerate(self.pieces):
            self.places = range(self.places.stop, self.places.stop + len(piece[1]))
            self.ranks.meet(self.module, number == len(self.pieces) - 1)
            yield piece

    def autocast(self) -> AbstractContextManager:
        """Around the forward pass: the precision asked for."""
        return self.state.precision.autocast()

    def _pieces(self, images: Any, targets: Tensor, whole: Tensor) -> Iterator[Part]:
        for piece in zip(*(part.chunk(self.accumulate) for part in (*several(images), targets)), strict=True):
            own = counts(piece[-1], self.trainee.ignore_index)
            share = Shares(*moved(tuple(shares(own, whole, processes=self.ranks.count)), self.device))
            *pictures, labels = moved(piece, self.device)
            yield tuple(pictures), labels, share

    def scaled(self, losses: Losses) -> Tensor:
        """The total to go backward from, once every term is known to be finite."""
        for name, value in check_terms(losses.terms, lambda: "; ".join(map(self._sample, self.places))).items():
            self.terms[name] = self.terms.get(name, 0.0) + value
        return self.state.precision.scaler.scale(losses.total)

    def update(self) -> None:
        """One step of the optimizer, with gradients that are finite; then the rate, the average and the records."""
        state, scaler = self.state, self.state.precision.scaler
        scaler.unscale_(self.optimizer)
        norms = gradient_norms(self.trainee)
        if not math.isfinite(norms["all"]):
            if state.precision.forgives():
                state.tally.overflows += 1
            else:
                check_gradients(self.trainee, self.pieces)
        if self.clip_norm is not None:
            nn.utils.clip_grads_with_norm_(self.trainee.parameters(), self.clip_norm, torch.tensor(norms["all"]))
        rate = self.optimizer.param_groups[0]["lr"]
        scaler.step(self.optimizer)
        scaler.update()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")  # a first step that overflowed
            state.scheduler.step()
        state.average.update()
        self.pieces = []
        self.terms = self.ranks.mean(self.terms, [*self.trainee.weights.base])
        self._note(norms, rate)

    def _note(self, norms: dict[str, float], rate: float) -> None:
        state, now = self.state, time.perf_counter()
        state.tally.add(self.terms)
        state.tally.seconds += now - self.clock
        self.clock = now
        state.step += 1
        state.taken += 1
        self.log.step(self.terms, norms, rate)

    def close_epoch(self, evaluation: Callable[[nn.Module, int], dict[str, Any]] | None) -> None:
        """Score the epoch, file it, and begin the next; a stop is heard before and after."""
        state = self.state
        self.keeper.pause(state, self.log, due=evaluation is not None and self.ranks.count > 1)
        scores: dict[str, Any] = {}
        if evaluation:
            with self.keeper.while_evaluating(state, self.log), state.average.applied():
                scores = self.ranks.told(
                    evaluation(self.trainee.network, state.epoch + 1) if self.ranks.first else None
                )
            scores = {} if scores is None else scores
        check_scores(scores)
        state.history.append(state.tally.epoch(state.epoch + 1, scores))
        state.epoch, state.step, state.tally = state.epoch + 1, 0, Tally()
        self.log.epoch()
        say(state.history[-1], self.epochs, self.label, self.progress)
        self.keeper.pause(state, self.log)

    @property
    def history(self) -> list[Epoch]:
        """What the epochs left behind."""
        return self.state.history


def _described(loader: DataLoader) -> str:
    sampler = loader.batch_sampler
    if not isinstance(sampler, EpochBatches):
        return f"{len(loader)} of unknown order"
    return f"{len(loader)} of {sampler.batch_size} from {sampler.length} images, seed {sampler.seed}"
