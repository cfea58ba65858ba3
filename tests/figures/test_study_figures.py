"""Study figures show what was measured, and what was not."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest

import imachsr
from imachsr.experiment import Result, Settings
from imachsr.experiment.tables import footing
from imachsr.figures import placements, studies

GROUPS = {
    "conventional": {"scheme": "conventional"},
    "shared": {"scheme": "imachsr", "divide": True},
    "constant": {"scheme": "imachsr", "divide": False},
}


def table(**scores):
    """Rows (scheme, divide, points) -> scores by seed."""
    rows = []
    for name, values in scores.items():
        scheme, divide, points = name.split("_")
        for seed, value in enumerate(values):
            rows.append(
                {"where": "here", "scheme": scheme, "divide": divide == "shared", "points": int(points), "seed": seed,
                 "mIoU": value, "mF1": value + 10}
            )  # fmt: skip
    return pd.DataFrame(rows)


def texts(figure):
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def result(**changes):
    settings = Settings(**changes)
    scores = {"dataset": {"mIoU": 0.25, "mPrecision": None, "mRecall": 0.5, "mF1": 0.4}}
    stored = {name: getattr(settings, name) for name in Settings.__dataclass_fields__ if name != "weight_schedule"}
    return Result("0" * 16, stored, ("road",), (), scores, [], [])


def test_scores_are_per_cent_undefined_ones_nan_and_young_fields_have_their_default():
    row = studies.score_table([result(seed=3)], ("points", "weight_schedule")).iloc[0]
    assert (row["points"], row["weight_schedule"], row["seed"], row["mIoU"]) == (3, "constant", 3, 25.0)
    assert np.isnan(row["mPrecision"])
    assert "180x240" in row["where"]
    assert "20 epochs" in row["where"]


def test_runs_of_other_data_size_or_epochs_stand_apart():
    words = {footing(result(**changes)) for changes in ({}, {"epochs": 5}, {"size": None}, {"ema": 0.9})}
    assert len(words) == 4
    assert footing(result(seed=1)) == footing(result(alpha=1.0))


def test_a_line_has_the_means_and_ends_where_nothing_was_run():
    figure = studies.along(
        table(imachsr_shared_1=[40.0, 42.0], imachsr_shared_3=[43.0], conventional_shared_3=[39.0, 99.0]),
        "points", expected=(1, 2, 3), groups=GROUPS, metrics=("mIoU",),
    )  # fmt: skip
    (axis,) = figure.axes
    line = next(line for line in axis.lines if line.get_label() == "shared")
    assert np.allclose(line.get_ydata(), [41.0, np.nan, 43.0], equal_nan=True)
    assert texts(figure) == ["not run"]
    level = next(line for line in axis.lines if line.get_label() == "conventional, seed 0")
    assert set(level.get_ydata()) == {39.0}, "over the seeds of every drawn point"


def test_intervals_are_students_t_over_seeds_and_one_seed_has_none():
    values = [40.0, 41.0, 45.0]
    figure = studies.along(
        table(imachsr_shared_1=values, imachsr_constant_1=[50.0]),
        "points",
        expected=(1,),
        groups=GROUPS,
        metrics=("mF1",),
    )
    from scipy.stats import t

    reach = t.ppf(0.975, 2) * np.std(values, ddof=1) / 3**0.5
    bars = [line.get_ydata() for line in figure.axes[0].lines if line.get_linewidth() == 2]
    assert np.allclose(bars, [[52 - reach, 52 + reach]])


def test_differences_are_paired_by_seed():
    rows = table(imachsr_shared_1=[41.0, 43.0], conventional_shared_3=[40.0, 41.0, 99.0])
    found = studies.difference_table(rows, GROUPS, "conventional", ("mIoU",)).set_index("group")
    assert found.loc["shared", "mean"] == 1.5  # the third seed has no partner
    assert found.loc["shared", "seeds"] == 2
    assert found.loc["constant", "seeds"] == 0
    assert np.isnan(found.loc["constant", "mean"])
    words = studies.differences_alt(found.reset_index())
    assert words.startswith("mIoU in points: shared +1.50 (")
    assert words.endswith(", 2 seeds). Not run: constant.")
    figure = studies.differences(rows, GROUPS, "conventional", ("mIoU",))
    assert texts(figure) == ["not run"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["shared", "constant"]


def test_two_runs_of_a_seed_are_no_two_seeds():
    rows = table(imachsr_shared_1=[41.0], imachsr_shared_3=[43.0], conventional_shared_3=[40.0])
    with pytest.raises(ValueError, match="got two rows of seed 0 for 'shared'; a difference takes one run of each"):
        studies.difference_table(rows, GROUPS, "conventional", ("mIoU",))


def test_means_of_few_seeds_are_hollow():
    rows = table(imachsr_shared_1=[41.0, 42.0, 43.0, 44.0, 45.0], imachsr_shared_3=[43.0])
    figure = studies.along(rows, "points", expected=(1, 3), groups=GROUPS, metrics=("mIoU",))
    fills = [line.get_markerfacecolor() for line in figure.axes[0].lines if line.get_zorder() == 3]
    assert len(fills) == 2
    assert fills[0] != "white"
    assert fills[1] == "white"
    (legend,) = [axis.get_legend() for axis in figure.axes]
    assert [text.get_text() for text in legend.get_texts()] == ["shared"], "only what was run"


def test_published_cells_keep_their_place_when_empty():
    shown = studies.published_table(table(imachsr_shared_1=[41.0, 43.0]), GROUPS)
    assert [*shown["here"]] == ["", "42.00 ± 12.71 (2)", ""]
    one = studies.published_table(table(imachsr_shared_1=[41.0]), GROUPS)
    assert [*one["here"]] == ["", "41.00 (1)", ""], "one seed has no interval"
    assert [*studies.published_table(table().reindex(columns=["where"]), GROUPS).index] == [*GROUPS]


def test_placements_mark_every_choice():
    import torch

    points = imachsr.find_points(
        torch.nn.Sequential(*(torch.nn.Conv2d(3, 3, 1) for _ in range(6))), torch.zeros(2, 3, 4, 4)
    )
    choices = {str(M): imachsr.choose_points(points, M) for M in (1, 3)}
    figure = placements(points, choices)
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [1, 3]
