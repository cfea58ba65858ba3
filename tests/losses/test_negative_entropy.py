"""Negative entropy against a loop, scipy, and its extremes."""

import math

import pytest
import torch
from scipy.stats import entropy

from imachsr.losses import negative_entropy


def test_slow_loop():
    features = torch.randn(2, 3, 2, 4).double()
    total = 0.0
    for b in range(2):
        for y in range(2):
            for x in range(4):
                e = [math.exp(v) for v in features[b, :, y, x].tolist()]
                total += sum(v / sum(e) * math.log(v / sum(e)) for v in e)
    assert negative_entropy(features).item() == pytest.approx(total / 16, abs=1e-14)
    assert negative_entropy(features, reduction="sum").item() == pytest.approx(total, abs=1e-13)


@pytest.mark.parametrize("dim", [1, -1, 0, 2])
def test_scipy_in_any_layout(dim):
    features = torch.randn(3, 4, 5, 6).double()
    expected = -entropy(features.softmax(dim).numpy(), axis=dim).mean()
    assert negative_entropy(features, dim=dim).item() == pytest.approx(expected, abs=1e-13)


def test_extremes():
    assert negative_entropy(torch.zeros(1, 8, 2, 2)).item() == pytest.approx(-math.log(8))
    certain = torch.nn.functional.one_hot(torch.randint(0, 8, (2, 4)), 8).float() * 1e4
    assert negative_entropy(certain, dim=-1).item() == 0


def test_one_step_down_makes_features_less_certain():
    features = torch.randn(2, 6, 3, 3, requires_grad=True)
    before = negative_entropy(features)
    before.backward()
    assert negative_entropy(features - 5 * features.grad) < before
