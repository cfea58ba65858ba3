"""`imachsr data`: public datasets on this machine."""

from __future__ import annotations

import argparse

from .arguments import verb_parser


def add(verbs: argparse._SubParsersAction) -> None:
    parser = verb_parser(
        verbs, "data", "get a public dataset, or check the copy you have", "get camvid --root data/camvid"
    )
    parser.add_argument("act", choices=["get", "check"])
    parser.add_argument("name", help="camvid")
    parser.add_argument("--root", required=True, help="folder of the data")
    parser.add_argument("--source", help="get from this archive (path or address) instead of the public one")
    parser.set_defaults(action=_data)


def _data(given: argparse.Namespace) -> int | None:
    from ..datasets import check
    from ..datasets.download import get

    if given.act == "get":
        print(get(given.name, given.root, source=given.source))
        return None
    report = check(given.name, given.root)
    print(report)
    return 1 if report.problems else 0
