"""Being asked to stop: finish the step, leave a checkpoint, say how to go on."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

GRACE = 3.0  # seconds for the step at hand; a checkpoint must lie on disk within five


class Stopped(KeyboardInterrupt):
    """Training was asked to stop and did, with its progress kept; `status` is the exit status for a program."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Interruption:
    """While it is entered, SIGTERM and the first Ctrl-C only set `asked`; a second Ctrl-C, or a step that takes longer
    than `GRACE`, ends what is going on where it is. Outside of the main thread nothing changes."""

    def __init__(self) -> None:
        self.enabled = threading.current_thread() is threading.main_thread()
        self.asked: signal.Signals | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if self.enabled:
            for name in ("SIGTERM", "SIGINT", *(["SIGALRM"] if hasattr(signal, "SIGALRM") else [])):
                number = getattr(signal, name)
                self._before[number] = signal.signal(number, self._late if name == "SIGALRM" else self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None and number == signal.SIGINT:
            raise self.stopped("stopped at once; the last checkpoint stands")
        self.asked = signal.Signals(number)
        self._alarm(GRACE)

    def _late(self, number: int, frame: FrameType | None) -> None:
        raise self.stopped(f"stopped after {GRACE:g} s in the middle of a step; the last checkpoint stands")

    def calm(self) -> None:
        """No more hurry: what follows (saving) may take its time."""
        if self.asked is not None:
            self._alarm(0)

    def _alarm(self, seconds: float) -> None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, seconds)

    def stopped(self, how: str) -> Stopped:
        """The exception to raise: what happened and how to go on."""
        number = self.asked or signal.SIGTERM
        return Stopped(f"{how}; run the same again to go on from there", 128 + number)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.calm()
        for number, handler in self._before.items():
            signal.signal(number, handler)
