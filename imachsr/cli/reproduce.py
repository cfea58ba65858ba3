"""`imachsr reproduce`: the notebooks, in order."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import verb_parser


def add(verbs: argparse._SubParsersAction) -> None:
    from ..experiment import TIERS

    parser = verb_parser(
        verbs,
        "reproduce",
        "execute the notebooks in order and write figures and one report",
        "--tier lesson --data camvid --root data/camvid",
    )
    parser.add_argument("notebooks", nargs="*", help="numbers or names to run (default: all)")
    parser.add_argument("--tier", default="smoke", choices=[*TIERS], help="(default: %(default)s)")
    parser.add_argument("--data", default="streets", help="(default: %(default)s)")
    parser.add_argument("--root", help="folder of the data, for all but streets")
    parser.add_argument("--out", default="figures", type=Path, help="where everything goes (default: %(default)s)")
    parser.add_argument("--store", action="store_true", help="keep the outputs in the notebooks of the checkout")
    parser.set_defaults(action=_reproduce)


def _reproduce(given: argparse.Namespace) -> int:
    from ..reproduce import reproduce

    return reproduce(
        given.notebooks, tier=given.tier, data=given.data, root=given.root, out=given.out, store_outputs=given.store
    )
