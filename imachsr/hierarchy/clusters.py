"""Which classes to merge: by what a point confuses, or by how alike their embeddings are."""

from __future__ import annotations

from typing import Any

import numpy as np

FLOOR = 1e-6  # of the largest affinity, between every two classes: the graph stays connected where nothing is confused


def affinity(confusion: Any) -> np.ndarray:
    """How often two classes are taken for one another: A = (C + C^T) / 2 (HS3 Section 3.1.1).

    Args:
        confusion: counts (K, K), truth by prediction.

    Raises:
        ValueError: no square matrix of finite counts.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(
            f"got a confusion matrix of shape {counts.shape}; it holds counts (K, K), finite and not negative; "
            "pass Confusion.matrix"
        )
    return (counts + counts.T) / 2


def clusters(confusion: Any, size: int) -> np.ndarray:
    """Merge the K classes of a confusion matrix to `size` clusters (HS3 Section 3.1.1).

    Spectral clustering of the affinity (Ng, Jordan and Weiss 2002; von Luxburg 2007), read out by a pivoted QR
    factorization (Damle, Minden and Ying 2019). Nothing is left to chance: equal counts give equal clusters. HS3 cites
    von Luxburg, who reads out by k-means; that, the floor, and counts in place of shares are our choice.

    Args:
        confusion: counts (K, K), truth by prediction.
        size: S, from 1 to K.

    Returns:
        The cluster of each class, (K,) int64, numbered in order of their first class.

    >>> clusters([[9, 5, 0], [5, 9, 0], [0, 0, 9]], 2).tolist()
    [0, 0, 1]
    """
    weights = affinity(confusion)
    classes = len(weights)
    _check_size(size, classes)
    if size in (1, classes):
        return np.arange(classes) * int(size > 1)
    from sklearn.cluster import spectral_clustering

    weights = weights + FLOOR * (weights.max() or 1.0)
    return canonical(spectral_clustering(weights, n_clusters=size, assign_labels="cluster_qr", random_state=0))


def clusters_by_k_means(embeddings: Any, size: int) -> np.ndarray:
    """Merge classes whose embeddings at a point lie close (HS3 Section 3.1.3): the best of ten starts, always the same.

    A class without an embedding stays alone, our choice: nothing was seen of it that would speak for merging. The
    others share the clusters that are left.

    Args:
        embeddings: one row per class, (K, D): the mean feature of its pixels, or OCR's object representation; a row of
            nan for a class without a pixel.
        size: S, from 1 to K; more than the classes that stay alone.

    Returns:
        The cluster of each class, (K,) int64, numbered in order of their first class.

    >>> clusters_by_k_means([[0.0], [9.0], [float("nan")], [0.1]], 3).tolist()
    [0, 1, 2, 0]
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    alone = np.isnan(rows).all(1) if rows.ndim == 2 else np.zeros(len(rows), bool)
    seen = rows[~alone]
    if rows.ndim != 2 or not np.isfinite(seen).all():
        raise ValueError(
            f"got embeddings of shape {rows.shape}; there is one row per class, (K, D), finite or all nan for a class "
            "without a pixel; pass what hierarchy.embeddings gives"
        )
    _check_size(size, len(rows))
    left = size - len(rows) + len(seen)
    if left < 1:
        raise ValueError(
            f"got size={size} for {len(rows)} classes, {len(rows) - len(seen)} of them without an embedding; each of "
            "those stays alone; ask for more clusters, or look at more images"
        )
    if len(np.unique(seen, axis=0)) < left:
        raise ValueError(
            f"got {len(np.unique(seen, axis=0))} distinct embeddings for {left} clusters; each needs one of its own; "
            "ask for fewer clusters"
        )
    from sklearn.cluster import KMeans

    ids = np.arange(len(rows)) + left
    ids[~alone] = KMeans(left, n_init=10, random_state=0).fit_predict(seen)
    return canonical(ids)


def canonical(ids: Any) -> np.ndarray:
    """The same clusters, numbered 0, 1, ... in order of their first class.

    >>> canonical([7, 7, 2, 7, 0]).tolist()
    [0, 0, 1, 0, 2]
    """
    ids = np.asarray(ids)
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def _check_size(size: int, classes: int) -> None:
    if not 1 <= size <= classes:
        raise ValueError(f"got size={size} for {classes} classes; clusters number from 1 to {classes}; choose one")
