"""The curve browser: driven from Python, against what the results hold."""

import html
import re
from dataclasses import asdict, replace

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

from imachsr.experiment import Result, Settings
from imachsr.figures.results import Curve, lines
from imachsr.widgets import compute_curves, curve_browser

PROTOCOLS = ("dataset", "image")
METRICS = ("mIoU", "mPrecision", "mRecall", "mF1", "pixel_accuracy")


def result(scheme, seed=0, start=0.2, every=1, **changes):
    """A run of four epochs whose scores rise by 0.1 and whose losses fall by 0.5."""
    settings = Settings(scheme=scheme, seed=seed, epochs=4, evaluate_every=every, **changes)
    points = {} if scheme == "conventional" else {"a/supervision": -1.0, "b/supervision": -3.0, "a/regularizer": -4.0}
    history = [
        {
            "number": n,
            "losses": {name: value - 0.5 * n for name, value in {"output": 2.0, **points}.items()},
            "scores": {name: start + 0.1 * n for name in METRICS} if n % every == 0 else {},
        }
        for n in (1, 2, 3, 4)
    ]
    scores = {protocol: dict.fromkeys(METRICS, start + 0.4 + 0.05 * i) for i, protocol in enumerate(PROTOCOLS)}
    scores["image"]["mPrecision"] = None
    key = f"{settings.alike()}{seed}"
    return Result(key, asdict(settings), ("road",), (), scores, history, [])


RESULTS = [
    result("conventional"),
    result("conventional", seed=1, start=0.3),
    result("imachsr"),
    result("imachsr", seed=1, start=0.1),
    result("imachsr", points=5),
    result("imacsr", data="camvid"),
]


@pytest.fixture
def browser():
    pytest.importorskip("ipywidgets")
    return curve_browser(RESULTS)


def test_scores_are_per_cent_by_epoch_and_losses_means_over_points():
    (one,) = compute_curves(RESULTS[:1])
    assert one.epochs == (1, 2, 3, 4)
    np.testing.assert_allclose(one.values, [30, 40, 50, 60])
    (points,) = compute_curves(RESULTS[:3], runs="imachsr", show="supervision")
    np.testing.assert_allclose(points.values, [-2.5, -3.0, -3.5, -4.0])
    assert {curve.name for curve in compute_curves(RESULTS[:3], show="regularizer")} == {"imachsr"}
    assert len(compute_curves(RESULTS[:3], show="output")) == 3


def test_epochs_that_were_not_scored_are_left_out():
    (one,) = compute_curves([result("imacsr", every=2)])
    assert one.epochs == (2, 4)


def test_under_another_protocol_the_last_epoch_alone_is_known():
    (one,) = compute_curves(RESULTS[:1], protocol="image")
    assert one.epochs == (4,)
    assert one.values == pytest.approx((65.0,))
    (undefined,) = compute_curves(RESULTS[:1], protocol="image", show="mPrecision")
    assert np.isnan(undefined.values[0])


def test_runs_of_one_scheme_with_other_points_have_another_name():
    assert {curve.name for curve in compute_curves(RESULTS[:5])} == {"conventional", "imachsr", "imachsr, points 5"}
    assert [curve.seed for curve in compute_curves(RESULTS[:5], runs="imachsr")] == [0, 1]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"show": "speed"}, r"got show='speed'; there are \['mIoU'"),
        ({"protocol": "magic"}, r"got protocol='magic'; the results have \['dataset', 'image'\]"),
        ({"runs": "hs3"}, "none of 6 runs has that; .*; choose all"),
        ({"runs": "conventional", "show": "supervision"}, "conventional training has no points"),
    ],
)
def test_it_refuses_in_words(wish, words):
    with pytest.raises(ValueError, match=words):
        compute_curves(RESULTS, **wish)
    with pytest.raises(ValueError, match=r"got no results; .*; pass"):
        curve_browser([])


def test_means_go_over_the_seeds_of_one_name():
    (axis,) = lines(compute_curves(RESULTS[:4]), "mIoU (%)").axes
    drawn = {line.get_label(): line.get_ydata() for line in axis.lines}
    np.testing.assert_allclose(drawn["conventional, 2 seeds"], [35, 45, 55, 65])
    np.testing.assert_allclose(drawn["imachsr, 2 seeds"], [25, 35, 45, 55])
    assert len(axis.lines) == 6  # two means, four runs
    uneven = [Curve("x", "imacsr", 0, (1, 2), (1.0, 2.0)), Curve("x", "imacsr", 1, (2,), (4.0,))]
    mean = next(line for line in lines(uneven, "").axes[0].lines if line.get_label() == "x, 2 seeds")
    assert (list(mean.get_xdata()), list(mean.get_ydata())) == ([2], [3.0])


def test_schemes_differ_in_more_than_colour():
    curves = [replace(compute_curves(RESULTS[:1])[0], name=name, scheme=name) for name in ("conventional", "imachsr")]
    curves.append(replace(curves[1], name="imachsr, points 5"))
    looks = {(line.get_marker(), line.get_linestyle()) for line in lines(curves, "").axes[0].lines}
    assert len(looks) == 3


def test_every_control_redraws_with_words_for_those_who_cannot_see(browser):
    seen = {browser.set()}
    assert "conventional 65.00 (2 seeds)" in browser.set()
    other = browser.controls["where"].options[1]
    for name, value in {
        "runs": "imachsr", "seed": 1, "show": "supervision", "protocol": "image", "where": other,
    }.items():  # fmt: skip
        if name == "protocol":
            browser.set(show="mF1", seed="all", runs="all")
        shown = browser.set(**{name: value})
        assert shown not in seen
        assert 'alt="' in shown
        assert '<th scope="col"' in shown
        seen.add(shown)
    assert "camvid" in re.search(r'alt="([^"]*)"', shown)[1]


def test_a_table_says_what_the_lines_do(browser):
    shown = browser.set(runs="imachsr", seed=1)
    assert re.findall(r"<td>([^<]*)</td>", shown) == ["imachsr", "1", "20.00", "30.00", "40.00", "50.00"]
    assert "compare courses, not heights" in browser.set(show="supervision")


def test_a_missing_combination_is_said_and_gives_way(browser):
    shown = browser.set(runs="imacsr")
    assert 'role="alert"' in shown
    assert html.escape("runs='imacsr'") in shown
    assert "<img " in browser.set(runs="all")


def test_controls_are_native_and_labelled(browser):
    assert {control._view_name for control in browser.controls.values()} == {"DropdownView"}
    assert all(control.description for control in browser.controls.values())
