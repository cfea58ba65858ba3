"""One process at a time works on a run; the others wait for its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

AGAIN = 0.2  # seconds until a process that waits looks once more
INSIDE: dict[Path, threading.Lock] = {}  # a file's lock is the whole process's: its threads have one of their own


@contextmanager
def alone(path: Path, *, asks: bool = True, told: Callable[[Any], Any] = lambda taken: taken) -> Iterator[None]:
    """Inside, no other process or thread of this machine is, with the same path. A killed process holds nothing.

    Args:
        path: of the lock.
        asks: whether this process takes it; of several that train together the first one does.
        told: gives all of them the first one's word, however long it takes.

    Raises:
        OSError: the file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        while not told(_taken(path, held) if asks else None):
            time.sleep(AGAIN)
        yield


def _taken(path: Path, held: ExitStack) -> bool:
    thread = INSIDE.setdefault(path.resolve(), threading.Lock())
    if not thread.acquire(blocking=False):
        return False
    with ExitStack() as both:
        both.callback(thread.release)
        if not _locked(both.enter_context(path.open("w"))):
            return False
        held.enter_context(both.pop_all())
    return True


def _locked(file: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: two processes would do the same work twice, with the same outcome
        return True
    try:  # loader workers do not inherit it
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        raise OSError(
            error.errno,
            f"got {error.strerror or error} while locking {file.name}; one process at a time works on a run, which "
            "takes a file system with locks; choose a ledger on another one",
        ) from error
    return True
