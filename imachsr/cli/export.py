"""`imachsr export`: a trained network for use elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..experiment import ledger_folder
from .arguments import verb_parser


def add(verbs: argparse._SubParsersAction) -> None:
    parser = verb_parser(
        verbs, "export", "write a run's network as a state_dict and as a torch.export program", "3f2a91 --out exported"
    )
    parser.add_argument("key", help="the beginning of a run's key, see `imachsr results`")
    parser.add_argument("--out", type=Path, help="folder (default: `exported` in the ledger)")
    parser.add_argument("--ledger", default=ledger_folder(), type=Path, help="folder of results (default: data/ledger)")
    parser.set_defaults(action=_export)


def _export(given: argparse.Namespace) -> None:
    from ..experiment.export import export

    for line in export(given.key, given.ledger, given.out or given.ledger / "exported"):
        print(line)
