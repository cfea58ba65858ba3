"""Being asked to stop: finish the step, leave a checkpoint, say how to go on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

GRACE = 2.0  # seconds for the step at hand; a checkpoint must lie on disk, and the program be gone, within five


class Stopped(KeyboardInterrupt):
    """Training was asked to stop and did, with its progress kept; `status` is the exit status for a program."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Interruption:
    """While it is entered, SIGTERM and the first Ctrl-C only set `asked`; a second Ctrl-C, or a step that takes longer
    than `GRACE`, ends what is going on where it is. Outside of the main thread nothing changes.

    Python hears a signal between two calls only: after SIGTERM, a single call that lasts a second longer still ends
    the program without it.
    """

    def __init__(self) -> None:
        self.enabled = threading.current_thread() is threading.main_thread()
        self.asked: signal.Signals | None = None
        self.kept: int | None = None  # steps in the newest checkpoint
        self._patient = False
        self._hard: threading.Timer | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if self.enabled:
            for name in ("SIGTERM", "SIGINT", *(["SIGALRM"] if hasattr(signal, "SIGALRM") else [])):
                number = getattr(signal, name)
                self._before[number] = signal.signal(number, self._late if name == "SIGALRM" else self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None and number == signal.SIGINT:
            raise self.stopped(f"stopped at once; {self._left()}")
        if self.asked is None:
            self.asked = signal.Signals(number)
            if not self._patient:
                self._hurry()

    def _hurry(self) -> None:
        self._calm()
        self._alarm(GRACE)
        if self.asked == signal.SIGTERM:
            self._hard = threading.Timer(GRACE + 1, self._end)
            self._hard.daemon = True
            self._hard.start()

    def _late(self, number: int, frame: FrameType | None) -> None:
        raise self.stopped(f"stopped after {GRACE:g} s in the middle of a step; {self._left()}")

    def _end(self) -> None:
        print(f"stopped in the middle of a long step; {self._left()}; run the same again", file=sys.stderr, flush=True)
        os._exit(128 + signal.SIGTERM)

    def _left(self) -> str:
        return "nothing was kept yet" if self.kept is None else f"the {self.kept} steps before its checkpoint are kept"

    @contextmanager
    def patience(self) -> Iterator[None]:
        """Inside there is no hurry: saving may take its time. There is again afterwards, where a stop is asked for."""
        self._patient = True
        self._calm()
        try:
            yield
        finally:
            self._patient = False
            if self.asked is not None:
                self._hurry()

    def _calm(self) -> None:
        if self.asked is not None:
            self._alarm(0)
        if self._hard is not None:
            self._hard.cancel()

    def _alarm(self, seconds: float) -> None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, seconds)

    def stopped(self, how: str) -> Stopped:
        """The exception to raise: what happened and how to go on."""
        number = self.asked or signal.SIGTERM
        there = "" if self.kept is None else " to go on from there"
        return Stopped(f"{how}; run the same again{there}", 128 + number)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._calm()
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set from Python
