"""Bars where somebody looks, lines elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .state import Epoch, Tally


@contextmanager
def progress_bar(loader: Iterable, label: str, progress: bool | None, *, done: int = 0) -> Iterator[Any]:
    from tqdm.auto import tqdm

    hidden = not bars_shown(progress)
    with tqdm(loader, desc=label.strip(), unit="batch", initial=done, leave=False, disable=hidden) as bar:
        yield bar


def bars_shown(progress: bool | None) -> bool:
    """As asked; by default on a terminal, or in a notebook somebody looks at, but not in one run in batch."""
    if progress is not None:
        return progress
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return sys.stderr.isatty() or (getattr(shell, "kernel", None) is not None and "TQDM_DISABLE" not in os.environ)


def show(bar: Any, terms: dict[str, float], tally: Tally, steps_left: float) -> None:
    """Beside the bar: the output's loss, the sums of the others by kind, images per second, time left in all."""
    kinds: dict[str, float] = {}
    for name, value in terms.items():
        kind = name.rpartition("/")[2]
        kinds[kind] = kinds.get(kind, 0.0) + value
    steps = next((batches for _, batches in tally.sums.values()), 0.0)
    per_step = tally.seconds / steps if steps else 0.0
    left = per_step * steps_left
    shown = {kind: f"{value:.3f}" for kind, value in kinds.items()}
    bar.set_postfix(
        **shown, speed=f"{tally.images / max(tally.seconds, 1e-9):.1f} images/s", left=clock(left), refresh=False
    )


def clock(seconds: float) -> str:
    """Hours, minutes, seconds.

    >>> clock(3725)
    '1:02:05'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def say(epoch: Epoch, epochs: int, label: str, progress: bool | None) -> None:
    """One line for an epoch."""
    if progress is False:
        return
    score = f"  mIoU {100 * epoch.scores['mIoU']:.2f} %" if epoch.scores.get("mIoU") is not None else ""
    odd = f"  {epoch.unlabelled} images without labels" if epoch.unlabelled else ""
    odd += f"  {epoch.overflows} steps left out (fp16 overflow)" if epoch.overflows else ""
    line = f"{label} epoch {epoch.number}/{epochs}  output loss {epoch.losses['output']:.3f}{score}"
    print(f"{line}  {epoch.images_per_second:.1f} images/s{odd}".strip(), file=sys.stderr, flush=True)
