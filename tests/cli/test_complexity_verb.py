"""`imachsr complexity`: the table, the budget, and what it refuses."""

import argparse
import re

import pytest

import imachsr
from imachsr.cli import complexity as verb


def run(*arguments):
    parser = argparse.ArgumentParser()
    verb.add(parser.add_subparsers())
    given = parser.parse_args(["complexity", *arguments])
    return given.action(given)


@pytest.fixture
def own_network(tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(
        "from torch import nn\n"
        "def small():\n"
        "    first, second, last = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1)\n"
        "    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "own_networks:small"


SMALL = ("--classes", "4", "--size", "16x24", "--batch-size", "2")


def test_the_table_of_any_network_and_what_a_budget_allows(own_network, capsys):
    run("--model", own_network, "--points", "2", "--budget", "100000", "--memory-budget", "100000", *SMALL)
    text = capsys.readouterr().out
    assert "D = 3 layers with weights, M = 2, imachsr, fused losses" in text
    assert len(re.findall(r"^supervision", text, re.MULTILINE)) == 2
    assert "at most 100000 % more time and 100000 % more bytes: M = 4 or more" in text
    assert "conventional step" in text
    assert len(re.findall(r"^\d +\+[\d.]+ % +\+[\d.]+ %$", text, re.MULTILINE)) == 4


def test_no_budget_is_enough_for_nothing(own_network, capsys):
    run("--model", own_network, "--budget", "0", "--losses", "eager", "--scheme", "imacsr", *SMALL)
    assert "at most 0 % more time: M = 0\n" in capsys.readouterr().out


def test_counting_alone_predicts_no_time(own_network, capsys):
    run("--model", own_network, "--count-only", "--layers", "--memory-budget", "5", *SMALL)
    text = capsys.readouterr().out
    assert "no time is predicted" in text
    assert "at most 5 % more bytes: M = " in text
    assert "more time" not in text
    assert re.search(r"^layer +weights", text, re.MULTILINE)
    assert re.search(r"^0 +yes", text, re.MULTILINE)


def test_it_counts_what_the_library_counts(own_network, capsys):
    import importlib

    import torch

    run("--model", own_network, "--points", "1", "--count-only", *SMALL)
    network = importlib.import_module("own_networks").small().train()
    images = torch.zeros(2, 3, 16, 24)
    points = imachsr.choose_points(imachsr.find_points(network, images), 1)
    assert str(imachsr.complexity.cost(network, points, images, classes=4)) in capsys.readouterr().out


def test_refusals():
    with pytest.raises(ValueError, match=r"got model 'nowhere:net', .*; MODULE:FUNCTION .*; correct it"):
        run("--model", "nowhere:net")
    with pytest.raises(ValueError, match="got model 'lenet'"):
        run("--model", "lenet")
    with pytest.raises(SystemExit):
        run("--scheme", "unknown")


def test_of_hs3_the_classes_left_decide(own_network, capsys):
    run("--model", own_network, "--points", "2", "--scheme", "hs3", "--classes-left", "2", "3", *SMALL)
    hs3 = capsys.readouterr().out
    adapters = [line.split()[-1] for line in hs3.splitlines() if line.startswith("adapter")]
    assert adapters == [str(2 * (8 + 1)), str(3 * (8 + 1))]
    run("--model", own_network, "--points", "2", "--scheme", "hs3_fuse", "--classes-left", "2", "3", *SMALL)
    fused = capsys.readouterr().out
    assert "M = 2, hs3_fuse" in fused
    depths = [int(re.search(r"D = (\d+)", text)[1]) for text in (hs3, fused)]
    assert depths[0] == 3 < depths[1], "the network is another"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scheme", "hs3"), "say how many are left at each point"),
        (("--classes-left", "2", "2", "2"), "got --scheme imachsr and --classes-left"),
        (("--scheme", "hs3", "--classes-left", "2"), "for 3 points"),
        (("--scheme", "hs3", "--classes-left", "2", "1", "4"), "each point keeps from 2"),
        (("--scheme", "hs3", "--classes-left", "2", "3", "5"), "and 4 classes"),
    ],
)
def test_classes_left_that_do_not_fit_are_refused(own_network, arguments, words):
    with pytest.raises(ValueError, match=words):
        run("--model", own_network, *arguments, *SMALL)
