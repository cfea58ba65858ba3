"""SA-Gate: the official numbers, its shared downsampling, and intermediate supervision with two inputs."""

import pytest
import torch
from models.golden import check_logits, check_odd, check_structure, filled, image, on_meta, reference

import imachsr
from imachsr import models
from imachsr.models.sagate import Gate
from imachsr.models.sagate.backbone import DualBottleneck

BUILD = models.REGISTRY["sagate_resnet101"]


def test_names_shapes_and_counts(shared):
    manifest, _ = reference(shared, "sagate_r101")
    check_structure(on_meta(BUILD, 40), manifest)
    parameters = on_meta(BUILD, 19).parameters()
    assert sum(parameter.numel() for parameter in parameters) == manifest["extra"]["params_19cls"]


def test_logits(shared):
    manifest, arrays = reference(shared, "sagate_r101")
    network = filled(BUILD, manifest)
    check_logits(network, [image(0, 128, 256), image(1, 128, 256)], manifest, arrays)
    check_odd(network, manifest, arrays, inputs=2)


def test_the_same_modules_are_shared(shared):
    manifest, _ = reference(shared, "sagate_r101")
    state = on_meta(BUILD, 40).state_dict(keep_vars=True)
    for first, second in manifest["shared"]:
        assert state[first] is state[second]


def test_shared_downsampling_counts_rgb_then_hha():
    block = DualBottleneck(8, 4, stride=2).train()
    assert block.downsample is block.hha_downsample
    rgb, hha = torch.randn(2, 8, 6, 6), 3 + torch.randn(2, 8, 6, 6)
    block((rgb, hha))
    conv, norm = block.downsample
    means = [conv(x).mean((0, 2, 3)) for x in (rgb, hha)]
    assert norm.num_batches_tracked == 2
    torch.testing.assert_close(norm.running_mean, 0.9 * 0.1 * means[0] + 0.1 * means[1])


def test_a_block_in_the_middle_has_no_downsampling():
    block = DualBottleneck(16, 4)
    assert block.downsample is None
    rgb, hha = block((torch.randn(2, 16, 6, 6), torch.randn(2, 16, 6, 6)))
    assert rgb.shape == hha.shape == (2, 16, 6, 6)


def test_gate_shares_add_to_one():
    """Two equal streams merge to themselves, whatever the gate says."""
    x = torch.randn(2, 16, 5, 6)
    rgb, hha, merged = Gate(16)((x, x))
    torch.testing.assert_close(merged, x)
    torch.testing.assert_close(rgb, x.relu())
    torch.testing.assert_close(hha, x.relu())


@pytest.fixture(scope="module")
def network():
    return models.create("sagate_resnet101", 4)


def test_supervised_with_two_inputs(network):
    pair = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    points = imachsr.find_points(network.train(), *pair)
    assert {"backbone.layer1.0[0]", "backbone.layer1.0[1]", "backbone.sagates.2[2]"} <= {p.name for p in points}
    chosen = imachsr.choose_points(points, 3, near="input", distance=2)
    trainee = imachsr.Supervised(network, chosen, imachsr.scheme("imachsr"), classes=4)
    losses = trainee(pair, torch.randint(0, 4, (2, 32, 32)))
    losses.total.backward()
    assert losses.logits.shape == (2, 4, 8, 8)
    assert all(parameter.grad is not None for parameter in network.parameters()), "the auxiliary head learns too"
    assert trainee.weights.now()["auxiliary"] == 0.2
    assert trainee.release() is network


def test_auxiliary_logits(network):
    with torch.no_grad():
        output = network.eval()(torch.rand(1, 3, 40, 50), torch.rand(1, 3, 40, 50))
    assert output["out"].shape == (1, 4, 10, 13)
    assert output["aux"].shape == (1, 4, 3, 4)
