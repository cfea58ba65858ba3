"""The papers' numbers and conclusions beside what was measured, with intervals and a verdict."""

from .compare import compare, machine
from .judge import SEEDS, UNTESTED, VERDICTS, Judgement, judge
from .sheet import label, sheet, sheet_markdown
from .sources import Claim, claims, papers_folder
from .statistics import Paired, block_bootstrap, holm, paired

__all__ = [
    "SEEDS",
    "UNTESTED",
    "VERDICTS",
    "Claim",
    "Judgement",
    "Paired",
    "block_bootstrap",
    "claims",
    "compare",
    "holm",
    "judge",
    "label",
    "machine",
    "paired",
    "papers_folder",
    "sheet",
    "sheet_markdown",
]
