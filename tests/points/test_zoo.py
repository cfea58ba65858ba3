"""A handful of differing public networks through the zoo's whole trial; `make zoo` does it for all of them."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

ZOO = Path(__file__).resolve().parents[2] / "benchmarks" / "zoo.py"
HANDFUL = [
    "smp/segmentation/deeplabv3plus",
    "smp/segmentation/unet",
    "timm/vision_transformer/test_vit",
    "timm/mambaout/test_mambaout",
    "timm/hrnet/hrnet_w18_small",
    "timm/maxxvit/test_coatnet",
    "torchvision/classification/squeezenet1_1",
    "torchvision/segmentation/lraspp_mobilenet_v3_large",
]


@pytest.fixture(scope="module")
def zoo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("zoo", ZOO)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def builds(zoo: ModuleType) -> dict:
    return zoo.timm_networks() | zoo.torchvision_networks() | zoo.smp_networks()


@pytest.mark.parametrize("name", HANDFUL)
def test_points_training_step_and_release(zoo: ModuleType, builds: dict, name: str) -> None:
    build, segments = builds[name]
    torch.manual_seed(0)
    row = zoo.trial(build().train(), segments)
    assert row["miss"] == ""
    assert len(set(row["chosen"])) == zoo.POINTS
    assert row["recorded"] == "fake tensors"
    assert row["rules"].keys() >= {"downsampling", "activation", "blocks"}


def test_a_dead_adapter_would_be_noticed(zoo: ModuleType) -> None:
    layer = torch.nn.Linear(2, 2)
    assert not zoo.alive(layer)
    layer(torch.zeros(1, 2)).sum().mul(0).backward()
    assert not zoo.alive(layer)
    layer(torch.ones(1, 2)).sum().backward()
    assert zoo.alive(layer)
    layer.weight.grad.fill_(torch.nan)
    assert not zoo.alive(layer)
