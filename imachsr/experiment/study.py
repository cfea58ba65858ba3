"""Settings -> run -> Result."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..objective import Supervised, scheme
from ..points import Point, choose_points, find_points
from .ledger import Result, ledger_folder
from .provenance import provenance
from .settings import NUMERICS, Settings


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
    from .. import datasets

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
    fingerprint = f"{train.fingerprint} {test.fingerprint}"
    key = settings.key(fingerprint)
    ledger = Path(ledger or ledger_folder())
    path = ledger / f"{key}.json"
    if path.is_file() and not again:
        return Result.read(path)
    datasets.verify(train)
    datasets.verify(test)
    result = _train_and_score(settings, key, train, test, progress)
    result.provenance["fingerprint"] = fingerprint
    return Result.read(result.write(ledger))


def build(settings: Settings, classes: int, size: tuple[int, int]) -> Supervised:
    """The network of the settings with its scheme attached, from the settings' seed, for images of `size`."""
    from .. import models

    torch.manual_seed(settings.seed)
    network = models.create(settings.model, classes)
    chosen_scheme = scheme(
        settings.scheme,
        alpha=settings.alpha,
        lambda_=settings.lambda_,
        divide=settings.divide,
        weighting=settings.weighting,
        schedule=settings.weight_schedule,
    )
    points: tuple[Point, ...] = ()
    if chosen_scheme.uses_points:
        found = find_points(network, torch.zeros(2, 3, *size))
        points = choose_points(found, settings.points, near=settings.near, distance=settings.distance)
    return Supervised(network, points, chosen_scheme, classes=classes)


def _train_and_score(settings: Settings, key: str, train: Any, test: Any, progress: bool | None) -> Result:
    from ..metrics import PROTOCOLS
    from ..training import adam, batches, evaluate, fit

    started = time.perf_counter()
    classes = len(train.classes)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainee = build(settings, classes, tuple(train[0][0].shape[-2:])).to(device)
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
    weights, skipped = trainee.weights.now(), dict(trainee.skipped)
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
            **provenance(device),
            "numerics": NUMERICS,
            "memory_format": layout,
            "weights": weights,
            "skipped": skipped,
            "images": {"train": len(train), "test": len(test)},
            "image_format": getattr(train.source, "image_format", "drawn"),
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "seconds": round(time.perf_counter() - started, 1),
        },
    )


def _choose_layout(settings: Settings, trainee: Supervised, train: Any) -> str:
    """Put the trainee into the memory format of the settings, measured where it is "auto"."""
    from ..training import fastest_memory_format

    layouts = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
    layout = settings.memory_format
    if layout == "auto":
        images, targets = zip(*(train[(0, i)] for i in range(settings.batch_size)), strict=True)
        fastest = fastest_memory_format(trainee, torch.stack(images), torch.stack(targets))
        layout = next(name for name, value in layouts.items() if value == fastest)
    trainee.to(memory_format=layouts[layout])
    return layout
