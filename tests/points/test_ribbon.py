"""The ribbon: what it draws and says."""

import pytest
import torch
from torch import nn

from imachsr.figures import ribbon, ribbon_alt
from imachsr.points import RULES, choose_points, find_points


def test_the_ribbon_shows_blocks_rules_and_choices() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)
    )
    points = find_points(network, torch.zeros(2, 3, 16, 32))
    chosen = choose_points(points, 2)
    figure = ribbon(points, chosen)
    band, rows = figure.axes
    assert [text.get_text() for text in rows.get_yticklabels()] == list(RULES)
    assert [text.get_text() for text in band.texts] == [point.name for point in chosen]
    assert [line.get_xdata()[0] for line in band.lines] == [100 * point.depth for point in chosen]
    assert all(ticks.zorder > line.zorder for ticks in rows.collections for line in rows.lines), "ticks on top"
    figure.canvas.draw()
    legend, drawn = band.get_legend().get_window_extent(), band.collections[0].get_window_extent()
    assert not legend.overlaps(drawn)
    plt.close(figure)
    words = ribbon_alt(points, chosen)
    assert "4 points and 0 blocks" in words
    assert "Map sizes in order: 8x16, 4x8." in words
    assert all(point.name in words for point in chosen)


def test_a_ribbon_needs_points() -> None:
    with pytest.raises(ValueError, match="got no points; a ribbon needs some"):
        ribbon([])
