"""Every public network family through find, choose, one training step and release.

    python benchmarks/zoo.py [--workers N] [--only TEXT] [--again]

Networks done before with the same versions are kept, so that a run can be stopped and taken up again. The table goes to
data/results/zoo.json; a network that misses anything keeps its row, with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from imachsr.experiment import write_atomically

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "data" / "results" / "zoo.json"
SMALLEST = Path(__file__).with_name("zoo_timm.json")  # timm family -> its member with the fewest parameters
LIBRARIES = ("torch", "timm", "torchvision", "segmentation-models-pytorch", "transformers")
CLASSES, BATCH, POINTS = 4, 2, 5
SIZES = (64, 96, 128, 224, 256, 299, 384)  # the smallest that a network accepts is used

Build = tuple[Callable[[], nn.Module], bool]  # how to make a network, and whether it segments


def timm_networks() -> dict[str, Build]:
    """The smallest member of every timm family, as a classifier."""

    def build(name: str) -> Callable[[], nn.Module]:
        def make() -> nn.Module:
            import timm

            return timm.create_model(name, num_classes=CLASSES)

        return make

    return {f"timm/{family}/{name}": (build(name), False) for family, name in smallest()["smallest"].items()}


def smallest() -> dict[str, Any]:
    """The list of smallest members, made anew when timm changes (minutes: all are built on the meta device)."""
    kept = json.loads(SMALLEST.read_text()) if SMALLEST.exists() else {}
    if kept.get("timm") == version("timm"):
        return kept
    import timm
    from timm.models import list_models, list_modules

    def parameters(name: str) -> float:
        try:
            with torch.device("meta"):
                return sum(parameter.numel() for parameter in timm.create_model(name).parameters())
        except Exception:  # a network that cannot be built without memory is never the smallest
            return float("inf")

    members = {family: min(list_models(module=family), key=parameters) for family in list_modules()}
    write_atomically(SMALLEST, json.dumps({"timm": version("timm"), "smallest": members}, indent=1) + "\n")
    return {"smallest": members}


def torchvision_networks() -> dict[str, Build]:
    """Every torchvision classification and segmentation network."""
    import torchvision

    def build(name: str, **settings: Any) -> Callable[[], nn.Module]:
        return lambda: torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **settings)

    classifiers = torchvision.models.list_models(module=torchvision.models)
    segmenters = torchvision.models.list_models(module=torchvision.models.segmentation)
    return {f"torchvision/classification/{name}": (build(name), False) for name in classifiers} | {
        f"torchvision/segmentation/{name}": (build(name, weights_backbone=None), True) for name in segmenters
    }


def smp_networks() -> dict[str, Build]:
    """Every segmentation_models_pytorch architecture on a small encoder."""
    import segmentation_models_pytorch as smp

    def build(name: str) -> Callable[[], nn.Module]:
        encoder = "tu-vit_tiny_patch16_224" if name == "dpt" else "resnet18"
        return lambda: smp.create_model(name, encoder, encoder_weights=None, classes=CLASSES)

    return {f"smp/segmentation/{name}": (build(name), True) for name in sorted(smp.MODEL_ARCHITECTURES_MAPPING)}


def transformers_networks() -> dict[str, Build]:
    """Hugging Face segmentation networks from small configurations, without weights."""
    try:
        import transformers as hf
    except ImportError:
        return {}
    vit = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}
    vit |= {"num_labels": CLASSES, "image_size": 64}
    taps = {"out_indices": [1, 2, 3, 4]}
    segmenter: dict[str, Callable[[], nn.Module]] = {
        "segformer": lambda: hf.SegformerForSemanticSegmentation(hf.SegformerConfig(num_labels=CLASSES)),
        "beit": lambda: hf.BeitForSemanticSegmentation(hf.BeitConfig(**vit, **taps)),
        "data2vec_vision": lambda: hf.Data2VecVisionForSemanticSegmentation(hf.Data2VecVisionConfig(**vit, **taps)),
        "dpt": lambda: hf.DPTForSemanticSegmentation(
            hf.DPTConfig(**vit, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[16, 16, 32, 32])
        ),
        "mobilevit": lambda: hf.MobileViTForSemanticSegmentation(hf.MobileViTConfig(num_labels=CLASSES, image_size=64)),
        "mobilevitv2": lambda: hf.MobileViTV2ForSemanticSegmentation(hf.MobileViTV2Config(num_labels=CLASSES)),
        "mobilenet_v2": lambda: hf.MobileNetV2ForSemanticSegmentation(hf.MobileNetV2Config(num_labels=CLASSES)),
        "upernet": lambda: hf.UperNetForSemanticSegmentation(
            hf.UperNetConfig(backbone_config=hf.ResNetConfig(out_indices=[1, 2, 3, 4]), num_labels=CLASSES)
        ),
        "maskformer": lambda: Semantic(hf.MaskFormerForInstanceSegmentation(hf.MaskFormerConfig(num_labels=CLASSES))),
        "mask2former": lambda: Semantic(
            hf.Mask2FormerForUniversalSegmentation(hf.Mask2FormerConfig(num_labels=CLASSES))
        ),
        "eomt": lambda: Semantic(hf.EomtForUniversalSegmentation(hf.EomtConfig(**vit, num_blocks=2, num_queries=8))),
    }
    return {f"transformers/segmentation/{name}": (build, True) for name, build in segmenter.items()}


class Semantic(nn.Module):
    """Per-pixel class scores of a network that predicts masks and their classes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        found = self.network(pixel_values=images)
        classes = found.class_queries_logits.softmax(-1)[..., :-1]
        return torch.einsum("bqk,bqhw->bkhw", classes, found.masks_queries_logits.sigmoid())


SUPPLIERS = (timm_networks, torchvision_networks, smp_networks, transformers_networks)


def networks() -> dict[str, Build]:
    """Every network of the zoo."""
    return {name: build for supplier in SUPPLIERS for name, build in supplier().items()}


def examine(name: str) -> dict[str, Any]:
    """One row of the table."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    row: dict[str, Any] = {"network": name, "versions": versions(), "miss": ""}
    try:
        build, segments = networks()[name]
        network = build().train()
        row["parameters"] = sum(parameter.numel() for parameter in network.parameters())
        row |= trial(network, segments)
    except Exception as error:
        row["miss"] = row["miss"] or f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return row


def trial(network: nn.Module, segments: bool) -> dict[str, Any]:
    """Find, choose, one training step, release."""
    import imachsr

    images, points, seconds, processor = smallest_accepted(network)
    rules = Counter(rule for point in points for rule in point.rules)
    row = {
        "size": images.shape[-1],
        "seconds": round(seconds, 3),
        "processor_seconds": round(processor, 3),  # without the time others had the core
        "recorded": points.recorded,
        "points": len(points),
        "blocks": len(points.blocks),
        "left_out": dict(Counter(points.left_out.values())),
        "rules": dict(rules),
    }
    chosen = imachsr.choose_points(points, POINTS)
    row["chosen"] = [
        f"{point.name} ({point.layout.kind} {point.channels}x{point.size[0]}x{point.size[1]})" for point in chosen
    ]
    before = fingerprint(network, images)
    trainee = imachsr.Supervised(network, chosen, imachsr.scheme("imachsr"), classes=CLASSES)
    row |= {"gradients": gradients(trainee, images, labels(images, segments))}
    row["released"] = fingerprint(trainee.release(), images) == before
    row["miss"] = "; ".join(
        [
            *([] if len({point.name for point in chosen}) >= POINTS else ["fewer than five points"]),
            *([] if row["gradients"] == "ok" else [str(row["gradients"])]),
            *([] if row["released"] else ["released network differs"]),
        ]
    )
    return row


def smallest_accepted(network: nn.Module) -> tuple[Tensor, Any, float, float]:
    """Images of the smallest size the network accepts, its points, the seconds and processor seconds to find them."""
    import imachsr

    default = getattr(network, "default_cfg", None) or {}
    channels, _, own = default.get("input_size", (3, 0, SIZES[-1]))
    fixed = default.get("fixed_input_size", False)
    problem: Exception | None = None
    for size in [own] if fixed else sorted({*SIZES, own}):
        images = torch.randn(BATCH, channels, size, size, generator=torch.Generator().manual_seed(0))
        start = time.perf_counter(), time.process_time()
        try:
            points = imachsr.find_points(network, images)
        except Exception as error:
            problem = error
        else:
            return images, points, time.perf_counter() - start[0], time.process_time() - start[1]
    raise problem or RuntimeError("no size was tried")


def labels(images: Tensor, segments: bool) -> Tensor:
    """Vertical stripes of every class, or a class per image."""
    if not segments:
        return torch.arange(len(images)) % CLASSES
    height, width = images.shape[-2:]
    return (torch.arange(width) * CLASSES // width).expand(len(images), height, width).contiguous()


def gradients(trainee: nn.Module, images: Tensor, targets: Tensor) -> str:
    """ "ok", or whose gradients are missing, zero or not finite after one step."""
    state = {name: buffer.clone() for name, buffer in trainee.network.named_buffers()}
    trainee(images, targets).total.backward()
    for name, buffer in trainee.network.named_buffers():
        buffer.copy_(state[name])
    supervised = zip(trainee.points, trainee.adapters, strict=True)
    bad = [f"no gradient in the adapter of {point.name}" for point, adapter in supervised if not alive(adapter)]
    bad += [] if alive(trainee.network) else ["no gradient in the network"]
    trainee.zero_grad(set_to_none=True)
    return "; ".join(bad) or "ok"


def alive(module: nn.Module) -> bool:
    """Whether gradients are there, finite, and not all zero."""
    grads = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    return bool(grads) and all(g.isfinite().all() for g in grads) and any(g.count_nonzero() for g in grads)


def fingerprint(network: nn.Module, images: Tensor) -> tuple[Any, ...]:
    """What must be equal before and after: outputs to the bit, state keys, parameter count, hooks."""
    from imachsr.points import logits_of

    network.eval()
    with torch.no_grad():
        torch.manual_seed(0)
        outputs = logits_of(network(images)).numpy().tobytes()
    network.train()
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in network.modules()]
    return outputs, tuple(network.state_dict()), sum(p.numel() for p in network.parameters()), tuple(hooks)


def versions() -> dict[str, str]:
    """Of the libraries the networks come from."""
    return {library: version(library) for library in LIBRARIES}


def run(names: list[str], rows: dict[str, Any], workers: int) -> Iterator[dict[str, Any]]:
    """Rows as they get ready, each written at once."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for future in as_completed(pool.submit(examine, name) for name in names):
            row = future.result()
            rows[row["network"]] = row
            write_atomically(TABLE, json.dumps([rows[name] for name in sorted(rows)], indent=1) + "\n")
            yield row


def main() -> None:
    """The whole zoo, or the part whose names contain --only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--only", default="", help="only networks whose name contains this")
    parser.add_argument("--again", action="store_true", help="examine anew what is already in the table")
    arguments = parser.parse_args()
    rows = {row["network"]: row for row in (json.loads(TABLE.read_text()) if TABLE.exists() else [])}
    done = set() if arguments.again else {name for name, row in rows.items() if row["versions"] == versions()}
    every = networks()
    rows = {name: row for name, row in rows.items() if name in every}
    names = [name for name in every if arguments.only in name and name not in done]
    print(f"{len(names)} networks to examine, {len(done)} kept")
    for row in run(names, rows, arguments.workers):
        count, seconds = row.get("points", "-"), row.get("seconds", 0)
        print(f"{row['network']:60} {count:>5} points {seconds:6.2f} s  {row['miss'] or 'ok'}", flush=True)
    summary(list(rows.values()))


def summary(rows: list[dict[str, Any]]) -> None:
    """One line, then every miss."""
    seconds = sorted(row["processor_seconds"] for row in rows if "processor_seconds" in row)
    missed = [row for row in rows if row["miss"]]
    print(f"{len(rows) - len(missed)} of {len(rows)} networks pass")
    print(f"processor seconds to find points: median {seconds[len(seconds) // 2]:.2f}, worst {seconds[-1]:.2f}")
    for row in missed:
        print(f"  {row['network']}: {row['miss']}")


if __name__ == "__main__":
    main()
