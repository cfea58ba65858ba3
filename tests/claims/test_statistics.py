"""What paired runs can say, against other people's code and slow loops."""

import math

import numpy as np
import pytest
from scipy import stats

from imachsr.claims import block_bootstrap, holm, paired
from imachsr.metrics.protocols import scores_of

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize("count", [2, 5, 12])
def test_the_interval_and_p_are_students(count):
    better, worse = DRAW.normal(40, 2, count), DRAW.normal(39, 2, count)
    found, expected = paired(better - worse), stats.ttest_rel(better, worse)
    low, high = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.mean == pytest.approx(np.mean(better - worse))


def test_one_seed_has_no_interval():
    found = paired([1.5])
    assert found.mean == 1.5
    assert all(
        math.isnan(value)
        for value in (found.low, found.high, found.p, found.visible(), found.within(1.0), found.beyond(1.0))
    )


def test_equal_differences_leave_no_doubt():
    assert paired([0.0, 0.0, 0.0]).p == 1.0
    assert paired([2.0, 2.0, 2.0]).p == 0.0
    assert paired([0.1, 0.1]).within(0.5) == 0.0
    assert paired([0.6, 0.6]).within(0.5) == 1.0


def test_the_interval_covers_as_often_as_it_says():
    inside = 0
    draw = np.random.default_rng(1)
    for _ in range(1000):
        found = paired(draw.normal(0.7, 1.3, 5))
        inside += found.low <= 0.7 <= found.high
    assert 0.925 < inside / 1000 < 0.975


@pytest.mark.parametrize(("count", "level"), [(2, 0.05), (3, 0.05), (5, 0.05), (5, 0.05 / 36)])
def test_the_visible_effect_is_found_four_times_in_five(count, level):
    spread, draw = paired(np.linspace(-1, 1, count).tolist()), np.random.default_rng(2)
    deviation = np.std(spread.differences, ddof=1)
    samples = spread.visible(level) + deviation * draw.standard_normal((20_000, count))
    found = stats.ttest_1samp(samples, 0.0, axis=1).pvalue < level
    assert found.mean() == pytest.approx(0.8, abs=0.012)


def test_a_difference_beyond_a_margin_is_rarely_claimed_on_its_edge():
    draw = np.random.default_rng(3)
    wrong = [paired(0.5 + draw.standard_normal(5)).beyond(0.5) < 0.05 for _ in range(2000)]
    assert np.mean(wrong) < 0.05
    assert paired([1.0, 1.1, 0.9, 1.0, 1.05]).beyond(0.5) < 1e-3
    assert (paired([2.0, 2.0]).beyond(0.5), paired([0.2, 0.2]).beyond(0.5)) == (0.0, 1.0)


def test_equivalence_is_two_one_sided_tests():
    values = [0.1, -0.2, 0.3, 0.0, 0.1]
    above = stats.ttest_1samp(values, -0.5, alternative="greater").pvalue
    below = stats.ttest_1samp(values, 0.5, alternative="less").pvalue
    assert paired(values).within(0.5) == pytest.approx(max(above, below))


def test_holm_by_a_slow_loop():
    ps = DRAW.uniform(0, 0.2, 9).tolist()
    ps[3] = float("nan")
    known = [p for p in ps if not math.isnan(p)]
    for p, adjusted in zip(ps, holm(ps), strict=True):
        if math.isnan(p):
            assert math.isnan(adjusted)
            continue
        ranked = sorted(known)
        expected = max(min(1.0, (len(known) - r) * ranked[r]) for r in range(ranked.index(p) + 1))
        assert adjusted == pytest.approx(expected)


def counts(images, quality, seed):
    """(N, 3, K) of an imagined network that is right with a share `quality`."""
    draw = np.random.default_rng(seed)
    pixels = draw.integers(50, 200, (images, 3))
    hit = draw.binomial(pixels, quality)
    missed = pixels - hit
    return np.stack([hit, missed[:, [1, 2, 0]], missed], axis=1)


@pytest.mark.parametrize("protocol", ["dataset", "image", "paper"])
def test_the_bootstrap_surrounds_the_difference(protocol):
    better, worse = [counts(60, 0.8, 1), counts(60, 0.8, 2)], [counts(60, 0.7, 3), counts(60, 0.7, 4)]
    low, high = block_bootstrap(better, worse, "mIoU", protocol, block=5, draws=200)
    assert 0 < low < high < 30
    same = block_bootstrap(better, better, "mIoU", protocol, block=5, draws=20)
    assert same == (0.0, 0.0)


def test_the_bootstrap_knows_pixel_accuracy():
    better, worse = counts(60, 0.8, 1), counts(60, 0.7, 3)
    low, high = block_bootstrap([better], [worse], "pixel_accuracy", "dataset", block=5, draws=200)
    shares = [100 * each[:, 0].sum() / (each[:, 0] + each[:, 2]).sum() for each in (better, worse)]
    assert low < shares[0] - shares[1] < high
    whole = block_bootstrap([better], [worse], "pixel_accuracy", "image", block=60, draws=2)
    by_image = [100 * (each[:, 0].sum(1) / (each[:, 0] + each[:, 2]).sum(1)).mean() for each in (better, worse)]
    assert whole == pytest.approx([by_image[0] - by_image[1]] * 2)


def test_a_block_as_long_as_the_film_leaves_one_draw():
    a, b = counts(10, 0.9, 0), counts(10, 0.5, 1)
    low, high = block_bootstrap([a], [b], "mF1", "paper", block=10, draws=5)
    expected = 100 * (scores_of(a, "paper")["mF1"] - scores_of(b, "paper")["mF1"])
    assert low == high == pytest.approx(expected)


def test_alike_neighbours_widen_the_interval():
    """Frames repeated five times say no more than one, and blocks notice."""
    a, b = counts(20, 0.75, 0).repeat(5, axis=0), counts(20, 0.74, 1).repeat(5, axis=0)
    single = block_bootstrap([a], [b], "mIoU", "image", block=1, draws=300)
    blocks = block_bootstrap([a], [b], "mIoU", "image", block=10, draws=300)
    assert blocks[1] - blocks[0] > 1.5 * (single[1] - single[0])


def test_every_frame_is_drawn_as_often_as_any_other():
    """Only the first five frames differ: a draw that seldom reaches the ends of the film would see too little."""
    b = np.tile(np.array([[50], [0], [50]]), (40, 1, 1))  # half of 100 pixels are right in each frame
    a = b.copy()
    a[:5] = [[100], [0], [0]]
    low, high = block_bootstrap([a], [b], "mRecall", "image", block=10, draws=4000)
    draws = np.random.default_rng(0).integers(0, 40, (4000, 4))
    slow = [100 * np.mean([(s + i) % 40 < 5 for s in starts for i in range(10)]) / 2 for starts in draws]
    assert np.mean(slow) == pytest.approx(50 * 5 / 40, rel=0.05)
    assert (low, high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


@pytest.mark.parametrize("metric", ["mIoU", "mRecall"])
def test_the_dataset_is_counted_as_one_before_any_ratio(metric):
    sides = [counts(23, quality, seed) * np.arange(1, 24)[:, None, None] ** 2 for quality, seed in ((0.8, 1), (0.7, 2))]
    draws = np.random.default_rng(0).integers(0, 23, (50, 4))  # four stretches of seven frames for 23
    slow = []
    for starts in draws:
        frames = [(start + i) % 23 for start in starts for i in range(7)][:23]
        means = []
        for side in sides:
            hit, false, missed = sum(side[frame] for frame in frames).astype(float)
            means.append(100 * np.mean(hit / (hit + missed + (false if metric == "mIoU" else 0))))
        slow.append(means[0] - means[1])
    found = block_bootstrap(*([side] for side in sides), metric, "dataset", block=7, draws=50)
    assert found == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))
    assert found != pytest.approx(block_bootstrap(*([side] for side in sides), metric, "image", block=7, draws=50))


@pytest.mark.parametrize(("size", "level", "equal"), [(1.0, 0.05, False), (0.6, 0.05 / 12, False), (0.5, 0.05, True)])
def test_the_seeds_needed_are_the_fewest_that_find_it_four_times_in_five(size, level, equal):
    unit = paired(np.array([-1, -0.5, 0.5, 1]) / np.std([-1, -0.5, 0.5, 1], ddof=1))  # a spread of one point
    needed, draw, power = unit.needed(size, level, equal=equal), np.random.default_rng(4), {}
    for count in (needed - 1, needed):
        samples = draw.standard_normal((40_000, count)) + size * (not equal)
        error = samples.std(1, ddof=1) / count**0.5
        quantile = stats.t.ppf(1 - level / (1 if equal else 2), count - 1)
        reach = size - quantile * error if equal else -quantile * error
        power[count] = np.mean(np.abs(samples.mean(1)) < reach if equal else np.abs(samples.mean(1)) > -reach)
    assert power[needed - 1] < 0.806
    assert power[needed] > 0.794


def test_without_a_spread_nobody_knows_the_seeds_needed():
    assert paired([1.0]).needed(1.0) is None
    assert paired([1.0, 1.0]).needed(1.0) is None
    assert paired([1.0, 2.0]).needed(0.0) is None
    assert paired([-9.0, 9.0]).needed(0.01) is None


def test_refusals():
    with pytest.raises(ValueError, match=r"needs one finite number per seed; run the seeds first"):
        paired([])
    with pytest.raises(ValueError, match=r"over \[10, 12\] images; both schemes need the same seeds"):
        block_bootstrap([counts(10, 0.5, 0)], [counts(12, 0.5, 0)], "mIoU", "dataset")
