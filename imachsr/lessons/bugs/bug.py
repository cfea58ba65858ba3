"""A bug as data: a step that looks right, the same step mended, and the measurement that tells them apart."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Step = Callable[..., Any]
IMPORTS = {
    r"\bIterator\[": "from collections.abc import Iterator\n",  # apart from what was installed
    r"\btorch\.": "import torch",
    r"\bF\.": "import torch.nn.functional as F",
    r"\bTensor\b": "from torch import Tensor",
    r"\bnn\.": "from torch import nn",
    r"\bSupervised\b": "from imachsr import Supervised",
    r"\btiny\.": "from imachsr.lessons.bugs import tiny",
    r"(?<![.\w])cross_entropy\(": "from imachsr.losses import cross_entropy",
    r"(?<![.\w])(counts|shares)\(": "from imachsr.objective import counts, shares",
    r"(?<![.\w])evaluate\(": "from imachsr.training import evaluate",
}  # what a step may use -> how a notebook gets it


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
        return source(self.broken)

    @property
    def hunt(self) -> str:
        """Source of the measurement: how the tool is used."""
        return inspect.getsource(self.measure)


def source(step: Step) -> str:
    """Source of a step with its imports, without the marks that linters need and hunters must not see."""
    text = re.sub(r"  # (noqa|type):.*", "", inspect.getsource(step))
    lines = [line for used, line in IMPORTS.items() if re.search(used, text)]
    groups = ("\n".join(line for line in lines if ("imachsr" in line) is own) for own in (False, True))
    return "\n\n".join(filter(None, groups)) + f"\n\n\n{text}"
