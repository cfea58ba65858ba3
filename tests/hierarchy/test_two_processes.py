"""HS3 under two processes: phases, clusters, losses and weights are those of one, whether it is stopped or not."""

import json
import os
import re
import signal
import sys
from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import imachsr
from imachsr.experiment import Result, run
from imachsr.models import REGISTRY
from imachsr.training import Stopped

TINY = imachsr.Settings(
    scheme="hs3", model="small", size=(32, 48), length=12, epochs=2, batch_size=4, memory_format="contiguous",
    points=2, evaluate_every=0, learning_rate=3e-3, seed=3,
)  # fmt: skip
BOTH = (TINY, replace(TINY, scheme="hs3_fuse"))
PHASES = ("deep_supervision", "hs3")
TOLERANCE = 1e-5  # as for the other schemes, see benchmarks/faults.py
# Biases of an attention's keys shift all scores of a query alike, which its softmax does not see. Their gradient is
# rounding, and Adam makes a whole step of it.
UNSEEN = r".*\.f_object\..*bias"


class PerImage(nn.GroupNorm):
    """In place of batch norm, which on CPUs has each process's own statistics."""

    def __init__(self, channels):
        super().__init__(1, channels)


class Small(nn.Sequential):
    def __init__(self, classes):
        stages = [nn.Sequential(nn.Conv2d(c, d, 3, 2, 1), nn.ReLU()) for c, d in ((3, 8), (8, 16), (16, 16))]
        super().__init__(*stages, nn.Conv2d(16, classes, 1))


@contextmanager
def exact():
    """Inside, nothing in a network asks who else is in the batch, or draws at random."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn, "BatchNorm2d", PerImage)
        patch.setattr(nn, "Dropout2d", lambda *_: nn.Identity())
        patch.setitem(REGISTRY, "small", Small)
        yield


@contextmanager
def watching(stop_in=""):
    """Notes how many steps each scheme takes, and with which clusters; the second process is stopped in one's third."""
    steps, clusters = {}, {}

    def note(module, _):
        if isinstance(module, imachsr.Supervised) and module.training:
            name = module.scheme.name
            steps[name] = steps.get(name, 0) + 1
            clusters[name] = module.scheme.clusters
            if (name, steps[name], os.environ.get("RANK")) == (stop_in, 3, "1"):
                signal.raise_signal(signal.SIGTERM)

    handle = nn.modules.module.register_module_forward_pre_hook(note)
    try:
        yield steps, clusters
    finally:
        handle.remove()


def as_rank(folder):
    """One of two processes: both schemes at once; then HS3 stopped in each phase, and gone on with."""
    kept = {"progress": False, "keep": True, "processes": 2}
    with exact():
        with watching() as (steps, clusters):
            for settings in BOTH:
                run(settings, ledger=folder / "whole", **kept)
        stopped: Counter[str] = Counter()
        for name in (*PHASES, ""):
            with watching(name) as (taken, _), pytest.raises(Stopped) if name else nullcontext():
                run(TINY, ledger=folder / "stopped", **kept)
            stopped.update(taken)
    told = {"steps": steps, "clusters": clusters, "stopped": stopped}
    (folder / f"rank{os.environ['RANK']}.json").write_text(json.dumps(told))
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    ledger = tmp_path_factory.mktemp("one")
    with exact(), watching() as (steps, clusters):
        for settings in BOTH:
            run(settings, ledger=ledger, progress=False, keep=True)
    return ledger, steps, clusters


@pytest.fixture(scope="module")
def two(tmp_path_factory, two_processes):
    folder = tmp_path_factory.mktemp("two")
    two_processes(__file__, folder)
    return folder, [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)]


def filed(ledger):
    """Scheme -> its Result and, where they were kept, its weights."""
    found = {}
    for path in ledger.glob("*.json"):
        result, weights = Result.read(path), ledger / "weights" / f"{path.stem}.pt"
        state = torch.load(weights, weights_only=True) if weights.exists() else {}
        found[result.settings["scheme"]] = result, state
    return found


def test_both_processes_take_the_steps_of_one_with_the_same_clusters(one, two):
    _, steps, clusters = one
    assert set(steps) == {*PHASES, "hs3_fuse"}
    assert clusters["hs3"] == clusters["hs3_fuse"] != clusters["deep_supervision"]
    for told in two[1]:
        assert told["steps"] == steps, "phase 1 was trained once"
        assert told["clusters"] == json.loads(json.dumps(clusters))
        assert told["stopped"] == {name: steps[name] for name in PHASES}, "stopped, no step is taken twice"


def test_losses_counts_and_weights_are_those_of_one(one, two):
    alone, together = filed(one[0]), filed(two[0] / "whole")
    assert set(alone) == set(together) == {*PHASES, "hs3_fuse"}
    for name, (result, weights) in alone.items():
        other, others = together[name]
        assert other.key == result.key
        for here, there in zip(result.history, other.history, strict=True):
            assert there["losses"] == pytest.approx(here["losses"], abs=TOLERANCE)
        assert set(weights) == set(others)
        for key, value in weights.items():
            if not re.fullmatch(UNSEEN, key):
                torch.testing.assert_close(others[key], value, rtol=0, atol=TOLERANCE)
    assert together["hs3"][1], "weights were compared"
    counts = [np.array(phases["deep_supervision"][0].analysis["confusions"]) for phases in (alone, together)]
    assert counts[0].sum() == counts[1].sum() > 0
    assert np.abs(counts[0] - counts[1]).sum() <= 4, "a pixel between two classes may fall either way"


def test_stopped_in_each_phase_it_ends_with_the_same_bits(two):
    whole, stopped = filed(two[0] / "whole"), filed(two[0] / "stopped")
    assert set(stopped) == set(PHASES)
    for name, (other, others) in stopped.items():
        result, weights = whole[name]
        assert (other.key, other.per_image, other.analysis) == (result.key, result.per_image, result.analysis)
        assert [epoch["losses"] for epoch in other.history] == [epoch["losses"] for epoch in result.history]
        assert all(torch.equal(value, others[key]) for key, value in weights.items())


if __name__ == "__main__":
    as_rank(Path(sys.argv[1]))
