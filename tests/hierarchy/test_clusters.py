"""Which classes are merged: planted clusters come back, and nothing depends on their names."""

import numpy as np
import pytest

from imachsr.hierarchy import affinity, canonical, clusters, clusters_by_k_means


def planted(groups, *, seed=0, inside=(20, 60), across=(0, 3)):
    """Counts of classes that are confused within their group, hardly across."""
    draw = np.random.default_rng(seed)
    ids = np.repeat(np.arange(len(groups)), groups)
    ids = draw.permutation(ids)
    classes = len(ids)
    counts = np.where(
        ids[:, None] == ids, draw.integers(*inside, (classes, classes)), draw.integers(*across, (classes, classes))
    )
    counts[np.diag_indices(classes)] = draw.integers(100, 5000, classes)
    return counts, canonical(ids)


@pytest.mark.parametrize("groups", [(2, 2), (3, 4, 2), (5, 5, 4, 3, 2), (10, 2, 3, 6, 20)])
@pytest.mark.parametrize("seed", range(5))
def test_planted_clusters_come_back(groups, seed):
    counts, ids = planted(groups, seed=seed)
    assert clusters(counts, len(groups)).tolist() == ids.tolist()


def test_the_affinity_is_the_mean_of_both_mistakes():
    counts = np.array([[5, 4, 0], [2, 7, 1], [0, 0, 3]])
    assert affinity(counts).tolist() == [[5, 3, 0], [3, 7, 0.5], [0, 0.5, 3]]


def test_every_size_is_reached_without_chance_and_whatever_is_confused():
    draw = np.random.default_rng(1)
    for trial in range(6):
        counts = np.floor(draw.gamma(0.3, 1, (9, 9)) * 100)
        if trial % 2:
            counts[3] = counts[:, 3] = 0  # a class that never occurs
        if trial == 4:
            counts[:] = 0
        for size in range(1, 10):
            ids = clusters(counts, size)
            assert sorted(set(ids.tolist())) == list(range(size))
            assert ids.tolist() == clusters(counts, size).tolist()


def test_clusters_follow_their_classes():
    counts, _ = planted((4, 3, 3), seed=3)
    order = np.random.default_rng(0).permutation(10)
    moved = clusters(counts[np.ix_(order, order)], 3)
    assert moved.tolist() == canonical(clusters(counts, 3)[order]).tolist()


def test_k_means_merges_what_lies_close():
    rows = np.array([[0, 0], [9, 9], [0.1, 0], [9, 9.2], [-9, 9]])
    assert clusters_by_k_means(rows, 3).tolist() == [0, 1, 0, 1, 2]


def test_without_an_embedding_a_class_stays_alone():
    none = [np.nan, np.nan]
    rows = np.array([[0, 0], none, [9, 9], [0.1, 0], [9, 9.2], none, [-9, 9]])
    assert clusters_by_k_means(rows, 5).tolist() == [0, 1, 2, 0, 2, 3, 4]
    assert clusters_by_k_means(rows, 3).tolist() == [0, 1, 0, 0, 0, 2, 0]
    assert clusters_by_k_means(rows, 7).tolist() == [*range(7)]
    with pytest.raises(ValueError, match=r"got size=2 for 7 classes, 2 of them without .* stays alone; ask for more"):
        clusters_by_k_means(rows, 2)


def test_refusals():
    with pytest.raises(ValueError, match=r"got size=4 for 3 classes; clusters number from 1 to 3; choose one"):
        clusters(np.eye(3), 4)
    with pytest.raises(ValueError, match=r"shape \(2, 3\); it holds counts \(K, K\).*Confusion.matrix"):
        affinity(np.ones((2, 3)))
    with pytest.raises(ValueError, match="not negative"):
        affinity([[1, -1], [0, 1]])
    with pytest.raises(ValueError, match=r"got 1 distinct embeddings for 2 clusters"):
        clusters_by_k_means(np.ones((3, 2)), 2)
    with pytest.raises(ValueError, match=r"one row per class.*pass what hierarchy.embeddings gives"):
        clusters_by_k_means([[1, np.nan], [0, 1]], 2)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        clusters_by_k_means([1, 2, 3], 2)
