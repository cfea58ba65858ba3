"""One study point: Settings -> run -> Result, filed in a ledger under a key made from the settings themselves."""

from .ledger import (
    METRICS,
    Result,
    comparison,
    home,
    ledger_folder,
    publish,
    published_folder,
    results,
    results_markdown,
    write_atomically,
)
from .provenance import provenance
from .settings import TIERS, Settings
from .study import build, run

__all__ = [
    "METRICS",
    "TIERS",
    "Result",
    "Settings",
    "build",
    "comparison",
    "home",
    "ledger_folder",
    "provenance",
    "publish",
    "published_folder",
    "results",
    "results_markdown",
    "run",
    "write_atomically",
]
