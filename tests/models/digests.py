"""What every network returns under the recipe of `golden`, in a few dozen numbers that travel with the tests.

`PYTHONPATH=tests python -m models.digests [NAME ...]` measures networks anew and files them in digests.json.
"""

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import torch

from imachsr import models

from .golden import filled, image, named, official_name, on_meta

FILE = Path(__file__).with_name("digests.json")
SAMPLES = 32  # of each output, evenly spaced

# start of a name -> gains, and the image's height and width; a second gain where the first saturates attention
FILLS = {
    "deeplabv3plus_resnet18": ((1.3,), (128, 256)),
    "deeplabv3plus_wrn38": ((1.1,), (32, 64)),
    "topformer": ((1.2, 1.1), (128, 256)),
    "seaformer": ((1.4, 1.1), (128, 256)),
    "hrnet": ((0.8,), (64, 64)),
    "sagate": ((1.15,), (64, 64)),
}


def filed():
    """Name -> digest."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def anatomy(network):
    """Number of parameters, and a checksum of every official name and shape."""
    lines = sorted(f"{official_name(key)} {[*tensor.shape]}" for key, tensor in network.state_dict().items())
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "names": zlib.crc32("\n".join(lines).encode()),
    }


def statistics(tensor):
    """Shape, mean, standard deviation and evenly spaced entries."""
    values = tensor.numpy()
    places = np.linspace(0, values.size - 1, SAMPLES).astype(int)
    return {
        "shape": [*values.shape],
        "mean": values.mean().item(),
        "std": values.std().item(),
        "sampled": values.ravel()[places].tolist(),
    }


@torch.no_grad()
def returned(name, classes, size, gain):
    """Statistics of every output of a filled network."""
    network = filled(models.REGISTRY[name], {"classes": classes, "gain": gain})
    images = [image(seed, *size) for seed in range(2 if name.startswith("sagate") else 1)]
    return {key: statistics(tensor) for key, tensor in named(network(*images)).items()}


def measured(name):
    """A network's entry in the file."""
    gains, size = next(fill for start, fill in FILLS.items() if name.startswith(start))
    classes = 40 if name.startswith("sagate") else 19
    fills = {str(gain): returned(name, classes, size, gain) for gain in gains}
    return {"classes": classes, "size": size, **anatomy(on_meta(models.REGISTRY[name], classes)), "fills": fills}


def main(names):
    from imachsr.experiment.ledger import write_atomically

    entries = filed() | {name: measured(name) for name in names or models.REGISTRY}
    lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items()]
    write_atomically(FILE, "{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
