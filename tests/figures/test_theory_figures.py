"""Figures of the theory show what they are given: bounds over M, ratios of instances, a run's terms."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from imachsr.figures import theory

TERMS = ["output", "a/supervision", "a/regularizer"]


def run(optimizer, steps, squared):
    curved = dict(zip([*TERMS, "total"], [9.0, 5, 2, 11], strict=True))
    measured = [
        {
            "step": step, "terms": TERMS, "values": [2.0, -0.1, -1.0], "gradients": [4.0, 2.0, 1.0 + step],
            "noise": [3.0, 1.0, 1.0], "squared": squared, "alignment": np.eye(3).tolist(),
            "noise_alignment": np.eye(3).tolist(), "smoothness": curved,
        }
        for step in (0, 1)
    ]  # fmt: skip
    weights = [1.0, 0.5, 0.1]
    return {"optimizer": optimizer, "steps": steps, "eta": 0.5, "weights": weights, "least": -1.0, "measured": measured}


RUNS = [run(optimizer, steps, 100.0 / steps) for optimizer in ("sgd", "adam") for steps in (4, 16)]


def test_growth_at_fixed_eta_is_cubic_and_vanishes_where_normalised():
    table = theory.growth(most=60, share=100)
    assert table["corrected_fixed"][60] / table["corrected_fixed"][0] == pytest.approx(121**3, rel=0.01)
    np.testing.assert_allclose(table["corrected_normalised"], table["corrected_normalised"][0])
    assert table["stated_normalised"][60] < table["corrected_normalised"][60]


def test_network_table_takes_the_largest_constants_of_an_optimizer():
    rows = theory.network_table(RUNS)
    assert [(row["optimizer"], row["steps"]) for row in rows] == [("sgd", 4), ("sgd", 16), ("adam", 4), ("adam", 16)]
    # delta = 2 - 0.05 - 0.1 + 1; L_S = 9 + 2.5 + 0.2; sum w G = 4 + 1 + 0.2; sum w sigma = 3 + 0.5 + 0.1
    assert rows[0]["corrected"] == pytest.approx(2.85 / (0.5 * 2) + 11.7 * 0.5 / 4 * (5.2**2 + 3.6**2))
    assert rows[0]["stated"] == pytest.approx(2 * 2.85 / 1 + 9 * 0.25 * (16 + 1 + 0.04 + 9 + 0.25 + 0.01))
    assert rows[1]["measured"] == 6.25


def test_steps_between_the_looks_count_as_much_as_the_looks():
    run = {"steps": 6, "measured": [{"step": 0}, {"step": 1}, {"step": 4}]}
    assert theory.over_steps(run, [60.0, 3.0, 0.0]) == pytest.approx((60 + 3 + 2 + 1 + 0 + 0) / 6)


def test_figures_draw_every_number_given():
    columns = {"noise": ["exact", "shared", "independent"], "step": [0.1, 1, 9], "over_stated": [0.5, 30, 2]}
    drawn = theory.study_figure({**columns, "over_corrected": [0.1, 0.5, 0.9]})
    assert [len(axis.collections[0].get_offsets()) for axis in drawn.axes] == [1] * 6
    assert drawn.axes[1].collections[0].get_offsets()[0].tolist() == [1, 30]
    lowest = theory.study_figure({**columns, "over_corrected": [1e-9] * 3}).axes[3]
    assert lowest.collections[0].get_offsets()[0, 1] > lowest.get_ylim()[0], "no dot is cut off"
    drawn = theory.terms_figure(RUNS[0])
    assert drawn.axes[0].lines[2].get_ydata().tolist() == [1, 2]
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["output", "supervision 1", "regularizer 1"]
    assert len(theory.alignment_figure(RUNS[0]).axes[0].texts) == 9
    drawn = theory.network_figure(theory.network_table(RUNS))
    assert drawn.axes[1].lines[0].get_ydata().tolist() == [25, 6.25]
    assert len(theory.growth_figure(theory.growth()).axes[0].lines) == 2
    plt.close("all")
