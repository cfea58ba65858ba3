"""The bound explorer: what it computes against the counterexamples, and that its picture says so in words."""

import numpy as np
import pytest

from imachsr.theory import exact_gradients, shared_noise
from imachsr.widgets.bound import LENGTHS, bound_explorer, compute_bound


def test_it_shows_the_counterexample_of_shared_noise():
    truth = shared_noise(steps=300)
    found = compute_bound(points=5, weight=1.0, eta=0.1, steps=300, alignment=1.0, noise="shared", replicates=200)
    assert found.low[-1] < truth.measured < found.high[-1]
    assert found.stated[-1] == pytest.approx(truth.stated)
    assert found.corrected[-1] == pytest.approx(truth.corrected)


def test_it_shows_the_counterexample_of_exact_gradients():
    truth = exact_gradients(steps=100)
    found = compute_bound(points=5, weight=1.0, eta=20 / 11, steps=100, alignment=1.0, noise="none", start=1.0)
    assert found.measured[-1] == pytest.approx(truth.measured)
    assert found.corrected[-1] == pytest.approx(truth.corrected)
    np.testing.assert_allclose(found.squares, 121)


@pytest.mark.parametrize("noise", ["none", "shared", "apart"])
@pytest.mark.parametrize("alignment", [0.0, 0.5, 1.0])
def test_the_corrected_bound_is_kept_everywhere(noise, alignment):
    for eta in (0.01, 1.0, 30.0):
        found = compute_bound(points=3, weight=0.4, eta=eta, steps=30, alignment=alignment, noise=noise, start=0.3)
        assert (found.high <= found.corrected).all()


def test_every_component_starts_where_told():
    """With no noise and a tiny step, the first squared norm is that of all components at the start."""
    for alignment in (0.0, 0.6, 1.0):
        found = compute_bound(points=2, weight=0.5, eta=1e-6, steps=10, alignment=alignment, noise="none", start=0.3)
        directions = np.full((5, 5), alignment**2) + (1 - alignment**2) * np.eye(5)
        weights = np.array([1, 0.5, 0.5, 0.5, 0.5])
        assert found.squares[0, 0] == pytest.approx(0.09 * weights @ directions @ weights)


@pytest.mark.parametrize(("change"), [{"points": 0}, {"noise": "some"}])
def test_it_refuses_in_words(change):
    given = {"points": 1, "weight": 1.0, "eta": 1.0, "steps": 10, "alignment": 1.0, "noise": "none", **change}
    with pytest.raises(ValueError, match=r"got points=.*one of \['none', 'shared', 'apart'\]; pass such values"):
        compute_bound(**given)


def test_every_control_redraws_with_words_for_those_who_cannot_see():
    tool = bound_explorer(steps=100)
    seen = {tool.set()}
    assert 'alt="Left: squared gradient norm over the 100 steps' in tool.set()
    assert "exceeds the stated bound" in tool.set()
    moves = {"points": 1, "weight": 0.1, "eta": 3.0, "steps": 10, "alignment": 0.5, "noise": "apart", "start": 1.0}
    assert set(moves) == set(tool.controls)
    for name, value in moves.items():
        shown = tool.set(**{name: value})
        assert shown not in seen
        assert "<th scope=" in shown
        seen.add(shown)
    assert "keeps below the stated bound" in shown
    assert "<td>10</td>" in shown
    close = bound_explorer().set(points=1, weight=0.4)  # the mean is 1.01 times the bound
    assert "cannot be told from the stated bound" in close


def test_controls_are_labelled_and_offer_short_runs_only_where_asked():
    tool = bound_explorer(steps=100)
    assert all(control.description for control in tool.controls.values())
    assert {control._view_name for control in tool.controls.values()} == {"DropdownView"}, (
        "a slider's thumb has no name"
    )
    assert [value for _, value in tool.controls["steps"].options] == [n for n in LENGTHS if n <= 100]
