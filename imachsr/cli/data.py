"""`imachsr data`: public datasets on this machine."""

from __future__ import annotations

import argparse

from ..datasets import FILES
from .arguments import size, verb_parser

NEEDS = {"get": (), "check": (), "pack": ("size", "to")}
ONLY = {
    "source": ("get",),
    "size": ("pack",),
    "to": ("pack",),
    "classes": ("check", "pack"),
    "inputs": ("check", "pack"),
}


def add(verbs: argparse._SubParsersAction) -> None:
    parser = verb_parser(
        verbs,
        "data",
        "get a public dataset, check the copy you have, or pack it at the size you train at",
        "get camvid --root data/camvid\n"
        "  imachsr data check cityscapes --root data/cityscapes\n"
        "  imachsr data pack camvid --root data/camvid --size 180x240 --to data/camvid-180x240",
    )
    parser.add_argument("act", choices=[*NEEDS], help="what to do")
    parser.add_argument("name", help=f"{', '.join(FILES)}; get knows camvid")
    parser.add_argument("--root", required=True, help="folder of the data")
    parser.add_argument("--source", help="get from this archive (path or address) instead of the public one")
    parser.add_argument("--size", type=size, metavar="HxW", help="pack at this size")
    parser.add_argument("--to", metavar="DIR", help="pack into this new folder, a root like any other")
    parser.add_argument("--classes", type=int, help="reading of the labels: synthia_sf 19, 22, 23; camvid 11, 31")
    parser.add_argument("--inputs", help="for nyudv2: rgb+hha (default), rgb, hha, depth, ...")
    parser.set_defaults(action=_data)


def _data(given: argparse.Namespace) -> int | None:
    for option in NEEDS[given.act]:
        if getattr(given, option) is None:
            raise ValueError(f"got data {given.act} without --{option}; it needs one; see `imachsr data --help`")
    for option, acts in ONLY.items():
        if getattr(given, option) is not None and given.act not in acts:
            raise ValueError(
                f"got --{option} with data {given.act}; it belongs to data {' and '.join(acts)}; leave it out"
            )
    return {"get": _get, "check": _check, "pack": _pack}[given.act](given)


def _get(given: argparse.Namespace) -> None:
    from ..datasets.download import get

    print(get(given.name, given.root, source=given.source))


def _check(given: argparse.Namespace) -> int:
    from ..datasets import check

    report = check(given.name, given.root, classes=given.classes, inputs=given.inputs)
    print(report)
    return 1 if report.problems else 0


def _pack(given: argparse.Namespace) -> None:
    from ..datasets import pack

    print(pack(given.name, given.root, given.size, given.to, classes=given.classes, inputs=given.inputs))
