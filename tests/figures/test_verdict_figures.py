"""The claim sheet's pictures count and place what the judgements say."""

import matplotlib

matplotlib.use("Agg")

import pytest

from conftest import REPOSITORY
from imachsr.claims import VERDICTS, claims, judge
from imachsr.claims.judge import Contrast, Judgement
from imachsr.claims.statistics import paired
from imachsr.figures import verdicts


@pytest.fixture(scope="module")
def judgements():
    """Every claim without a single run."""
    return judge(claims(REPOSITORY / "data" / "papers"), [], folder=REPOSITORY / "data" / "papers")


def measured(judgement, gains, verdict):
    (better, worse), metric = judgement.claim.contrasts[0], judgement.claim.metrics[0]
    contrast = Contrast(better, worse, metric, "camvid", paired(gains), (-1.0, 2.0), 0.5)
    return Judgement(judgement.claim, verdict, "", (contrast,))


def test_counts_add_up_to_the_claims(judgements):
    counts = verdicts.verdict_counts(judgements)
    assert [*counts.columns] == [*VERDICTS, "claims"]
    assert counts["claims"].sum() == len(judgements)
    assert counts[[*VERDICTS]].sum().sum() == len(judgements)
    assert counts["reproduced"].sum() == 0
    verdicts.verdict_chart(judgements)


def test_a_forest_without_runs_says_so(judgements):
    figure = verdicts.forest(judgements)
    assert "no comparison has runs" in [text.get_text() for text in figure.axes[0].texts]
    missing = sum(len(judgement.contrasts) for judgement in judgements)
    assert f"{missing} more comparisons have no runs" in figure.axes[0].get_xlabel()


def test_a_forest_has_measured_and_reported_differences(judgements):
    claim = next(judgement for judgement in judgements if judgement.claim.reported)
    one = measured(claim, [0.5, 1.0, 1.5], "not distinguishable")
    table = verdicts.forest_table([one, *judgements])
    assert len(table) == 1
    row = table.iloc[0]
    assert (row["measured"], row["seeds"]) == (1.0, 3)
    assert row["reported"] == next(iter(claim.claim.reported.values()))
    figure = verdicts.forest([one, *judgements])
    marks = {line.get_marker(): list(line.get_xdata()) for line in figure.axes[0].lines}
    assert marks["o"] == [1.0]
    assert marks["x"] == [row["reported"]]
    assert figure.axes[0].get_yticklabels()[0].get_text() == f"{row['comparison']} (3 seeds)"
    assert row["claim"] == claim.claim.id


def test_few_seeds_do_not_stretch_the_axis(judgements):
    claim, other = [judgement for judgement in judgements if judgement.claim.reported][:2]
    whole = measured(claim, [0.9, 1.0, 1.1, 0.9, 1.1], "reproduced")
    few = measured(other, [-4.0, 6.0], "not distinguishable")
    axis = verdicts.forest([whole, few]).axes[0]
    low, high = axis.get_xlim()
    assert few.contrasts[0].found.low < low < 0 < high < few.contrasts[0].found.high
    marks = {line.get_marker(): line for line in axis.lines}
    assert (marks["<"].get_xdata()[0], marks[">"].get_xdata()[0]) == (low, high)
    assert marks["o"].get_markerfacecolor() == "white", "too few seeds for any verdict"
    assert marks["D"].get_markerfacecolor() != "white"
    alone = verdicts.forest([few]).axes[0].get_xlim()
    assert alone[0] < few.contrasts[0].found.low < few.contrasts[0].found.high < alone[1]
