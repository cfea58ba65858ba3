"""The bug zoo: ten subtly broken ways to supervise a network inside, to be hunted with the library's own tools."""

from __future__ import annotations

from dataclasses import dataclass

from ..check import Verdict
from ..source import cell
from . import aligned, detached, forgotten, frozen, ignored, leaking, overwritten, stale, twice, unequal
from .bug import Bug, Step

BUGS: tuple[Bug, ...] = tuple(
    one.BUG for one in (detached, ignored, forgotten, overwritten, leaking, twice, stale, unequal, aligned, frozen)
)  # numbered from 1


@dataclass(frozen=True)
class Cage:
    """One bug, shown without its name.

    Args:
        number: from 1.
        bug: what is in it.
    """

    number: int
    bug: Bug

    def measure(self, step: Step | None = None) -> float:
        """The symptom: of the broken step, or of yours."""
        return self.bug.measure(step or self.bug.broken)

    @property
    def code(self) -> str:
        """The broken step, with its imports."""
        return self.bug.code

    @property
    def answer(self) -> str:
        """The mended step, with its imports."""
        return cell(self.bug.mended).replace("def mended(", "def step(")

    @property
    def stub_cell(self) -> str:
        """What a notebook's cell tagged `stub` holds: the broken step, to be mended."""
        return f"{self.code}\n\n{self._call()}"

    @property
    def solution_cell(self) -> str:
        """What a notebook's cell tagged `solution` holds."""
        return f"{self.answer}\n\n{self._call()}"

    @property
    def hint(self) -> str:
        """The tool that exposes it, and the measurement in full."""
        return f"{self.bug.tool}\n\n{self.bug.hunt}"

    def __repr__(self) -> str:
        suspects = "\n".join(f"  {name}" for name in sorted(bug.name for bug in BUGS))
        return (
            f"Bug {self.number} of {len(BUGS)}. {self.bug.question}\n\n{self.bug.code}\n"
            f"Measured, {self.bug.symptom}: {self.measure():.4g}\n\n"
            f"Which is it? lessons.found({self.number}, ...) takes one of\n{suspects}\n"
            f"Stuck? print(lessons.bug({self.number}).hint)"
        )

    def _call(self) -> str:
        return f"lessons.mended({self.number}, step)"


def bug(number: int) -> Cage:
    """A bug by its number, from 1; it prints as question, code, symptom and suspects.

    Raises:
        ValueError: no bug of that number.

    >>> bug(1).measure()
    0.0
    """
    if isinstance(number, bool) or number not in range(1, len(BUGS) + 1):
        raise ValueError(f"got bug {number!r}; they are numbered from 1 to {len(BUGS)}; ask for one of these")
    return Cage(number, BUGS[number - 1])


def found(number: int, answer: str) -> Verdict:
    """Judges a diagnosis, by what was measured.

    Args:
        number: of the bug.
        answer: the name of a suspect.

    Raises:
        ValueError: no such bug, or no such suspect.

    >>> found(1, "detached features").passed
    True
    """
    hunted = bug(number).bug
    suspects = {each.name: each for each in BUGS}
    if answer not in suspects:
        raise ValueError(f"got answer {answer!r}; the suspects are {sorted(suspects)}; name one of them")
    sick, well = hunted.measure(hunted.broken), hunted.measure(hunted.mended)
    if answer == hunted.name:
        words = f"found: {hunted.name}. {hunted.symptom}: {sick:.4g}, mended {well:.4g}. {hunted.lesson}"
        return Verdict(f"bug {number}", True, "", words)
    other = suspects[answer]
    words = (
        f"not {answer}: that would show in another number ({other.symptom}; look with {other.tool}). What was measured "
        f"here is {hunted.symptom}: {sick:.4g}."
    )
    return Verdict(f"bug {number}", False, f"not {answer}", words)


def mended(number: int, step: Step) -> Verdict:
    """Judges a repaired step: whether the symptom is gone.

    Args:
        number: of the bug.
        step: yours, with the arguments of the broken one.
    """
    hunted = bug(number).bug
    value = hunted.measure(step)
    if hunted.healthy(value):
        return Verdict(f"bug {number}", True, "", f"mended: {hunted.symptom} is {value:.4g} now.")
    words = f"still ill: {hunted.symptom} is {value:.4g}; mended it would be {hunted.measure(hunted.mended):.4g}."
    return Verdict(f"bug {number}", False, "still ill", words)


__all__ = ["BUGS", "Bug", "Cage", "bug", "found", "mended"]
