"""When to save, when to stop, and where to go on."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from .checkpoint import Checkpoints
from .interrupt import Interruption, Stopped
from .log import Log
from .ranks import Ranks
from .state import State, random_state


class Keeper:
    """Saves a run's state every so often and when it is asked to stop; nothing without a folder.

    Args:
        folder: of the checkpoints, or None.
        identity: see `Checkpoints`.
        ranks: the processes; the first one writes.
        every: seconds between two; 0 saves before every step.
    """

    def __init__(self, folder: str | Path | None, identity: dict[str, Any], ranks: Ranks, *, every: float) -> None:
        self.checkpoints = Checkpoints(folder, identity) if folder is not None else None
        self.ranks, self.every = ranks, every
        self.interruption = Interruption()
        self.saved_at = time.monotonic()

    def latest(self) -> dict[str, Any] | None:
        """The newest good checkpoint's state, the same in every process."""
        saved = self.ranks.told(self.checkpoints.latest() if self.checkpoints and self.ranks.first else None)
        if saved and saved["threads"] != torch.get_num_threads():
            warnings.warn(
                f"got {torch.get_num_threads()} threads and a checkpoint of {saved['threads']}; sums over threads "
                "round differently, so the last bits may differ; call torch.set_num_threads to be exact",
                stacklevel=4,
            )
        return saved

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, SIGTERM and Ctrl-C are heard by `pause`."""
        if self.checkpoints is None:
            yield
            return
        with self.interruption:
            yield

    def pause(self, state: State, log: Log, *, due: bool = False) -> None:
        """Between two steps: save where it is due, by the clock or in any case; stop where that was asked."""
        if self.checkpoints is None:
            return
        stop = self.ranks.any(self.interruption.asked is not None)
        if due or stop or self.ranks.any(self.ranks.first and time.monotonic() - self.saved_at >= self.every):
            self.save(state, log, random_state())
        if stop:
            raise self.interruption.stopped(f"stopped after {state.taken} steps, all of them kept")

    def save(self, state: State, log: Log, random: dict[str, Any]) -> None:
        """Write a checkpoint now."""
        with self.interruption.patience():
            randoms = self.ranks.gather(random)
            if self.checkpoints and self.ranks.first:
                log.flush()
                self.checkpoints.save(state.as_dict(randoms), state.taken)
            self.ranks.gather(None)  # nobody ends while the first one writes
            self.interruption.kept = state.taken
            self.saved_at = time.monotonic()

    @contextmanager
    def while_evaluating(self, state: State, log: Log) -> Iterator[None]:
        """Stopped inside, the steps before are kept, with the random state of then."""
        random = random_state()
        try:
            yield
        except Stopped:
            if self.ranks.count > 1:  # the others wait elsewhere, and all saved before
                raise
            self.save(state, log, random)
            raise self.interruption.stopped(f"stopped while evaluating after {state.taken} steps, all kept") from None
