"""Mutual information against loops, scikit-learn, and what must hold of it."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from imachsr.losses import ESTIMATORS, cross_entropy, infonce, label_entropy, mutual_information, region

_path = Path(__file__).with_name("test_cross_entropy.py")
_spec = importlib.util.spec_from_file_location("slow_cross_entropy", _path)
_slow = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_slow)


def hard_maps(B: int = 3, K: int = 4, H: int = 10, W: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    guess, targets = torch.randint(0, K, (2, B, H, W))
    guess = guess.where(torch.rand(B, H, W) < 0.4, (targets + 1) % K)
    targets[torch.rand(B, H, W) < 0.2] = 255
    return torch.nn.functional.one_hot(guess, K).movedim(-1, 1) * 1e4, guess, targets


@pytest.mark.parametrize("align_corners", [False, True])
def test_plug_in_slow_loop(pair, align_corners):
    logits, targets = pair(B=2, K=3, h=3, w=4, H=5, W=7)
    q = _slow.slow_softmax(logits.double(), 5, 7, align_corners)
    information, counts = [], []
    for b in range(2):
        joint, n = [[0.0] * 3 for _ in range(3)], 0
        for Y in range(5):
            for X in range(7):
                y = int(targets[b, Y, X])
                if y != 255:
                    n += 1
                    for k in range(3):
                        joint[k][y] += q[b][Y][X][k]
        P = [[v / n for v in row] for row in joint]
        Q, R = [sum(row) for row in P], [sum(row[j] for row in P) for j in range(3)]
        terms = [P[k][j] * math.log(P[k][j] / (Q[k] * R[j])) for k in range(3) for j in range(3) if R[j] > 0]
        information.append(sum(terms))
        counts.append(n)
    loss = mutual_information(logits.double(), targets, align_corners=align_corners)
    assert loss.item() == pytest.approx(-sum(information) / 2, abs=1e-12)
    loss = mutual_information(logits.double(), targets, align_corners=align_corners, reduction="sum")
    assert loss.item() == pytest.approx(-sum(n * i for n, i in zip(counts, information, strict=True)), abs=1e-10)


@pytest.mark.parametrize("impl", ["reference", "chunked", "numba"])
def test_hard_assignments_equal_scikit_learn(impl):
    logits, guess, targets = hard_maps()
    scores = [mutual_info_score(t[t != 255], g[t != 255]) for t, g in zip(targets.numpy(), guess.numpy(), strict=True)]
    loss = mutual_information(logits.float(), targets, impl=impl)
    assert loss.item() == pytest.approx(-np.mean(scores), abs=1e-6)


def test_classification_runs_over_the_batch():
    guess, targets = torch.randint(0, 3, (2, 50))
    logits = torch.nn.functional.one_hot(guess, 3) * 1e4
    expected = -mutual_info_score(targets.numpy(), guess.numpy())
    assert mutual_information(logits.float(), targets).item() == pytest.approx(expected, abs=1e-6)


def test_images_without_labels_do_not_count(pair):
    logits, targets = pair(B=2)
    alone = mutual_information(logits[:1], targets[:1])
    targets[1] = 255
    torch.testing.assert_close(mutual_information(logits, targets), alone)


def test_plug_in_does_not_mind_permuted_classes(pair):
    logits, targets = pair()
    shuffled = logits[:, torch.randperm(logits.shape[1])]
    torch.testing.assert_close(mutual_information(shuffled, targets), mutual_information(logits, targets))
    assert cross_entropy(shuffled, targets) != cross_entropy(logits, targets)


@pytest.mark.parametrize("estimator", ["plug_in", "variational", "infonce"])
def test_perfect_logits_reach_the_entropy_of_labels(estimator):
    targets = torch.randint(0, 4, (2, 8, 8))
    certain = torch.nn.functional.one_hot(targets, 4).movedim(-1, 1) * 50.0
    loss = mutual_information(certain, targets, estimator=estimator)
    ceiling = label_entropy(targets, classes=4, estimator=estimator)
    assert -loss.item() == pytest.approx(ceiling.item(), abs=1e-3)


@pytest.mark.parametrize("estimator", ["plug_in", "infonce", "region"])
def test_constant_logits_know_nothing(estimator):
    targets = torch.randint(0, 4, (2, 8, 8))
    loss = mutual_information(torch.ones(2, 4, 4, 4), targets, estimator=estimator)
    assert loss.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_variational_is_cross_entropy_less_label_entropy(pair, value_and_gradient, reduction):
    logits, targets = pair()
    value, gradient = value_and_gradient(
        lambda x: mutual_information(x, targets, estimator="variational", reduction=reduction), logits.double()
    )
    loss, expected = value_and_gradient(lambda x: cross_entropy(x, targets, reduction=reduction), logits.double())
    times = (targets != 255).sum() if reduction == "sum" else 1
    torch.testing.assert_close(gradient, expected)
    torch.testing.assert_close(value, loss - times * label_entropy(targets, classes=5, estimator="variational"))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_knowing_more_scores_better(estimator):
    targets = torch.randint(0, 4, (2, 4, 4)).repeat_interleave(4, 1).repeat_interleave(4, 2)
    certain = torch.nn.functional.one_hot(targets, 4).movedim(-1, 1).float()
    losses = [
        mutual_information(certain * s + torch.randn(2, 4, 16, 16), targets, estimator=estimator) for s in (0.5, 2, 8)
    ]
    assert losses[0] > losses[1] > losses[2]


def test_label_entropy_by_image_and_by_batch():
    targets = torch.tensor([[[0, 0, 255]], [[0, 1, 1]]])
    per_image = (0 - (1 / 3 * math.log(1 / 3) + 2 / 3 * math.log(2 / 3))) / 2
    batch = -(3 / 5 * math.log(3 / 5) + 2 / 5 * math.log(2 / 5))
    assert label_entropy(targets, classes=2).item() == pytest.approx(per_image)
    assert label_entropy(targets, classes=2, estimator="variational").item() == pytest.approx(batch)
    assert label_entropy(torch.full((2, 3, 3), 255), classes=2).item() == 0


def test_label_entropy_refuses_what_it_cannot_count():
    with pytest.raises(ValueError, match="got label 2 with 2 classes; labels run from 0 to 1"):
        label_entropy(torch.tensor([[[0, 2]]]), classes=2)
    with pytest.raises(ValueError, match=r"got labels \(1, 2, 4, 4\); they are class ids"):
        label_entropy(torch.zeros(1, 2, 4, 4, dtype=torch.int64), classes=2)
    for labels, kind in (([0, 1], "list"), (torch.tensor([0, 1], dtype=torch.uint8), "torch.uint8")):
        with pytest.raises(TypeError, match=f"got labels of {kind}; they are class ids, an int64 tensor; call"):
            label_entropy(labels, classes=2)


def test_infonce_slow_loop():
    logits, targets = torch.randn(2, 3, 2, 2).double(), torch.randint(0, 3, (2, 2, 2))
    targets[0, 0, 0], targets[1, 1, 1] = 255, 1
    pixels = [(b, y, x) for b in range(2) for y in range(2) for x in range(2) if targets[b, y, x] != 255]
    f = {p: logits[p[0], :, p[1], p[2]] for p in pixels}
    f = {p: v / (v @ v + 1e-6).sqrt() for p, v in f.items()}
    members = {k: [p for p in pixels if targets[p] == k] for k in range(3)}
    prototypes = {k: sum(f[p] for p in ps) for k, ps in members.items() if ps}
    prototypes = {k: v / (v @ v + 1e-6).sqrt() for k, v in prototypes.items()}
    information = 0.0
    for p in pixels:
        scores = {k: math.exp(float(f[p] @ c) / 0.2) for k, c in prototypes.items()}
        mean = sum(len(members[k]) / len(pixels) * s for k, s in scores.items())
        information += math.log(scores[int(targets[p])] / mean) / len(pixels)
    assert infonce(logits, targets, temperature=0.2).item() == pytest.approx(-information, abs=1e-9)


def test_plug_in_over_several_images_is_given_the_image():
    """Each image tells all, with the classes of q swapped between them: nothing, were the two taken as one."""
    targets = torch.tensor([[[0, 1]], [[1, 0]]])
    guess = torch.nn.functional.one_hot(torch.tensor([[[0, 1]], [[0, 1]]]), 2).movedim(-1, 1) * 50.0
    assert mutual_information(guess, targets).item() == pytest.approx(-math.log(2))
    assert mutual_information(guess.movedim(1, -1).flatten(0, 2), targets.flatten()).item() == pytest.approx(
        0, abs=1e-6
    )


def test_region_of_what_is_known_in_full():
    targets = torch.randint(0, 2, (1, 90, 90), generator=torch.Generator().manual_seed(0))
    certain = torch.nn.functional.one_hot(targets, 2).movedim(-1, 1).double() * 60
    n, v = 5e-4, 0.25
    per_class = math.log((v + n) ** 2 / (n * (2 * v + n))) / 2
    assert -region(certain, targets, pool=1, noise=n).item() == pytest.approx(2 * per_class, rel=1e-3)
    assert -region(certain, targets).item() > label_entropy(targets, classes=2), "it bounds nothing"


def test_region_leaves_out_what_fills_no_cell():
    logits, targets = torch.randn(1, 2, 14, 13), torch.randint(0, 2, (1, 14, 13))
    torch.testing.assert_close(region(logits, targets), region(logits[:, :, :12, :12], targets[:, :12, :12]))


def test_region_against_numpy():
    logits, targets = torch.randn(1, 2, 7, 8).double(), torch.randint(0, 2, (1, 7, 8))
    q, expected = logits.softmax(1)[0].numpy(), 0.0
    for k in range(2):
        y = (targets[0].numpy() == k).astype(float)
        cut = [np.concatenate([m[r : r + 3, c : c + 3].ravel() for m in (q[k], y)]) for r in range(5) for c in range(6)]
        S = np.cov(np.array(cut).T, bias=True) + 0.01 * np.eye(18)
        given = S[9:, 9:] - S[9:, :9] @ np.linalg.inv(S[:9, :9]) @ S[:9, 9:]
        expected += (np.linalg.slogdet(S[9:, 9:])[1] - np.linalg.slogdet(given)[1]) / 2 / 9
    assert region(logits, targets, pool=1, noise=0.01).item() == pytest.approx(-expected, abs=1e-10)
