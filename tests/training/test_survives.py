"""A quick form of each promise; `make faults` does all of them, many times over."""

import importlib.util
import json
import os
import signal
import subprocess
import sys

import pytest

from conftest import REPOSITORY

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills, forks and limits as on Unix")
FAULTS = REPOSITORY / "benchmarks" / "faults.py"


@pytest.fixture(scope="module")
def faults():
    spec = importlib.util.spec_from_file_location("faults", FAULTS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_killed_and_stopped_it_goes_on_to_the_same_bits(tmp_path):
    """In a process of its own, because it forks: 2 kills of 2 schemes, SIGTERM and Ctrl-C."""
    out = tmp_path / "faults.json"
    command = [sys.executable, str(FAULTS), "--kills", "2", "--schemes", "conventional", "imachsr"]
    done = subprocess.run(
        [*command, "--only", "kills", "signals", "--out", str(out)],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False, timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(out.read_text())["counts"] == {"kills": "4/4", "signals": "6/6"}


def test_a_program_ends_though_its_loader_still_has_workers():
    code = (
        "import faults; from imachsr.training import batches; i = iter(batches(faults.Scenes(), 4, workers=2)); next(i)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=FAULTS.parent, timeout=300, check=False)
    assert done.returncode == 0


def test_workers_end_with_a_program_that_is_killed_as_they_start():
    code = """
import os, signal, time
import faults
from imachsr.training import batches, loader

apart = loader._apart
loader._apart = lambda worker: (apart(worker), os.kill(os.getppid(), signal.SIGKILL), time.sleep(3))
next(iter(batches(faults.Scenes(), 4, workers=1)))
"""
    program = subprocess.Popen([sys.executable, "-c", code], cwd=FAULTS.parent, stdout=subprocess.PIPE)
    program.communicate(timeout=300)  # a worker that lives on holds the output open
    assert program.returncode == -signal.SIGKILL


def test_two_processes_agree_with_one(faults):
    rows = [*faults.agreement(["imachsr"], 1)]
    assert len(rows) == 2
    assert all(row["survived"] for row in rows), rows


@pytest.mark.parametrize(
    ("group", "count"),
    [("damage", 24), ("saving", 3), ("non_finite", 12), ("overflow", 1), ("bad_data", 10), ("determinism", 1),
     ("memory", 1), ("out_of_memory", 2)],
)  # fmt: skip
def test_faults(faults, group, count):
    rows = [*faults.GROUPS[group](["imachsr"], 1)]
    assert len(rows) == count
    lost = [row for row in rows if not row["survived"]]
    assert not lost, lost


def test_the_published_table_lost_nothing():
    table = json.loads((REPOSITORY / "data" / "results" / "faults.json").read_text())
    rows = [row for group in table["groups"].values() for row in group]
    assert table["summary"] == f"survived {len(rows)}/{len(rows)}"
    kills = [row for row in table["groups"]["kills"]]
    assert {row["while"] for row in kills} >= {"training", "saving", "evaluating"}, "kills met every phase"
    assert table["counts"]["damage"] == "24/24"
    assert table["counts"]["non_finite"] == "12/12"
