"""The papers' formulas as printed, and corrected."""

import pytest
import torch
from torch import nn

import imachsr
from imachsr import complexity


@pytest.fixture(scope="module")
def parts():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    images = torch.zeros(4, 3, 8, 12)
    points = imachsr.find_points(network, images)
    return network, imachsr.choose_points(points, 2, names=["1", "3"]), images


def cost_of(parts, implementation="fused", batch=4):
    network, points, images = parts
    return complexity.cost(network, points, images[:batch], classes=2, implementation=implementation)


def test_stated_time_is_what_is_printed(parts):
    forward, losses, backward = complexity.stated_time(cost_of(parts))
    B, W, H, K = 4, 12, 8, 2
    entropies = B * 4 * 6 * 8 + B * 4 * 6 * 4
    assert (forward.value, backward.value) == (3 + 2, 3)
    assert losses.value == B * (3 * W * H * K + entropies)
    assert {forward.unit, losses.unit} == {"layers", "values"}
    assert "4 times" in losses.remark


def test_the_stray_batch_makes_the_entropies_quadratic_and_the_corrected_form_does_not(parts):
    whole, half = (cost_of(parts, batch=batch) for batch in (4, 2))
    printed = [complexity.stated_time(cost)[1].value for cost in (whole, half)]
    assert printed[0] != 2 * printed[1]
    for one, other in zip(complexity.corrected_time(whole), complexity.corrected_time(half), strict=True):
        assert one.value == 2 * other.value, one.name


def test_corrected_time_is_all_of_it_in_one_unit(parts):
    cost = cost_of(parts)
    quantities = complexity.corrected_time(cost)
    assert sum(quantity.value for quantity in quantities) == cost.operations
    assert {quantity.unit for quantity in quantities} == {"operations"}
    adapters = next(quantity for quantity in quantities if quantity.name == "adapters")
    B, K, w, h = 4, 2, 6, 4
    assert adapters.formula == "sum 6 B w h C K + 2 B w h K"
    assert adapters.value == sum(6 * B * w * h * C * K + 2 * B * w * h * K for C in (8, 4))


@pytest.mark.parametrize("implementation", complexity.IMPLEMENTATIONS)
def test_space(parts, implementation):
    cost = cost_of(parts, implementation)
    features, losses, adapters = complexity.stated_space(cost)
    assert (features.value, losses.value, adapters.value) == (4 * 24 * 12, 2 * 4 * 96 * 2, (9 + 5) * 2)
    corrected = {quantity.name: quantity.value for quantity in complexity.corrected_space(cost)}
    assert corrected["adapters"] == 16 * adapters.value
    assert sum(corrected.values()) - corrected["adapters"] == sum(term.kept for term in cost.extra)
    if implementation == "fused":
        assert corrected["point losses"] == 8 * 2 * 4 * 24 * 2, "8 bytes for each of sum B w h K"
        assert corrected["entropies"] == 0
    else:
        assert corrected["point losses"] >= 12 * losses.value, "12 bytes for each of M B W H K"
        assert corrected["entropies"] == 8 * features.value


@pytest.mark.parametrize(
    ("scheme", "implementation", "losses", "entropies"),
    [
        ("imachsr", "eager", "sum 12 B W H K", "sum 8 B w h C"),
        ("imachsr", "fused", "sum 8 B w h K", "0"),
        ("imacsr", "eager", "sum 4 B W H K + 13 B W H", "sum 8 B w h C"),
        ("deep_supervision", "fused", "sum 8 B w h K", "0"),
        ("conventional", "eager", "0", "0"),
    ],
)
def test_the_corrected_formula_is_that_of_the_losses_used(parts, scheme, implementation, losses, entropies):
    network, points, images = parts
    cost = complexity.cost(network, points, images, classes=2, scheme=scheme, implementation=implementation)
    formulas = {quantity.name: quantity.formula for quantity in complexity.corrected_space(cost)}
    assert (formulas["point losses"], formulas["entropies"]) == (losses, entropies)
