"""What a batch shows while it runs: a bar over all runs, and a line for each one under way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ..training.progress import bars_shown

LINES = 8  # of runs under way that are shown


@contextmanager
def live_lines(
    total: int, progress: bool | None
) -> Iterator[tuple[Callable[[int, list[str]], None], Callable[[str], None]]]:
    """An overall bar with a line below for each run under way; and how to say something above them."""
    from tqdm.auto import tqdm

    hidden = not bars_shown(progress)
    with tqdm(total=total, desc="runs", unit="run", disable=hidden) as bar, ExitStack() as below:
        lines: list[Any] = []

        def show(done: int, states: list[str]) -> None:
            bar.n = done
            bar.refresh()
            for _ in states[len(lines) : LINES]:
                line = tqdm(total=0, bar_format="  {desc}", position=len(lines) + 1, leave=False, disable=hidden)
                lines.append(below.enter_context(line))
            for place, line in enumerate(lines):
                line.set_description_str(states[place] if place < len(states) else "")

        yield show, lambda text: tqdm.write(text, file=sys.stderr)
