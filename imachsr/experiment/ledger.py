"""Results as files: one JSON each, named by its key, written whole or not at all; and results side by side."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..objective import SCHEMES
from .settings import OF_CLUSTERS, OF_POINTS, Settings

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("mIoU", "mPrecision", "mRecall", "mF1")


def home() -> Path:
    """The checkout this works in: the nearest folder, from here upwards, that holds `notebooks`; else this folder."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "notebooks").is_dir()), here)


def ledger_folder() -> Path:
    """Where local Results are filed; ignored by git."""
    return home() / "data" / "ledger"


def published_folder() -> Path:
    """Where chosen Results are kept; committed."""
    return home() / "data" / "results"


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

    @property
    def group(self) -> str:
        """Equal for results that differ in their seed alone: same settings, data and numerics."""
        known = {name: value for name, value in self.settings.items() if name in Settings.__dataclass_fields__}
        origin = self.provenance.get("fingerprint", ""), self.provenance.get("numerics", 1)
        try:
            settings = Settings(**known)
        except ValueError:  # its tier has other defaults by now, so the name no longer stands for what was run
            settings = Settings(**{**known, "tier": "custom"})
        return f"{settings.alike()} {origin}"

    def table(self, protocol: str = "dataset") -> str:
        """Per-class IoU, precision, recall and F1 in per cent, with the means below.

        Raises:
            ValueError: unknown protocol.
        """
        if protocol not in self.scores:
            raise ValueError(f"got protocol={protocol!r}; this result has {[*self.scores]}; use one of them")
        scores = self.scores[protocol]
        rows = [f"{'class':<14}{'IoU':>8}{'precision':>11}{'recall':>8}{'F1':>8}"]
        columns = (("iou", 8), ("precision", 11), ("recall", 8), ("f1", 8))
        for k, name in enumerate(self.classes):
            rows.append(f"{name:<14}" + "".join(_percent(scores["per_class"][c][k], w) for c, w in columns))
        means = (("mIoU", 8), ("mPrecision", 11), ("mRecall", 8), ("mF1", 8))
        rows.append(f"{'mean':<14}" + "".join(_percent(scores[name], width) for name, width in means))
        rows.append(f"{'pixel accuracy':<14}{_percent(scores['pixel_accuracy'], 8)}   protocol: {protocol}")
        if any(value is None or value != value for value in scores["per_class"]["precision"]):
            rows.append("-: undefined (a class never predicted has no precision) and left out of the mean")
        return "\n".join(rows)

    @classmethod
    def read(cls, path: str | Path) -> Result:
        """Load one from a ledger."""
        stored = json.loads(Path(path).read_text(encoding="utf-8"))
        return cls(**{**stored, "classes": tuple(stored["classes"]), "points": tuple(stored["points"])})

    def write(self, folder: str | Path) -> Path:
        """File it under its key, atomically."""
        path = Path(folder) / f"{self.key}.json"
        content = json.dumps(_plain(asdict(self)), separators=(",", ":"), sort_keys=True, allow_nan=False)
        write_atomically(path, content + "\n")
        return path


def results(*folders: str | Path) -> list[Result]:
    """All Results filed in the folders (by default the local ledger, then the published ones), one per key."""
    found: dict[str, Result] = {}
    for folder in folders or (ledger_folder(), published_folder()):
        for path in sorted(Path(folder).glob("*.json")):
            if re.fullmatch("[0-9a-f]{16}", path.stem):
                found.setdefault(path.stem, Result.read(path))
    return list(found.values())


def publish(keys: list[str], *, ledger: str | Path | None = None, published: str | Path | None = None) -> list[Path]:
    """Copy chosen Results, named by the beginnings of their keys, from the local ledger to the published ones."""
    ledger, published = Path(ledger or ledger_folder()), Path(published or published_folder())
    if not keys:
        raise ValueError("got no keys; publishing copies chosen results; name them, see `imachsr results`")
    paths = []
    for key in keys:
        matches = sorted(ledger.glob(f"{key}*.json"))
        if len(matches) != 1:
            raise ValueError(
                f"got key {key!r}, which {len(matches)} results in {ledger} begin with; it must name exactly one; "
                "see `imachsr results` for the keys"
            )
        paths.append(Result.read(matches[0]).write(published))
    return paths


def comparison(results: Sequence[Result], protocol: str = "dataset", metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """Results side by side: mean over the seeds of equal settings, in per cent, and how many seeds there were.

    Settings of points or clusters are columns where results of one scheme differ in them.
    """
    import pandas as pd

    varied = _varied(results)
    shown = ["tier", "data", "split", "model", "size", "epochs", "scheme", *varied]
    rows = [
        {
            **{name: _told(result, name) for name in shown},
            "size": "x".join(map(str, result.settings["size"] or ("native",))),
            "group": result.group,
            **{name: _hundred(result.scores[protocol][name]) for name in metrics},
            "seeds": result.settings["seed"],
        }
        for result in results
    ]
    if not rows:
        return pd.DataFrame(columns=[*shown, *metrics, "seeds"])
    table = pd.DataFrame(rows)
    table["scheme"] = pd.Categorical(table["scheme"], [*SCHEMES], ordered=True)
    grouped = table.groupby([*shown, "group"], observed=True, sort=True)
    merged = grouped.agg({**dict.fromkeys(metrics, "mean"), "seeds": "nunique"}).reset_index()
    return merged.drop(columns="group")


def _varied(results: Sequence[Result]) -> list[str]:
    """Settings, of those that say something about a scheme only, in which results of one scheme differ."""
    seen: dict[tuple[str, str], set[Any]] = {}
    for result in results:
        for name in (*OF_POINTS, *OF_CLUSTERS):
            seen.setdefault((result.settings["scheme"], name), set()).add(_told(result, name))
    return [name for name in (*OF_POINTS, *OF_CLUSTERS) if any(len(v) > 1 for (_, n), v in seen.items() if n == name)]


def _told(result: Result, name: str) -> str | int:
    """A setting as a table shows it: nothing where it says nothing about the scheme."""
    scheme, value = SCHEMES[result.settings["scheme"]], result.settings.get(name, getattr(Settings, name))
    idle = (name in OF_POINTS and not scheme.uses_points) or (name in OF_CLUSTERS and scheme.clusters is None)
    return "" if idle or value is None else value if isinstance(value, int) else f"{value}"


def results_markdown(results: Sequence[Result], protocol: str = "dataset") -> str:
    """The comparison as a Markdown table with the notes a reader needs: protocol, seeds, image files, hardware."""
    if not results:
        return "No results published yet."
    table = comparison(results, protocol)
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in table.itertuples(index=False):
        lines.append("| " + " | ".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in row) + " |")
    most = int(table["seeds"].max())
    files = sorted({result.provenance["image_format"] for result in results} - {"drawn"})
    devices = sorted({result.provenance["device"] for result in results})
    seeds = "**One seed each: no difference here is a finding.**" if most == 1 else f"Means over up to {most} seeds."
    copies = " ".join(f"Images from a {name.upper()} copy." if name == "webp" else "" for name in files)
    lines += ["", f"Per cent, protocol `{protocol}`, all test images at full label size, after the last epoch. {seeds} "
              "Classes never predicted have no precision and are left out of its mean. "
              f"{copies} Hardware: {', '.join(devices)}."]  # fmt: skip
    return "\n".join(lines)


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write a whole file or none of it: to a neighbour first, then renamed over the name."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    mask = os.umask(0)
    os.umask(mask)
    try:
        os.chmod(temporary, 0o666 & ~mask)  # a temporary file is private; a filed one is not
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _plain(value: Any) -> Any:
    """JSON has no nan: an undefined score is stored as null."""
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and value != value else value


def _hundred(share: float | None) -> float:
    return float("nan") if share is None else 100 * share


def _percent(value: float | None, width: int) -> str:
    return f"{'-' if value is None or value != value else f'{100 * value:.2f}':>{width}}"
