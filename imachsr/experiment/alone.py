"""One process at a time works on a run; the others wait for its answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Inside, no other process of this machine is inside with the same path. A killed process holds nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            import fcntl
        except ImportError:  # Windows: two processes would do the same work twice, with the same outcome
            yield
            return
        fcntl.lockf(file, fcntl.LOCK_EX)  # not inherited by loader workers, which may outlive a killed process
        yield
