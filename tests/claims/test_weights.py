"""The sweep of weights: judged on training images, by paired differences, and few seeds decide nothing."""

import json
from dataclasses import asdict

import pytest

from conftest import REPOSITORY
from imachsr.claims.weights import DEFAULTS, supported
from imachsr.experiment import Result, Settings, publish, results, tuning_folder
from imachsr.reproduce import report
from imachsr.reproduce.studies import STUDIES

NOISE = (0.1, -0.2, 0.05, 0.15, -0.1)  # points, a seed each


def result(settings, miou):
    scores = {"dataset": dict.fromkeys(("mIoU", "mPrecision", "mRecall", "mF1"), miou / 100)}
    counts = [[[round(10**4 * miou)], [0], [10**6 - round(10**4 * miou)]]]
    return Result(
        settings.key("d"), asdict(settings), ("road",), (), scores, [], counts, provenance={"fingerprint": "d"}
    )


def sweep(gains, seeds):
    """Results of the study, (alpha, lambda) gaining so many points; a conventional run loses one."""
    runs = []
    for one in STUDIES["weights"].settings("lab", "camvid", None, seeds):
        gain = -1.0 if one.scheme == "conventional" else gains.get((one.alpha, one.lambda_), 0.0)
        place = STUDIES["weights"].settings("lab", "camvid", None, 1).index(Settings(**{**asdict(one), "seed": 0}))
        runs.append(result(one, 30 + one.seed + gain + NOISE[(place + one.seed) % 5]))
    return runs


def test_without_a_sweep_nothing_is_supported():
    found = supported([])
    assert (found.cells, found.weights) == ((), DEFAULTS)
    assert found.says == "No sweep of alpha and lambda has been published: alpha = 0.4 and lambda = 0.01 are our guess."


def test_two_seeds_distinguish_nothing():
    found = supported(sweep({(1.6, 0.1): 3.0}, 2))
    assert len(found.cells) == 11
    assert (found.cells[0].alpha, found.cells[0].lambda_) == (1.6, 0.1)
    assert found.cells[0].found.mean == pytest.approx(3, abs=0.3)
    assert found.weights == DEFAULTS
    assert "on part of the training images (camvid tune 360x480" in found.says
    assert "alpha = 1.6 with lambda = 0.1, is +" in found.says
    assert "fewer than 5 seeds do not distinguish" in found.says


def test_five_seeds_find_what_is_clear_and_nothing_else():
    clear = supported(sweep({(1.6, 0.1): 3.0}, 5))
    assert clear.weights == (1.6, 0.1)
    assert "the sweep supports it" in clear.says
    assert [(cell.alpha, cell.lambda_) for cell in clear.cells if cell.clear] == [(1.6, 0.1), (0.0, 0.0)]
    worse = supported(sweep({(1.6, 0.1): -3.0}, 5))
    assert worse.weights == DEFAULTS
    assert "no difference upwards is clear" in worse.says


def test_the_sentence_is_about_the_pair_it_decides_on():
    high = sweep({(1.6, 0.01): 6.0, (0.1, 0.01): 2.0}, 5)
    found = supported([one for one in high if one.setting("alpha") < 1 or one.setting("seed") == 0])
    assert found.weights == (0.1, 0.01), "one seed of the highest is no evidence"
    assert "the best that is clear, alpha = 0.1 with lambda = 0.01, is +2." in found.says
    assert "over 5 seeds. That is no chance" in found.says
    worse = {(one.alpha, one.lambda_): -2.0 for one in STUDIES["weights"].settings("lab", "camvid", None, 1)}
    best = sweep({**worse, DEFAULTS: 0.0, (0.1, 0.01): 0.15}, 5)
    found = supported([one for one in best if one.setting("lambda_") == 0.01 or one.setting("seed") == 0])
    assert "alpha = 0.1 with lambda = 0.01, is +0.15 points" in found.says
    assert found.says.endswith("no difference upwards is clear."), "that others have one seed does not matter"


def test_seeds_that_a_verdict_does_not_take_decide_nothing():
    study = STUDIES["weights"].settings("lab", "camvid", None, 20)
    pair = [one for one in study if (one.alpha, one.lambda_) in (DEFAULTS, (1.6, 0.01)) and one.scheme == "imachsr"]
    gains = [2.0, -3.0, 1.0, -1.0, 1.5, *[3.0] * 15]
    runs = [result(one, 30 + (one.alpha == 1.6) * gains[one.seed]) for one in pair]
    (cell,) = supported(runs).cells
    assert cell.found.differences == pytest.approx(gains[:5])
    assert supported(runs).weights == DEFAULTS
    (cell,) = supported([one for one in runs if one.settings["seed"] not in (1, 3)]).cells
    assert not cell.whole


def test_no_weight_at_all_does_not_stand_beside_conventional_training():
    idle = result(Settings(split="tune", alpha=0.0, lambda_=0.0), 30.0)
    plain = [result(Settings(split="tune", scheme=scheme), 30.0) for scheme in ("conventional", "imachsr")]
    assert [(cell.alpha, cell.lambda_) for cell in supported([idle, *plain]).cells] == [(0.0, 0.0)]


def test_only_runs_judged_on_training_images_count():
    tested = [result(Settings(alpha=alpha, seed=seed), 30 + 9 * alpha) for seed in range(5) for alpha in (0.4, 1.6)]
    assert not supported(tested).cells
    other = [result(Settings(split="tune", seed=0, points=5, alpha=1.6), 90.0)]
    assert len(supported([*sweep({}, 1), *other]).cells) == 11, "another number of points is another question"


def test_a_sweep_is_published_apart_from_what_was_tested(tmp_path):
    tuned, tested = result(Settings(split="tune"), 30.0), result(Settings(), 30.0)
    for one in (tuned, tested):
        one.write(tmp_path / "ledger")
    publish([tuned.key, tested.key], ledger=tmp_path / "ledger", published=tmp_path / "results")
    assert [one.key for one in results(tmp_path / "results")] == [tested.key]
    assert [one.key for one in results(tmp_path / "results" / "tuning")] == [tuned.key]


def test_the_choice_of_weights_is_told_from_the_published_sweep():
    rows = json.loads((REPOSITORY / "data" / "papers" / "choices.json").read_text())
    assert [row["silent"] for row in rows if "evidence" in row] == ["alpha, lambda and how they depend on M"]
    assert f"{supported().says}".split(":")[0] in report._choices()
    assert supported().weights == DEFAULTS, "the defaults are what the published sweep supports"
    for one in results(tuning_folder()):
        assert one.settings["split"] == "tune"
        assert Settings(**{n: v for n, v in one.settings.items() if n in Settings.__dataclass_fields__}).key(
            one.provenance["fingerprint"]
        ) == one.key  # fmt: skip
        assert not one.provenance["dirty"]
