"""The papers' numbers and conclusions beside what was measured, with intervals and a verdict."""

from .judge import VERDICTS, Judgement, judge
from .sheet import sheet, sheet_markdown
from .sources import Claim, claims
from .statistics import Paired, block_bootstrap, holm, paired

__all__ = [
    "VERDICTS",
    "Claim",
    "Judgement",
    "Paired",
    "block_bootstrap",
    "claims",
    "holm",
    "judge",
    "paired",
    "sheet",
    "sheet_markdown",
]
