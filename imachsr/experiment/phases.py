"""The two phases of HS3 (Borse et al., BMVC 2021): what deep supervision confuses decides which classes to merge.

Phase 1 is a run like any other, deep supervision on part of the training images; the rest are counted afterwards, and
its Result keeps the counts. Phase 2 derives the clusters from them and trains on all images.

Axes: K classes, S clusters of them at a point, C channels, M points.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import hierarchy
from ..objective import SCHEMES, Supervised
from ..training import batches
from .ledger import Result
from .settings import SHARE, Settings

STRETCHES = 3  # at most: fewer where that many images are not kept out
DIGITS = 7  # of an embedding, as float32 has


@dataclass(frozen=True)
class Derived:
    """Which classes the points merge, and how that came about.

    Args:
        clusters: of each class, for each point; None where a scheme merges nothing.
        points: those that phase 1 measured, if there was one.
        notes: for the Result's provenance.
    """

    clusters: list[list[int]] | None = None
    points: tuple[str, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)


def first_phase(settings: Settings) -> Settings | None:
    """The run whose confusions the settings' clusters are derived from; None where no data is asked.

    >>> first = first_phase(Settings(scheme="hs3", theta=50.0))
    >>> first.scheme, first.analysis, first == first_phase(Settings(scheme="hs3_fuse"))
    ('deep_supervision', 0.1, True)
    """
    if not settings.derives:
        return None
    return replace(
        settings, scheme="deep_supervision", analysis=settings.analysis or SHARE, supervision="",
        lambda_=Settings.lambda_, theta=Settings.theta, clustering=Settings.clustering, lighter=None,  # idle in phase 1
    )  # fmt: skip


def derive(settings: Settings, classes: Sequence[str], first: Result | None) -> Derived:
    """Which classes each point of an HS3 scheme merges.

    Args:
        settings: of phase 2.
        classes: the data's names, K.
        first: the Result of `first_phase(settings)`, where there is one.

    Returns:
        One cluster id per class for each point, and what to note in the Result.

    Raises:
        ValueError: data without a grouping by hand.
    """
    if SCHEMES[settings.scheme].clusters is None:
        return Derived()
    if first is None:
        counts = COUNTS[settings.clustering](len(classes), settings.points)
        groups = [hierarchy.manual(settings.data, classes, count) for count in counts]
        found: dict[str, Any] = {}
    else:
        curves = tradeoffs(first, settings.clustering)
        final = hierarchy.miou(first.analysis["confusions"][-1])
        counts = [hierarchy.class_count(curve, final, theta=settings.theta) for curve in curves]
        groups = [curve.groupings[count] for curve, count in zip(curves, counts, strict=True)]
        found = {"theta": settings.theta, "first_phase": first.key, "final": final}
    clusters = [[int(one) for one in ids] for ids in groups]
    notes = {"clustering": settings.clustering, "counts": counts, "clusters": clusters, **found}
    return Derived(clusters, first.points if first else (), {"hs3": notes})


def same_points(derived: Derived, trainee: Supervised) -> None:
    """Refuse clusters measured at other points than those they are meant for.

    Raises:
        ValueError: the points of phase 1 are not those of phase 2.
    """
    names = tuple(point.name for point in trainee.points)
    if derived.points and derived.points != names:
        raise ValueError(
            f"got clusters measured at {list(derived.points)} for the points {list(names)}; both phases look at the "
            f"same points; run phase 1, {derived.notes['hs3']['first_phase']}, again"
        )


def tradeoffs(first: Result, clustering: str = "spectral") -> list[hierarchy.Tradeoff]:
    """mIoU against the number of classes at each point, from the counts of phase 1.

    For k-means a class without a pixel among the images kept out stays alone (`hierarchy.clusters_by_k_means`), and the
    smallest task is two clusters of those that were seen.

    Args:
        first: the Result of a run with `analysis`.
        clustering: "spectral" or "k_means".

    Raises:
        ValueError: a Result without counts.
    """
    if not first.analysis:
        raise ValueError(
            f"got result {first.key} without confusions at its points; they are counted on images kept out of "
            "training; run it with analysis=0.1"
        )
    *confusions, _ = (np.asarray(counts) for counts in first.analysis["confusions"])
    if clustering == "spectral":
        return [hierarchy.tradeoff(counts) for counts in confusions]
    tables = [_rows(table) for table in first.analysis["embeddings"]]
    return [
        hierarchy.tradeoff(counts, _by_embedding(rows), least=2 + int(np.isnan(rows).all(1).sum()))
        for counts, rows in zip(confusions, tables, strict=True)
    ]


def steps(classes: int, count: int) -> list[int]:
    """Class counts that rise evenly to K from point to point: our choice for grouping by hand, HS3 prints none.

    >>> steps(11, 3), steps(40, 1)
    ([3, 6, 8], [20])
    """
    return [max(2, round(classes * (m + 1) / (count + 1))) for m in range(count)]


COUNTS: dict[str, Callable[[int, int], list[int]]] = {"manual": steps, "halving": hierarchy.halving}


def reduced(settings: Settings, train: Any) -> Any:
    """The images trained on: all, or those left when stretches of them are kept out for the analysis."""
    if not settings.holds_out:
        return train
    stretches = min(STRETCHES, max(1, round(len(train) * settings.analysis)))
    kept, _ = hierarchy.analysis_split(len(train), share=settings.analysis, stretches=stretches, seed=settings.seed)
    return _part(train, kept)


def analysed(settings: Settings, trainee: Supervised, train: Any) -> dict[str, Any]:
    """What a trained network's points confuse on the images kept out, and their mean feature of each class.

    Args:
        settings: of the run.
        trainee: trained, its points still captured.
        train: from `reduced`.

    Returns:
        `images`, how many were kept out; `confusions`, counts (K, K) for each point and last for the output;
        `embeddings`, for each point a row (C,) per class, None for a class without a pixel. Empty without an analysis.
    """
    from ..datasets.transforms import Plain

    if not settings.holds_out:
        return {}
    left_out = sorted({*range(len(train.source.source))} - {*train.source.indices})
    plain = _part(train, left_out)
    plain.transform = Plain(settings.size)
    loader = batches(plain, settings.batch_size, shuffle=False, workers=settings.workers)
    counts = hierarchy.confusions(trainee, loader)
    rows = [[_rounded(row) for row in table.tolist()] for table in hierarchy.embeddings(trainee, loader)]
    return {"images": len(plain), "confusions": [one.matrix.tolist() for one in counts], "embeddings": rows}


def _rounded(row: list[float]) -> list[float] | None:
    return None if any(value != value for value in row) else [float(f"{value:.{DIGITS}g}") for value in row]


def _part(whole: Any, indices: Sequence[int]) -> Any:
    """Some images of a dataset, in the order given, behind the same transform."""
    chosen = copy.copy(whole)
    source = whole.source
    chosen.source = _Chosen(source.source if isinstance(source, _Chosen) else source, indices)
    return chosen


class _Chosen:
    """Some items of a source; all else is the source's own."""

    def __init__(self, source: Any, indices: Sequence[int]) -> None:
        self.source, self.indices = source, list(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def raw(self, index: int) -> Any:
        return self.source.raw(self.indices[index])

    def __getattr__(self, name: str) -> Any:
        if name in ("source", "indices") or name.startswith("__"):  # not set yet, when unpickled in a worker
            raise AttributeError(name)
        found = getattr(self.source, name)
        return (lambda index: found(self.indices[index])) if name == "paths" else found


def _by_embedding(rows: np.ndarray) -> Callable[[Any, int], np.ndarray]:
    return lambda _, size: hierarchy.clusters_by_k_means(rows, size)


def _rows(table: Sequence[Sequence[float] | None]) -> np.ndarray:
    """Embeddings as `analysed` files them, (K, C): a row of nan for None."""
    channels = max((len(row) for row in table if row is not None), default=1)
    return np.array([[np.nan] * channels if row is None else row for row in table])
