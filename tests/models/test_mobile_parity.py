"""TopFormer and SeaFormer against the official networks: names, shapes, logits, features, gradients, training."""

import json
from collections import Counter

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
from torchvision.ops import StochasticDepth

from imachsr import models

NAMES = [name for name in models.REGISTRY if name.startswith(("topformer", "seaformer"))]
FILES = [f"{name}{gain}" for name in NAMES for gain in ("", "_g11")]  # two fills: each sees what the other is blind to


def build(file):
    return models.REGISTRY[file.removesuffix("_g11")]


@pytest.mark.parametrize("name", NAMES)
def test_names_shapes_and_counts(name, shared):
    manifest, _ = reference(shared, name)
    network = on_meta(build(name), 19)
    check_structure(network, manifest)
    drops = Counter(f"DropPath({m.p:.6g})" for m in network.modules() if isinstance(m, StochasticDepth) and m.p)
    assert drops == {kind: count for kind, count in manifest["leaf_modules"].items() if kind.startswith("DropPath")}
    wide = on_meta(build(name), 150)
    assert sum(parameter.numel() for parameter in wide.parameters()) == manifest["extra"]["params_150cls"]


@pytest.mark.parametrize("file", FILES)
def test_logits_and_features(file, shared):
    manifest, arrays = reference(shared, file)
    network = filled(build(file), manifest)
    check_logits(network, [image(0, 128, 256)], manifest, arrays)
    check_odd(network, manifest, arrays)


def listing(shared, part):
    """The files whose manifest lists gradients, or a training step."""
    folder = shared / "parity" / "models" / "manifest"
    return [file for file in FILES if part in json.loads((folder / f"{file}.json").read_text())]


def test_gradients(shared):
    files = listing(shared, "grad")
    assert len(files) == 8
    for file in files:
        manifest, _ = reference(shared, file)
        check_gradients(filled(build(file), manifest), manifest)


def test_training(shared):
    files = listing(shared, "train")
    assert len(files) == 4
    for file in files:
        manifest, arrays = reference(shared, file)
        check_training(filled(build(file), manifest), manifest, arrays)


def test_a_full_official_state_dict_loads(shared):
    """Under the official names, as mmsegmentation files them."""
    manifest, _ = reference(shared, "seaformer_tiny")
    network, other = filled(build("seaformer_tiny"), manifest), models.create("seaformer_tiny", 19)
    tensors = {f"module.{name}": network.state_dict()[name].float() for name in manifest["state_dict"]}
    models.load_official(other, {"meta": {"epoch": 1}, "state_dict": tensors})
    with torch.no_grad():
        small = image(0, 64, 64)
        torch.testing.assert_close(other.double().eval()(small), network(small))
