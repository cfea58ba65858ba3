"""`imachsr run`: train and score one setting."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
import time
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from ..datasets import packed_size
from ..experiment import Places, Settings, ledger_folder
from ..experiment.settings import CHOICES, TIERS
from ..metrics import PROTOCOLS
from ..models import REGISTRY
from .arguments import size, verb_parser

# a field of Settings -> what its option says; kind, choices and default are the field's own
HELP = {
    "tier": "start from a tier's defaults",
    "model": "the network, see below",
    "weights": "file of weights to start from, ours or official (default: random)",
    "data": "streets, camvid, cityscapes, synthia_sf or nyudv2",
    "root": "folder of the data, for all but streets",
    "split": "camvid: random600, val101, blocked600; camvid and streets: tune; cityscapes: val500; "
    "synthia_sf: random:1596/628; at a tier the last two are the default",
    "scheme": "",
    "points": "number of intermediate points M",
    "near": "",
    "distance": "bases between points; with --near spread a multiple of it",
    "names": "points by name, in place of --near and --distance; `imachsr points` lists them",
    "alpha": "weight of the supervision",
    "lambda_": "weight of the regularizer",
    "divide": "every point gets all of alpha and lambda, instead of 1/M of it",
    "weighting": "how terms are weighted",
    "weight_schedule": "of alpha and lambda",
    "supervision": "loss at the points, in place of the scheme's own",
    "gamma": "weight of the supervision at each point, in place of --alpha; undivided",
    "analysis": "of training images kept out to count confusions",
    "theta": "of hs3, 0 to 90",
    "clustering": "of hs3's classes",
    "lighter": "hs3_fuse: inference at most TIMES the network's",
    "size": "network input, height x width; a packed copy has its own",
    "length": "images per part, for streets",
    "augment": "random scale, crop, flip and colour",
    "crop": "cut out by --augment (default: the size)",
    "classes": "reading of the labels: synthia_sf 19, 22 or 23; camvid 11 or 31",
    "inputs": "of nyudv2, such as rgb+hha, rgb or depth (default: rgb at a tier, else rgb+hha)",
    "epochs": "",
    "batch_size": "",
    "learning_rate": "",
    "weight_decay": "",
    "schedule": "of the learning rate",
    "warmup": "rise of the learning rate",
    "clip_norm": "the longest a gradient may be (default: no limit)",
    "accumulate": "cut batches into parts, to save memory",
    "precision": "",
    "ema": "average the weights; what stays in each step, such as 0.999",
    "compile": "run the step through torch.compile",
    "memory_format": "",
    "test_scales": "judge at several scales of the image, such as 0.75 1.0 1.25 (default: 1.0)",
    "test_flip": "judge each image mirrored too",
    "evaluate_every": "0: only after the last",
    "seed": "",
    "workers": "processes that load data",
}
UNITS = {
    "size": "HxW", "crop": "HxW", "lambda_": "LAMBDA", "analysis": "SHARE", "theta": "DEGREES", "lighter": "TIMES",
    "names": "NAME", "warmup": "STEPS", "accumulate": "PARTS", "evaluate_every": "EPOCHS", "test_scales": "FACTOR",
}  # fmt: skip
NAMES = {"lambda_": "--lambda", "divide": "--whole-weights"}
KINDS: dict[str, Any] = {"str": str, "int": int, "float": float, "tuple[int, int]": size, "tuple[float, ...]": float,
                         "tuple[str, ...]": str}  # fmt: skip


def add(verbs: argparse._SubParsersAction) -> None:
    parser = verb_parser(
        verbs,
        "run",
        "train and score one setting, or answer from the ledger",
        "--data camvid --root data/camvid --scheme imachsr --points 3 --epochs 20 --seed 0\n\n"
        f"networks:\n  {_lines(REGISTRY)}",
    )
    by_name = {entry.name: entry for entry in fields(Settings)}
    for name, words in HELP.items():
        _option(parser, by_name[name], words)
    parser.add_argument("--ledger", default=ledger_folder(), type=Path, help="folder of results (default: data/ledger)")
    parser.add_argument("--again", action="store_true", help="run even if the ledger has the answer")
    parser.add_argument("--no-weights", action="store_true", help="do not keep the network's weights for `export`")
    parser.add_argument("--processes", type=int, help="how many train together; start them with torchrun")
    parser.add_argument("--protocol", default="dataset", choices=[*PROTOCOLS], help="(default: dataset)")
    parser.set_defaults(action=_run)


def _option(parser: argparse.ArgumentParser, entry: Field, words: str) -> None:
    """The option of one field; not given, it is None."""
    option = NAMES.get(entry.name, f"--{entry.name.replace('_', '-')}")
    if entry.type == "bool":
        action = "store_false" if entry.default else "store_true"
        parser.add_argument(option, dest=entry.name, action=action, default=None, help=words)
        return
    kind = str(entry.type).partition(" | ")[0]
    known = TIERS if entry.name == "tier" else CHOICES.get(entry.name)  # no tier is asked for as custom
    default: Any = entry.default
    default = "x".join(map(str, default)) if isinstance(default, tuple) else default
    said = default not in (None, "") and entry.name != "tier"
    parser.add_argument(
        option,
        dest=entry.name,
        type=KINDS[kind],
        choices=[one for one in known if one] if known else None,
        nargs="+" if kind.endswith(", ...]") else None,
        metavar=UNITS.get(entry.name),
        help=f"{words} (default: {default})".strip() if said else words,
    )


def _lines(words: Any) -> str:
    return "\n  ".join(textwrap.wrap(", ".join(words), 100))


def _settings(given: argparse.Namespace) -> Any:
    changes = {name: value for name in HELP if name != "tier" and (value := getattr(given, name)) is not None}
    if given.tier:
        return Settings.at(given.tier, **changes)
    if given.root and not given.size and (packed := packed_size(given.root)):
        changes["size"] = packed
    return Settings(**changes)


def _run(given: argparse.Namespace) -> int | None:
    from ..experiment import run
    from ..experiment.fusing import cost_in_words
    from ..training import Stopped

    settings, started = _settings(given), time.time()
    try:
        result = run(
            settings, ledger=given.ledger, again=given.again, keep=not given.no_weights, processes=given.processes
        )
    except Stopped as stopped:
        print(f"\nimachsr run: {stopped}", file=sys.stderr)
        return stopped.status
    if os.environ.get("RANK", "0") != "0":
        return None  # of several processes the first one talks
    path = Places(given.ledger, result.key).result
    print(result.table(given.protocol))
    for words in (_clusters(result), cost_in_words(result)):
        if words:
            print(words)
    answered = path.stat().st_mtime < started
    print(f"answered from {path}; --again runs it anew" if answered else f"filed as {path}")
    return None


def _clusters(result: Any) -> str:
    """Which classes each point of an HS3 run merges, and by what; nothing for other schemes."""
    from ..figures.hierarchy import words_of

    if (noted := result.provenance.get("hs3")) is None:
        return ""
    by = f"{noted['clustering']} clusters"
    if "first_phase" in noted:
        by += f" at {noted['theta']:g} degrees, from phase 1, {noted['first_phase']}"
    each = zip(result.points, noted["clusters"], strict=True)
    rows = [
        f"  {point}: {max(ids) + 1} of {len(ids)}: {', '.join(words_of(ids, result.classes))}" for point, ids in each
    ]
    return "\n".join([by, *rows])
