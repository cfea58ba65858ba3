"""Settings -> run -> Result."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .. import datasets
from ..metrics import Confusion
from ..objective import Supervised, scheme
from ..points import Point, choose_points, find_points, several
from .alone import alone
from .fusing import fused, inference_cost
from .ledger import Result, advised, usable, write_atomically
from .phases import Derived, analysed, derive, first_phase, reduced, same_points
from .places import Places, ledger_folder
from .provenance import peak_memory, provenance
from .settings import Settings
from .snapshots import Snapshots, shown_epochs
from .supervisions import SUPERVISIONS

if TYPE_CHECKING:
    from ..training import Epoch

Judged = tuple[Confusion, dict[str, Any]]  # the counts, and how sure the network was
Look = partial[Confusion]  # network -> its counts on the test images


def run(
    settings: Settings,
    *,
    ledger: str | Path | None = None,
    again: bool = False,
    keep: bool = False,
    processes: int | None = None,
    progress: bool | None = None,
) -> Result:
    """Train and score one setting, or answer from the ledger where it was run before.

    Where a scheme needs a first phase (HS3), it is a run of its own: answered, resumed and filed like any other.

    Stopped or killed in between, the same call goes on where it was: checkpoints lie in the ledger, under
    `checkpoints/KEY`, until the Result is filed. What happened in each step is in `runs/KEY`, and what the network
    made of a few test images on the way in `snapshots/KEY`.

    Args:
        settings: what to run.
        ledger: folder the Result is filed in; by default `ledger_folder()`.
        again: run even if the ledger has the answer; a first phase answers all the same.
        keep: keep the trained network's weights in `weights/KEY.pt`, for `imachsr export`.
        processes: how many train together, see `fit`.
        progress: bars; by default on a terminal, or in a notebook somebody looks at.

    Raises:
        TypeError: settings that are no `Settings`.
        ValueError: bad data or settings, before the first step; or a filed answer that is damaged.
        OSError: the ledger cannot be written, before the first step; or its disk is full.
        Stopped: asked to stop; run the same again to go on.
    """
    from ..training.ranks import Ranks

    if not isinstance(settings, Settings):
        raise TypeError(
            f"got a {type(settings).__name__} to run; a run is known by its Settings; pass imachsr.Settings(data=..., "
            "scheme=...), or Settings.at(tier)"
        )
    ranks = Ranks(processes)
    train, test = data_of(settings)
    fingerprint = f"{train.fingerprint} {test.fingerprint}"
    places = Places(Path(ledger or ledger_folder()), settings.key(fingerprint))
    if ranks.told(places.result.is_file() and not again):
        return Result.read(places.result)
    usable(places.ledger)
    datasets.verify(train)
    datasets.verify(test)
    derived = ranks.told(_derived(settings, train, ledger=ledger, processes=processes, progress=progress))
    trainee = build(settings, len(train.classes), train[0][0], derived.clusters)
    same_points(derived, trainee)
    with advised(places.ledger), alone(places.lock, asks=ranks.first, told=ranks.told):
        if ranks.first and places.spent():
            shutil.rmtree(places.checkpoints)
        if not ranks.told(places.result.is_file() and not again):  # else another process was faster
            result = _train_and_score(settings, places, train, test, trainee, keep, progress, first=ranks.first)
            if result:
                cost = _cost(settings, trainee, train[0][0])
                result.provenance.update(fingerprint=fingerprint, processes=ranks.count, **cost, **derived.notes)
                result.write(places.ledger)
        ranks.gather(None)  # the others read when it is written
        if ranks.first:
            shutil.rmtree(places.checkpoints, ignore_errors=True)
    return Result.read(places.result)


def data_of(settings: Settings) -> tuple[Any, Any]:
    """The settings' training and test data."""
    train, test = (
        datasets.create(
            settings.data,
            settings.split,
            part=part,
            root=settings.root,
            size=settings.size,
            length=settings.length,
            classes=settings.classes,
            inputs=settings.inputs,
            crop=settings.crop if settings.augment and part == "train" else None,
            augment=settings.augment and part == "train",
            augment_seed=settings.seed,
        )
        for part in ("train", "test")
    )
    return reduced(settings, train), test


def _derived(settings: Settings, train: Any, **how: Any) -> Derived:
    """The clusters of a scheme that merges classes; its first phase is run here, once nothing else can be refused."""
    first = first_phase(settings)
    if first is None:
        return derive(settings, train.classes, None)
    K = len(train.classes)
    build(settings, K, train[0][0], [[*range(K)]] * settings.points)
    return derive(settings, train.classes, run(first, **how))


def _cost(settings: Settings, trainee: Supervised, example: Tensor | Sequence[Tensor]) -> dict[str, Any]:
    if settings.scheme != "hs3_fuse":
        return {}
    return {"inference": inference_cost(trainee.network, settings.model, several(example))}


def build(
    settings: Settings,
    classes: int,
    example: Tensor | Sequence[Tensor],
    clusters: Sequence[Sequence[int]] | None = None,
) -> Supervised:
    """The network of the settings with its scheme attached, from the settings' seed.

    Args:
        settings: of the run.
        classes: K of the data.
        example: one image (3, H, W), or several inputs, of the shape trained on.
        clusters: for HS3, of each class, for each point.
    """
    from .. import models

    torch.manual_seed(settings.seed)
    network = models.create(settings.model, classes, weights=settings.weights)
    chosen_scheme = scheme(
        settings.scheme,
        alpha=settings.gamma or settings.alpha,
        lambda_=settings.lambda_,
        divide=settings.divide,
        weighting=settings.weighting,
        schedule=settings.weight_schedule,
        **({"clusters": clusters} if clusters else {}),
        **({"supervision": SUPERVISIONS[settings.supervision]} if settings.supervision else {}),
    )
    inputs = [torch.zeros(2, *image.shape) for image in several(example)]
    _check_inputs(network, len(inputs), settings)
    points: tuple[Point, ...] = ()
    if chosen_scheme.uses_points:
        found = find_points(network, *inputs)
        points = choose_points(
            found, settings.points, near=settings.near, distance=settings.distance, names=settings.names
        )
    if settings.scheme == "hs3_fuse" and clusters:
        network = fused(network, points, clusters, inputs, lighter=settings.lighter)
    return Supervised(network, points, chosen_scheme, classes=classes)


def _check_inputs(network: nn.Module, count: int, settings: Settings) -> None:
    from .. import models

    if (asked := models.count_inputs(network)) != count:
        one = "input" if asked == 1 else "inputs"
        raise ValueError(
            f"got model {settings.model!r}, which takes {asked} {one}, and data {settings.data!r}, which gives "
            f"{count}; each needs its own; use --data nyudv2 --inputs {'rgb' if asked == 1 else 'rgb+hha'}, "
            "or another model"
        )


def _train_and_score(
    settings: Settings,
    places: Places,
    train: Any,
    test: Any,
    trainee: Supervised,
    keep: bool,
    progress: bool | None,
    *,
    first: bool,
) -> Result | None:
    """All processes train, the first one scores."""
    from ..metrics import PROTOCOLS
    from ..training import batches, evaluate, memory_format_of

    started = time.perf_counter()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    origins = _origins(places.checkpoints, provenance(device)) if first else []  # now: later the code may be another
    trainee = trainee.to(device)
    test_loader = batches(test, settings.batch_size, shuffle=False, workers=settings.workers)
    views = _views(settings, test)
    look: Look = partial(evaluate, loader=test_loader, classes=len(train.classes), progress=progress, **views)

    history, last = _trained(settings, places, train, test, trainee, look, progress)
    if not first:
        return None
    noted = {
        "memory_format": memory_format_of(trainee), "weights": trainee.weights.now(), "skipped": dict(trainee.skipped),
    }  # fmt: skip
    held_out = analysed(settings, trainee, train)
    network = trainee.release()
    confusion, certainty = last or _judged(network, look, len(train.classes))
    if keep:
        _keep(network, places.weights)
    scores = {protocol: confusion.scores(protocol) for protocol in PROTOCOLS}
    curve = [epoch.as_dict() for epoch in history]
    curve[-1]["scores"] = scores["dataset"]
    return Result(
        key=places.key,
        settings=settings.stored(),
        classes=tuple(train.classes),
        points=tuple(point.name for point in trainee.points),
        scores=scores,
        history=curve,
        per_image=confusion.per_image.tolist(),
        certainty=certainty,
        provenance={
            **_known_of(settings, train, test, network, origins),
            **noted,
            "peak_bytes": peak_memory(device),
            # a run that was resumed took longer than since its last start
            "seconds": round(max(time.perf_counter() - started, sum(epoch.seconds for epoch in history)), 1),
        },
        analysis=held_out,
    )


def _known_of(
    settings: Settings, train: Any, test: Any, network: nn.Module, origins: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Provenance that a run does not have to end for: where it was made, of what data and what network."""
    return {
        **origins[-1],
        **({"earlier": origins[:-1]} if len(origins) > 1 else {}),
        "numerics": settings.numerics,
        "images": {"train": len(train), "test": len(test)},
        "input_shapes": [[*image.shape] for image in several(train[0][0])],
        "image_format": getattr(train.source, "image_format", "drawn"),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }


def _origins(checkpoints: Path, now: dict[str, Any]) -> list[dict[str, Any]]:
    """Where a run's steps are made: now, and before it where it goes on with other code, versions or hardware."""
    path = checkpoints / "origins.json"
    goes_on = path.is_file() and any(checkpoints.glob("step-*.ckpt"))
    origins = json.loads(path.read_text(encoding="utf-8")) if goes_on else []
    if not origins or {**origins[-1], "date": now["date"]} != now:
        origins.append(now)
    write_atomically(path, json.dumps(origins))
    return origins


def _trained(
    settings: Settings, places: Places, train: Any, test: Any, trainee: Supervised, look: Look, progress: bool | None
) -> tuple[list[Epoch], Judged | None]:
    """The epochs, and how the last one was judged; None where a checkpoint lay behind the last step already."""
    from ..training import adam, batches, fit

    snapshots, shown = Snapshots(places.snapshots), shown_epochs(settings.epochs, settings.evaluate_every)
    last: list[Judged] = []

    def score(network: nn.Module, epoch: int) -> dict[str, Any]:
        if epoch in shown:
            snapshots.keep(network, test, epoch)
        if epoch == settings.epochs:
            last.append(_judged(network, look, len(train.classes)))
        if settings.evaluate_every and epoch % settings.evaluate_every == 0 and epoch < settings.epochs:
            return look(network).scores()
        return {}

    history = fit(
        trainee,
        batches(train, settings.batch_size, seed=settings.seed, workers=settings.workers),
        epochs=settings.epochs,
        optimizer=adam(trainee, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay),
        schedule=settings.schedule,
        warmup=settings.warmup,
        clip_norm=settings.clip_norm,
        accumulate=settings.accumulate,
        precision=settings.precision,
        ema=settings.ema,
        memory_format=settings.memory_format,
        compile=settings.compile,
        evaluation=score,
        checkpoints=places.checkpoints,
        log=places.records,
        progress=progress,
        label=f"{settings.scheme} {settings.data} seed {settings.seed}",
    )
    return history, last[0] if last else None


def _views(settings: Settings, test: Any) -> dict[str, Any]:
    """How each test image is looked at."""
    depth = [place for place, kind in enumerate(test.inputs) if kind == "depth"]
    return {"scales": settings.test_scales or (1.0,), "flip": settings.test_flip, "depth": depth}


def _judged(network: nn.Module, look: Look, classes: int) -> Judged:
    """Right and wrong, and how sure: both papers claim less overconfidence."""
    from ..metrics import Calibration, PredictiveEntropy

    measures = Calibration(classes), PredictiveEntropy(classes)
    confusion = look(network, measures=measures)
    return confusion, {name: value for measure in measures for name, value in measure.scores().items()}


def _keep(network: nn.Module, path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({name: value.cpu() for name, value in network.state_dict().items()}, buffer)
    write_atomically(path, buffer.getvalue())
