"""`imachsr results`: what the ledger holds."""

from __future__ import annotations

import argparse

from ..metrics import PROTOCOLS
from .arguments import verb_parser


def add(verbs: argparse._SubParsersAction) -> None:
    parser = verb_parser(
        verbs, "results", "list filed results, show some whole, publish some, or print the published table",
        "publish 3f2a91",
    )  # fmt: skip
    parser.add_argument("act", nargs="?", default="list", choices=["list", "show", "publish", "table"])
    parser.add_argument("keys", nargs="*", help="beginnings of keys")
    parser.add_argument("--protocol", default="dataset", choices=[*PROTOCOLS], help="(default: dataset)")
    parser.set_defaults(action=_results)


def _results(given: argparse.Namespace) -> None:
    from ..experiment import publish, published_folder, results, results_markdown

    if given.act == "publish":
        for path in publish(given.keys):
            print(f"published {path}")
        return
    if given.act == "table":
        print(results_markdown(results(published_folder()), given.protocol))
        return
    every = results()
    for key in given.keys:
        if not any(result.key.startswith(key) for result in every):
            raise ValueError(f"got key {key!r}, which no filed result begins with; see `imachsr results` for the keys")
    chosen = [r for r in every if not given.keys or any(r.key.startswith(key) for key in given.keys)]
    for result in sorted(chosen, key=lambda r: (r.settings["data"], r.settings["scheme"], r.settings["seed"])):
        s = result.settings
        print(
            f"{result.key}  {s['tier']:<7} {s['data']:<8} {'x'.join(map(str, s['size'] or ['native'])):<8} "
            f"{s['epochs']:>3} epochs  {s['model']} {s['scheme']:<16} {len(result.points)} points  seed {s['seed']}  "
            f"mIoU {100 * result.scores[given.protocol]['mIoU']:.2f} % ({given.protocol})"
        )
        if given.act == "show":
            print(result.table(given.protocol))
    if not chosen:
        print("no results yet; `imachsr run` files one")
