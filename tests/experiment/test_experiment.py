"""Settings, keys, the ledger, and one real run."""

import copy
import errno
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest
import torch

import imachsr
from conftest import REPOSITORY
from imachsr.experiment import TIERS, Places, Result, comparison, publish, results, run, write_atomically
from imachsr.experiment.alone import alone
from imachsr.experiment.export import export
from imachsr.experiment.provenance import _revision
from imachsr.experiment.study import _origins, build
from imachsr.training import Stopped

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
    assert result.provenance["peak_bytes"] > 2**20
    assert result.provenance["seconds"] >= sum(epoch["seconds"] for epoch in result.history)
    assert result.settings["tier"] == "custom"
    assert "root" not in result.settings, "a machine's path does not belong into a result"


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_the_revision_is_that_of_the_code_or_nobodys(tmp_path, monkeypatch):
    def git(*words):
        who = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)

    unknown = {"revision": "", "dirty": None}
    assert _revision(tmp_path) == unknown, "no checkout at all"
    (tmp_path / "venv").mkdir()
    (tmp_path / "code.py").write_text("1")
    git("init")
    assert _revision(tmp_path) == unknown, "no commit yet"
    git("add", "code.py")
    git("commit", "-m", "one")
    assert _revision(tmp_path) == {"revision": git("rev-parse", "--short", "HEAD").strip(), "dirty": False}
    assert _revision(tmp_path / "venv") == unknown, "installed within another's repository"
    known = _revision(tmp_path)
    monkeypatch.setenv("GIT_DIR", str(REPOSITORY / ".git"))  # as in a hook
    assert _revision(tmp_path) == known
    monkeypatch.delenv("GIT_DIR")
    (tmp_path / "code.py").write_text("2")
    assert _revision(tmp_path)["dirty"]


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


def test_a_stopped_run_goes_on_and_ends_the_same(ran, tmp_path, monkeypatch):
    import imachsr.training

    monkeypatch.setattr("imachsr.training.interrupt.GRACE", 600)
    settings, evaluate = replace(TINY, epochs=2, augment=True), imachsr.training.evaluate
    want = run(settings, ledger=tmp_path / "undisturbed", progress=False)

    def interrupted(*words, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(*words, **options)

    ledger = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr("imachsr.training.evaluate", interrupted)
        with pytest.raises(Stopped, match="stopped after 2 steps, all of them kept; run the same again") as stopped:
            run(settings, ledger=ledger, progress=False)
    assert stopped.value.status == 128 + signal.SIGTERM
    assert not list(ledger.glob("*.json"))
    assert list((ledger / "checkpoints").rglob("step-*.ckpt"))
    found = run(settings, ledger=ledger, progress=False, keep=True)
    assert [epoch["losses"] for epoch in found.history] == [epoch["losses"] for epoch in want.history]
    assert (found.key, found.per_image, found.scores) == (want.key, want.per_image, want.scores)
    assert not list((ledger / "checkpoints").rglob("*.ckpt")), "a filed run needs none"
    steps = (ledger / "runs" / found.key / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in steps] == [1, 2, 2, 3, 4, 4]
    assert "earlier" not in found.provenance, "the same code on the same machine"


def test_a_run_says_all_that_its_steps_were_made_with(tmp_path):
    def begun(**changes):
        return _origins(tmp_path, {"torch": "2.11.0", "date": "2026-01-01", **changes})

    assert begun(torch="2.10.0") == [{"torch": "2.10.0", "date": "2026-01-01"}]
    assert [origin["torch"] for origin in begun()] == ["2.11.0"], "not a step was kept before"
    (tmp_path / "step-000000001.ckpt").touch()
    assert len(begun(date="2026-01-02")) == 1
    assert [origin["torch"] for origin in begun(torch="2.12.0")] == ["2.11.0", "2.12.0"]
    assert len(begun(torch="2.12.0")) == 2


def test_checkpoints_of_a_filed_run_are_not_gone_on_from(tmp_path):
    """Killed between filing and removing them; a run that was begun anew since, and stopped, has newer ones."""
    places = Places(tmp_path, "0" * 16)
    places.checkpoints.mkdir(parents=True)
    assert not places.spent()
    newest = places.checkpoints / "step-000000002.ckpt"
    for step, path in enumerate((places.checkpoints / "step-000000001.ckpt", newest, places.result)):
        path.touch()
        os.utime(path, ns=(step, step))
        assert places.spent() == (path == places.result)
    os.utime(newest, ns=(9, 9))
    assert not places.spent()


def test_begun_anew_a_run_leaves_spent_checkpoints(tmp_path, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(shutil, "rmtree", lambda *_, **__: None)
        first = run(TINY, ledger=tmp_path, progress=False)
    folder = tmp_path / "checkpoints" / first.key
    (folder / "step-000000002.ckpt").write_bytes(b"of the run that is filed")
    filed = (tmp_path / f"{first.key}.json").stat().st_mtime_ns
    os.utime(folder / "step-000000002.ckpt", ns=(filed - 1, filed - 1))
    assert run(TINY, ledger=tmp_path, progress=False, again=True).scores == first.scores
    assert not folder.exists()


def test_a_kept_network_is_exported_and_computes_the_same(tmp_path):
    result = run(replace(TINY, scheme="conventional"), ledger=tmp_path, progress=False, keep=True)
    weights, program = export(result.key[:8], tmp_path, tmp_path / "out")
    assert "state_dict" in weights
    assert "outputs differ by" in program
    network = imachsr.models.create(TINY.model, len(result.classes)).eval()
    network.load_state_dict(torch.load(tmp_path / "out" / f"{result.key}.pt", weights_only=True))
    images = torch.rand(2, 3, *TINY.size)
    loaded = torch.export.load(tmp_path / "out" / f"{result.key}.pt2").module()
    with torch.no_grad():
        torch.testing.assert_close(loaded(images), network(images), rtol=1e-4, atol=1e-4)

    (tmp_path / "weights" / f"{result.key}.pt").write_bytes(b"cut short")
    with pytest.raises(ValueError, match=r"which is damaged or of another network .*; run its settings with --again"):
        export(result.key, tmp_path, tmp_path / "out")


def test_points_by_name_are_those_supervised():
    names = ("network.encoder.layer3", "network.decoder.aspp.0")
    settings = replace(TINY, scheme="deep_supervision", points=2, names=names)
    assert tuple(point.name for point in build(settings, 11, torch.zeros(3, *TINY.size)).points) == names
    assert settings.key("d") != replace(settings, names=None).key("d")
    with pytest.raises(ValueError, match=r"each point has one name of its own"):
        replace(settings, names=("encoder.layer3", "encoder.layer3"))
    with pytest.raises(ValueError, match=r"names alone fix the points"):
        replace(settings, near="input")


@pytest.mark.parametrize(
    ("plain", "named"),
    [
        ({"data": "camvid", "root": "x"}, {"classes": 11}),
        ({"data": "nyudv2", "root": "x"}, {"inputs": "rgb+hha"}),
        ({"augment": True}, {"crop": TINY.size}),
        ({"points": 1}, {"divide": False}),
    ],
)
def test_what_is_so_anyway_makes_no_key_of_its_own(plain, named):
    plain = replace(TINY, length=None, **plain)
    assert replace(plain, **named).key("d") == plain.key("d")


def test_a_scheme_is_compared_with_a_baseline_of_older_numerics_where_both_are_as_today(ran):
    """HS3 with an average has a version of its own; what it is compared with has none."""
    from imachsr.claims.pairing import pairs

    _, result = ran
    plain = {**result.settings, "ema": 0.999, "scheme": "deep_supervision", "tier": "custom"}
    one = replace(result, settings=plain, provenance={**result.provenance, "numerics": 1})
    other = replace(one, settings={**plain, "scheme": "hs3"}, provenance={**one.provenance, "numerics": 2})
    assert pairs([other], [one], {"scheme"})
    assert not pairs([replace(other, provenance=one.provenance)], [one], {"scheme"}), "an old result"


def test_results_of_several_processes_are_no_seeds_of_one(ran):
    _, result = ran
    assert result.group == replace(result, provenance={**result.provenance, "processes": 1}).group
    assert result.group != replace(result, provenance={**result.provenance, "processes": 4}).group


def test_a_weight_without_effect_makes_no_key_of_its_own():
    deep = replace(TINY, scheme="deep_supervision")
    assert deep.key("d") == replace(deep, lambda_=0.5).key("d")
    assert replace(TINY, lambda_=0.5).key("d") != TINY.key("d")


def test_export_says_what_is_missing(ran, tmp_path):
    ledger, result = ran
    with pytest.raises(ValueError, match="run its settings with --again"):
        export(result.key, ledger, tmp_path)
    with pytest.raises(ValueError, match="exactly one"):
        export("zz", ledger, tmp_path)


def test_a_run_waits_for_another_process_that_does_it(tmp_path):
    """A lock that dies with its holder, and that children of the holder do not hold."""
    hold = "import sys; from pathlib import Path; from imachsr.experiment.alone import alone\n"
    hold += f"with alone(Path({str(tmp_path / 'run.lock')!r})):\n    print('in', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout.readline() == "in\n"
        fcntl = pytest.importorskip("fcntl", reason="file locks as on Unix")
        with (tmp_path / "run.lock").open("w") as file, pytest.raises(BlockingIOError):
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        holder.kill()
    with alone(tmp_path / "run.lock"):
        pass


def test_threads_of_one_process_wait_for_each_other(tmp_path):
    """A file's lock is the whole process's, and lost when any of its threads closes the file."""
    inside, most = [], []

    def work():
        with alone(tmp_path / "run.lock"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.05)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="file locks as on Unix")

    def refused(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refused)
    with (
        pytest.raises(
            OSError, match=r"got No locks available while locking .*run.lock; .*; choose a ledger on another"
        ),
        alone(tmp_path / "run.lock"),
    ):
        pass


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


def test_the_share_kept_out_is_the_same_run_named_or_not():
    for scheme in ("hs3", "hs3_fuse"):
        named, other = (imachsr.Settings(scheme=scheme, analysis=share).key("data") for share in (0.1, 0.2))
        assert named == imachsr.Settings(scheme=scheme).key("data") != other


def test_keys_of_published_results_stay():
    """Settings may grow; results filed before must still answer."""
    published = results(REPOSITORY / "data" / "results")
    assert published
    for result in published:
        known = {
            name: value for name, value in result.settings.items() if name in imachsr.Settings.__dataclass_fields__
        }
        assert imachsr.Settings(**known).key(result.provenance["fingerprint"]) == result.key
    assert replace(TINY, weighting="uncertainty").key("d") != TINY.key("d")
    assert replace(TINY, weight_schedule="cosine").key("d") != TINY.key("d")
    plain = replace(TINY, scheme="conventional")
    changes = {"precision": "bf16", "accumulate": 2, "ema": 0.9, "warmup": 3, "clip_norm": 1.0, "compile": True}
    for name, value in changes.items():
        for settings in (TINY, plain):
            assert replace(settings, **{name: value}).key("d") != settings.key("d"), name


def test_a_run_is_judged_at_several_scales(ran, monkeypatch, tmp_path):
    import imachsr.training

    seen, evaluate = [], imachsr.training.evaluate
    monkeypatch.setattr(
        "imachsr.training.evaluate",
        lambda *words, **how: seen.append((how["scales"], how["flip"])) or evaluate(*words, **how),
    )
    several = replace(TINY, epochs=2, scheme="conventional", test_scales=[0.75, 1], test_flip=True)
    result = run(several, ledger=tmp_path, progress=False)
    assert seen == [((0.75, 1.0), True)] * 2, "after every epoch"
    assert imachsr.Settings(**result.settings).key(result.provenance["fingerprint"]) == result.key
    plain = replace(several, test_scales=None, test_flip=False)
    assert replace(several, test_scales=(1,), test_flip=False).key("d") == plain.key("d")
    assert len({one.key("d") for one in (several, replace(several, test_flip=False), plain)}) == 3
    for wrong in ((), (0.0, 1.0), (float("nan"),), "big"):
        with pytest.raises(ValueError, match=r"test_scales=.*; give such"):
            replace(TINY, test_scales=wrong)


def test_tiers():
    assert imachsr.Settings.at("smoke").tier == "smoke"
    assert imachsr.Settings.at("smoke", epochs=99).tier == "custom", "changed cost is no longer that tier"
    assert imachsr.Settings.at("smoke", seed=4, scheme="imacsr").tier == "smoke"
    assert imachsr.Settings.at("lesson", data="camvid", root="x").length is None
    assert set(TIERS) == {"smoke", "lesson", "lab", "paper"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: imachsr.Settings(scheme="magic"), "got scheme=.magic.; it is one of .*; choose one"),
        (lambda: imachsr.Settings(points=0), "at least 1"),
        (lambda: imachsr.Settings(epochs=0), "at least 1"),
        (lambda: imachsr.Settings(seed=-1), "at least 0"),
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
    with pytest.raises(TypeError, match=r"learning_rat"):
        imachsr.Settings(learning_rat=0.1)


@pytest.mark.parametrize("settings", [{"data": "streets"}, "streets", None])
def test_what_is_run_are_settings(settings):
    with pytest.raises(TypeError, match=r"got a .* to run; a run is known by its Settings; pass imachsr.Settings\("):
        run(settings, ledger="/nonexistent")


def test_settings_are_copied_and_sent_to_other_processes():
    assert copy.deepcopy(TINY) == pickle.loads(pickle.dumps(TINY)) == replace(TINY) == TINY


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_atomically(path, "good")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "half")
    assert path.read_text() == "good"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"], "no leftovers"


def test_a_result_says_how_sure_the_network_was(tmp_path):
    settings = imachsr.Settings(size=(32, 48), length=4, epochs=1, batch_size=2, scheme="conventional")
    result = imachsr.run(settings, ledger=tmp_path, progress=False)
    assert 0 <= result.certainty["ece"] <= 1
    assert result.certainty["accuracy"] == pytest.approx(result.scores["dataset"]["pixel_accuracy"])
    assert 0 < result.certainty["entropy_share"] <= 1
    older = json.loads((tmp_path / f"{result.key}.json").read_text())
    del older["certainty"]
    (tmp_path / "older.json").write_text(json.dumps(older))
    assert imachsr.experiment.Result.read(tmp_path / "older.json").certainty == {}


def test_a_comparison_shows_in_what_one_scheme_differs():
    def result(**changes):
        settings = imachsr.Settings(**changes)
        scores = dict.fromkeys(("mIoU", "mPrecision", "mRecall", "mF1"), 0.5)
        return Result(settings.key("d"), asdict(settings), ("road",), (), {"dataset": scores}, [], [])

    plain = comparison([result(scheme="conventional"), result(points=3)])
    assert "points" not in plain
    table = comparison([result(scheme="conventional"), result(points=3), result(points=5), result(points=5, seed=1)])
    assert table[["scheme", "points", "seeds"]].astype(str).values.tolist() == [
        ["conventional", "", "1"], ["imachsr", "3", "1"], ["imachsr", "5", "2"],
    ]  # fmt: skip


def test_weights_to_start_from_count_by_what_they_hold(tmp_path):
    network = imachsr.models.create("deeplabv3plus_resnet18", 11)
    torch.save(network.state_dict(), tmp_path / "one.pt")
    (tmp_path / "copy.pt").write_bytes((tmp_path / "one.pt").read_bytes())
    plain = {"size": (32, 48), "length": 4, "epochs": 1, "batch_size": 2, "scheme": "conventional"}
    one, copy = (imachsr.Settings(**plain, weights=str(tmp_path / name)) for name in ("one.pt", "copy.pt"))
    assert one.key("d") == copy.key("d") != imachsr.Settings(**plain).key("d")
    result = imachsr.run(one, ledger=tmp_path / "ledger", progress=False)
    assert result.settings["weights"].startswith("sha256:")
    (tmp_path / "one.pt").unlink()
    assert result.settings["weights"] in result.group, "a filed result needs its file no more"
    built = imachsr.experiment.build(copy, 11, torch.zeros(3, 32, 48))
    assert torch.equal(
        built.network.state_dict()["network.encoder.conv1.weight"], network.state_dict()["network.encoder.conv1.weight"]
    )
    with pytest.raises(ValueError, match="which is no file; give the path of a checkpoint"):
        imachsr.Settings(**plain, weights=str(tmp_path / "none.pt")).key("d")
