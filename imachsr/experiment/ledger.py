"""Results as files: one JSON each, named by its key, written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..metrics.protocols import MEANS, means_of
from ..objective import SCHEMES
from ..training.checkpoint import write_whole
from .places import TUNING, Places, ledger_folder, published_folder
from .settings import Settings

NAME = re.compile(r"[0-9a-f]{16}\.json")  # of a file in a ledger: its key
METRICS = tuple(MEANS)
OF_CLASS = "IoU "  # in front of a class: a metric of its own
CALIBRATION = ("overconfidence", "ece")  # in `Result.certainty`, the same under every protocol; lower is better
NAMED = frozenset(("tier", "data", "split", "model", "size", "epochs", "scheme", "seed"))  # settings no result lacks
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # said of a write, without a name


@dataclass(frozen=True)
class Result:
    """A finished run as data: settings, scores under every protocol, the curve over epochs, and where it came from."""

    key: str
    settings: dict[str, Any]
    classes: tuple[str, ...]
    points: tuple[str, ...]
    scores: dict[str, dict[str, Any]]  # protocol -> scores, after the last epoch
    history: list[dict[str, Any]]  # one `Epoch` each
    per_image: list[list[list[int]]]  # image -> TP, FP, FN -> class: every protocol can be computed again
    certainty: dict[str, Any] = field(
        default_factory=dict
    )  # calibration error and predictive entropy, after the last epoch
    provenance: dict[str, Any] = field(default_factory=dict)
    analysis: dict[str, Any] = field(default_factory=dict)  # with settings.analysis: see `phases.analysed`

    def setting(self, name: str) -> Any:
        """A setting's value; a result older than the setting has its default."""
        value = self.settings.get(name, getattr(Settings, name))
        return tuple(value) if isinstance(value, list) else value

    def score(self, metric: str, protocol: str = "dataset") -> float:
        """A score after the last epoch, as a share of one; nan where it is undefined, or was not measured then.

        Args:
            metric: one of `METRICS`, "pixel_accuracy", "IoU CLASS" or one of `CALIBRATION`.
            protocol: of the score; calibration has none.
        """
        if metric.startswith(OF_CLASS):
            place, per_class = metric.removeprefix(OF_CLASS), self.scores[protocol]["per_class"]["iou"]
            value = per_class[self.classes.index(place)] if place in self.classes else None
        else:
            value = self.certainty.get(metric) if metric in CALIBRATION else self.scores[protocol][metric]
        return float("nan") if value is None else value

    def idle(self, name: str) -> bool:
        """Whether a setting says nothing of the result's scheme, see `Settings.idle`."""
        return name in self._idle

    @cached_property
    def _idle(self) -> set[str]:
        return self.as_settings.idle()

    @cached_property
    def as_settings(self) -> Settings:
        """The settings again, without the tier's name: its defaults may be others by now; what was run is named."""
        known = {name: value for name, value in self.settings.items() if name in Settings.__dataclass_fields__}
        return Settings(**{**known, "tier": "custom"})

    @property
    def group(self) -> str:
        """Equal for results that differ in their seed alone: same settings, data, numerics and processes."""
        settings = self.as_settings
        with suppress(ValueError):  # its tier may have other defaults by now
            settings = replace(settings, tier=self.settings["tier"])
        return f"{settings.alike()} {self.origin}"

    @property
    def origin(self) -> tuple[str, int, int]:
        """What else than settings decides the numbers: data, numerics, and processes, each with its own batch norms."""
        known = self.provenance
        return known.get("fingerprint", ""), known.get("numerics", 1), known.get("processes", 1)

    def table(self, protocol: str = "dataset") -> str:
        """Per-class IoU, precision, recall and F1 in per cent, with the means below.

        Raises:
            ValueError: unknown protocol.
        """
        if protocol not in self.scores:
            raise ValueError(f"got protocol={protocol!r}; this result has {[*self.scores]}; use one of them")
        scores = self.scores[protocol]
        rows = [f"{'class':<14}{'IoU':>8}{'precision':>11}{'recall':>8}{'F1':>8}"]
        widths = {"iou": 8, "precision": 11, "recall": 8, "f1": 8}
        for k, name in enumerate(self.classes):
            rows.append(f"{name:<14}" + "".join(_percent(scores["per_class"][c][k], w) for c, w in widths.items()))
        rows.append(f"{'mean':<14}" + "".join(_percent(scores[name], widths[c]) for name, c in MEANS.items()))
        rows.append(f"{'pixel accuracy':<14}{_percent(scores['pixel_accuracy'], 8)}   protocol: {protocol}")
        if any(value is None or value != value for value in scores["per_class"]["precision"]):
            rows.append("-: undefined (a class never predicted has no precision) and left out of the mean")
        return "\n".join(rows)

    @classmethod
    def read(cls, path: str | Path) -> Result:
        """Load one from a ledger.

        Raises:
            ValueError: the file is damaged or cannot be read; says which.
        """
        try:
            stored = json.loads(Path(path).read_text(encoding="utf-8"))
            result = cls(**{**stored, "classes": tuple(stored["classes"]), "points": tuple(stored["points"])})
            if missing := NAMED - set(result.settings):
                raise KeyError(*sorted(missing))
            if result.settings["scheme"] not in SCHEMES:
                raise ValueError(f"scheme {result.settings['scheme']!r} is not known here")
            if NAME.fullmatch(Path(path).name) and result.key != Path(path).stem:
                raise ValueError(f"its key is {result.key}")
            result.as_settings  # noqa: B018 what was run must make sense
            for scores in (result.scores["dataset"], *result.scores.values()):
                _ = [scores[metric] for metric in METRICS]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"got {path}, which is no whole result ({type(error).__name__}: {error}); a ledger holds one JSON per "
                "result; move it away, and run the same again"
            ) from error
        return result

    def write(self, folder: str | Path) -> Path:
        """File it under its key, atomically."""
        path = Places(Path(folder), self.key).result
        content = json.dumps(without_nan(asdict(self)), separators=(",", ":"), sort_keys=True, allow_nan=False)
        write_atomically(path, content + "\n")
        return path


def results(*folders: str | Path) -> list[Result]:
    """All Results filed in the folders (by default the local ledger, then the published ones), one per key.

    A damaged file is warned of by name and left out.

    Raises:
        OSError: a folder that cannot be read; one that is not there holds none.
    """
    found: dict[str, Result] = {}
    for path in (path for folder in folders or (ledger_folder(), published_folder()) for path in _filed(Path(folder))):
        try:
            found.setdefault(path.stem, Result.read(path))
        except ValueError as damaged:
            warnings.warn(str(damaged), stacklevel=2)
    return list(found.values())


def the_one(key: str, ledger: Path) -> Result:
    """The Result whose key begins so.

    Raises:
        ValueError: none does, or several do, or its file is damaged.
    """
    matches = [path for path in _filed(ledger) if path.name.startswith(key)]
    if len(matches) != 1:
        raise ValueError(
            f"got key {key!r}, which {len(matches)} results in {ledger} begin with; it must name exactly one; "
            "see `imachsr results` for the keys"
        )
    return Result.read(matches[0])


def _filed(folder: Path) -> list[Path]:
    """The files of results in a folder."""
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OSError(
            f"got ledger {folder}, which cannot be read ({error.strerror}); it is a folder of results; name another",
        ) from error
    return [folder / name for name in names if NAME.fullmatch(name)]


@contextmanager
def advised(ledger: Path) -> Iterator[None]:
    """An OSError of a ledger's files, raised inside, says what to do; those of other files stay as they are."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            ours = Path(error.filename).is_relative_to(ledger)
        else:  # a full disk names no file
            ours = error.errno in FULL and not f"{error.strerror}".startswith("got")
        if not ours:
            raise
        raise OSError(
            f"got {error.strerror} in ledger {ledger}; results, checkpoints and records are written there; make room "
            "or the folder writable, or name another, then run the same again: it goes on where it was"
        ) from error


def usable(ledger: Path) -> None:
    """See that a ledger's folder is there and can be written, before hours go into what it shall hold."""
    with advised(ledger):
        try_writing(ledger)


def try_writing(folder: Path) -> None:
    """Make a folder and write in it, leaving nothing.

    Raises:
        OSError: it cannot be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def publish(keys: list[str], *, ledger: str | Path | None = None, published: str | Path | None = None) -> list[Path]:
    """Copy chosen Results, named by the beginnings of their keys, from the local ledger to the published ones.

    Those of split `tune` go to a folder of their own there. A first phase goes with the result that came of it.

    Raises:
        ValueError: no such result, or one whose scores are not those of its own counts.
    """
    ledger, published = Path(ledger or ledger_folder()), Path(published or published_folder())
    if not keys:
        raise ValueError("got no keys; publishing copies chosen results; name them, see `imachsr results`")
    chosen: list[Result] = []
    for key in keys:
        result = the_one(key, ledger)
        first = Places(ledger, result.provenance.get("hs3", {}).get("first_phase", "")).result
        chosen += [result, *([Result.read(first)] if first.is_file() else [])]
    for one in chosen:
        _check_counts(one)
    return [one.write(published / TUNING if one.setting("split") == "tune" else published) for one in chosen]


def _check_counts(result: Result) -> None:
    """Scores that cannot be computed again from what they were computed from are nobody's results."""
    counts = np.reshape(result.per_image, (-1, 3, len(result.classes)))
    found, filed = float(means_of(counts, "dataset")[0]["mIoU"]), result.scores["dataset"]["mIoU"]
    if filed is None or not abs(found - filed) <= 1e-9:
        raise ValueError(
            f"got result {result.key} with mIoU {filed}, but {found} by its counts of pixels; what is published can be "
            "computed again; run its settings anew"
        )


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write a whole file or none of it, onto the disk.

    Raises:
        OSError: it could not be written; what was there is untouched.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.encode("utf-8") if isinstance(content, str) else content)
    except OSError as error:
        raise OSError(
            f"got {error.strerror or error} while writing {path}; a file is written whole or not at all, so what was "
            "there stays; make room or the folder writable, then do the same again"
        ) from error


def without_nan(value: Any) -> Any:
    """JSON has no nan: an undefined score is stored as null."""
    if isinstance(value, dict):
        return {name: without_nan(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(entry) for entry in value]
    return None if isinstance(value, float) and value != value else value


def _percent(value: float | None, width: int) -> str:
    return f"{'-' if value is None or value != value else f'{100 * value:.2f}':>{width}}"
