"""The entropy explorer: what it computes against the loss itself, and that its picture says so in words."""

import numpy as np
import pytest
import torch

from imachsr.losses import negative_entropy
from imachsr.widgets import compute_entropy, entropy_explorer

MAPS = np.random.default_rng(0).normal(0, 2, (6, 4, 5))


def test_before_is_the_librarys_negative_entropy():
    effect = compute_entropy(MAPS, lambda_=1.0, temperature=2.0)
    loss = negative_entropy(torch.from_numpy(MAPS)[None] / 2.0)
    assert effect.before.mean() * np.log(6) == pytest.approx(-float(loss))


def test_it_settles_where_the_gradient_of_the_energy_vanishes():
    """After many steps a further step moves nothing: the slope by hand is autograd's."""
    lambda_, temperature = 0.7, 1.5
    f0 = torch.from_numpy(MAPS)
    f = f0.clone().requires_grad_()
    step = 1 / (1 + lambda_ / temperature**2)
    for _ in range(200):
        energy = 0.5 * (f - f0).square().sum() + lambda_ * negative_entropy(f[None] / temperature, reduction="sum")
        (slope,) = torch.autograd.grad(energy, f)
        f = (f - step * slope).detach().requires_grad_()
    assert slope.abs().max() < 1e-8
    p = (f / temperature).softmax(0)
    share = -(p * p.log()).sum(0) / np.log(6)
    effect = compute_entropy(MAPS, lambda_=lambda_, temperature=temperature)
    np.testing.assert_allclose(effect.after, share.detach(), atol=1e-9)
    assert effect.moved == pytest.approx(float((f.detach() - f0).square().mean().sqrt()))


def test_no_weight_changes_nothing():
    effect = compute_entropy(MAPS, lambda_=0.0, temperature=1.0)
    np.testing.assert_array_equal(effect.before, effect.after)
    assert effect.moved == 0


def test_more_weight_is_more_entropy():
    shares = [compute_entropy(MAPS, lambda_=w, temperature=1.0).after.mean() for w in (0.0, 0.5, 1.0, 2.0, 4.0)]
    assert np.all(np.diff(shares) > 0)


def test_saturated_features_feel_nothing():
    certain = np.zeros((3, 1, 1))
    certain[0] = 60.0
    assert compute_entropy(certain, lambda_=4.0, temperature=1.0).moved < 1e-12


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros((1, 2, 2)), np.zeros((2, 0, 2))])
def test_features_of_another_shape_are_refused(bad):
    with pytest.raises(ValueError, match=r"got features .*\(C, h, w\) of two channels or more.*index one image"):
        entropy_explorer(bad)


@pytest.mark.parametrize(("lambda_", "temperature"), [(-1.0, 1.0), (1.0, 0.0), (1.0, float("nan"))])
def test_weight_and_temperature_out_of_range_are_refused(lambda_, temperature):
    with pytest.raises(ValueError, match=r"got lambda_=.*a temperature is positive; raise it"):
        compute_entropy(MAPS, lambda_=lambda_, temperature=temperature)


def test_every_stop_redraws_with_words_for_those_who_cannot_see():
    explorer = entropy_explorer(torch.from_numpy(MAPS))
    seen = set()
    for lambda_ in [value for _, value in explorer.controls["lambda_"].options]:
        for temperature in (0.25, 4.0):
            shown = explorer.set(lambda_=lambda_, temperature=temperature)
            effect = compute_entropy(MAPS, lambda_=lambda_, temperature=temperature)
            assert '<img alt="Two maps of the channel entropy' in shown
            assert f"{100 * effect.after.mean():.1f} % after." in shown
            assert f"<td>{effect.ranked_after[0]:.3f}</td>" in shown
            seen.add(shown)
    assert len(seen) == 18


def test_controls_are_labelled_and_start_at_the_loss_itself():
    controls = entropy_explorer(MAPS).controls
    assert [control.description for control in controls.values()] == ["Weight lambda", "Temperature"]
    assert {control._view_name for control in controls.values()} == {"DropdownView"}
    assert controls["temperature"].value == 1.0
