"""A copy is read whole once before it trains anything; what passed is remembered until one of its files changes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from .catalogue import Catalogue
from .inspection import inspect
from .reading import few

VERSION = 1  # raise it when a check looks for more
_passed: set[str] = set()


def verify(catalogue: Catalogue) -> None:
    """Refuse a copy with a fault anywhere in it, as `imachsr data check` would find.

    What passed leaves an empty file in the cache folder (XDG_CACHE_HOME or ~/.cache), named by the place, size and time
    of every file read: a copy that did not change is not read again. Without a writable cache it is read every time.

    Raises:
        ValueError: files damaged, missing, of other sizes, or labels outside the classes; the first of them are named.
    """
    mark = _mark(catalogue)
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    stamp = Path(cache, "imachsr", "checked", mark)
    if mark in _passed or os.path.isfile(stamp):  # Path.is_file raises where a folder may not be entered
        return
    problems = inspect(catalogue).problems
    if problems:
        raise ValueError(
            f"{catalogue.root}: {few(problems)}; every file must be whole and fit its mask and the classes; "
            f"see `imachsr data check {catalogue.name} --root {catalogue.root}` for all; {catalogue.remedy}"
        )
    _passed.add(mark)
    if not os.path.isabs(cache):
        return  # there is no home
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
    except OSError:
        return  # it will be read again next time


def _mark(catalogue: Catalogue) -> str:
    """Equal as long as no file's place, size or time changes."""
    lines = [f"{VERSION} {catalogue.name} {catalogue.variant} {catalogue.problems}"]
    for path in sorted(catalogue.reader.stored(catalogue.items)):
        state = path.stat() if path.exists() else None
        lines.append(f"{path.resolve()} {state and (state.st_size, state.st_mtime_ns)}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
