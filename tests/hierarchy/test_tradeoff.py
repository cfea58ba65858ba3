"""How many classes a point is given: merging, the ratio rule, and theta's two limits."""

import math

import numpy as np
import pytest

from imachsr.hierarchy import RATIO_DEGREES, Tradeoff, by_seen, class_count, merge, miou, tradeoff
from imachsr.metrics import Confusion

COUNTS = np.random.default_rng(0).integers(0, 50, (7, 7)) + 100 * np.eye(7, dtype=int)
FALLING = {2: 0.95, 3: 0.85, 4: 0.75, 5: 0.62, 6: 0.5, 7: 0.4, 8: 0.35}


def point(miou):
    return Tradeoff({}, miou)


def test_merging_counts_is_merging_labels():
    import torch

    draw = torch.Generator().manual_seed(0)
    truth, guess = (torch.randint(0, 5, (2, 6, 6), generator=draw) for _ in range(2))
    ids = torch.tensor([0, 1, 0, 2, 1])
    whole, merged = Confusion(5), Confusion(3)
    whole.update(guess, truth)
    merged.update(ids[guess], ids[truth])
    assert merge(whole.matrix, ids).tolist() == merged.matrix.tolist()
    assert miou(merged.matrix) == pytest.approx(merged.scores()["mIoU"])


def test_a_class_without_a_true_pixel_is_not_scored_predicted_or_not():
    counts = np.zeros((3, 3), dtype=int)
    counts[0, 0], counts[1, 0] = 6, 2
    assert miou(counts) == pytest.approx((6 / 8 + 0) / 2)
    counts[0, 2] = 3  # taken for a class that is not there: a miss of the true one, and nothing more
    assert miou(counts) == pytest.approx((6 / 11 + 0) / 2)
    with pytest.raises(ValueError, match="got a confusion matrix of zeros"):
        miou(np.zeros((2, 2)))


def test_the_tradeoff_covers_every_number_of_classes():
    found = tradeoff(COUNTS)
    assert list(found.miou) == list(range(2, 8))
    assert found.classes == 7
    assert found.miou[7] == pytest.approx(miou(COUNTS))
    for size, ids in found.groupings.items():
        assert len(set(ids.tolist())) == size
        assert found.miou[size] == pytest.approx(miou(merge(COUNTS, ids)))


def test_groupings_are_compared_by_the_clusters_that_are_seen():
    """Class 6 has no true pixel: alone it is a cluster less to score, merged it takes a cluster's place."""
    counts = COUNTS.copy()
    counts[6] = 0
    late = tradeoff(counts, lambda _, size: np.minimum(np.arange(7), size - 1))  # class 6 is merged at once
    alone = tradeoff(counts, lambda _, size: np.r_[np.minimum(np.arange(6), size - 2), size - 1], least=3)
    for found in (by_seen(counts, late), by_seen(counts, alone)):
        assert [*found.miou] == [*found.groupings] == [2, 3, 4, 5, 6]
        for n, ids in found.groupings.items():
            assert len(set(ids[:6].tolist())) == n
            union = [merge(counts, ids)[k].sum() + merge(counts, ids)[:, k].sum() for k in set(ids[:6].tolist())]
            own = [merge(counts, ids)[k, k] for k in set(ids[:6].tolist())]
            assert found.miou[n] == pytest.approx(sum(o / (u - o) for o, u in zip(own, union, strict=True)) / n)
    assert by_seen(counts, late).miou[6] == by_seen(counts, alone).miou[6] == miou(counts), "unmerged, either way"
    assert by_seen(COUNTS, tradeoff(COUNTS)).miou == tradeoff(COUNTS).miou, "all seen: nothing changes"


def test_a_tradeoff_that_begins_later_gives_its_smallest_task():
    found = tradeoff(COUNTS, least=4)
    assert list(found.miou) == [4, 5, 6, 7]
    assert class_count(found, 1.0, theta=90) == 4
    assert list(tradeoff(COUNTS, least=9).miou) == [7], "too few classes seen: none is merged"


def test_the_ratio_rule_goes_through_the_origin():
    final = 0.6
    ratio = final / 8
    above = [n for n, share in FALLING.items() if share / n >= ratio]
    assert class_count(point(FALLING), final) == max(above) == 6
    assert class_count(point(FALLING), final, theta=RATIO_DEGREES) == 6


def test_theta_runs_from_deep_supervision_to_the_outputs_score():
    counts = [class_count(point(FALLING), 0.6, theta=theta) for theta in (0, 20, 40, 60, 76, 85, 90)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 8
    assert counts[-1] == max(n for n, share in FALLING.items() if share >= 0.6) == 5


def test_the_line_is_the_papers():
    """tan(theta) = unit * (K - n) / (final - mIoU), checked at a point that lies on it."""
    theta = math.degrees(math.atan(0.05 * (8 - 5) / (0.8 - 0.62)))
    assert class_count(point(FALLING), 0.8, theta=theta, unit=0.05) == 5
    assert class_count(point(FALLING), 0.8, theta=theta + 0.1, unit=0.05) == 4


def test_several_crossings_take_the_hardest_task_and_none_the_easiest():
    assert class_count(point({2: 0.9, 3: 0.2, 4: 0.7, 5: 0.1}), 0.8) == 4
    assert class_count(point({2: 0.1, 3: 0.1, 4: 0.1}), 0.9) == 2
    assert class_count(point({2: 0.9, 3: 0.9, 4: 0.95}), 0.9) == 4, "a point as good as the output keeps all classes"


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"theta": 91}, r"got theta=91; it goes from 0 .* to 90 .*; choose one"),
        ({"final": 60.0}, r"got final=60.0; .* divide per cent by 100"),
        ({"unit": 0.0}, r"got unit=0.0; it is mIoU per class and positive"),
    ],
)
def test_refusals(wishes, words):
    wishes = {"final": 0.6, **wishes}
    with pytest.raises(ValueError, match=words):
        class_count(point(FALLING), wishes.pop("final"), **wishes)


def test_one_class_cannot_be_merged():
    with pytest.raises(ValueError, match="nothing to merge"):
        tradeoff([[3]])
    with pytest.raises(ValueError, match=r"each class has one cluster"):
        merge(COUNTS, [0, 1])
