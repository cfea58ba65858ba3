"""What a run wrote down: `metrics.jsonl`, one line per step and epoch, and TensorBoard events of the same."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .checkpoint import write_whole
from .state import State


class Log:
    """A run's records; nothing without a folder.

    Args:
        folder: for `metrics.jsonl` and, where tensorboard is installed, its events; None records nothing.
        state: of the run; says which step it is.

    Every call raises OSError where the folder cannot be written, with the remedy.
    """

    def __init__(self, folder: str | Path | None, state: State) -> None:
        self.path = Path(folder) / "metrics.jsonl" if folder is not None else None
        self.state, self.resumed = state, False
        self.file: Any = None
        self.board: Any = None

    def rewind(self) -> None:
        """Forget what was written after the state that a run goes on from; a line cut short goes too."""
        self.resumed = True
        if self.path is None or not self.path.is_file():
            return
        with _told(self.path):
            lines = self.path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if _behind(line, self.state)]
            write_whole(self.path, "".join(f"{line}\n" for line in kept).encode())

    def __enter__(self) -> Log:
        if self.path is None:
            return self
        with _told(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.resumed:
                for old in self.path.parent.glob("events.out.tfevents.*"):
                    old.unlink()
            self.file = self.path.open("a" if self.resumed else "w", encoding="utf-8")
        if find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            purge = self.state.taken + 1 if self.resumed else None
            self.board = SummaryWriter(str(self.path.parent), purge_step=purge)
        else:
            print("tensorboard is not installed: metrics.jsonl alone is written", file=sys.stderr)
        return self

    def step(self, terms: dict[str, float], norms: dict[str, float], rate: float) -> None:
        """One step: every term, the norm of every gradient, the learning rate it was taken with."""
        if self.file is None:
            return
        taken = self.state.taken
        finite = {name: value if math.isfinite(value) else None for name, value in norms.items()}  # fp16 may overflow
        self._line({"step": taken, "losses": terms, "gradients": finite, "learning_rate": rate})
        if self.board:
            named = {f"loss/{name}": value for name, value in terms.items()}
            named |= {f"gradient/{name}": value for name, value in norms.items()}
            for name, value in {**named, "learning_rate": rate}.items():
                self.board.add_scalar(name, value, taken)

    def epoch(self) -> None:
        """The epoch just finished: its means, speed and scores."""
        if self.file is None:
            return
        epoch, taken = self.state.history[-1], self.state.taken
        scores = {name: value for name, value in epoch.scores.items() if isinstance(value, float)}
        self._line({"step": taken, **epoch.as_dict(), "scores": scores})
        if self.board:
            for name, value in {**scores, "images_per_second": epoch.images_per_second}.items():
                self.board.add_scalar(f"epoch/{name}", value, taken)
        self.flush()

    def _line(self, entry: dict[str, Any]) -> None:
        with _told(self.path):
            self.file.write(json.dumps(entry) + "\n")

    def flush(self) -> None:
        """To the system, before a checkpoint says that the steps were taken."""
        with _told(self.path):
            for writer in (self.file, self.board):
                if writer is not None:
                    writer.flush()

    def __exit__(self, *_: object) -> None:
        with _told(self.path):
            for writer in (self.file, self.board):
                if writer is not None:
                    writer.close()


@contextmanager
def _told(path: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(
            f"got {error.strerror or error} while writing {path}; a run's records lie beside its steps; make room or "
            "the folder writable, or name another, then run the same again: it goes on from its checkpoint",
        ) from error


def _behind(line: str, state: State) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:  # cut short by a kill
        return False
    return entry["step"] <= state.taken and entry.get("number", 0) <= state.epoch
