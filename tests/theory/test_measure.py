"""Gradients, noise, angles and curvature of terms, against parabolas with known ones and against plain autograd."""

import numpy as np
import pytest
import torch
from torch import nn

from imachsr.theory.measure import local_smoothness, slopes

GENERATOR = torch.Generator().manual_seed(0)
CURVES = {"output": torch.diag(torch.tensor([5.0, -7.0, 1.0, 0.0])), "inner": torch.eye(4) * 2}


@pytest.fixture
def theta():
    """Four parameters in two tensors."""
    return [torch.tensor([0.3, -1.0], requires_grad=True), torch.tensor([[2.0], [0.5]], requires_grad=True)]


def parabola(theta, push):
    """A minibatch of two terms with known Hessians; `push` is its noise in the gradient."""

    def minibatch():
        x = torch.cat([part.flatten() for part in theta])
        return {name: 0.5 * x @ H @ x + push[name] @ x for name, H in CURVES.items()}

    return minibatch


def pushes():
    noise = {name: torch.randn(3, 4, generator=GENERATOR) for name in CURVES}
    return [{name: rows[i] - rows.mean(0) for name, rows in noise.items()} for i in range(3)]


def test_full_gradients_and_noise_of_parabolas(theta):
    noise = pushes()
    found = slopes([parabola(theta, push) for push in noise], theta)
    x = torch.cat([part.flatten() for part in theta]).detach()
    gradients = {name: H @ x for name, H in CURVES.items()}
    assert found.names == ("output", "inner")
    np.testing.assert_allclose(found.gradients, [gradients[name].norm() for name in found.names], rtol=1e-5)
    rms = [torch.stack([push[name].norm() ** 2 for push in noise]).mean().sqrt() for name in found.names]
    np.testing.assert_allclose(found.deviations, rms, rtol=1e-5)
    weights = np.array([1.0, 0.3])
    total = gradients["output"] + 0.3 * gradients["inner"]
    assert found.squared(weights) == pytest.approx(float(total.norm() ** 2), rel=1e-5)
    both = torch.stack([(push["output"] + 0.3 * push["inner"]).norm() ** 2 for push in noise]).mean()
    assert found.variance(weights) == pytest.approx(float(both), rel=1e-5)
    cosine = torch.cosine_similarity(gradients["output"], gradients["inner"], dim=0)
    assert found.alignment()[0, 1] == pytest.approx(float(cosine), rel=1e-5)
    assert found.alignment("noise")[0, 0] == pytest.approx(1)
    np.testing.assert_allclose(found.values, [0.5 * x @ H @ x for H in CURVES.values()], rtol=1e-5)


def test_curvature_is_the_largest_eigenvalue_by_size(theta):
    minibatches = [parabola(theta, push) for push in pushes()]
    for name, truth in (("output", 7.0), ("inner", 2.0)):
        assert local_smoothness(minibatches, theta, lambda t, name=name: t[name], iterations=60) == pytest.approx(truth)
    total = local_smoothness(minibatches, theta, lambda t: t["output"] + 3 * t["inner"], iterations=60)
    assert total == pytest.approx(11)  # eigenvalues 11, -1, 7, 6: less than 7 + 3 * 2


def test_a_linear_term_has_no_curvature(theta):
    assert local_smoothness([lambda: {"output": theta[0].sum()}], theta, lambda t: t["output"]) == 0


def test_a_network_by_plain_autograd():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 2, 1))
    images, targets = torch.randn(6, 3, 5, 5), torch.randint(0, 2, (6, 3, 3))
    parameters = list(network.parameters())

    def terms(x, y):
        features = network[:2](x)
        return {"output": nn.functional.cross_entropy(network[2](features), y), "inner": features.square().mean()}

    batches = [lambda i=i: terms(images[2 * i : 2 * i + 2], targets[2 * i : 2 * i + 2]) for i in range(3)]
    found = slopes(batches, parameters)
    for s, value in enumerate(terms(images, targets).values()):
        whole = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
        size = torch.cat([part.flatten() for part in whole if part is not None]).norm()
        assert found.gradients[s] == pytest.approx(float(size), rel=1e-4)
    near = local_smoothness(batches, parameters, lambda t: t["output"], iterations=80)
    flat = torch.cat([p.detach().flatten() for p in parameters])

    def value(row):
        parts = dict(zip(dict(network.named_parameters()), row.split([p.numel() for p in parameters]), strict=True))
        shaped = {name: part.view_as(p) for (name, part), p in zip(parts.items(), parameters, strict=True)}
        return nn.functional.cross_entropy(torch.func.functional_call(network, shaped, (images,)), targets)

    hessian = torch.autograd.functional.hessian(value, flat)
    assert near == pytest.approx(float(torch.linalg.eigvalsh(hessian).abs().max()), rel=1e-2)


def test_refusals_say_what_came_the_rule_and_the_remedy(theta):
    some = parabola(theta, pushes()[0])
    with pytest.raises(ValueError, match=r"got no minibatches; the full loss is the mean over them; pass one"):
        slopes([], theta)
    with pytest.raises(ValueError, match=r"got terms \['other'\] after \['output', 'inner'\]; every minibatch has"):
        slopes([some, lambda: {"other": theta[0].sum()}], theta)
    with pytest.raises(ValueError, match=r"got iterations=0; the power iteration needs one at least; pass more"):
        local_smoothness([some], theta, lambda t: t["output"], iterations=0)
    with pytest.raises(ValueError, match=r"got of='both'; angles are between gradients or noises; say"):
        slopes([some], theta).alignment("both")
