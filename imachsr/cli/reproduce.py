"""`imachsr reproduce`: the studies' runs, then the notebooks that show them."""

from __future__ import annotations

import argparse
import ast
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..experiment import TIERS
from ..reproduce.studies import STUDIES
from .arguments import size, verb_parser

ELSEWHERE = """
one run over the GPUs of this machine:
  imachsr reproduce table2 --tier paper --launch "accelerate launch --multi_gpu --num_processes 4" ...
  imachsr reproduce table2 --tier paper --launch "torchrun --standalone --nproc-per-node 4" ...

many runs over machines that see this folder under the same path:
  dask scheduler                       # prints its ADDRESS
  CUDA_VISIBLE_DEVICES=0 dask worker ADDRESS --nthreads 1 --resources GPU=1     # one for each GPU
  imachsr reproduce table2 --tier lab --scheduler ADDRESS ...
Under SLURM dask-jobqueue starts both; its SLURMCluster has the address as scheduler_address.
Ctrl-C calls off the runs that wait; those that workers have begun go on there and are filed.
"""


def add(verbs: argparse._SubParsersAction) -> None:
    parser = verb_parser(
        verbs,
        "reproduce",
        "run the studies, execute their notebooks in order and write figures and one report",
        "table2 fig3 --tier lab --data camvid --root data/camvid --seeds 5 --jobs 2\n" + ELSEWHERE,
    )
    parser.add_argument(
        "chosen", nargs="*", metavar="STUDY",
        help=f"{', '.join(STUDIES)}, or numbers of notebooks (default: all notebooks)",
    )  # fmt: skip
    parser.add_argument("--tier", default="smoke", choices=[*TIERS], help="(default: %(default)s)")
    parser.add_argument("--data", default="streets", help="(default: %(default)s)")
    parser.add_argument("--root", help="folder of the data, for all but streets")
    parser.add_argument("--seeds", type=int, default=1, help="runs per setting (default: %(default)s)")
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        help="runs at once on this machine, its GPUs dealt out among them (default: %(default)s)",
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run on a dask.distributed cluster instead")
    parser.add_argument(
        "--launch", metavar="COMMAND", default="", help="starts the processes of one run together, see below"
    )
    parser.add_argument("--size", type=size, metavar="HxW", help="of the runs, not the tier's; then no notebook runs")
    parser.add_argument("--epochs", type=int, help="of the runs, not the tier's; then no notebook runs")
    parser.add_argument("--dry-run", action="store_true", help="only say what would run and how long it should take")
    parser.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE",
        help="another parameter of the notebooks, see their second cells",
    )  # fmt: skip
    parser.add_argument("--out", default="figures", type=Path, help="where everything goes (default: %(default)s)")
    parser.add_argument("--store", action="store_true", help="keep the outputs in the notebooks of the checkout")
    parser.set_defaults(action=_reproduce)


def _reproduce(given: argparse.Namespace) -> int:
    from ..reproduce import reproduce

    with _stopped_as_by_ctrl_c():
        return reproduce(
            given.chosen, tier=given.tier, data=given.data, root=given.root, seeds=given.seeds, jobs=given.jobs,
            scheduler=given.scheduler, launch=given.launch, size=given.size, epochs=given.epochs,
            dry_run=given.dry_run, given=dict(map(_named, given.parameter)), out=given.out, store_outputs=given.store,
        )  # fmt: skip


@contextmanager
def _stopped_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM, as a queue's or a machine's end sends it, ends a batch with the same words."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)  # None: not set from Python


def _named(text: str) -> tuple[str, Any]:
    """name=value; a value that reads as a number or a flag is one, else it is text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"got --parameter {text!r}; it is written NAME=VALUE; put an equals sign between them")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
