"""A bug as data: a step that looks right, the same step mended, and the measurement that tells them apart."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..source import cell

Step = Callable[..., Any]


@dataclass(frozen=True)
class Bug:
    """One broken deep-supervision snippet.

    Args:
        name: the diagnosis, in a few words.
        question: what its author wonders.
        broken: the snippet.
        mended: the same without the bug.
        measure: step -> the symptom, one number, found with a tool of the library.
        symptom: what that number is.
        healthy: whether a number is that of a step without the bug.
        tool: what of the library exposes it, and how.
        lesson: why it happens, and what to do.
    """

    name: str
    question: str
    broken: Step
    mended: Step
    measure: Callable[[Step], float]
    symptom: str
    healthy: Callable[[float], bool]
    tool: str
    lesson: str

    @property
    def code(self) -> str:
        """Source of the broken step, ready to be pasted and mended."""
        return cell(self.broken)

    @property
    def hunt(self) -> str:
        """Source of the measurement: how the tool is used."""
        return inspect.getsource(self.measure)
