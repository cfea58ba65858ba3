"""Every line of the proof has a twin that holds, and that notices when the line is wrong."""

import json

import numpy as np
import pytest

from conftest import REPOSITORY
from imachsr.theory import derivation
from imachsr.theory.derivation import LINES
from imachsr.theory.problems import Ridges


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_line_holds(line):
    found = line.check()
    assert found.holds, found.found
    assert line.says.endswith(".")
    assert line.equation.count("{") == line.equation.count("}")


def test_the_proof_is_in_order_and_complete():
    names = [line.name for line in LINES]
    assert len(set(names)) == len(names) == 14
    assert names.index("descent lemma") < names.index("one step") < names.index("telescope") < names.index("divide")


def test_the_notebook_displays_every_line_and_runs_its_twin():
    path = REPOSITORY / "notebooks" / "05_convergence_bound.ipynb"
    text = "".join("".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])
    for line in LINES:
        assert f"$${line.equation} \\tag{{" in text, line.name
        assert f'check("{line.name}"' in text, line.name


@pytest.mark.parametrize(
    ("constant", "check"),
    [
        ("smoothness", derivation.smoothness_of_a_sum),
        ("smoothness", derivation.descent_lemma),
        ("smoothness", derivation.one_step),
        ("gradients", derivation.size_of_the_gradient),
        ("noise", derivation.size_of_the_noise),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_constant_too_small_is_noticed(monkeypatch, constant, check):
    truth = Ridges.constants.fget

    def smaller(self):
        return {name: values * (0.9 if name == constant else 1) for name, values in truth(self).items()}

    monkeypatch.setattr(Ridges, "constants", property(smaller))
    assert not check().holds


def test_noise_with_a_mean_is_noticed(monkeypatch):
    plain = Ridges.minibatches
    monkeypatch.setattr(Ridges, "minibatches", lambda self, theta: 0.5 * plain(self, theta))
    assert not derivation.one_step().holds


def test_a_bound_with_other_factors_is_noticed(monkeypatch):
    monkeypatch.setattr(derivation, "corrected_bound", lambda **given: 1.0)
    assert not derivation.rearranged().holds
    assert not derivation.twice().holds


@pytest.mark.parametrize(
    ("check", "word"),
    [
        (derivation.smoothness_of_a_sum, "L_max"),
        (derivation.size_of_the_gradient, "sum of squares"),
    ],
    ids=["smoothness", "gradient"],
)
def test_the_papers_constants_are_exceeded_many_times(check, word):
    found = check().found
    times = float(found.split("up to ")[1].split(" times")[0])
    assert word in found
    assert times > 10
    assert np.isfinite(times)
