"""Bars where somebody looks, lines elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress_bar(loader: Iterable, label: str, progress: bool | None) -> Iterator[Any]:
    from tqdm.auto import tqdm

    show = interactive() if progress is None else progress
    with tqdm(loader, desc=label.strip(), unit="batch", leave=False, disable=not show) as bar:
        yield bar


def interactive() -> bool:
    """A terminal, or a notebook somebody looks at; not a notebook run in batch."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return sys.stderr.isatty() or (getattr(shell, "kernel", None) is not None and "TQDM_DISABLE" not in os.environ)
