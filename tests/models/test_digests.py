"""Every network returns what it returned when it was compared with the official one."""

import numpy as np
import pytest
from models import digests
from models.golden import on_meta, reference

from conftest import REPOSITORY
from imachsr import models

LARGE = 50_000_000  # parameters; filling these takes seconds
FILED = digests.filed()
FILLS = [(name, gain) for name in FILED for gain in FILED[name]["fills"]]
OF_REFERENCE_SIZE = [(name, gain) for name, gain in FILLS if FILED[name]["size"] == [128, 256]]


def test_every_network_has_a_digest():
    assert FILED.keys() == models.REGISTRY.keys()


@pytest.mark.parametrize("name", FILED)
def test_parameters_and_names(name):
    network = on_meta(models.REGISTRY[name], FILED[name]["classes"])
    assert digests.anatomy(network) == {key: FILED[name][key] for key in ("parameters", "names")}


@pytest.mark.parametrize(("name", "gain"), FILLS)
def test_outputs(name, gain):
    digest = FILED[name]
    if digest["parameters"] > LARGE and (REPOSITORY.parent / "shared").is_dir():
        pytest.skip("a large network, compared in full with the reference files beside the checkout")
    found = digests.returned(name, digest["classes"], digest["size"], float(gain))
    assert found.keys() == digest["fills"][gain].keys()
    for output, wanted in digest["fills"][gain].items():
        assert found[output]["shape"] == wanted["shape"]
        for statistic in ("mean", "std", "sampled"):
            np.testing.assert_allclose(found[output][statistic], wanted[statistic], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("name", "gain"), OF_REFERENCE_SIZE)
def test_the_digest_is_the_official_networks(name, gain, shared):
    """Its samples are the official network's own."""
    second = "_g11" if "former" in name and gain == "1.1" else ""
    file = "deeplabv3plus_r18_os16_smp" if name == "deeplabv3plus_resnet18" else name + second
    manifest, arrays = reference(shared, file)
    found, official = FILED[name]["fills"][gain]["logits"], manifest["outputs"]["logits"]
    assert float(gain) == manifest["gain"]
    np.testing.assert_allclose([found["mean"], found["std"]], [official["mean"], official["std"]], rtol=1e-8)
    if arrays:
        places = np.linspace(0, arrays["logits_f64"].size - 1, digests.SAMPLES).astype(int)
        np.testing.assert_allclose(found["sampled"], arrays["logits_f64"].ravel()[places], atol=1e-8)
