"""Checkpoints as others file them: all of it loads, or an error names what did not fit."""

import argparse

import pytest
import torch
from torch import nn

from imachsr import models
from imachsr.models import load_official
from imachsr.models.official import NAMINGS, _rename


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def prefixed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


WRAPPED = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state, "optimizer": {"lr": 0.1}},
    "both": lambda state: {"model": {"state_dict": state}},
    "module": lambda state: prefixed(state, "module."),
    "module.model": lambda state: {"state_dict": prefixed(state, "module.model.")},
    "criterion": lambda state: prefixed(state, "model.") | {"loss.criterion.weight": torch.ones(19)},
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED.keys())
def test_wrappers(wrap, tmp_path):
    source, network, by_path = small(), small(), small()
    source[1].running_mean.normal_()
    load_official(network, wrap(source.state_dict()))
    assert same(source, network)
    torch.save(wrap(source.state_dict()), tmp_path / "weights.pth")
    models.official.load_file(by_path, tmp_path / "weights.pth")
    assert same(source, by_path)


def test_a_padded_network_takes_the_names_of_the_one_inside():
    source, network = (models.Padded(small(), multiple=4, stride=1) for _ in range(2))
    load_official(network, source.network.state_dict())
    assert same(source, network)


def test_old_checkpoints_have_no_counters():
    source, network = small(), small()
    network[1].num_batches_tracked += 5
    load_official(network, {name: t for name, t in source.state_dict().items() if "num_batches" not in name})
    assert same(source, network)


def test_all_that_does_not_fit_is_named_and_nothing_is_loaded():
    network = small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = {name: tensor + 1 for name, tensor in network.state_dict().items()}
    del state["1.bias"], state["1.running_var"]
    state |= {"0.weight": torch.ones(5, 3, 1, 1), "2.weight": torch.ones(1), "head.bias": torch.ones(1)}
    with pytest.raises(
        ValueError, match=r"got a checkpoint that does not fit .* must match; build the network"
    ) as error:
        load_official(network, state)
    assert "missing (2): 1.bias, 1.running_var" in str(error.value)
    assert "unexpected (2): 2.weight, head.bias" in str(error.value)
    assert "shapes (1): 0.weight (5, 3, 1, 1) for (4, 3, 1, 1)" in str(error.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_prefixes_on_some_names_only_are_no_wrapper():
    state = small().state_dict()
    state["module.0.bias"] = state.pop("0.bias")
    with pytest.raises(ValueError, match=r"missing \(1\): 0.bias; unexpected \(1\): module.0.bias"):
        load_official(small(), state)


def test_names_that_a_renaming_would_merge_are_not_lost():
    """`backbone.0.bias` would become `0.bias`, which is there: both are kept apart, and one is refused."""
    state = small().state_dict()
    with pytest.raises(ValueError, match=r"unexpected \(1\): backbone.0.bias"):
        load_official(small(), state | {"backbone.0.bias": torch.zeros(4)})


@pytest.mark.parametrize(
    ("theirs", "official"),
    [
        ("backbone.stage2.0.branches.0.0.conv1.weight", "stage2.0.branches.0.0.conv1.weight"),
        ("ocr.conv3x3_ocr.0.bias", "conv3x3_ocr.0.bias"),
        ("ocr.conv3x3_ocr.1.0.weight", "conv3x3_ocr.1.weight"),
        ("ocr.aux_head.1.0.running_var", "aux_head.1.running_var"),
        ("ocr.aux_head.2.bias", "aux_head.3.bias"),
        ("ocr.cls_head.weight", "cls_head.weight"),
    ],
)
def test_nvidias_names(theirs, official):
    assert _rename(theirs, NAMINGS[-1]) == official


@pytest.mark.parametrize("given", [[torch.ones(1)], {"epoch": 3}, {"state_dict": {"a": torch.ones(1), "b": 2}}, None])
def test_no_tensors(given):
    with pytest.raises(TypeError, match=r"maps names to tensors, .* pass what torch.load gave"):
        load_official(small(), given)


def test_another_number_of_classes(tmp_path):
    torch.save({"state_dict": models.create("topformer_tiny", 3).state_dict()}, tmp_path / "three.pth")
    models.create("topformer_tiny", 3, weights=tmp_path / "three.pth")
    with pytest.raises(ValueError, match=r"three.pth.*shapes \(2\): .*conv_seg.weight \(3, 128, 1, 1\) for \(4,"):
        models.create("topformer_tiny", 4, weights=tmp_path / "three.pth")


def test_files_that_cannot_be_read_safely(tmp_path):
    torch.save({"state_dict": small().state_dict(), "args": argparse.Namespace(lr=1)}, tmp_path / "code.pth")
    (tmp_path / "text.pth").write_text("no checkpoint")
    (tmp_path / "empty.pth").touch()
    (tmp_path / "other.pth").write_text("hello world")  # the unpickler stumbles over its letters
    torch.save(small().state_dict(), tmp_path / "cut.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "cut.pth").read_bytes()[:400])
    for name in ("code", "text", "empty", "other", "cut"):
        with pytest.raises(ValueError, match=r"cannot be read safely \(.+\); .* save its state_dict alone"):
            models.official.load_file(small(), tmp_path / f"{name}.pth")


def test_what_is_refused_is_named_without_advice_to_execute_it(tmp_path):
    torch.save({"args": argparse.Namespace(lr=1)}, tmp_path / "code.pth")
    with pytest.raises(ValueError, match=r"\(it holds argparse.Namespace\)") as refusal:
        models.official.load_file(small(), tmp_path / "code.pth")
    assert "weights_only" not in str(refusal.value)


def test_a_quite_different_network_is_told_in_short():
    state = prefixed({f"{k}.weight": torch.ones(1) for k in range(300)}, "trunk.")
    with pytest.raises(ValueError, match=r"unexpected \(300\): trunk.0.weight, .* and 280 more$"):
        load_official(small(), state)
