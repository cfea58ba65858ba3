"""`imachsr claims`: the papers' numbers and conclusions beside ours."""

from __future__ import annotations

import argparse

from ..claims import SEEDS, VERDICTS, claims, judge, sheet_markdown
from ..experiment import published_folder, results
from ..metrics import PROTOCOLS
from .arguments import verb_parser


def add(verbs: argparse._SubParsersAction) -> None:
    parser = verb_parser(verbs, "claims", "set every claim of the papers beside the published results", "table2 --full")
    parser.add_argument("ids", nargs="*", help="beginnings of claim ids (default: all)")
    parser.add_argument("--protocol", default="dataset", choices=[*PROTOCOLS], help="(default: dataset)")
    parser.add_argument("--seeds", type=int, help="of a verdict, from 0 on; fixed before the runs (default: 5)")
    parser.add_argument("--local", action="store_true", help="use the local ledger too, not only published results")
    parser.add_argument("--full", action="store_true", help="every comparison with its intervals, as Markdown")
    parser.set_defaults(action=_claims)


def _claims(given: argparse.Namespace) -> None:
    every = claims()
    for start in given.ids:
        if not any(claim.id.startswith(start) for claim in every):
            raise ValueError(f"got {start!r}, which no claim's id begins with; see `imachsr claims` for the ids")
    filed = results() if given.local else results(published_folder())
    seeds = SEEDS if given.seeds is None else given.seeds
    judged = judge(every, filed, protocol=given.protocol, seeds=seeds)  # all of them: tables are corrected whole
    chosen = [j for j in judged if not given.ids or any(j.claim.id.startswith(start) for start in given.ids)]
    if given.full:
        print(f"{sheet_markdown(chosen)}\n\nProtocol of what was measured: {given.protocol}.")
        return
    for j in chosen:
        print(f"{j.claim.id:<58} {j.verdict}: {j.why}")
    counted = ", ".join(f"{count} {v}" for v in VERDICTS if (count := sum(j.verdict == v for j in chosen)))
    print(f"\n{len(chosen)} claims, protocol {given.protocol}: {counted}")
