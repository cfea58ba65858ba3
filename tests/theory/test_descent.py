"""Expectations against loops by hand and against replicates; counterexamples to the digits; a share of the study."""

import itertools
import json
import math
import sys

import numpy as np
import pytest
import torch

from conftest import REPOSITORY
from imachsr.theory import (
    Softmax,
    adam,
    corrected_bound,
    exact_gradients,
    expected,
    huber,
    replicated,
    shared_noise,
    study,
    summary,
    trace,
)
from imachsr.theory.study import BLOCKS, KINDS, SIZE


def softmax():
    rng = np.random.default_rng(4)
    return Softmax(rng.uniform(-1, 1, (3, 6, 2)), rng.integers(0, 3, (3, 6)), 3, np.array([1.0, 0.4, 0.4]), 3)


def by_hand(problem, theta, eta, steps):
    """Every sequence of minibatches walked on its own."""
    total = 0.0
    for sequence in itertools.product(range(problem.outcomes), repeat=steps):
        here = np.array(theta, dtype=float)[None]
        for choice in sequence:
            total += float((problem.gradient(here) ** 2).sum())
            here = here - eta / math.sqrt(steps) * problem.minibatches(here)[:, choice]
    return total / steps / problem.outcomes**steps


@pytest.mark.parametrize("problem", [huber(3, noise=0.8), softmax()], ids=["huber", "softmax"])
def test_expectation_is_that_of_every_sequence_walked_alone(problem):
    theta = np.linspace(0.5, 1.5, problem.gradient(np.zeros((1, 6)) if isinstance(problem, Softmax) else
                                                   np.zeros((1, 1))).shape[-1])  # fmt: skip
    found = expected(problem, theta, eta=0.9, steps=4)
    assert float(found.mean) == pytest.approx(by_hand(problem, theta, 0.9, 4))
    assert found.low == found.mean == found.high


def test_replicates_agree_with_the_expectation():
    problem, theta = softmax(), np.full(6, 0.7)
    truth = expected(problem, theta, eta=2.0, steps=6).mean
    found = replicated(
        problem, theta, eta=2.0, steps=6, generator=np.random.default_rng(1), replicates=2000
    )  # fmt: skip
    assert found.low < truth < found.high
    assert found.high - found.low < 0.1 * truth


def test_softmax_regression_keeps_the_corrected_bound():
    """Known constants on bounded data; the least total is bounded by zero, so Delta is at most the first loss."""
    problem = softmax()
    for eta in (0.03, 0.3, 3.0, 30.0):
        theta = np.full(6, 0.7)
        measured = float(expected(problem, theta, eta=eta, steps=8).mean)
        delta = float(problem.value(theta[None])[0])
        assert measured <= corrected_bound(delta=delta, eta=eta, steps=8, **problem.constants)


def test_adam_is_torchs():
    problem, eta, steps = huber(3), 0.7, 12
    squares = trace(
        problem, np.array([2.0]), eta=eta, steps=steps, generator=np.random.default_rng(0), replicates=2,
        optimizer="adam",
    )  # fmt: skip
    theta = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=eta / math.sqrt(steps))
    for step in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.huber_loss(theta, torch.zeros_like(theta)).mul(3).backward()
        np.testing.assert_allclose(squares[step], float(theta.grad) ** 2, rtol=1e-6)
        optimizer.step()


def test_counterexample_with_exact_gradients():
    measured, stated, corrected = exact_gradients(components=11, steps=1000)
    assert (f"{measured:.1f}", f"{stated:.2f}", f"{corrected:.2f}") == ("121.0", "2.06", "121.03")


@pytest.mark.parametrize("steps", [1000, 10_000, 100_000])
def test_counterexample_with_shared_noise(steps):
    measured, stated, corrected = shared_noise(steps=steps)
    assert round(measured / stated) == 30
    assert corrected / measured == pytest.approx(2, abs=0.01)
    measured, stated, corrected = shared_noise(steps=steps, gradients_include_noise=True)
    assert round(measured / stated) == 20
    assert measured <= corrected


def test_its_recursion_is_the_expectation_of_every_sequence():
    problem = huber(11, noise=1.0)
    truth = expected(problem, np.zeros(1), eta=0.1, steps=12).mean
    assert shared_noise(steps=12, eta=0.1).measured == pytest.approx(float(truth))


def test_its_recursion_with_signs_apart_agrees_with_replicates():
    problem = huber(11, noise=1.0, shared=False)
    found = replicated(
        problem, np.zeros(1), eta=0.1, steps=100, generator=np.random.default_rng(0), replicates=1000
    )  # fmt: skip
    assert found.low < shared_noise(steps=100, shared=False).measured < found.high


def test_steps_that_leave_the_parabola_are_refused():
    with pytest.raises(ValueError, match=r"got eta=1, steps=100; .*<= 1 / 11; lower eta, or take more steps"):
        shared_noise(steps=100, eta=1)


def test_adam_exceeds_a_bound_that_sgd_keeps():
    found = adam()
    assert found["sgd"].measured <= found["sgd"].corrected
    assert found["adam"].measured > 5 * found["adam"].corrected


def test_too_many_sequences_are_refused():
    with pytest.raises(ValueError, match=r"got steps=30 with 2 minibatches; at most 65536 .*or `replicated`"):
        expected(huber(2, noise=1.0), np.zeros(1), eta=1.0, steps=30)
    with pytest.raises(ValueError, match=r"unlisted minibatches"):
        expected(huber(2, noise=1.0, shared=False), np.zeros(1), eta=1.0, steps=2)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"optimizer": "rmsprop"}, "got optimizer='rmsprop'.*use one"),
        ({"replicates": 5}, "got replicates=5; runs come in pairs.*pass an even"),
    ],
)
def test_replicates_refuse(given, words):
    given = {"replicates": 4, **given}
    with pytest.raises(ValueError, match=words):
        replicated(huber(2), np.zeros(1), eta=1.0, steps=2, generator=np.random.default_rng(0), **given)


def test_a_share_of_the_study():
    """Blocks of every kind on a line and in space: the corrected bound holds everywhere, the stated one does not."""
    blocks = [block for block in range(2 * len(KINDS)) if KINDS[block % len(KINDS)][1] < 300]
    table = study(blocks)
    rows = {(row["noise"], row["short_steps"]): row for row in summary(table)}
    assert sum(row["instances"] for row in rows.values()) == len(blocks) * SIZE
    for row in rows.values():
        assert row["corrected_fails"] == row["corrected_undecided"] == 0
        assert row["corrected_minibatch_fails"] == row["corrected_minibatch_undecided"] == 0
    assert rows["exact", True]["stated_fails"] == 0  # its spare factor of two
    for which in (("exact", False), ("shared", True), ("shared", False)):
        assert rows[which]["stated_fails"] > 0
    assert set(table["points"]) == set(range(1, 9))
    assert max(table["step"]) / min(table["step"]) > 1e3


def test_the_study_repeats_and_knows_its_blocks():
    assert study([1]) == study([1])
    assert study([1])["step"] != study([10])["step"]
    assert SIZE * BLOCKS == 10_000
    with pytest.raises(ValueError, match=r"got block 200; the study has blocks 0 to 199; take one of them"):
        study([200])


def test_the_filed_study_is_this_one():
    filed = json.loads((REPOSITORY / "data" / "results" / "theory" / "study.json").read_text(encoding="utf-8"))
    assert filed["instances"] == len(filed["columns"]["step"]) == SIZE * BLOCKS
    assert sum(row["corrected_fails"] + row["corrected_undecided"] for row in filed["summary"]) == 0
    table = study([0, 1, 2])  # few steps: rounding has no time to grow
    for name in ("points", "noise", "steps", "line"):
        assert filed["columns"][name][: 3 * SIZE] == table[name]
    np.testing.assert_allclose(filed["columns"]["step"][: 3 * SIZE], table["step"], rtol=1e-3)
    over = np.divide(table["measured"], table["stated"])
    np.testing.assert_allclose(filed["columns"]["over_stated"][: 3 * SIZE], over, rtol=1e-3)


def test_instances_left_undecided_are_run_again(monkeypatch):
    few = study([12])  # shared noise over 100 steps would be undecided somewhere over 64 runs
    monkeypatch.setattr(sys.modules[study.__module__], "RUNS", (64,))
    first = study([12])
    width = [np.subtract(table["high"], table["low"]) for table in (few, first)]
    again = width[0] != width[1]
    assert 0 < again.sum() < SIZE
    assert (width[0][again] < width[1][again]).all()


def test_a_bound_within_the_interval_is_undecided():
    table = study([1])
    table["stated"] = [0.5 * (low + high) for low, high in zip(table["low"], table["high"], strict=True)]
    table["low"] = [0.9 * value for value in table["low"]]
    table["high"] = [1.1 * value for value in table["high"]]
    assert sum(row["stated_undecided"] for row in summary(table)) == SIZE


def test_no_steps_are_no_run():
    words = r"got steps=0; a run has one iteration at least; pass steps >= 1"
    given = {"eta": 1.0, "steps": 0}
    with pytest.raises(ValueError, match=words):
        expected(huber(2), np.zeros(1), **given)
    with pytest.raises(ValueError, match=words):
        replicated(huber(2), np.zeros(1), generator=np.random.default_rng(0), **given)
    with pytest.raises(ValueError, match=words):
        shared_noise(steps=0)
    with pytest.raises(ValueError, match=r"got count=0, .*one component at least"):
        shared_noise(components=0)
