"""`imachsr bench`: how fast it is here, as ratios within one run."""

from __future__ import annotations

import argparse
import subprocess
import sys

from .arguments import verb_parser

NAMES = ("losses", "complexity", "metrics")


def add(verbs: argparse._SubParsersAction) -> None:
    parser = verb_parser(verbs, "bench", "measure speed as ratios within one run, and file it", "losses metrics")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; their scripts in benchmarks/ take options"
    )
    parser.set_defaults(action=_bench)


def _bench(given: argparse.Namespace) -> int:
    from ..experiment import course

    folder = course() / "benchmarks"
    for name in given.names:
        if name not in NAMES:
            raise ValueError(f"got {name!r}; there are {', '.join(NAMES)}; name one of them, or none for all")
    if not folder.is_dir():
        raise ValueError(f"got no benchmarks in {folder}; they come with the repository; run this inside a checkout")
    codes = [subprocess.run([sys.executable, str(folder / f"{name}.py")]).returncode for name in given.names or NAMES]
    return int(any(codes))
