"""The papers' Table 2 as panels: what stands where, seeds and intervals, and what nobody has run."""

from dataclasses import asdict

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from imachsr.experiment import METRICS, Result, Settings
from imachsr.figures.predictions import colored, outcomes
from imachsr.figures.results import by_footing, cells, curves, named, scheme_colors

PAPER = pd.DataFrame(
    {"mIoU": [40.0, 44.0]}, index=pd.MultiIndex.from_tuples([("camvid", "net", "off"), ("camvid", "net", "on")])
)
SCORES = {"conventional": [30.0, 34.0, 32.0], "imacsr": [36.0]}


def measured(data, model, scheme):
    return SCORES.get(scheme, []) if data == "camvid" else []


@pytest.fixture
def panels():
    figure = cells([("camvid", "net"), ("streets", "net")], PAPER, measured)
    yield figure, [axis for axis in figure.axes if axis.get_visible()]
    plt.close("all")


def bars(axis):
    return [(bar.get_height(), mpl.colors.to_rgb(bar.get_facecolor())) for bar in axis.patches if not bar.get_hatch()]


def test_off_stands_beside_conventional_and_on_beside_imacsr(panels):
    _, (axis, _) = panels
    colors, grey = scheme_colors(), (0.7, 0.7, 0.7)
    wanted = [(40.0, grey), (32.0, colors["conventional"]), (44.0, grey), (36.0, colors["imacsr"])]
    for (height, color), (truth, shade) in zip(bars(axis), wanted, strict=True):
        assert height == pytest.approx(truth)
        np.testing.assert_allclose(color, shade)


def test_what_nobody_ran_is_hatched(panels):
    figure, axes = panels
    assert [sum(bool(bar.get_hatch()) for bar in axis.patches) for axis in axes] == [1, 3]
    assert [sum(text.get_text() == "not run" for text in axis.texts) for axis in axes] == [1, 3]
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["papers", "conventional, here", "imacsr, here", "imachsr, here", "not run", "a seed; 95 % interval"]


def test_a_network_without_a_size_says_which_was_run():
    figure = cells([("camvid", "net"), ("streets", "other")], PAPER, measured, ran_as={"net": "net_tiny"})
    assert [axis.get_title() for axis in figure.axes][:2] == ["camvid\nnet (here net_tiny)", "streets\nother"]
    plt.close(figure)


def test_a_dot_is_a_seed_and_a_line_students_interval(panels):
    _, (axis, other) = panels
    line, dots, seed = axis.lines
    reach = t.ppf(0.975, 2) * np.std(SCORES["conventional"], ddof=1) / 3**0.5
    np.testing.assert_allclose(line.get_ydata(), [32 - reach, 32 + reach])
    assert list(dots.get_ydata()) == SCORES["conventional"]
    assert list(seed.get_ydata()) == SCORES["imacsr"], "one seed has no interval"
    assert not other.lines


def test_runs_are_named_by_what_is_unusual_about_them():
    def result(**changes):
        settings = Settings(**changes)
        stored = {name: getattr(settings, name) for name in Settings.__dataclass_fields__ if name != "gamma"}
        return Result("k", stored, (), (), {}, [], [])

    assert named(result(scheme="imachsr")) == "imachsr"
    assert named(result(scheme="imachsr", points=5, lambda_=0.1)) == "imachsr, points 5, lambda 0.1"
    assert named(result(scheme="conventional", points=5)) == "conventional", "points say nothing there"
    assert named(result(scheme="hs3", theta=50.0)) == "hs3, theta 50.0"
    ran = [result(seed=0), result(seed=1, points=5), result(epochs=3)]
    for results in (ran, ran[::-1]):
        assert [len(part) for part in by_footing(results).values()] == [2, 1], "the ground with the most first"


def test_a_learning_curve_has_students_interval_and_its_seeds():
    def run(scheme, seed, score):
        scores = dict.fromkeys(METRICS, score)
        history = [{"number": number, "losses": {"output": 1.0}, "scores": scores} for number in (1, 2)]
        settings = Settings(scheme=scheme, seed=seed)
        return Result("k", asdict(settings), (), (), {}, history, [])

    ran = [run("conventional", seed, score) for seed, score in enumerate((0.30, 0.32, 0.37))]
    figure = curves([*ran, run("imachsr", 0, 0.5), run("imachsr", 1, 0.6)], ("mIoU",))
    (axis,) = figure.axes
    words = [text.get_text() for text in axis.get_legend().get_texts()]
    assert words == ["conventional (n = 3)", "imachsr (n = 2)"]
    (band,) = [path for collection in axis.collections for path in collection.get_paths()]  # none for two seeds
    heights = band.vertices[:, 1]
    reach = t.ppf(0.975, 2) * np.std([30, 32, 37], ddof=1) / 3**0.5
    np.testing.assert_allclose([heights.min(), heights.max()], [33 - reach, 33 + reach])


def test_a_pixel_has_the_colour_of_the_run_that_is_right():
    maps = np.array([[0, 0, 0]]), np.array([[0, 1, 1]]), np.array([[1, 0, 2]])
    blue, red = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)
    without, with_, neither = colored(outcomes(*maps), (blue, red))[0]
    np.testing.assert_allclose([without, with_], [blue, red])
    assert len(set(neither)) == 1
