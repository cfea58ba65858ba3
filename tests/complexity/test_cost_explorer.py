"""The cost explorer, and the pictures of costs, with their words."""

import html
import re

import pytest
import torch
from torch import nn

import imachsr
from imachsr import complexity

pytest.importorskip("ipywidgets")
pytest.importorskip("matplotlib")
from imachsr.figures import complexity as drawn
from imachsr.widgets.cost import compute_cost, cost_explorer


@pytest.fixture(scope="module")
def counted():
    layers = (layer for _ in range(4) for layer in (nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()))
    network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), *layers, nn.Conv2d(8, 3, 1)).train()
    images = torch.zeros(2, 3, 16, 24)
    points = imachsr.find_points(network, images)
    return complexity.count(network, images, points=points), points


@pytest.fixture
def explorer(counted):
    prices = {"net": {"fused": complexity.Prices(1e-9, 2e-9, "fused", 1.0)}}
    return cost_explorer({"net": counted}, classes=3, prices=prices, most=4)


def words(text):
    return html.unescape(re.search(r"<figcaption>(.*?)</figcaption>", text)[1])


def test_every_control_redraws_what_cost_says(explorer, counted):
    for control, option in {"losses": "fused", "count": 4, "near": "input", "scheme": "imacsr", "budget": 100}.items():
        text = explorer.set(**{control: option})
        state = {name: c.value for name, c in explorer.controls.items()}
        cost = compute_cost(
            *counted, classes=3, **{name: state[name] for name in ("count", "near", "scheme", "losses")}
        )
        for cell in cost.rows()[-1].values():
            assert html.escape(cell) in text
        assert words(text).startswith(f"net, M = {len(cost.points)}, {cost.implementation} losses: ")
        alt = html.unescape(re.search(r'<img alt="([^"]*)"', text)[1])
        assert alt == drawn.cost_bars_alt(cost)


def test_budgets_are_those_of_the_library(explorer, counted):
    text = words(explorer.set(losses="fused", budget=50))
    price = complexity.Prices(1e-9, 2e-9, "fused", 1.0)
    offers = complexity.offers(*counted, classes=3, most=4, prices=price)
    M = complexity.affordable(offers, time=0.5)
    assert f"time: M = {M}" in text
    assert "more time predicted" in text
    assert "time" not in words(explorer.set(losses="eager")), "no price, no prediction"


def test_another_network_is_drawn_with_its_own_costs(counted):
    small = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 1))
    images = torch.zeros(2, 3, 16, 24)
    points = imachsr.find_points(small.train(), images)
    other = complexity.count(small, images, points=points), points
    both = cost_explorer({"net": counted, "other": other}, classes=3, most=2)
    for name, known in {"other": other, "net": counted}.items():
        for how in complexity.IMPLEMENTATIONS:
            text = both.set(network=name, losses=how, count=2)
            cost = compute_cost(*known, classes=3, count=2, losses=how)
            assert words(text).startswith(f"{name}, M = 2, {how} losses: ")
            assert all(f"<td>{html.escape(cell)}</td>" in text for cell in cost.rows()[-1].values())


def test_no_networks():
    with pytest.raises(ValueError, match=r"got no networks; .*; pass"):
        cost_explorer({}, classes=3)


def bars_of(axis):
    return sum(bar.get_height() for bar in axis.patches)


def test_layers_add_up_to_all(counted):
    figure = drawn.layers(counted[0])
    assert bars_of(figure.axes[0]) == pytest.approx(100)
    alt = drawn.layers_alt(counted[0])
    assert "6 layers" in alt
    assert "equal share would be 16.7 %" in alt


def test_bars_are_what_points_add(counted):
    cost = compute_cost(*counted, classes=3, count=2, losses="eager")
    figure = drawn.cost_bars(cost)
    base = sum(term.kept for term in cost.terms if not term.point)
    widths = sum(bar.get_width() for bar in figure.axes[1].patches)
    assert widths == pytest.approx(100 * (cost.kept - base) / base)
    empty = complexity.cost(counted[0], (), classes=3, scheme="conventional")
    with pytest.raises(ValueError, match=r"got a cost without points; .*; choose points"):
        drawn.cost_bars(empty)


def network_measured():
    def row(implementation, M):
        time = {"median": 1 + M / 10, "quartiles": [1 + M / 20, 1 + M / 5]}
        kept = 100 + 10 * M
        return {
            "implementation": implementation, "M": M, "wall": time, "processor": time,
            "measured": {"kept": kept}, "predicted": {"kept": kept, "time": 1 + M / 8},
        }  # fmt: skip

    fit = {"slope": 0.1, "intercept": 1.0}
    fits = {name: {"wall": fit, "processor": fit, "bytes": fit} for name in ("eager", "fused")}
    return {"network": "toy", "rows": [row(i, M) for i in fits for M in range(6)], "fits": fits}


def test_overhead_is_drawn_and_said():
    figure = drawn.overhead([network_measured()])
    top, bottom = figure.axes
    assert top.get_title() == "toy"
    lines = [line.get_ydata() for line in bottom.lines]
    assert any(list(line) == pytest.approx([1.0, 1.1, 1.2, 1.3, 1.4, 1.5]) for line in lines)
    alt = drawn.overhead_alt([network_measured()], clock="processor")
    assert "toy fused: at M = 5 1.50 times the time, predicted 1.62; 10.0 % of time and 10.0 % of bytes a point" in alt
