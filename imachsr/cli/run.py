"""`imachsr run`: train and score one setting."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import fields
from pathlib import Path

from ..metrics import PROTOCOLS
from .arguments import size, verb_parser


def add(verbs: argparse._SubParsersAction) -> None:
    from ..experiment import SUPERVISIONS, TIERS, Settings, ledger_folder
    from ..experiment.settings import CHOICES
    from ..models import REGISTRY
    from ..objective.scheme import SCHEDULES, SCHEMES, WEIGHTINGS
    from ..training import DTYPES, LEARNING_RATES

    parser = verb_parser(
        verbs,
        "run",
        "train and score one setting, or answer from the ledger",
        "--data camvid --root data/camvid --scheme imachsr --points 3 --epochs 20 --seed 0",
    )
    defaults = {entry.name: entry.default for entry in fields(Settings)}
    parser.add_argument("--tier", choices=[*TIERS], help="start from a tier's defaults")
    parser.add_argument("--model", help=f"one of {', '.join(REGISTRY)} (default: {defaults['model']})")
    parser.add_argument("--weights", help="file of weights to start from, ours or official (default: random)")
    parser.add_argument("--data", help="streets, camvid, cityscapes, synthia_sf or nyudv2 (default: streets)")
    parser.add_argument("--root", help="folder of the data, for all but streets")
    parser.add_argument(
        "--split",
        help="standard; camvid: random600, val101, blocked600; cityscapes: val500; synthia_sf: random:1596/628",
    )
    parser.add_argument("--scheme", choices=[*SCHEMES], help=f"(default: {defaults['scheme']})")
    parser.add_argument("--points", type=int, help=f"number of intermediate points M (default: {defaults['points']})")
    parser.add_argument("--near", choices=["spread", "input", "center", "output"], help="(default: spread)")
    parser.add_argument("--distance", type=int, help="bases between points")
    parser.add_argument("--alpha", type=float, help=f"weight of the supervision (default: {defaults['alpha']})")
    parser.add_argument(
        "--lambda",
        dest="lambda_",
        metavar="LAMBDA",
        type=float,
        help=f"weight of the regularizer (default: {defaults['lambda_']})",
    )
    parser.add_argument(
        "--whole-weights",
        dest="divide",
        action="store_false",
        default=None,
        help="every point gets all of alpha and lambda, instead of 1/M of it",
    )
    parser.add_argument("--weighting", choices=[*WEIGHTINGS], help="how terms are weighted (default: fixed)")
    parser.add_argument("--weight-schedule", choices=[*SCHEDULES], help="of alpha and lambda (default: constant)")
    parser.add_argument(
        "--supervision", choices=[*SUPERVISIONS], help="loss at the points, in place of the scheme's own"
    )
    parser.add_argument(
        "--gamma", type=float, nargs="+", help="weight of the supervision at each point, in place of --alpha; undivided"
    )
    parser.add_argument(
        "--analysis", type=float, metavar="SHARE", help="of training images kept out to count confusions"
    )
    parser.add_argument(
        "--theta", type=float, metavar="DEGREES", help=f"of hs3, 0 to 90 (default: {defaults['theta']})"
    )
    parser.add_argument("--clustering", choices=[*CHOICES["clustering"]], help="of hs3's classes (default: spectral)")
    parser.add_argument(
        "--lighter", type=float, metavar="TIMES", help="hs3_fuse: inference at most TIMES the network's"
    )
    parser.add_argument("--size", type=size, metavar="HxW", help="network input, height x width (default: 180x240)")
    parser.add_argument("--length", type=int, help="images per part, for streets")
    parser.add_argument("--augment", action="store_true", default=None, help="random scale, crop, flip and colour")
    parser.add_argument("--crop", type=size, metavar="HxW", help="cut out by --augment (default: the size)")
    parser.add_argument("--classes", type=int, help="reading of the labels: synthia_sf 19, 22 or 23; camvid 11 or 31")
    parser.add_argument("--inputs", help="of nyudv2, such as rgb+hha, rgb or depth (default: rgb+hha)")
    parser.add_argument("--epochs", type=int, help=f"(default: {defaults['epochs']})")
    parser.add_argument("--batch-size", type=int, help=f"(default: {defaults['batch_size']})")
    parser.add_argument("--learning-rate", type=float, help=f"(default: {defaults['learning_rate']})")
    parser.add_argument("--weight-decay", type=float, help=f"(default: {defaults['weight_decay']})")
    parser.add_argument("--schedule", choices=[*LEARNING_RATES], help=f"(default: {defaults['schedule']})")
    parser.add_argument("--warmup", type=int, metavar="STEPS", help="rise of the learning rate (default: 0)")
    parser.add_argument("--clip-norm", type=float, help="the longest a gradient may be (default: no limit)")
    parser.add_argument("--accumulate", type=int, metavar="PARTS", help="cut batches into parts, to save memory")
    parser.add_argument("--precision", choices=[*DTYPES], help=f"(default: {defaults['precision']})")
    parser.add_argument("--ema", type=float, help="average the weights; what stays in each step, such as 0.999")
    parser.add_argument("--compile", action="store_true", default=None, help="run the step through torch.compile")
    parser.add_argument("--memory-format", choices=["auto", "contiguous", "channels_last"], help="(default: auto)")
    parser.add_argument("--evaluate-every", type=int, metavar="EPOCHS", help="0: only after the last (default: 1)")
    parser.add_argument("--seed", type=int, help=f"(default: {defaults['seed']})")
    parser.add_argument("--workers", type=int, help="processes that load data (default: 0)")
    parser.add_argument("--ledger", default=ledger_folder(), type=Path, help="folder of results (default: data/ledger)")
    parser.add_argument("--again", action="store_true", help="run even if the ledger has the answer")
    parser.add_argument("--no-weights", action="store_true", help="do not keep the network's weights for `export`")
    parser.add_argument("--processes", type=int, help="how many train together; start them with torchrun")
    parser.add_argument("--protocol", default="dataset", choices=[*PROTOCOLS], help="(default: dataset)")
    parser.set_defaults(action=_run)


def _run(given: argparse.Namespace) -> int | None:
    from ..experiment import Settings, run
    from ..training import Stopped

    changes = {
        entry.name: getattr(given, entry.name)
        for entry in fields(Settings)
        if entry.name != "tier" and getattr(given, entry.name, None) is not None
    }
    settings = Settings.at(given.tier, **changes) if given.tier else Settings(**changes)
    started = time.time()
    try:
        result = run(
            settings, ledger=given.ledger, again=given.again, keep=not given.no_weights, processes=given.processes
        )
    except Stopped as stopped:
        print(f"\nimachsr run: {stopped}", file=sys.stderr)
        return stopped.status
    if os.environ.get("RANK", "0") != "0":
        return None  # of several processes the first one talks
    path = given.ledger / f"{result.key}.json"
    print(result.table(given.protocol))
    answered = path.stat().st_mtime < started
    print(f"answered from {path}; --again runs it anew" if answered else f"filed as {path}")
    return None
