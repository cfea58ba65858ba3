"""Pictures of scores show the scores."""

import math

import pytest
import torch

from imachsr.figures import metrics
from imachsr.metrics import PROTOCOLS, Calibration, Confusion


@pytest.fixture
def confusion():
    found = Confusion(3)
    found.update(torch.tensor([[[0, 1]], [[2, 2]]]), torch.tensor([[[0, 0]], [[2, 1]]]))
    return found


def test_protocol_table_is_in_per_cent_and_in_order(confusion):
    table = metrics.protocol_table(metrics.all_protocols(confusion))
    assert list(table.index) == list(PROTOCOLS)
    for name in PROTOCOLS:
        assert table.loc[name, "mF1"] == pytest.approx(100 * confusion.scores(name)["mF1"])
    stored = metrics.protocol_table({"paper": dict.fromkeys(("mIoU", "mPrecision", "mRecall", "mF1"))})
    assert math.isnan(stored.loc["paper", "mIoU"]), "a stored result says null for undefined"


def test_protocol_chart_has_a_bar_per_number(confusion):
    table = metrics.protocol_table(metrics.all_protocols(confusion))
    figure = metrics.protocol_chart({"one": table, "two": table})
    heights = [bar.get_height() for bars in figure.axes[1].containers for bar in bars]
    assert sorted(heights) == pytest.approx(sorted(table.to_numpy().ravel()))


def test_reliability_bars_are_accuracies():
    calibration = Calibration(2, bins=5)
    calibration.update(torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5]]), torch.tensor([0, 1, 0]))
    figure = metrics.reliability({"one": calibration.scores()})
    heights = [bar.get_height() for bar in figure.axes[0].containers[0]]
    assert heights[4] == pytest.approx(50)
    assert heights[2] == pytest.approx(100)
    assert math.isnan(heights[0])
    assert f"ECE {100 * calibration.scores()['ece']:.1f} %" in figure.axes[0].get_title()
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert not any(legend.overlaps(axis.get_window_extent()) for axis in figure.axes), "it hides no bar"


def test_frequencies_are_sorted():
    figure = metrics.frequencies({"streets": [0.1, 0.7, 0.2]}, {"streets": ["sky", "road", "car"]})
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["road  70", "car  20", "sky  10"]
    assert figure.axes[0].lines[0].get_xdata() == pytest.approx([70, 20, 10])
