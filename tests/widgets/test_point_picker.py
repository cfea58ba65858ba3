"""Explorers, driven from Python as a reader would drive them."""

import html
import re

import pytest
import torch
from torch import nn

import imachsr
from imachsr import widgets
from imachsr.points import RULES


def blocks(count):
    """A stem and `count` blocks that each add a branch."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))

        def forward(self, x):
            return x + self.inner(x)

    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), *(Block() for _ in range(count)), nn.Conv2d(8, 4, 1))


@pytest.fixture(scope="module")
def networks():
    return {f"{n} blocks": imachsr.find_points(blocks(n), torch.zeros(2, 3, 16, 24)) for n in (4, 8)}


@pytest.fixture
def picker(networks):
    pytest.importorskip("ipywidgets")
    return widgets.point_picker(networks)


def chosen_names(text):
    return re.findall(r"<tr><td>([^<]*)</td>", text)


def answer(points, wishes):
    """Names of the points, or the words of the refusal."""
    try:
        return [point.name for point in widgets.compute_points(points, **wishes)], ""
    except ValueError as refusal:
        return [], str(refusal)


def test_it_draws_once_at_the_start(picker):
    text = picker.view.value
    assert text.count("<img ") == 1
    assert len(chosen_names(text)) == 3


def test_every_control_redraws_what_choose_points_answers(picker, networks):
    for control, options in {
        "network": ["8 blocks", "4 blocks"],
        "rule": [*RULES, "any"],
        "count": ["log", 1, 2, 3],
        "near": ["input", "center", "output", "spread"],
        "distance": [1, 2, 3, 0],
    }.items():
        for option in options:
            text = picker.set(**{control: option})
            wishes = {name: control.value for name, control in picker.controls.items()}
            points = networks[wishes.pop("network")]
            wanted, refusal = answer(points, wishes)
            assert chosen_names(text) == wanted
            assert html.escape(refusal) in text
            assert ('role="alert"' in text) == bool(refusal)


def test_words_say_what_the_picture_shows(picker, networks):
    text = picker.set(network="8 blocks", near="output", count=2)
    alt = html.unescape(re.search(r'<img alt="([^"]*)"', text)[1])
    points = networks["8 blocks"]
    for point in imachsr.choose_points(points, 2, near="output"):
        assert f"{point.name} at {100 * point.depth:.0f} %" in alt
        assert all(html.escape(why) in text for why in point.rules.values())
    assert f"2 of {len(points)} points chosen" in text


def test_spread_says_what_a_distance_is_to_it(picker, networks):
    words = "they lie a multiple of 2 bases apart"
    assert words in picker.set(network="8 blocks", near="spread", distance=2)
    bases = [point.name for point in networks["8 blocks"].blocks]
    places = [bases.index(name) for name in chosen_names(picker.view.value)]
    assert len({place % 2 for place in places}) == 1
    assert words not in picker.set(near="input")


def test_controls_are_labelled_and_native(picker):
    for control in picker.controls.values():
        assert control.description
        assert control.index is not None, "an empty field"
        assert control._view_name == "DropdownView"


def test_it_leaves_no_figure_open(picker):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    picker.set(count=1)
    assert plt.get_fignums() == before


def test_a_refusal_gives_way_to_the_next_picture(picker):
    assert 'role="alert"' in picker.set(network="4 blocks", count=6, distance=4)
    assert "<img " in picker.set(distance=0)


def test_unknown_controls_are_refused(picker):
    with pytest.raises(ValueError, match=r"got control 'speed'; there are \['network'"):
        picker.set(speed=3)


def test_no_networks_are_refused():
    with pytest.raises(ValueError, match=r"got no networks; .* pass"):
        widgets.point_picker({})


def test_a_notebook_shows_it_with_or_without_a_kernel(picker):
    bundle = picker._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "run the notebook" in bundle["text/plain"]
    assert picker.view.value in bundle["text/html"]
