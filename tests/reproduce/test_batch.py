"""The batch: nothing runs twice, a failure stops nobody, runs go side by side, here and on a cluster."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest

import imachsr
from imachsr.cli import main
from imachsr.experiment import Result, Settings, first_phase
from imachsr.experiment.alone import alone
from imachsr.reproduce import everything, plan, run_all
from imachsr.reproduce.batch import Plan, _log, _on_this_machine, cores, gpus, key_of, run_one, words
from imachsr.reproduce.studies import STUDIES

TINY = Settings(size=(32, 48), length=4, epochs=1, batch_size=2, scheme="conventional")
TOGETHER = replace(TINY, length=16, batch_size=8, size=(64, 96))


def test_what_is_filed_is_not_run_again(tmp_path):
    settings = [replace(TINY, seed=seed) for seed in (0, 1, 0)]
    imachsr.run(settings[0], ledger=tmp_path)
    found = plan(settings, ledger=tmp_path)
    assert [s.seed for s in found.filed] == [0]
    assert [s.seed for s in found.missing] == [1], "one named twice is run once"
    filed = next(Result.read(path) for path in tmp_path.glob("*.json"))
    assert 0 < found.seconds < 100 * filed.provenance["seconds"]
    assert key_of(settings[0]) == filed.key


def test_a_run_is_told_by_what_is_unusual_in_it():
    assert words(TINY) == "deeplabv3plus_resnet18 conventional, streets 32x48, 1 epochs, seed 0"
    unusual = Settings(alpha=1.6, lambda_=0, near="input", test_flip=True)
    assert "imachsr M=3, streets 180x240, near input, alpha 1.6, lambda 0, test_flip True, 20 epochs" in words(unusual)


def test_runs_keep_their_order():
    settings = STUDIES["table2"].settings("lab", "streets", None, 2)
    due = plan([*settings, *STUDIES["table3"].settings("lab", "streets", None, 2)])
    assert [*due.filed, *due.missing] == settings, "what table3 shares with table2 is run where table2 has it"


def test_first_phases_of_hs3_are_runs_of_the_plan(tmp_path):
    settings = [replace(TINY, scheme=scheme, length=10) for scheme in ("hs3", "hs3_fuse")]
    due = plan(settings, ledger=tmp_path)
    first = first_phase(settings[0])
    assert [*due.missing] == [first, *settings], "shared, and before those that need it"
    assert "analysis 0.1" in words(first)
    imachsr.run(first, ledger=tmp_path)
    assert [*plan(settings, ledger=tmp_path).missing] == settings


def test_time_is_told_of_networks_that_were_run_here_or_published(tmp_path, monkeypatch):
    here, published = tmp_path / "here", tmp_path / "published"
    monkeypatch.setattr("imachsr.reproduce.batch.published_folder", lambda: published)
    due = plan([TINY, replace(TINY, model="topformer_tiny")], ledger=here)
    assert (due.seconds, due.untimed) == (0, ("deeplabv3plus_resnet18", "topformer_tiny"))
    result = imachsr.run(TINY, ledger=here)

    def file(folder, seed, seconds, threads, **other):
        told = {**result.provenance, "seconds": seconds, "threads": threads, **other}
        replace(result, key=f"{seed:016x}", provenance=told).write(folder)

    def expected():
        return plan([replace(TINY, seed=7)], ledger=here).seconds

    (here / f"{result.key}.json").unlink()
    file(published, 0, 900.0, cores(), device="another")
    assert expected() == pytest.approx(900), "of another device, where there is nothing else"
    file(published, 1, 100.0, cores())
    assert expected() == pytest.approx(100)
    file(here, 2, 6.0, cores())
    assert expected() == pytest.approx(53)
    file(here, 2, 6.0, cores() / 2)
    assert expected() == pytest.approx(51.5), "it had left half of the cores to another"
    assert plan([TINY, replace(TINY, model="topformer_tiny")], ledger=here).untimed == ("topformer_tiny",)


def test_runs_go_side_by_side_and_a_failure_stops_nobody(tmp_path, capsys):
    settings = [TINY, replace(TINY, model="no_such_network"), replace(TINY, seed=1)]
    outcomes = run_all(settings, jobs=2, ledger=tmp_path, progress=False)
    errors = {outcome.settings.model: outcome.error for outcome in outcomes if outcome.error}
    assert list(errors) == ["no_such_network"]
    assert "got model 'no_such_network'; the names known are" in errors["no_such_network"]
    assert {path.stem for path in tmp_path.glob("*.json")} == {key_of(settings[0]), key_of(settings[2])}
    for outcome in outcomes:
        assert outcome.log.is_file()
        assert ("Traceback" in outcome.log.read_text()) == bool(outcome.error)
    assert "[3/3]" in capsys.readouterr().err
    alone = imachsr.run(settings[2], ledger=tmp_path / "alone")
    together = Result.read(tmp_path / f"{key_of(settings[2])}.json")
    assert alone.settings == together.settings
    assert alone.classes == together.classes


def test_a_run_that_is_lost_stops_nobody(tmp_path, monkeypatch):
    """Not an error of the training, but of the process or worker that should have held it."""

    def lost(fields, *_, **__):
        if fields["seed"] == 1:
            raise ConnectionError("the worker is gone")
        return "log", ""

    monkeypatch.setattr("imachsr.reproduce.batch.run_one", lost)
    outcomes = run_all([replace(TINY, seed=seed) for seed in range(3)], ledger=tmp_path, progress=False)
    assert {one.settings.seed: one.error for one in outcomes} == {
        0: "",
        1: "ConnectionError: the worker is gone",
        2: "",
    }


def test_a_launcher_that_is_not_there_is_the_runs_error(tmp_path):
    (outcome,) = run_all([TINY], launch="nosuchlauncher --now", ledger=tmp_path, progress=False)
    assert "nosuchlauncher" in outcome.error


def test_expected_time_of_native_size_is_of_the_images_there_are():
    from imachsr.reproduce.batch import _work

    native = replace(TINY, size=None)
    height, width = imachsr.datasets.create("streets", part="train", length=TINY.length)[0][0].shape[-2:]
    assert _work(native) == _work(replace(TINY, size=(height, width)))


def test_a_cluster_of_two_loses_a_worker_and_no_run(tmp_path):
    from distributed import LocalCluster

    settings = [replace(TINY, seed=seed, epochs=2) for seed in range(3)]
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:

        def kill_one():
            deadline = time.monotonic() + 60
            while not any((tmp_path / "logs").glob("*.log")) and time.monotonic() < deadline:
                time.sleep(0.1)
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        killer.start()
        outcomes = run_all(settings, scheduler=cluster.scheduler_address, ledger=tmp_path, progress=False)
        killer.join()
    assert [outcome.error for outcome in outcomes] == ["", "", ""]
    results = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert {*results} == {key_of(setting) for setting in settings}
    assert all(len(result["history"]) == 2 for result in results.values())


def test_a_batch_that_is_killed_takes_its_runs_along_and_goes_on(tmp_path):
    """SIGKILL of the batch: the run under way keeps its steps and ends by itself; the same call goes on from there."""
    settings = replace(TINY, epochs=30)
    program = (
        "import sys, json; from imachsr.experiment import Settings; from imachsr.reproduce import run_all\n"
        "run_all([Settings(**json.loads(sys.argv[1]))], ledger=sys.argv[2], progress=False)"
    )
    batch = subprocess.Popen([sys.executable, "-c", program, json.dumps(asdict(settings)), str(tmp_path)])
    log = tmp_path / "logs" / f"{key_of(settings)}.log"
    try:
        wait_until(lambda: log.is_file() and "epoch 2/30" in log.read_text())
    finally:
        batch.kill()
        batch.wait()
    wait_until(lambda: [*tmp_path.glob("checkpoints/*/step-*.ckpt")])
    with alone(tmp_path / "checkpoints" / f"{key_of(settings)}.lock"):
        pass  # nobody works on it any more
    assert not [*tmp_path.glob("*.json")]
    (outcome,) = run_all([settings], ledger=tmp_path, progress=False)
    assert not outcome.error
    assert "going on after" in log.read_text()
    assert len(Result.read(tmp_path / f"{key_of(settings)}.json").history) == 30


PROGRAM = """
import sys, json
from imachsr.experiment import Settings
from imachsr.reproduce import run_all
run_all([Settings(**json.loads(sys.argv[1]))], ledger=sys.argv[2], launch=sys.argv[3], progress=False)
"""


@pytest.mark.parametrize(
    ("launch", "when"),
    [("", ""), ("torchrun --standalone --nproc-per-node 2", "epoch 2/")],
    ids=["as it begins", "several processes"],
)
def test_nobody_trains_on_after_a_batch_that_is_killed(tmp_path, launch, when):
    from psutil import Process, wait_procs

    settings = replace(TOGETHER, epochs=9999)
    batch = subprocess.Popen([sys.executable, "-c", PROGRAM, json.dumps(asdict(settings)), str(tmp_path), launch])
    log = tmp_path / "logs" / f"{key_of(settings)}.log"
    try:
        wait_until(lambda: log.is_file() and when in log.read_text() and Process(batch.pid).children())
        left = Process(batch.pid).children(recursive=True)
    finally:
        batch.kill()
        batch.wait()
    assert len(left) >= (3 if launch else 1)
    _, alive = wait_procs(left, timeout=300)
    for process in alive:
        process.kill()
    assert not alive


def test_ranks_end_with_their_launcher(tmp_path):
    from psutil import Process, wait_procs

    settings, left = replace(TOGETHER, epochs=9999), []

    def kill(launcher):
        wait_until(lambda: "epoch 2/" in _log(tmp_path, settings).read_text())
        left.extend(Process(launcher.pid).children(recursive=True))
        launcher.kill()

    _, error = run_one(asdict(settings), str(tmp_path), 0, "torchrun --standalone --nproc-per-node 2", kill)
    assert "status -9" in error or "run the same again" in error
    _, alive = wait_procs(left, timeout=300)
    for process in alive:
        process.kill()
    assert len(left) >= 2
    assert not alive


def test_a_run_is_told_by_its_own_log(tmp_path):
    def another_batch_begins_the_same(child):
        child.wait()
        log = _log(tmp_path, TINY)
        log.unlink()
        log.write_text("B is at epoch 3")

    launch = "sh -c 'echo the disk of A is full; exit 1'"
    _, error = run_one(asdict(TINY), str(tmp_path), 1, launch, another_batch_begins_the_same)
    assert error == "it ended with status 1; it said last: the disk of A is full"


def test_a_run_that_begins_while_the_batch_stops_is_stopped():
    taken = threading.Event()

    def begin_late(began, gpu):
        taken.set()
        time.sleep(0.5)  # the batch stops meanwhile
        with subprocess.Popen(["sleep", "5"]) as child:
            began(child)
        return child.returncode

    with pytest.raises(KeyboardInterrupt), _on_this_machine(1, ()) as submit:  # noqa: PT012
        ended = submit(begin_late)
        taken.wait()
        raise KeyboardInterrupt
    assert ended.result() == -signal.SIGTERM


@pytest.mark.parametrize(
    ("end", "words"),
    [("terminate", r"^stopped.*; run the same again"), ("kill", r"^it ended with status -9; it said last: .*epoch")],
)
def test_a_run_that_was_stopped_is_told_so(tmp_path, end, words):
    settings = replace(TINY, epochs=9999)

    def stop(child):
        wait_until(lambda: "epoch 2/" in _log(tmp_path, settings).read_text())
        getattr(child, end)()

    _, error = run_one(asdict(settings), str(tmp_path), 1, began=stop)
    assert re.search(words, error), error


def test_threads_are_those_exported_or_a_share_of_the_cores_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 6, 7}, raising=False)

    def threads():
        return run_one(asdict(TINY), str(tmp_path), 2, "sh -c 'echo threads $OMP_NUM_THREADS; exit 1'")[1]

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert "threads 2" in threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "threads 3" in threads()


def test_gpus_are_dealt_out_among_runs_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5")
    assert gpus() == ["3", "GPU-5"]
    show = "sh -c 'echo sees $CUDA_VISIBLE_DEVICES; exit 1'"
    assert "sees GPU-5" in run_one(asdict(TINY), str(tmp_path), 2, show, gpu="GPU-5")[1]
    seen, all_there = [], threading.Barrier(4, timeout=60)

    def noted(*_, gpu, **__):
        seen.append(gpu)
        all_there.wait()
        return "log", ""

    monkeypatch.setattr("imachsr.reproduce.batch.run_one", noted)
    settings = [replace(TINY, seed=seed) for seed in range(8)]
    assert not any(outcome.error for outcome in run_all(settings, jobs=4, ledger=tmp_path, progress=False))
    assert sorted(seen[:4]) == sorted(seen[4:]) == ["3", "3", "GPU-5", "GPU-5"]
    seen.clear()
    run_all(settings[:4], jobs=4, launch="torchrun", ledger=tmp_path, progress=False)
    assert seen == [""] * 4, "a launcher has them all"


def test_ctrl_c_leaves_a_cluster_what_it_has_begun_and_no_more(tmp_path, capsys):
    import _thread

    from distributed import LocalCluster

    settings = [replace(TINY, seed=seed, epochs=2) for seed in range(2)]
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:

        def press():
            wait_until(lambda: [*tmp_path.glob("logs/*.log")])
            _thread.interrupt_main()

        threading.Thread(target=press).start()
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        try:
            with pytest.raises(KeyboardInterrupt):
                run_all(settings, scheduler=cluster.scheduler_address, ledger=tmp_path, progress=False)
        finally:
            signal.signal(signal.SIGINT, before)
        assert "have begun go on there and are filed" in capsys.readouterr().err
        wait_until(lambda: [*tmp_path.glob("*.json")])
        time.sleep(1)  # for the next to begin, were there one
    assert len([*tmp_path.glob("logs/*.log")]) == 1


def wait_until(happened, seconds=240):
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)


@pytest.mark.parametrize(
    "launch",
    [
        "torchrun --standalone --nproc-per-node 2",
        "accelerate launch --multi_gpu --num_processes 2 --main_process_port 0",
    ],
)
def test_processes_train_one_run_together(tmp_path, launch):
    """Filed once, under the key and with the losses of one process; without GPUs the processes share the cores."""
    settings = replace(TINY, scheme="imachsr", points=2, length=16, batch_size=8, size=(64, 96))
    (outcome,) = run_all([settings], launch=launch, ledger=tmp_path, progress=False)
    assert not outcome.error, outcome.log.read_text()
    (path,) = tmp_path.glob("*.json")
    two, one = Result.read(path), imachsr.run(settings, ledger=tmp_path / "one", progress=False)
    assert two.key == one.key == path.stem
    assert (two.provenance["processes"], one.provenance["processes"]) == (2, 1)
    assert two.history[0]["losses"]["output"] == pytest.approx(one.history[0]["losses"]["output"], rel=0.1)
    assert len(two.per_image) == len(one.per_image) == 16


def test_a_launched_run_that_fails_says_why(tmp_path):
    """Not what the launcher prints last."""
    settings = replace(TINY, model="no_such_network", memory_format="contiguous")
    (outcome,) = run_all([settings], launch="torchrun --standalone --nproc-per-node 2", ledger=tmp_path, progress=False)
    assert outcome.error.startswith("ValueError: got model 'no_such_network'")
    assert "RuntimeWarning" not in outcome.log.read_text()


def test_a_dry_run_names_the_runs_and_starts_nothing(monkeypatch, capsys):
    monkeypatch.setattr("imachsr.reproduce.everything.run_all", lambda *_, **__: pytest.fail("a run began"))
    monkeypatch.setattr("imachsr.reproduce.everything.execute", lambda *_, **__: pytest.fail("a notebook began"))
    assert main(["reproduce", "table2", "--dry-run", "--seeds", "7"]) == 0
    shown = capsys.readouterr().err
    assert "to run" in shown
    assert "imachsr M=3, streets 64x96, 4 epochs, seed 6" in shown


def test_runs_of_another_size_show_in_no_notebook(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("imachsr.reproduce.everything.run_all", lambda due, **_: seen.extend(due) or [])
    monkeypatch.setattr("imachsr.reproduce.everything.execute", lambda *_, **__: pytest.fail("a notebook began"))
    command = ["reproduce", "table2", "--size", "32x48", "--epochs", "1", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert {(one.tier, one.size, one.epochs) for one in seen} == {("custom", (32, 48), 1)}
    assert {one.scheme for one in seen} == {"conventional", "imacsr", "imachsr"}
    assert not (tmp_path / "out").exists()


def test_a_tiers_own_numbers_are_that_tier(monkeypatch):
    asked = []
    monkeypatch.setattr(everything, "plan", lambda settings: asked.extend(settings) or Plan((), (), 0.0))
    assert main(["reproduce", "fig3", "--size", "64x96", "--epochs", "4", "--dry-run"]) == 0
    assert asked == STUDIES["fig3"].settings("smoke", "streets", None, 1)


def test_the_sweep_of_weights_is_asked_for_by_name_and_has_no_notebook():
    assert everything._asked_for(["weights"]) == ([], [STUDIES["weights"]])
    paths, studies = everything._asked_for([])
    assert len(paths) == 14
    assert STUDIES["weights"] not in studies
    assert [path.stem for path in everything._asked_for(["weights", "fig3"])[0]] == ["09_ablation_number"]


def test_names_nobody_knows_are_refused_before_anything_runs(tmp_path):
    with pytest.raises(ValueError, match=r"got notebook 'table9'; there are .*; or a study: .*'table2'"):
        everything.reproduce(["table9"], dry_run=True)
    with pytest.raises(
        ValueError, match=r"got parameter 'colour', which none of \['08_main_results'\] declares; .* there are none"
    ):
        everything.reproduce(["table2"], given={"colour": 1}, dry_run=True)
    with pytest.raises(ValueError, match=r"got parameter 'tier', which the runs go by too; .* use the option --tier"):
        everything.reproduce(["table2"], given={"tier": "lab"}, dry_run=True)
    with pytest.raises(ValueError, match="got seeds=0"):
        everything.reproduce(["table2"], seeds=0)
    with pytest.raises(ValueError, match="got jobs=0"):
        everything.reproduce(["table2"], jobs=0, dry_run=True)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"got out=.*file.inside, where nothing can be written .*; name a folder"):
        everything.reproduce(["14"], out=tmp_path / "file" / "inside")
    with pytest.raises(ValueError, match="got jobs=0"):
        run_all([TINY], jobs=0)
    with pytest.raises(ValueError, match=r"got jobs=2 and a scheduler; .* leave one out"):
        run_all([TINY], jobs=2, scheduler="tcp://nowhere:1")


def test_parameters_from_the_command_line_are_typed(monkeypatch):
    seen = {}
    monkeypatch.setattr("imachsr.reproduce.reproduce", lambda chosen, **wishes: seen.update(wishes) or 0)
    assert main(["reproduce", "08", "-p", "count=3", "-p", "name=road", "-p", "fast=True"]) == 0
    assert seen["given"] == {"count": 3, "name": "road", "fast": True}
    assert main(["reproduce", "-p", "count"]) == 1


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_can_be_listed_at_every_tier(name):
    study = STUDIES[name]
    for tier in ("smoke", "lesson", "lab"):
        one, two = (study.settings(tier, "streets", None, seeds) for seeds in (1, 2))
        assert one
        assert len(two) > len(one)
        assert len({key_of(setting) for setting in one}) == len(one)
        assert all(words(setting) for setting in one)
