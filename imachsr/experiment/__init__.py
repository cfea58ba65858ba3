"""One study point: Settings -> run -> Result, filed in a ledger under a key made from the settings themselves."""

from .ledger import METRICS, Result, publish, results, write_atomically
from .phases import first_phase, tradeoffs
from .places import Places, course, home, ledger_folder, published_folder, tuning_folder
from .provenance import provenance
from .settings import TIERS, Settings
from .snapshots import Snapshots
from .study import build, data_of, run
from .supervisions import SUPERVISIONS
from .tables import comparison, results_markdown

__all__ = [
    "METRICS",
    "SUPERVISIONS",
    "TIERS",
    "Places",
    "Result",
    "Settings",
    "Snapshots",
    "build",
    "comparison",
    "course",
    "data_of",
    "first_phase",
    "home",
    "ledger_folder",
    "provenance",
    "publish",
    "published_folder",
    "results",
    "results_markdown",
    "run",
    "tradeoffs",
    "tuning_folder",
    "write_atomically",
]
