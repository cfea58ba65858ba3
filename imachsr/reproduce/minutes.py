"""How long each notebook takes at each tier: measured whenever it is executed, filed beside the results."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..experiment import Places, Result, Settings, first_phase, ledger_folder, published_folder, write_atomically
from ..experiment.alone import alone
from .batch import key_of, provenance_here

FILE = "notebooks.json"
SAME = ("notebook", "tier", "data", "again")  # a measurement takes the place of one that agrees in these


class Stopwatch:
    """Seconds by the clock since it was made, and how many cores other programs kept busy meanwhile.

    Both are known once stopped; `others` is None where the system does not tell. Programs that were started here and
    have ended are no others.
    """

    def __init__(self) -> None:
        self._start = time.perf_counter(), _strangers()
        self.seconds: float = 0.0
        self.others: float | None = None

    def stop(self) -> Stopwatch:
        (start, before), after = self._start, _strangers()
        self.seconds = time.perf_counter() - start
        if before is not None and after is not None:
            self.others = max(0.0, after - before) / self.seconds
        return self


def _strangers() -> float | None:
    """Processor seconds of all programs of the machine but this one and those it started."""
    try:
        user, nice, system = map(int, Path("/proc/stat").read_text().split(maxsplit=4)[1:4])
    except OSError:
        return None
    return (user + nice + system) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


class Minutes:
    """Files how long notebooks take. Make it before anything runs: it looks which of their runs are missing.

    Args:
        settings: name of a notebook -> settings of the runs it shows.
        ledger: folder of the runs, and of this file.
    """

    def __init__(self, settings: Mapping[str, Sequence[Settings]], *, ledger: str | Path | None = None) -> None:
        self._ledger = Path(ledger or ledger_folder())
        self._runs = {notebook: _keys(each) for notebook, each in settings.items()}
        every = {key for keys in self._runs.values() for key in keys}
        self._missing = {key for key in every if not self._result(key).is_file()}
        self._training = Stopwatch()

    def runs_ended(self) -> None:
        """Say that the missing runs are over: what other programs took until now belongs to their minutes."""
        self._training.stop()

    def note(self, notebook: str, stopwatch: Stopwatch, *, tier: str = "every", data: str = "every") -> None:
        """File how long a notebook took: the first time, its runs included, or again, when all of them were filed.

        Where only some had been missing, or some failed, it was neither, and nothing is filed.

        Args:
            notebook: its name.
            stopwatch: of its execution without the runs, stopped.
            tier: it was executed at, if it has tiers.
            data: likewise.
        """
        runs = self._runs.get(notebook, [])
        if not all(self._result(key).is_file() for key in runs):
            return
        trained = [Result.read(self._result(key)) for key in runs if key in self._missing]
        if trained and len(trained) < len(runs):
            return
        row = {
            "notebook": notebook,
            "tier": tier,
            "data": data,
            "again": bool(runs) and not trained,
            "runs": len(trained),
            "seconds": round(stopwatch.seconds + sum(result.provenance["seconds"] for result in trained), 1),
            "others": _others([stopwatch, self._training] if trained else [stopwatch]),
            "cores": os.cpu_count(),
            **provenance_here(),
        }
        _merge(self._ledger, [row])

    def _result(self, key: str) -> Path:
        return Places(self._ledger, key).result


def _others(stopwatches: Sequence[Stopwatch]) -> float | None:
    """Cores that other programs kept busy, on average over all of the time; None where it is not known."""
    busy = [each.seconds * each.others for each in stopwatches if each.others is not None]
    known = len(busy) == len(stopwatches)
    return round(sum(busy) / sum(each.seconds for each in stopwatches), 1) if known else None


def _keys(settings: Sequence[Settings]) -> list[str]:
    """Keys of the runs that settings ask for, first phases too."""
    every = [run for setting in settings for run in (first_phase(setting), setting) if run]
    return [*dict.fromkeys(map(key_of, every))]


def measured_minutes(folder: str | Path | None = None) -> list[dict[str, Any]]:
    """What was measured, one row per notebook, tier, data, and first time or again; by default the published rows."""
    path = Path(folder or published_folder()) / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def publish_minutes(*, ledger: str | Path | None = None, published: str | Path | None = None) -> Path:
    """Copy what was measured on this machine to the published results, over older measurements of the same.

    Raises:
        ValueError: nothing was measured.
    """
    ledger, published = Path(ledger or ledger_folder()), Path(published or published_folder())
    rows = measured_minutes(ledger)
    if not rows:
        raise ValueError(f"got no minutes in {ledger}; each execution files them; `imachsr reproduce` a notebook first")
    return _merge(published, rows)


def _merge(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    with alone(folder / f".{FILE}.lock"):  # two batches may file at once
        kept = {tuple(row[name] for name in SAME): row for row in [*measured_minutes(folder), *rows]}
        lines = [json.dumps(kept[same]) for same in sorted(kept)]
        write_atomically(folder / FILE, "[\n" + ",\n".join(lines) + "\n]\n")
    return folder / FILE
