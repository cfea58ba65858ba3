"""Settings, keys, the ledger, and one real run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import imachsr
from imachsr.experiment import TIERS, Result, comparison, publish, results, run, write_atomically

TINY = imachsr.Settings(size=(32, 48), length=4, epochs=1, batch_size=2, memory_format="contiguous")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    ledger = tmp_path_factory.mktemp("ledger")
    return ledger, run(TINY, ledger=ledger, progress=False)


def test_a_run_is_filed_and_answers_again(ran, monkeypatch):
    ledger, result = ran
    path = ledger / f"{result.key}.json"
    assert Result.read(path) == result
    monkeypatch.setattr("imachsr.experiment.study._train_and_score", lambda *_: pytest.fail("ran again"))
    assert run(replace(TINY, workers=1), ledger=ledger).key == result.key


def test_a_result_says_where_it_came_from(ran):
    _, result = ran
    assert result.settings["scheme"] == "imachsr"
    assert len(result.points) == 3
    assert set(result.scores) == {"dataset", "image", "image_zero", "paper", "paper_zero"}
    assert len(result.per_image) == 4
    assert result.history[-1]["scores"]["mIoU"] == result.scores["dataset"]["mIoU"]
    known = {"revision", "dirty", "torch", "device", "threads", "seconds", "memory_format", "images", "image_format"}
    assert known <= set(result.provenance)
    assert result.settings["tier"] == "custom"
    assert "root" not in result.settings, "a machine's path does not belong into a result"


def test_scores_can_be_computed_again_from_the_counts(ran):
    import numpy as np

    _, result = ran
    tp, fp, fn = np.array(result.per_image).sum(0)
    union = tp + fp + fn
    again = (tp[union > 0] / union[union > 0]).mean()
    assert result.scores["dataset"]["mIoU"] == pytest.approx(again)


def test_the_table_names_every_class_and_the_protocol(ran):
    table = ran[1].table("paper")
    for name in (*imachsr.datasets.create("streets", length=1).classes, "mean", "protocol: paper"):
        assert name in table


def test_the_file_is_strict_json(ran):
    ledger, result = ran
    text = (ledger / f"{result.key}.json").read_text()
    stored = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert stored["key"] == result.key


def test_publish_copies_by_the_beginning_of_a_key(ran, tmp_path):
    ledger, result = ran
    (path,) = publish([result.key[:6]], ledger=ledger, published=tmp_path)
    assert [r.key for r in results(tmp_path)] == [result.key] == [path.stem]
    with pytest.raises(ValueError, match="exactly one"):
        publish(["zzzz"], ledger=ledger, published=tmp_path)


def test_key_depends_on_what_decides_the_numbers_and_nothing_else():
    base = TINY.key("data")
    assert replace(TINY, root="elsewhere", workers=3).key("data") == base
    for change in ({"seed": 1}, {"alpha": 0.1}, {"scheme": "imacsr"}, {"size": (32, 64)}, {"points": 2}):
        assert replace(TINY, **change).key("data") != base, change
    assert TINY.key("other data") != base
    plain = replace(TINY, scheme="conventional")
    assert replace(plain, points=5, alpha=0.1).key("d") == plain.key("d"), "points say nothing without points"


def test_keys_of_published_results_stay():
    """Settings may grow; results filed before must still answer."""
    published = results(Path(__file__).parents[1] / "data" / "results")
    assert published
    for result in published:
        known = {
            name: value for name, value in result.settings.items() if name in imachsr.Settings.__dataclass_fields__
        }
        assert imachsr.Settings(**known).key(result.provenance["fingerprint"]) == result.key
    assert replace(TINY, weighting="uncertainty").key("d") != TINY.key("d")
    assert replace(TINY, weight_schedule="cosine").key("d") != TINY.key("d")


def test_tiers():
    assert imachsr.Settings.at("smoke").tier == "smoke"
    assert imachsr.Settings.at("smoke", epochs=99).tier == "custom", "changed cost is no longer that tier"
    assert imachsr.Settings.at("smoke", seed=4, scheme="imacsr").tier == "smoke"
    assert imachsr.Settings.at("lesson", data="camvid", root="x").length is None
    assert set(TIERS) == {"smoke", "lesson", "lab", "paper"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: imachsr.Settings(scheme="magic"), "schemes known are"),
        (lambda: imachsr.Settings(points=0), "at least 1"),
        (lambda: imachsr.Settings(epochs=0), "at least 1"),
        (lambda: imachsr.Settings(memory_format="fast"), "choose one"),
        (lambda: imachsr.Settings(schedule="warp"), "choose one"),
        (lambda: imachsr.Settings(near="left"), "choose one"),
        (lambda: imachsr.Settings(size=(10, 20, 30)), "height, width"),
        (lambda: imachsr.Settings(size=(0, 20)), "height, width"),
        (lambda: imachsr.Settings(learning_rate=-1.0), "at least 0"),
        (lambda: imachsr.Settings(alpha=float("nan")), "finite"),
        (lambda: imachsr.Settings(length=0), "at least 1"),
        (lambda: imachsr.Settings(tier="paper", epochs=1), "Settings.at"),
        (lambda: imachsr.Settings.at("huge"), "the tiers are"),
        (lambda: run(replace(TINY, data="imagenet")), "streets"),
        (lambda: run(replace(TINY, data="camvid")), "root"),
        (lambda: run(replace(TINY, data="camvid", root="/nowhere/at/all")), "nowhere"),
        (lambda: run(replace(TINY, model="lenet"), ledger="/nonexistent"), "deeplabv3plus_resnet18"),
        (lambda: run(replace(TINY, points=500), ledger="/nonexistent"), "500"),
    ],
)
def test_bad_settings_are_refused_before_the_first_step(make, words, monkeypatch):
    monkeypatch.setattr("imachsr.training.fit", lambda *_, **__: pytest.fail("training began"))
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("wrong", [{"epochs": 2.5}, {"epochs": "3"}, {"points": True}, {"seed": None}])
def test_settings_of_another_type_are_refused(wrong):
    with pytest.raises(TypeError, match="of type"):
        imachsr.Settings(**wrong)


def test_a_whole_number_given_for_a_real_one_is_the_same_setting():
    assert imachsr.Settings(alpha=1).key("d") == imachsr.Settings(alpha=1.0).key("d")


def test_comparison_takes_means_over_seeds_and_over_nothing_else(ran):
    _, result = ran

    def variant(mean, fingerprint="one", **settings):
        return replace(
            result,
            settings={**result.settings, **settings},
            scores={"dataset": {**result.scores["dataset"], "mIoU": mean}},
            provenance={**result.provenance, "fingerprint": fingerprint},
        )

    table = comparison(
        [variant(0.4, seed=0), variant(0.6, seed=1), variant(0.9, "other data"), variant(0.1, alpha=9.0)]
    )
    assert sorted(zip(table["mIoU"].round(6), table["seeds"], strict=True)) == [(10.0, 1), (50.0, 2), (90.0, 1)]
    plain = [
        variant(0.4, scheme="conventional", seed=0, points=3),
        variant(0.6, scheme="conventional", seed=1, points=5),
    ]
    assert list(comparison(plain)["seeds"]) == [2], "points say nothing where there are none"


def test_unknown_setting_is_refused():
    with pytest.raises(TypeError, match="learning_rat"):
        imachsr.Settings(learning_rat=0.1)


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_atomically(path, "good")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "half")
    assert path.read_text() == "good"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"], "no leftovers"
