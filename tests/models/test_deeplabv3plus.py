"""DeepLabv3+ on ResNet18 against segmentation-models-pytorch, without its last upsampling."""

import torch
from models.golden import check_logits, filled, image, on_meta, reference

from imachsr import models

BUILD = models.REGISTRY["deeplabv3plus_resnet18"]
FILE = "deeplabv3plus_r18_os16_smp"


def test_names_shapes_and_counts(shared):
    manifest, _ = reference(shared, FILE)
    network = on_meta(BUILD, 19)
    assert {key: [*tensor.shape] for key, tensor in network.network.state_dict().items()} == manifest["state_dict"]
    assert sum(parameter.numel() for parameter in network.parameters()) == manifest["params"]


def test_logits(shared):
    manifest, arrays = reference(shared, FILE)
    check_logits(filled(BUILD, manifest), [image(0, 128, 256)], manifest, arrays)


def test_its_own_names_load():
    """Those of the library, without the prefix of the padding."""
    source, network = models.create("deeplabv3plus_resnet18", 3), models.create("deeplabv3plus_resnet18", 3)
    models.load_official(network, source.network.state_dict())
    with torch.no_grad():
        images = torch.rand(1, 3, 32, 32)
        torch.testing.assert_close(network.eval()(images), source.eval()(images))
