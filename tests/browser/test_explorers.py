"""Explorers in JupyterLab: by keyboard only, with names a screen reader can say, in both themes."""

import re

import pytest
from browser.jupyterlab import SHOWN

FIRST = """
from dataclasses import asdict

import numpy as np
import torch
from torch import nn

import imachsr
from imachsr import complexity, hierarchy, widgets
from imachsr.experiment import Result, Settings, Snapshots, published_folder
from imachsr.widgets.theta import theta_explorer

layers = (layer for _ in range(4) for layer in (nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()))
network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), *layers, nn.Conv2d(8, 3, 1)).train()
images = torch.zeros(2, 3, 16, 24)
points = imachsr.find_points(network, images)
counted = complexity.count(network, images, points=points)
maps = np.random.default_rng(0).normal(0, 2, (6, 4, 5))
curve = hierarchy.tradeoff([[9, 4, 0, 1], [3, 8, 1, 0], [0, 1, 7, 5], [1, 0, 4, 6]])
test = imachsr.datasets.create("streets", part="test", size=(64, 96), length=3)


def untrained(scheme):
    settings = asdict(Settings(scheme=scheme, size=(64, 96), length=3, epochs=2))
    origin = {"fingerprint": f"none {test.fingerprint}"}
    made = Result(scheme, settings, test.classes, (), {}, [{}, {}], [], provenance=origin)
    for epoch in (1, 2):  # after the second all predict the same
        torch.manual_seed(len(scheme) * (2 - epoch))
        Snapshots.of(made, "kept").keep(nn.Conv2d(3, 11, 1), test, epoch)
    return made
"""

# explorer -> how it is made, a control, its label, keys, and what they choose
TOOLS = {
    "point_picker": ("widgets.point_picker({'net': points})", "count", "Count M", ["ArrowUp"], 2),
    "entropy_explorer": ("widgets.entropy_explorer(maps)", "lambda_", "Weight lambda", ["ArrowDown"] * 2, 2.0),
    "bound_explorer": ("widgets.bound_explorer(steps=100)", "eta", "eta", ["ArrowDown"], 0.3),
    "cost_explorer": (
        "widgets.cost_explorer({'net': (counted, points)}, classes=3)", "losses", "Losses", ["End"], "fused",
    ),
    "theta_explorer": (
        "theta_explorer({'all': {'a': curve}}, 0.6, classes=list('wxyz'))", "theta", "Theta, degrees", ["Home"], 0.0,
    ),
    "curve_browser": (
        "widgets.curve_browser(imachsr.results(published_folder()))", "show", "Show", ["ArrowDown"] * 3, "mF1",
    ),
    "prediction_viewer": (
        "widgets.prediction_viewer([*map(untrained, ('conventional', 'imachsr'))], ledger='kept')",
        "epoch", "After epoch", ["ArrowUp"], 1,
    ),
}  # fmt: skip
NUMBER = {name: place for place, name in enumerate(TOOLS, start=1)}  # of its cell


@pytest.fixture(scope="module")
def notebook(server, open_notebook):
    """All explorers over quick inputs, run."""
    cells = [FIRST, *(f"{name} = {made[0]}\n{name}" for name, made in TOOLS.items())]
    with open_notebook(server.keep("explorers.ipynb", cells)) as opened:
        assert opened.run() == []
        yield opened


def parts(view):
    """Picture, alt text, caption and table cells of an explorer's HTML."""
    found = [
        re.findall(p, view) for p in (r'src="([^"]*)"', r'alt="([^"]*)"', r"<figcaption>(.*?)<", r"<td>(.*?)</td>")
    ]
    assert all(found)
    return found


@pytest.mark.parametrize("name", TOOLS)
def test_keys_move_a_control_and_kernel_and_picture_follow(notebook, name):
    _, control, label, keys, wanted = TOOLS[name]
    notebook.stand_in(NUMBER[name])
    before, after = notebook.choose(label, keys)
    assert notebook.ask(f"{name}.controls[{control!r}].value") == wanted
    assert all(old != new for old, new in zip(parts(before), parts(after), strict=True))
    assert parts(after) == parts(notebook.ask(f"{name}.view.value"))


@pytest.mark.parametrize("name", TOOLS)
def test_everything_has_a_name_a_screen_reader_can_say(notebook, name):
    area = notebook.stand_in(NUMBER[name])
    named = notebook.named(f"{SHOWN} .widget-vbox")
    assert [label for _, label in named] == notebook.ask(f"[c.description for c in {name}.controls.values()]")
    kinds = {"DropdownView": "combobox", "CheckboxView": "checkbox"}
    assert [role for role, _ in named] == [
        kinds[view] for view in notebook.ask(f"[c._view_name for c in {name}.controls.values()]")
    ]
    assert len(area.get_by_role("img").get_attribute("alt")) > 40
    headers = area.locator("th").all()
    assert headers
    assert all(header.get_attribute("scope") == "col" for header in headers)
    assert area.get_by_role("columnheader").count() == len(headers)


def test_a_box_is_ticked_by_space(notebook):
    notebook.stand_in(NUMBER["prediction_viewer"])
    before, after = notebook.tick("road")
    assert notebook.ask("prediction_viewer.controls['show_road'].value") is True
    assert ("all classes" in before, "only road" in after) == (True, True)
    assert notebook.tick("road")[1] == before


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_stand_out_in_both_themes(notebook, theme, shot):
    notebook.dress(theme)
    for name, number in NUMBER.items():
        area = notebook.stand_in(number)
        shot(area, f"{name}_{theme}")
        assert notebook.faint(SHOWN) == []


def test_faint_words_and_nameless_controls_would_be_found(notebook):
    notebook.stand_in(NUMBER["bound_explorer"])
    add = "([at, html]) => document.querySelector(at).insertAdjacentHTML('beforeend', html)"
    faint = '<p class="added" style="color:#999;background:#fff">hardly seen</p><input class="added">'
    notebook.page.evaluate(add, [f"{SHOWN} .widget-vbox", faint])
    assert notebook.faint(SHOWN) == ["P 2.85: hardly seen"]
    assert notebook.named(f"{SHOWN} .widget-vbox")[-1] == ("textbox", "")
    notebook.page.evaluate("() => document.querySelectorAll('.added').forEach(one => one.remove())")
