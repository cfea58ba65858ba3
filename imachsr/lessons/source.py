"""A function of this package as the text of a notebook's cell."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

IMPORTS = {
    r"\bIterator\[": "from collections.abc import Iterator\n",  # apart from what was installed
    r"\bmath\.": "import math",
    r"\bnp\.": "import numpy as np",
    r"\btorch\.": "import torch",
    r"\bF\.": "import torch.nn.functional as F",
    r"(?<![.\w])Tensor\b": "from torch import Tensor",
    r"(?<![.\w])nn\.": "from torch import nn",
    r"\bSupervised\b": "from imachsr import Supervised",
    r"\btiny\.": "from imachsr.lessons.bugs import tiny",
    r"(?<![.\w])cross_entropy\(": "from imachsr.losses import cross_entropy",
    r"(?<![.\w])(counts|shares)\(": "from imachsr.objective import counts, shares",
    r"(?<![.\w])evaluate\(": "from imachsr.training import evaluate",
}  # what a function may use -> how a notebook gets it


def source(function: Callable[..., Any]) -> str:
    """A function's source without the marks that linters need and readers must not see."""
    return re.sub(r"  # (noqa|type):.*", "", inspect.getsource(function))


def imports(text: str) -> str:
    """The lines that import what a source uses, its own package last, up to the function; none where it uses nothing.

    >>> imports("y = np.exp(torch.nn.Identity()(x))")
    'import numpy as np\\nimport torch\\n\\n\\n'
    """
    lines = [line for used, line in IMPORTS.items() if re.search(used, text)]
    groups = ("\n".join(line for line in lines if ("imachsr" in line) is own) for own in (False, True))
    return "\n\n".join(filter(None, groups)) + "\n\n\n" if lines else ""


def cell(function: Callable[..., Any]) -> str:
    """A function's source below its imports, ready to be pasted."""
    return imports(source(function)) + source(function)
