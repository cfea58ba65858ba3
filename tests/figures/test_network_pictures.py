"""Networks side by side: counts are the published ones, nothing is computed, pictures show what the points say."""

import json

import pytest
import torch

import imachsr
from imachsr.figures import networks

NAMES = ["deeplabv3plus_resnet18", "topformer_tiny", "seaformer_tiny"]


def test_counts_are_those_of_the_official_networks(shared):
    table = networks.network_table(NAMES, classes=19, size=(512, 512))
    for name, file in zip(NAMES, ("deeplabv3plus_r18_os16_smp", "topformer_tiny", "seaformer_tiny"), strict=True):
        manifest = json.loads((shared / "parity" / "models" / "manifest" / f"{file}.json").read_text())
        assert table.loc[name, "parameters"] == manifest["params"]
        assert table.loc[name, "operations"] == manifest["flops_2xMAC"]["512x512"]
    assert table["operations"].is_monotonic_increasing
    assert table.loc["deeplabv3plus_resnet18", "stride"] == 4


def test_networks_are_built_without_memory():
    network, inputs = networks.outline("sagate_resnet101", classes=5, size=(64, 64))
    assert len(inputs) == 2
    assert all(tensor.is_meta for tensor in (*network.parameters(), *network.buffers(), *inputs))


def test_families():
    assert networks.families(["a_1", "b_1", "a_2"]) == {"a": ["a_1", "a_2"], "b": ["b_1"]}


def test_resolutions_show_every_map():
    import matplotlib.pyplot as plt

    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3, 2, 1), torch.nn.Conv2d(4, 2, 1)
    )
    found = imachsr.find_points(network, torch.zeros(2, 3, 64, 64))
    figure = networks.resolutions({"mine": found}, rows=64)
    drawn = figure.axes[0].collections[0].get_offsets()
    assert sorted(drawn[:, 1]) == sorted(64 / point.size[0] for point in found)
    assert "mine: 1/" in networks.resolutions_alt({"mine": found}, rows=64)
    plt.close(figure)
    with pytest.raises(ValueError, match="pass name -> points"):
        networks.resolutions({}, rows=64)
