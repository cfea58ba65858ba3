"""HRNetV2 and OCR: the official numbers, any size, and intermediate supervision on them."""

from functools import partial

import pytest
import torch
from models.golden import (
    check_gradients,
    check_logits,
    check_odd,
    check_structure,
    check_training,
    filled,
    image,
    on_meta,
    reference,
)

import imachsr
from imachsr import models
from imachsr.models import hrnet
from imachsr.models.ocr import OCR, pixel_representations, region_features

BUILDERS = {
    "hrnet_w18": models.REGISTRY["hrnet_w18"],
    "hrnet_w18_ocr": models.REGISTRY["hrnet_w18_ocr"],
    "hrnet_w18_ocr_ac1": partial(hrnet.w18, ocr=True, align_corners=True),
    "hrnet_w18_small_v2": models.REGISTRY["hrnet_w18_small_v2"],
    "hrnet_w48": models.REGISTRY["hrnet_w48"],
    "hrnet_w48_ocr": models.REGISTRY["hrnet_w48_ocr"],
}


@pytest.mark.parametrize("name", BUILDERS)
def test_names_shapes_and_counts(name, shared):
    manifest, _ = reference(shared, name)
    check_structure(on_meta(BUILDERS[name], 19), manifest)


@pytest.mark.parametrize("name", [name for name in BUILDERS if name != "hrnet_w48"])  # its trunk is in w48_ocr
def test_logits(name, shared):
    manifest, arrays = reference(shared, name)
    network = filled(BUILDERS[name], manifest)
    check_logits(network, [image(0, 128, 256)], manifest, arrays)
    if "w48" not in name:
        check_odd(network, manifest, arrays)


@pytest.mark.parametrize("name", ["hrnet_w18", "hrnet_w18_ocr"])
def test_gradients_and_training(name, shared):
    manifest, arrays = reference(shared, name)
    network = filled(BUILDERS[name], manifest)
    check_gradients(network, manifest)
    check_training(network, manifest, arrays)


def test_a_checkpoint_of_nvidia_loads(shared):
    manifest, _ = reference(shared, "hrnet_w48_ocr_nvidia")
    tensors = {key: torch.empty(shape, device="meta") for key, shape in manifest["state_dict"].items()}
    models.load_official(on_meta(BUILDERS["hrnet_w48_ocr"], 19), tensors)


def test_its_multi_scale_attention_is_refused_by_name(shared):
    manifest, _ = reference(shared, "hrnet_w48_ocr_hms_nvidia")
    tensors = {key: torch.empty(shape, device="meta") for key, shape in manifest["state_dict"].items()}
    with pytest.raises(ValueError, match="scale_attn"):
        models.load_official(on_meta(BUILDERS["hrnet_w48_ocr"], 19), tensors)


@pytest.mark.parametrize("size", [(64, 96), (45, 33), (32, 32)])
def test_any_size(size):
    network = models.create("hrnet_w18_small_v2_ocr", 3).eval()
    with torch.no_grad():
        output = network(torch.rand(1, 3, *size))
    quarter = tuple(-(-side // 4) for side in size)
    assert output["out"].shape == output["aux"].shape == (1, 3, *quarter)


@pytest.mark.parametrize("name", ["hrnet_w18_small_v2", "hrnet_w18_ocr"])
def test_supervised(name):
    network, images = models.create(name, 4).train(), torch.rand(2, 3, 64, 64)
    points = imachsr.find_points(network, images)
    assert {"stage2.0[0]", "stage3.1[2]", "stage4.0[3]"} <= {point.name for point in points}
    chosen = imachsr.choose_points(points, 3, near="input", distance=2)
    trainee = imachsr.Supervised(network, chosen, imachsr.scheme("imachsr"), classes=4)
    trainee(images, torch.randint(0, 4, (2, 64, 64))).total.backward()
    assert all(parameter.grad is not None for parameter in trainee.parameters())
    assert trainee.release() is network


def test_region_features_by_a_slow_loop():
    features, prediction = torch.randn(2, 3, 4, 5).double(), torch.randn(2, 6, 4, 5).double()
    found = region_features(features, prediction)
    assert found.shape == (2, 3, 6, 1)
    for b in range(2):
        for k in range(6):
            weights = prediction[b, k].exp() / prediction[b, k].exp().sum()
            wanted = torch.stack([(weights * features[b, c]).sum() for c in range(3)])
            torch.testing.assert_close(found[b, :, k, 0], wanted)


def test_region_features_resize_the_prediction():
    features, prediction = torch.randn(1, 3, 8, 10), torch.randn(1, 2, 3, 4)
    resized = torch.nn.functional.interpolate(prediction, (8, 10), mode="bilinear", align_corners=False)
    torch.testing.assert_close(region_features(features, prediction), region_features(features, resized))


def test_ocr_at_any_feature_map():
    """Channels brought to any count, a prediction of another size, and gradients to both."""
    features = torch.randn(2, 10, 7, 9, requires_grad=True)
    prediction = torch.randn(2, 5, 4, 3, requires_grad=True)
    block = OCR(6)
    assert block.object_context_block.f_pixel[0].out_channels == 3
    enriched = block(pixel_representations(10, 6)(features), prediction)
    assert enriched.shape == (2, 6, 7, 9)
    enriched.square().sum().backward()
    assert features.grad.abs().sum() > 0
    assert prediction.grad.abs().sum() > 0


def test_ocr_needs_channels_to_halve():
    with pytest.raises(ValueError, match=r"channels=1; .* pass 2 or more"):
        OCR(1)
