"""An exercise as data: what is asked, the answer, and the ways it is usually got wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .source import cell, imports, source

Function = Callable[..., Any]
BLANK = "    return ...  # your code here\n"


@dataclass(frozen=True)
class Exercise:
    """One function to write.

    Args:
        id: notebook and name, "03.entropy".
        task: what the function is to do, in a few sentences.
        solution: the reference; its source is what the solution shows, so it stands alone but for `source.IMPORTS`.
        instance: seed -> arguments of one random instance; small, and uneven enough to tell variants apart.
        wrong: misconception in words -> the function that has it, with the solution's arguments.
        properties: what must hold in words -> whether it does, for a function and the arguments of an instance.
    """

    id: str
    task: str
    solution: Function
    instance: Callable[[int], tuple[Any, ...]]
    wrong: Mapping[str, Function]
    properties: Mapping[str, Callable[[Function, tuple[Any, ...]], bool]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.solution.__name__

    @property
    def signature(self) -> str:
        """The line that begins the function."""
        return next(line for line in source(self.solution).splitlines() if line.rstrip().endswith(":"))

    @property
    def stub(self) -> str:
        """Source with signature and docstring, to be filled in; it returns nothing yet."""
        text = source(self.solution)
        head, docstring, _ = text.split('"""', 2)
        return f'{imports(text)}{head}"""{docstring}"""\n{BLANK}'

    @property
    def answer(self) -> str:
        """Source of the solution."""
        return cell(self.solution)

    @property
    def stub_cell(self) -> str:
        """What a notebook's cell tagged `stub` holds."""
        return f"{self.stub}\n\n{self._call()}"

    @property
    def solution_cell(self) -> str:
        """What a notebook's cell tagged `solution` holds."""
        return f"{self.answer}\n\n{self._call()}"

    def __repr__(self) -> str:
        return f"Exercise {self.id}\n\n{textwrap.fill(self.task, 100)}\n\n{self.stub_cell}"

    def _call(self) -> str:
        return f'lessons.check("{self.id}", {self.name})'
