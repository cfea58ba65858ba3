"""One study point: Settings -> run -> Result, filed in a ledger under a key made from the settings themselves."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .objective import SCHEMES, Supervised, scheme
from .points import Point, choose_points, find_points

NUMERICS = 1  # raise it when the same settings would give other numbers; old results then no longer answer


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


# Defaults per tier: where it runs, on what, within which time. A tier fixes cost, never a conclusion.
TIERS: dict[str, dict[str, Any]] = {
    "smoke": {"size": (64, 96), "epochs": 4, "length": 48, "batch_size": 8},
    "lesson": {"size": (90, 120), "epochs": 6, "length": 360, "batch_size": 8},
    "lab": {"size": (360, 480), "epochs": 100, "batch_size": 8},
    "paper": {"size": None, "epochs": 200, "batch_size": 8},
}


@dataclass(frozen=True)
class Settings:
    """Everything that decides a result; two runs with equal settings and data are the same run.

    Unknown names are refused by the constructor. `root` and `workers` say where data lies and how it is read: they do
    not enter the key.
    """

    model: str = "deeplabv3plus_resnet18"
    data: str = "streets"
    root: str | None = None
    split: str = "standard"
    scheme: str = "imachsr"
    points: int = 3  # M; ignored by the conventional scheme
    near: str = "spread"
    distance: int | None = None
    alpha: float = 0.4
    lambda_: float = 0.01
    divide: bool = True  # alpha/M and lambda/M per point, so that M does not change the total weight
    size: tuple[int, int] | None = (180, 240)  # height, width of the network's input; None: as the data comes
    length: int | None = None  # images per part, for Streets, which can draw any number; None: its default
    augment: bool = False
    epochs: int = 20
    batch_size: int = 8  # iMacSR Table III
    learning_rate: float = 3e-4  # iMacSR Table III
    weight_decay: float = 1e-4  # iMacSR Table III
    schedule: str = "poly"
    memory_format: str = "auto"  # measured at the start and recorded
    evaluate_every: int = 1  # epochs; 0: only after the last
    seed: int = 0
    tier: str = "custom"  # a tier's name only where its defaults were taken
    workers: int = 0

    def __post_init__(self) -> None:
        if self.size is not None:
            object.__setattr__(self, "size", tuple(int(side) for side in self.size))
        if self.scheme not in SCHEMES:
            raise ValueError(f"got scheme {self.scheme!r}; the schemes known are {[*SCHEMES]}; use one of them")
        if self.memory_format not in ("auto", "contiguous", "channels_last"):
            raise ValueError(
                f"got memory_format={self.memory_format!r}; it is 'auto', 'contiguous' or 'channels_last'; choose one"
            )
        for name, least in {"points": 1, "epochs": 1, "batch_size": 1, "evaluate_every": 0, "workers": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"got {name}={getattr(self, name)}; it must be at least {least}; raise it")

    @classmethod
    def at(cls, tier: str, **changes: Any) -> Settings:
        """Settings with a tier's defaults, and `changes` on top; changing one of the tier's own makes it "custom"."""
        if tier not in TIERS:
            raise ValueError(f"got tier {tier!r}; the tiers are {[*TIERS]}; use one, or build Settings by hand")
        defaults = dict(TIERS[tier])
        if changes.get("data", cls.data) != "streets":
            defaults["length"] = None
        kept = all(changes.get(name, value) == value for name, value in defaults.items())
        return cls(**{**defaults, "tier": tier if kept else "custom", **changes})

    def decisive(self) -> dict[str, Any]:
        """The fields that can change the numbers; for the conventional scheme nothing about points is left."""
        chosen = {k: v for k, v in asdict(self).items() if k not in ("root", "workers")}
        if not SCHEMES[self.scheme].uses_points:
            for name in ("points", "near", "distance", "alpha", "lambda_", "divide"):
                del chosen[name]
        return chosen

    def key(self, data_fingerprint: str) -> str:
        """Content key: sha256 of the decisive settings, the data and the numerics version, 16 hex digits."""
        content = {"settings": self.decisive(), "data": data_fingerprint, "numerics": NUMERICS}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


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
    provenance: dict[str, Any] = field(default_factory=dict)

    def table(self, protocol: str = "dataset") -> str:
        """Per-class IoU, precision, recall and F1 in per cent, with the means below."""
        scores = self.scores[protocol]
        rows = [f"{'class':<14}{'IoU':>8}{'precision':>11}{'recall':>8}{'F1':>8}"]
        columns = (("iou", 8), ("precision", 11), ("recall", 8), ("f1", 8))
        for k, name in enumerate(self.classes):
            rows.append(f"{name:<14}" + "".join(_percent(scores["per_class"][c][k], w) for c, w in columns))
        means = (("mIoU", 8), ("mPrecision", 11), ("mRecall", 8), ("mF1", 8))
        rows.append(f"{'mean':<14}" + "".join(_percent(scores[name], width) for name, width in means))
        rows.append(f"{'pixel accuracy':<14}{_percent(scores['pixel_accuracy'], 8)}   protocol: {protocol}")
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
            if len(path.stem) == 16:
                found.setdefault(path.stem, Result.read(path))
    return list(found.values())


def publish(keys: list[str], *, ledger: str | Path | None = None, published: str | Path | None = None) -> list[Path]:
    """Copy chosen Results, named by the beginnings of their keys, from the local ledger to the published ones."""
    ledger, published = Path(ledger or ledger_folder()), Path(published or published_folder())
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


def run(
    settings: Settings, *, ledger: str | Path | None = None, again: bool = False, progress: bool | None = None
) -> Result:
    """Train and score one setting, or answer from the ledger where it was run before.

    Args:
        settings: what to run.
        ledger: folder the Result is filed in; by default `ledger_folder()`.
        again: run even if the ledger has the answer.
        progress: bars; by default where output is a terminal.

    Raises:
        ValueError: bad data or settings, before the first step.
    """
    from . import datasets

    train, test = (
        datasets.create(
            settings.data,
            settings.split,
            part=part,
            root=settings.root,
            size=settings.size,
            length=settings.length,
            augment=settings.augment and part == "train",
            augment_seed=settings.seed,
        )
        for part in ("train", "test")
    )
    key = settings.key(f"{train.fingerprint} {test.fingerprint}")
    ledger = Path(ledger or ledger_folder())
    path = ledger / f"{key}.json"
    if path.is_file() and not again:
        return Result.read(path)
    datasets.verify(train)
    datasets.verify(test)
    result = _train_and_score(settings, key, train, test, progress)
    result.write(ledger)
    return result


def build(settings: Settings, classes: int) -> Supervised:
    """The network of the settings with its scheme attached, from the settings' seed."""
    from . import models

    torch.manual_seed(settings.seed)
    network = models.create(settings.model, classes)
    chosen_scheme = scheme(settings.scheme, alpha=settings.alpha, lambda_=settings.lambda_, divide=settings.divide)
    points: tuple[Point, ...] = ()
    if chosen_scheme.uses_points:
        height, width = settings.size or (360, 480)
        found = find_points(network, torch.zeros(2, 3, height, width))
        points = choose_points(found, settings.points, near=settings.near, distance=settings.distance)
    return Supervised(network, points, chosen_scheme, classes=classes)


def _train_and_score(settings: Settings, key: str, train: Any, test: Any, progress: bool | None) -> Result:
    from .metrics import PROTOCOLS
    from .training import adam, batches, evaluate, fit

    started = time.perf_counter()
    classes = len(train.classes)
    trainee = build(settings, classes)
    train_loader = batches(train, settings.batch_size, seed=settings.seed, workers=settings.workers)
    test_loader = batches(test, settings.batch_size, shuffle=False, workers=settings.workers)
    layout = _choose_layout(settings, trainee, train)

    def score(network: nn.Module, epoch: int) -> dict[str, Any]:
        if settings.evaluate_every and epoch % settings.evaluate_every == 0 and epoch < settings.epochs:
            return evaluate(network, test_loader, classes=classes, progress=progress).scores()
        return {}

    history = fit(
        trainee,
        train_loader,
        epochs=settings.epochs,
        optimizer=adam(trainee, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay),
        schedule=settings.schedule,
        evaluation=score,
        progress=progress,
        label=f"{settings.scheme} {settings.data} seed {settings.seed}",
    )
    network = trainee.release()
    confusion = evaluate(network, test_loader, classes=classes, progress=progress)
    scores = {protocol: confusion.scores(protocol) for protocol in PROTOCOLS}
    curve = [epoch.as_dict() for epoch in history]
    curve[-1]["scores"] = scores["dataset"]
    return Result(
        key=key,
        settings={name: value for name, value in asdict(settings).items() if name != "root"},
        classes=tuple(train.classes),
        points=tuple(point.name for point in trainee.points),
        scores=scores,
        history=curve,
        per_image=confusion.per_image.tolist(),
        provenance={
            **provenance(),
            "memory_format": layout,
            "images": {"train": len(train), "test": len(test)},
            "image_format": getattr(train.source, "image_format", "drawn"),
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "seconds": round(time.perf_counter() - started, 1),
        },
    )


def _choose_layout(settings: Settings, trainee: Supervised, train: Any) -> str:
    """Put the trainee into the memory format of the settings, measured where it is "auto"."""
    from .training import fastest_memory_format

    layouts = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
    layout = settings.memory_format
    if layout == "auto":
        images, targets = zip(*(train[(0, i)] for i in range(settings.batch_size)), strict=True)
        fastest = fastest_memory_format(trainee, torch.stack(images), torch.stack(targets))
        layout = next(name for name, value in layouts.items() if value == fastest)
    trainee.to(memory_format=layouts[layout])
    return layout


def provenance() -> dict[str, Any]:
    """Where a number came from: revision, versions, hardware, threads, time."""
    import numpy

    import imachsr

    def git(*words: str) -> str:
        try:
            return subprocess.run(
                ["git", *words], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
            ).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return ""

    return {
        "imachsr": imachsr.__version__,
        "revision": git("rev-parse", "--short", "HEAD"),
        "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else _processor(),
        "threads": torch.get_num_threads(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


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


def _percent(value: float | None, width: int) -> str:
    return f"{'-' if value is None or value != value else f'{100 * value:.2f}':>{width}}"
