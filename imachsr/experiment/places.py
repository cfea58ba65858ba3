"""Where files lie: the folders of results, and what a run has in one of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TUNING = "tuning"


def home() -> Path:
    """Where local results and figures go: the checkout this folder lies in; elsewhere this folder."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if _is_checkout(folder)), here)


def course() -> Path:
    """Where notebooks and papers' numbers are read, and published results are kept.

    The checkout this folder lies in; elsewhere the one imachsr was installed from, or this folder where there is none.
    """
    return next((folder for folder in (home(), Path(__file__).parents[2]) if _is_checkout(folder)), home())


def _is_checkout(folder: Path) -> bool:
    """A folder `notebooks` alone may be a class's copy."""
    return (folder / "notebooks").is_dir() and (folder / "data" / "papers").is_dir()


def ledger_folder() -> Path:
    """Where local Results are filed; ignored by git."""
    return home() / "data" / "ledger"


def published_folder() -> Path:
    """Where chosen Results are kept; committed."""
    return course() / "data" / "results"


def tuning_folder() -> Path:
    """Where chosen Results of split `tune` are kept, apart from those that were judged on test images; committed."""
    return published_folder() / TUNING


@dataclass(frozen=True)
class Places:
    """Where a run's files lie in a ledger."""

    ledger: Path
    key: str

    @property
    def result(self) -> Path:
        return self.ledger / f"{self.key}.json"

    @property
    def checkpoints(self) -> Path:
        return self.ledger / "checkpoints" / self.key

    @property
    def lock(self) -> Path:
        return self.ledger / "checkpoints" / f"{self.key}.lock"

    @property
    def records(self) -> Path:
        return self.ledger / "runs" / self.key

    @property
    def snapshots(self) -> Path:
        return self.ledger / "snapshots" / self.key

    @property
    def weights(self) -> Path:
        return self.ledger / "weights" / f"{self.key}.pt"

    @property
    def log(self) -> Path:
        """What its process printed, where a batch started it."""
        return self.ledger / "logs" / f"{self.key}.log"

    def spent(self) -> bool:
        """Whether the checkpoints are of the run that is filed, which was killed before it could remove them."""
        written = [path.stat().st_mtime_ns for path in self.checkpoints.glob("step-*.ckpt")]
        return bool(written) and self.result.is_file() and max(written) < self.result.stat().st_mtime_ns
