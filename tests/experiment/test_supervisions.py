"""A loss named in the settings stands at the points, and is that loss."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

import imachsr
from imachsr import losses
from imachsr.experiment import SUPERVISIONS, build
from imachsr.experiment.supervisions import own_supervision

TINY = imachsr.Settings(scheme="deep_supervision", size=(32, 48), points=1)


def dice(logits, targets):
    from segmentation_models_pytorch.losses import DiceLoss

    return DiceLoss("multiclass", ignore_index=255)(F.interpolate(logits, targets.shape[1:], mode="bilinear"), targets)


def lovasz(logits, targets):
    from segmentation_models_pytorch.losses import LovaszLoss

    up = F.interpolate(logits, targets.shape[1:], mode="bilinear")
    return LovaszLoss("multiclass", ignore_index=255)(up, targets)


DIRECT = {
    "plug_in": lambda q, y: losses.mutual_information(q, y, estimator="plug_in"),
    "variational": lambda q, y: losses.mutual_information(q, y, estimator="variational"),
    "infonce": lambda q, y: losses.infonce(q, y),
    "region": lambda q, y: losses.region(q, y),
    "cross_entropy": lambda q, y: losses.cross_entropy(q, y),
    "dice": dice,
    "lovasz": lovasz,
}


def batch():
    draw = torch.Generator().manual_seed(0)
    targets = torch.randint(0, 11, (2, 8, 12), generator=draw).repeat_interleave(4, 1).repeat_interleave(4, 2)
    targets[:, :5] = 255
    return torch.rand(2, 3, 32, 48, generator=draw), targets


def test_every_name_is_checked():
    assert {*DIRECT} == {*SUPERVISIONS}


@pytest.mark.parametrize("name", [*DIRECT])
def test_a_named_loss_is_the_loss_called_directly(name):
    images, targets = batch()
    trainee = build(replace(TINY, supervision=name), 11, images[0]).eval()
    (term,) = (value for key, value in trainee(images, targets).terms.items() if key.endswith("/supervision"))
    expected = DIRECT[name](trainee.point_logits(images)[0], targets)
    torch.testing.assert_close(term, expected.detach())
    assert float(term) != 0


@pytest.mark.parametrize("name", [*DIRECT])
def test_a_named_loss_teaches_the_adapter_and_survives_void(name):
    images, targets = batch()
    trainee = build(replace(TINY, supervision=name), 11, images[0])
    trainee(images, targets).total.backward()
    assert trainee.adapters[0].project.weight.grad.abs().sum() > 0
    void = trainee(images, torch.full_like(targets, 255))
    void.total.backward()
    assert torch.isfinite(void.total)
    assert all(torch.isfinite(p.grad).all() for p in trainee.parameters() if p.grad is not None)


def test_other_parts_of_a_scheme_stay():
    settings = replace(TINY, scheme="imachsr", supervision="dice", gamma=(0.3,), lambda_=0.02)
    scheme = build(settings, 11, torch.zeros(3, 32, 48)).scheme
    assert scheme.supervision is SUPERVISIONS["dice"]
    assert scheme.regularizer is losses.negative_entropy
    assert scheme.weights(1) == [(0.3, 0.02)]


def test_gamma_is_alpha_per_point_and_not_divided():
    images, _ = batch()
    trainee = build(replace(TINY, points=2, gamma=(0.1, 0.4)), 11, images[0])
    assert [*trainee.weights.now().values()] == pytest.approx([1.0, 0.1, 0.4])


def test_a_scheme_s_own_loss_by_name_is_the_same_setting():
    for scheme, name in {"imachsr": "plug_in", "imacsr": "variational", "hs3": "cross_entropy"}.items():
        assert own_supervision(scheme) == name
        plain = replace(TINY, scheme=scheme)
        assert replace(plain, supervision=name) == plain
        assert replace(plain, supervision="lovasz").key("d") != plain.key("d")
    assert own_supervision("conventional") == ""


def test_merged_labels_meet_the_named_loss():
    images, targets = batch()
    ids = torch.tensor([0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3])
    trainee = build(replace(TINY, scheme="hs3", supervision="dice"), 11, images[0], [ids.tolist()]).eval()
    (term,) = (value for key, value in trainee(images, targets).terms.items() if key.endswith("/supervision"))
    merged = torch.where(targets == 255, 255, ids[torch.where(targets == 255, 0, targets)])
    torch.testing.assert_close(term, dice(trainee.point_logits(images)[0], merged).detach())
