"""The recipe of the reference files: what every tensor and every image is, and what must come out, in float64."""

import json
import zlib
from collections import Counter

import numpy as np
import torch
from torch import nn
from torchvision.ops import StochasticDepth

ATOL = 1e-8
FUNCTIONS = {"ocr_gather_head"}  # modules there, functions here


def reference(shared, name):
    """Manifest and golden arrays of one network; no arrays where the network has a manifest only."""
    folder = shared / "parity" / "models"
    arrays = folder / "golden" / f"{name}.npz"
    manifest = json.loads((folder / "manifest" / f"{name}.json").read_text())
    return manifest, dict(np.load(arrays)) if arrays.is_file() else {}


def on_meta(build, classes):
    """A network without storage: names and shapes cost nothing."""
    with torch.device("meta"):
        return build(classes)


def filled(build, manifest):
    """A float64 network in eval mode, every tensor drawn from its name."""
    network = on_meta(build, manifest["classes"]).double().to_empty(device="cpu").eval()
    fill(network, manifest["gain"])
    return network


@torch.no_grad()
def fill(network, gain):
    for key, tensor in network.state_dict().items():
        leaf = key.rsplit(".", 1)[-1]
        if leaf == "num_batches_tracked":
            tensor.zero_()
            continue
        seed = zlib.crc32(official_name(key).encode())
        noise = np.random.default_rng(seed).standard_normal(tuple(tensor.shape))
        if leaf in ("running_mean", "bias"):
            value = 0.05 * noise
        elif leaf == "running_var":
            value = 1 + 0.1 * np.abs(noise)
        elif leaf != "weight":
            value = 0.5 * noise
        elif tensor.ndim == 1:
            value = 1 + 0.05 * noise
        else:
            value = gain * noise / np.sqrt(np.prod(tensor.shape[1:]))
        tensor.copy_(torch.from_numpy(value.astype(np.float32)))


def official_name(key):
    """Ours to the official one; SA-Gate's shared downsampling is filled by its first name."""
    return key.removeprefix("network.").replace("hha_downsample", "downsample")


def image(seed, *size, batch=1):
    noise = np.random.default_rng(seed).standard_normal((batch, 3, *size)).astype(np.float32)
    return torch.from_numpy(noise).double()


def named(output):
    """The reference's names for what a network returned."""
    if isinstance(output, torch.Tensor):
        return {"logits": output}
    return {"logits": output["out"], "aux_logits": output["aux"]}


def check_structure(network, manifest):
    """Every key and shape, parameter count, norms, dilations and dropouts."""
    assert {key: list(tensor.shape) for key, tensor in network.state_dict().items()} == manifest["state_dict"]
    assert sum(parameter.numel() for parameter in network.parameters()) == manifest["params"]
    assert norms(network) == {kind: count for kind, (count, _) in manifest["bn"].items()}
    assert dilated(network) == manifest["dilated_convs"]
    kinds = manifest["leaf_modules"].items()
    listed = {kind: count for kind, count in kinds if kind.startswith("Dropout") and not kind.endswith("(p=0)")}
    assert dropouts(network) == listed


def norms(network):
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    return Counter(f"eps={layer.eps} momentum={layer.momentum}" for layer in layers)


def dropouts(network):
    layers = [module for module in network.modules() if isinstance(module, (nn.Dropout, nn.Dropout2d))]
    return Counter(f"{type(layer).__name__}(p={layer.p})" for layer in layers)


def dilated(network):
    convs = {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d) and m.dilation != (1, 1)}
    return {
        name: {
            "k": [*conv.kernel_size],
            "s": [*conv.stride],
            "p": [*conv.padding],
            "d": [*conv.dilation],
            "g": conv.groups,
        }
        for name, conv in convs.items()
    }


@torch.no_grad()
def check_logits(network, images, manifest, arrays):
    """Golden logits and inner features where there are some, and their recorded statistics in any case."""
    seen = watch(getattr(network, "network", network), manifest["features"])
    for name, logits in named(network(*images)).items():
        wanted = manifest["outputs"][name]
        assert list(logits.shape) == wanted["shape"]
        values = logits.numpy()
        for statistic in ("mean", "std", "min", "max"):
            assert abs(getattr(values, statistic)() - wanted[statistic]) < ATOL
        if arrays:
            golden = arrays[f"{name}_f64"]
            np.testing.assert_allclose(values.astype(golden.dtype), golden, atol=ATOL, rtol=1e-15)
    assert seen.keys() == manifest["features"].keys() - FUNCTIONS
    for name, features in seen.items():
        check_features(features, manifest["features"][name], arrays.get(f"feat/{name}"))


def check_features(features, wanted, golden):
    """Shape, statistics and samples of what one module returned."""
    assert list(features.shape) == wanted["shape"]
    assert abs(features.mean().item() - wanted["mean"]) < ATOL
    assert abs(features.std(correction=0).item() - wanted["std"]) < ATOL
    if golden is not None:
        np.testing.assert_allclose(features.numpy().ravel()[:: wanted["step"]], golden, atol=ATOL, rtol=0)


def watch(network, names):
    """Name -> what the module returned in the latest forward; "module[0]" is the first of several."""
    seen = {}

    def keep(name, place):
        def hook(module, inputs, output):
            seen[name] = output[int(place[:-1])] if place else output

        return hook

    for name in names.keys() - FUNCTIONS:
        path, _, place = name.partition("[")
        network.get_submodule(path).register_forward_hook(keep(name, place))
    return seen


@torch.no_grad()
def check_odd(network, manifest, arrays, *, inputs=1):
    """Images of 97x161."""
    for name, logits in named(network(*(image(seed, 97, 161) for seed in range(inputs)))).items():
        wanted = manifest["outputs"][name]
        assert list(logits.shape) == wanted["odd_shape"]
        assert abs(logits.mean().item() - wanted["odd_mean"]) < ATOL
        if arrays:
            sampled = logits.numpy().ravel()[:: wanted["odd_step"]]
            np.testing.assert_allclose(sampled, arrays[f"{name}_odd"], atol=ATOL, rtol=0)


def check_gradients(network, manifest):
    """The norm of every parameter's gradient, under a fixed random linear loss."""
    logits = named(network(image(0, 128, 256)))
    loss = torch.zeros(())
    for i, name in enumerate(manifest["outputs"]):
        mixing = np.random.default_rng(100 + i).standard_normal(tuple(logits[name].shape))
        loss = loss + (logits[name] * torch.from_numpy(mixing)).mean()
    loss.backward()
    assert abs(loss.item() - manifest["grad"]["loss"]) < ATOL
    norms = {name: parameter.grad.norm().item() for name, parameter in network.named_parameters()}
    wanted = manifest["grad"]["l2"]
    assert norms.keys() == wanted.keys()
    np.testing.assert_allclose([norms[name] for name in wanted], [*wanted.values()], rtol=1e-8, atol=ATOL)


@torch.no_grad()
def check_training(network, manifest, arrays):
    """One forward in train mode without dropout: logits, and the statistics that BatchNorm kept."""
    for module in network.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout2d, StochasticDepth)):
            module.p = 0.0
    for name, logits in named(network.train()(image(20, 128, 256, batch=2))).items():
        wanted = manifest["train"][name]
        assert list(logits.shape) == wanted["shape"]
        assert abs(logits.mean().item() - wanted["mean"]) < ATOL
        assert abs(logits.numpy().std() - wanted["std"]) < ATOL
        if arrays:
            sampled = logits.numpy().ravel()[:: wanted["step"]]
            np.testing.assert_allclose(sampled, arrays[f"{name}_train"], atol=ATOL, rtol=0)
    buffers = dict(network.named_buffers())
    for name, norm in manifest["train"]["buffers_l2"].items():
        assert abs(buffers[name].norm().item() - norm) < ATOL
