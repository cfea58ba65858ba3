"""Calibration and entropy: a slow loop, someone else's code, cases with a known answer, properties, refusals."""

import math

import numpy as np
import pytest
import torch

from imachsr.metrics import Calibration, PredictiveEntropy

K = 4


@pytest.fixture
def pair():
    """Probabilities (3, K, 7, 5), some of them certain to the last bit, and labels with void."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(3, K, 7, 5, generator=generator)
    logits[0, 1, :2] = 200.0  # softmax is exactly 1
    targets = torch.randint(0, K, (3, 7, 5), generator=generator)
    targets[1, :, 2:] = 255
    return logits.softmax(1), targets


def updated(measure, probabilities, targets):
    measure.update(probabilities, targets)
    return measure


def by_hand(probabilities, targets, bins):
    """Guo et al., Eq. 3, in a loop nobody could get wrong; and the mean entropy."""
    inside = [[] for _ in range(bins)]
    entropies = []
    for b, y, x in np.ndindex(*targets.shape):
        truth = int(targets[b, y, x])
        if truth == 255:
            continue
        p = [float(v) for v in probabilities[b, :, y, x]]
        for m in range(bins):
            if m / bins < max(p) <= (m + 1) / bins:
                inside[m].append((max(p), p.index(max(p)) == truth))
        entropies.append(-sum(v * math.log(v) for v in p if v > 0))
    n = sum(map(len, inside))
    gaps = [
        abs(np.mean([r for _, r in pixels]) - np.mean([c for c, _ in pixels])) if pixels else 0 for pixels in inside
    ]
    ece = sum(len(pixels) / n * gap for pixels, gap in zip(inside, gaps, strict=True))
    return {"ece": ece, "mce": max(gaps), "pixels": n, "entropy": np.mean(entropies), "inside": inside}


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_equals_a_slow_loop(pair, bins):
    wanted, scores = by_hand(*pair, bins), updated(Calibration(K, bins=bins), *pair).scores()
    pixels = [pixel for inside in wanted["inside"] for pixel in inside]
    assert scores["ece"] == pytest.approx(wanted["ece"], abs=1e-7)
    assert scores["mce"] == pytest.approx(wanted["mce"], abs=1e-7)
    assert scores["confidence"] == pytest.approx(np.mean([c for c, _ in pixels]), abs=1e-7)
    assert scores["accuracy"] == pytest.approx(np.mean([r for _, r in pixels]), abs=1e-12)
    assert scores["overconfidence"] == pytest.approx(scores["confidence"] - scores["accuracy"], abs=1e-12)
    shares = [len(inside) / wanted["pixels"] for inside in wanted["inside"]]
    np.testing.assert_allclose(scores["bins"]["share"], shares, atol=1e-12)
    assert [math.isnan(value) for value in scores["bins"]["accuracy"]] == [share == 0 for share in shares]


def test_entropy_equals_a_slow_loop(pair):
    scores = updated(PredictiveEntropy(K), *pair).scores()
    assert scores["entropy"] == pytest.approx(by_hand(*pair, 15)["entropy"], abs=1e-6)
    assert scores["entropy_share"] == pytest.approx(scores["entropy"] / math.log(K), abs=1e-12)


def test_agrees_with_torchmetrics(pair):
    from torchmetrics.functional.classification import multiclass_calibration_error

    probabilities, targets = pair
    probabilities = probabilities.clamp(0.001, 0.99)  # their last bin leaves out a confidence of exactly 1
    probabilities = probabilities / probabilities.sum(1, keepdim=True)
    scores = updated(Calibration(K), probabilities, targets).scores()
    for name, norm in {"ece": "l1", "mce": "max"}.items():
        theirs = multiclass_calibration_error(probabilities, targets, K, n_bins=15, norm=norm, ignore_index=255)
        assert scores[name] == pytest.approx(float(theirs), abs=1e-6)


def test_a_calibrated_guesser_has_no_error():
    """70 % sure and right in 70 of 100."""
    probabilities = torch.tensor([0.7, 0.1, 0.1, 0.1]).expand(100, K)
    targets = torch.tensor([0] * 70 + [1] * 10 + [2] * 10 + [3] * 10)
    scores = updated(Calibration(K), probabilities, targets).scores()
    assert scores["ece"] == pytest.approx(0, abs=1e-6)
    assert scores["overconfidence"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("right", "sign"), [(False, 1), (True, -1)])
def test_overconfidence_has_a_sign(right, sign):
    probabilities = torch.tensor([[0.6, 0.2, 0.1, 0.1]])
    scores = updated(Calibration(K), probabilities, torch.tensor([0 if right else 1])).scores()
    assert scores["overconfidence"] * sign == pytest.approx(scores["ece"])


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    """Bins are ((m-1)/M, m/M]: a half of two is in the lower one, and 1 in the last."""
    probabilities = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    assert updated(Calibration(2, bins=2), probabilities, torch.tensor([0, 0])).counts[0].tolist() == [1, 1]


def test_entropy_of_the_certain_and_of_the_ignorant():
    certain, even = torch.eye(K)[:1], torch.full((1, K), 1 / K)
    assert updated(PredictiveEntropy(K), certain, torch.tensor([2])).scores()["entropy"] == 0
    scores = updated(PredictiveEntropy(K), even, torch.tensor([2])).scores()
    assert scores["entropy"] == pytest.approx(math.log(K), abs=1e-6)
    assert scores["entropy_share"] == pytest.approx(1, abs=1e-6)
    alone = updated(PredictiveEntropy(1), torch.ones(1, 1), torch.tensor([0])).scores()
    assert alone["entropy"] == 0
    assert math.isnan(alone["entropy_share"])


@pytest.mark.parametrize("make", [Calibration, PredictiveEntropy])
def test_merging_gives_the_same_number_in_any_order(pair, make):
    """Equal, not close: the sums are whole numbers."""
    probabilities, targets = pair
    together = updated(make(K), probabilities, targets).scores()
    parts = [updated(make(K), probabilities[i : i + 1], targets[i : i + 1]) for i in range(3)]
    backwards = parts[2].merge(parts[0]).merge(parts[1]).scores()
    assert repr(backwards) == repr(together)  # repr: an empty bin is nan


@pytest.mark.parametrize("make", [Calibration, PredictiveEntropy])
def test_void_counts_nowhere(pair, make):
    probabilities, targets = pair
    changed = torch.where(targets[:, None] == 255, torch.eye(K)[0].view(1, K, 1, 1), probabilities)
    assert repr(updated(make(K), changed, targets).scores()) == repr(updated(make(K), probabilities, targets).scores())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize(("make", "name"), [(Calibration, "confidence"), (PredictiveEntropy, "entropy")])
def test_other_precisions(pair, make, name, dtype):
    probabilities, targets = pair
    scores = updated(make(K), probabilities.to(dtype), targets).scores()
    assert scores[name] == pytest.approx(updated(make(K), *pair).scores()[name], abs=5e-3)


LABEL = torch.tensor([0])


@pytest.mark.parametrize("make", [Calibration, PredictiveEntropy])
@pytest.mark.parametrize(
    ("probabilities", "targets", "error", "words"),
    [
        (torch.tensor([[4.0, -2.0, 0.0, 0.0]]), LABEL, ValueError, "take softmax"),
        (torch.tensor([[0.9, 0.9, 0.0, 0.0]]), LABEL, ValueError, "add up to 1"),
        (torch.full((1, K), float("nan")), LABEL, ValueError, "take softmax"),
        (torch.full((1, 5), 0.2), LABEL, ValueError, r"they are|probabilities are \(1, 4\)"),
        (torch.full((1, K, 2, 2), 0.25), torch.zeros(1, 4, 4).long(), ValueError, "upsample the logits"),
        (torch.full((1, K), 0.25), torch.tensor([K]), ValueError, "class id 4 in targets"),
        (torch.tensor([[1, 0, 0, 0]]), LABEL, TypeError, "floating point"),
        (torch.full((1, K), 0.25), torch.tensor([0.0]), TypeError, "long"),
    ],
)
def test_bad_probabilities_say_what_to_do(make, probabilities, targets, error, words):
    with pytest.raises(error, match=words):
        make(K).update(probabilities, targets)


def test_bytes_are_not_taken_for_a_negative_ignored_label():
    with pytest.raises(ValueError, match=r"got class id 255 in targets; .*; map it to a class, or to ignore_index=-1"):
        Calibration(2, ignore_index=-1).update(torch.eye(2), torch.tensor([0, 255], dtype=torch.uint8))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Calibration(0), "pass K >= 1"),
        (lambda: PredictiveEntropy(3, ignore_index=1), "must not be"),
        (lambda: Calibration(3, bins=0), "bins >= 1"),
        (lambda: Calibration(3).scores(), "no scored pixel"),
        (lambda: PredictiveEntropy(3).scores(), "no scored pixel"),
        (lambda: Calibration(3).merge(Calibration(3, bins=10)), "made alike"),
        (lambda: Calibration(3).merge(PredictiveEntropy(3)), "made alike"),
        (lambda: PredictiveEntropy(3).merge(PredictiveEntropy(4)), "made alike"),
    ],
)
def test_bad_measures_say_what_to_do(call, words):
    with pytest.raises(ValueError, match=words):
        call()
