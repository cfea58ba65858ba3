"""`imachsr points`: a network's intermediate points."""

from __future__ import annotations

import argparse

from ..models import blank_inputs
from ..points import NEAR
from .arguments import size, verb_parser


def add(verbs: argparse._SubParsersAction) -> None:
    parser = verb_parser(
        verbs,
        "points",
        "list a network's intermediate points and the rules they meet",
        "--model deeplabv3plus_resnet18 --count 3 --near input --distance 2",
    )
    parser.add_argument("--model", default="deeplabv3plus_resnet18", help="network by name (default: %(default)s)")
    parser.add_argument("--size", type=size, default=(180, 240), metavar="HxW", help="image size (default: 180x240)")
    parser.add_argument("--classes", type=int, default=11, help="classes of the labels (default: %(default)s)")
    parser.add_argument("--count", type=int, help="choose so many and print only those")
    parser.add_argument("--near", choices=NEAR, help="(default: spread)")
    parser.add_argument("--distance", type=int, help="bases between points; with --near spread a multiple of it")
    parser.set_defaults(action=_points)


def _points(given: argparse.Namespace) -> None:
    from .. import choose_points, find_points, models

    if given.count is None and (given.near or given.distance is not None):
        raise ValueError("got --near or --distance without --count; they say which points are chosen; add --count M")
    network = models.create(given.model, given.classes)
    points = find_points(network, *blank_inputs(network, 2, given.size))
    if given.count is None:
        print(points)
        return
    for point in choose_points(points, given.count, near=given.near or "spread", distance=given.distance):
        height, width = point.size
        print(f"{point.name:<40} {point.channels:>5} channels  {height}x{width}  depth {100 * point.depth:.0f} %")
