"""What a notebook reads: results of a study, trained where that takes minutes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..experiment import Result, Settings, ledger_folder, run
from .batch import is_filed
from .studies import SHORT


def filed_or_run(settings: Sequence[Settings], *, ledger: str | Path | None = None) -> list[Result]:
    """Results for a notebook: at tiers of minutes what is missing is run, beyond them it is left to a batch.

    Args:
        settings: of a study.
        ledger: folder of results.
    """
    folder = Path(ledger or ledger_folder())
    asked = [s for s in settings if s.tier in SHORT or is_filed(s, folder)]
    return [run(setting, ledger=folder) for setting in asked]
