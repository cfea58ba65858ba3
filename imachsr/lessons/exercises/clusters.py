"""Exercises of notebook 13: affinity of classes, labels and confusions merged to clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..exercise import Exercise
from .random import labels, rng


def affinity(confusion: np.ndarray) -> np.ndarray:
    """How often two classes are taken for one another, whichever way round: (C + C^T) / 2; counts (K, K)."""
    return (confusion + confusion.T) / 2


def merged_labels(targets: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Labels (B, H, W) with every class replaced by its cluster ids[class]; 255 stays 255; ids (K,)."""
    void = targets == 255
    return ids[targets.where(~void, 0)].where(~void, 255)


def merged_confusion(confusion: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Counts (S, S) of clusters from counts (K, K) of classes; ids (K,) numbers the clusters from 0."""
    hot = np.eye(ids.max() + 1, dtype=confusion.dtype)[ids]
    return hot.T @ confusion @ hot


def _ids(random: np.random.Generator) -> np.ndarray:
    """Six classes in three clusters, (6,)."""
    return random.permutation(np.r_[np.arange(3), random.integers(0, 3, 3)])


def _counts(seed: int) -> tuple[np.ndarray]:
    random = rng(seed)
    return (random.integers(0, 40, (5, 5)) + np.diag(random.integers(30, 90, 5)),)


def _labelled(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = rng(seed)
    return labels(random, 6, 2, 4, 5), torch.from_numpy(_ids(random))


def _confused(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = rng(seed)
    return random.integers(0, 40, (6, 6)), _ids(random)


def _hot(ids: Any) -> np.ndarray:
    return np.eye(int(ids.max()) + 1, dtype=np.int64)[ids]


def _first_member(ids: torch.Tensor) -> torch.Tensor:
    return torch.stack([(ids == cluster).nonzero()[0, 0] for cluster in ids])


EXERCISES = (
    Exercise(
        id="13.affinity",
        task="Spectral clustering needs one symmetric number per pair of classes. Make it from the confusion counts: "
        "the mean of both ways of confusing them.",
        solution=affinity,
        instance=_counts,
        wrong={
            "forgot to halve the sum": lambda c: c + c.T,
            "kept the counts as they are: row by column is not symmetric": lambda c: c.astype(float),
            "took the larger of the two ways": lambda c: np.maximum(c, c.T).astype(float),
            "multiplied C by its transpose: that compares rows, not pairs": lambda c: (c @ c.T).astype(float),
            "divided rows by their sums first: here the counts are taken": lambda c: (
                (c / c.sum(1, keepdims=True) + (c / c.sum(1, keepdims=True)).T) / 2
            ),
        },
        properties={"it is symmetric": lambda f, a: bool(np.allclose(f(*a), f(*a).T))},
    ),
    Exercise(
        id="13.labels",
        task="At a point of HS3 the labels name clusters. Replace every class by its cluster, and leave void "
        "(255) void.",
        solution=merged_labels,
        instance=_labelled,
        wrong={
            "void went into the cluster of class 0": lambda y, ids: ids[y.where(y != 255, 0)],
            "void went into the cluster of the last class": lambda y, ids: ids[y.clamp_max(len(ids) - 1)],
            "gave void a cluster of its own": lambda y, ids: torch.where(
                y == 255, int(ids.max()) + 1, ids[y.where(y != 255, 0)]
            ),
            "named a cluster by its first class: clusters are numbered": lambda y, ids: torch.where(
                y == 255, 255, _first_member(ids)[y.where(y != 255, 0)]
            ),
            "left the classes as they are": lambda y, ids: y.clone(),
        },
        properties={"void stays void": lambda f, a: bool(((f(*a) == 255) == (a[0] == 255)).all())},
    ),
    Exercise(
        id="13.confusion",
        task="What would the confusion matrix be if the network had been asked for clusters? Add up the counts of the "
        "classes that are merged, in truth and in prediction.",
        solution=merged_confusion,
        instance=_confused,
        wrong={
            "merged the predictions only": lambda c, ids: c @ _hot(ids),
            "merged the truth only": lambda c, ids: _hot(ids).T @ c,
            "averaged the counts of merged classes instead of adding them": lambda c, ids: (
                _hot(ids).T @ c @ _hot(ids) / np.outer(_hot(ids).sum(0), _hot(ids).sum(0))
            ),
            "rows and columns swapped: rows are truth": lambda c, ids: (_hot(ids).T @ c @ _hot(ids)).T,
            "overwrote instead of adding: only the last class of a cluster counted": lambda c, ids: c[
                np.ix_(*[[int(np.flatnonzero(ids == s)[-1]) for s in range(ids.max() + 1)]] * 2)
            ],
        },
        properties={"no pixel is lost": lambda f, a: int(f(*a).sum()) == int(a[0].sum())},
    ),
)
