"""`imachsr complexity`: what M points cost, before anybody trains, and what M a budget allows."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..models import blank_inputs
from .arguments import size, verb_parser

if TYPE_CHECKING:
    from torch import nn

    from ..complexity import Counted, Prices
    from ..objective import Scheme
    from ..points import Points

MEASURED = 2  # images of the step that is measured: the fewest that batch normalization likes


def add(verbs: argparse._SubParsersAction) -> None:
    from ..complexity import IMPLEMENTATIONS
    from ..objective import SCHEMES
    from ..points import NEAR

    parser = verb_parser(
        verbs,
        "complexity",
        "what losses at M points cost in operations, bytes and time, and what M a budget allows",
        "--model deeplabv3plus_resnet18 --points 3 --size 360x480 --budget 5",
    )
    parser.add_argument(
        "--model", default="deeplabv3plus_resnet18",
        help="network by name, or MODULE:FUNCTION that returns one (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--points", type=int, default=3, metavar="M", help="intermediate points (default: %(default)s)")
    parser.add_argument("--near", default="spread", choices=NEAR)
    parser.add_argument("--size", type=size, default=(360, 480), metavar="HxW", help="image size (default: 360x480)")
    parser.add_argument("--classes", type=int, default=11, help="classes of the labels (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--scheme", default="imachsr", choices=[*SCHEMES], help="(default: %(default)s)")
    parser.add_argument(
        "--classes-left", type=int, nargs="+", metavar="S", help="hs3, hs3_fuse: classes left at each point by merging"
    )  # fmt: skip
    parser.add_argument(
        "--losses", default="fused", choices=[*IMPLEMENTATIONS],
        help="written out at label size (eager), or fused with the upsampling (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--budget", type=float, default=5.0, metavar="%", help="more time at most (default: 5)")
    parser.add_argument("--memory-budget", type=float, metavar="%", help="more bytes kept at most (default: any)")
    parser.add_argument("--most", type=int, default=8, metavar="M", help="points looked at (default: %(default)s)")
    parser.add_argument("--layers", action="store_true", help="list the network's layers too")
    parser.add_argument("--device", default="cpu", help="where the one step is measured (default: %(default)s)")
    parser.add_argument("--count-only", action="store_true", help="measure nothing, so predict no time")
    parser.set_defaults(action=_complexity)


def _complexity(given: argparse.Namespace) -> None:
    from .. import choose_points, complexity, find_points, hierarchy
    from ..objective import SCHEMES

    network = _network(given.model, given.classes).train()
    images = blank_inputs(network, given.batch_size, given.size)
    points = find_points(network, *images)
    chosen = choose_points(points, given.points, near=given.near) if given.points else ()
    scheme = _scheme(given) if chosen else SCHEMES["conventional"]
    if scheme.clusters and given.scheme == "hs3_fuse":
        network = hierarchy.fuse(network, chosen, scheme.clusters, *images)
    counted = complexity.count(network, *images, points=chosen if scheme.clusters else points)
    cost = complexity.cost(counted, chosen, classes=given.classes, scheme=scheme, implementation=given.losses)
    print(cost)
    if given.layers:
        print(f"\n{_layers(counted)}")
    if given.scheme == "conventional" or scheme.clusters:
        return  # nothing to offer: no points, or other points would keep other classes
    prices = None if given.count_only else _prices(network, given)
    print(f"\n{_offers(counted, points, prices, given)}")


def _scheme(given: argparse.Namespace) -> Scheme:
    """The scheme; where classes are merged only their count decides the cost, so any merging of that count serves."""
    from dataclasses import replace

    from ..objective import SCHEMES

    scheme, left = SCHEMES[given.scheme], given.classes_left
    if (scheme.clusters is None) != (left is None):
        raise ValueError(
            f"got --scheme {given.scheme} and --classes-left {left}; hs3 and hs3_fuse merge classes, and only they; "
            "say how many are left at each point, or leave it out"
        )
    if left is None:
        return scheme
    if len(left) != given.points or not all(1 < size <= given.classes for size in left):
        raise ValueError(
            f"got --classes-left {left} for {given.points} points and {given.classes} classes; each point keeps from 2 "
            "to all of them; give one count per point"
        )
    return replace(scheme, clusters=[[k % size for k in range(given.classes)] for size in left])


def _network(name: str, classes: int) -> nn.Module:
    from importlib import import_module

    from torch import nn

    from .. import models

    if ":" not in name:
        return models.create(name, classes)
    module, function = name.split(":", 1)
    try:
        network = getattr(import_module(module), function)()
        if not isinstance(network, nn.Module):
            raise TypeError(f"it returned a {type(network).__name__}")
        return network
    except (ImportError, AttributeError, TypeError) as error:
        raise ValueError(
            f"got model {name!r}, which could not be had ({error}); MODULE:FUNCTION names a function without "
            "arguments that returns a network; correct it, or run where Python finds the module"
        ) from error


def _layers(counted: Counted) -> str:
    from ..complexity import amount, text_table

    rows = [
        {
            "layer": layer.path,
            "weights": "yes" if layer.weighted else "",
            "forward": amount(layer.forward),
            "backward": amount(layer.backward),
            "share": f"{100 * (layer.forward + layer.backward) / (counted.forward + counted.backward):.2f} %",
        }
        for layer in counted.layers
    ]
    return text_table(rows)


def _prices(network: nn.Module, given: argparse.Namespace) -> Prices:
    import torch

    from .. import complexity

    zeros = blank_inputs(network, min(MEASURED, given.batch_size), given.size)
    images = tuple(torch.randn_like(each, device=given.device) for each in zeros)
    return complexity.calibrate(
        network.to(given.device), *images, classes=given.classes, implementation=given.losses
    )  # fmt: skip


def _offers(counted: Counted, points: Points, prices: Prices | None, given: argparse.Namespace) -> str:
    from .. import complexity

    offers = complexity.offers(
        counted, points, classes=given.classes, scheme=given.scheme, implementation=given.losses, near=given.near,
        most=given.most, prices=prices,
    )  # fmt: skip
    rows = [
        {
            "M": str(len(offer.cost.points)),
            "bytes kept": f"{100 * (offer.bytes - 1):+.2f} %",
            "time": "?" if offer.time is None else f"{100 * (offer.time - 1):+.1f} %",
        }
        for offer in offers
    ]
    memory = None if given.memory_budget is None else given.memory_budget / 100
    time = given.budget / 100 if prices else None
    M = complexity.affordable(offers, time=time, memory=memory)
    budgets = {"more time": time, "more bytes": memory}
    asked = [f"{100 * share:g} % {what}" for what, share in budgets.items() if share is not None]
    table = f"{complexity.text_table(rows, left=0)}\n"
    if asked:
        most = " or more" if len(offers) == M else ""
        table += f"at most {' and '.join(asked)}: M = {M}{most}\n"
    if prices is None:
        return f"{table}no step was measured, so no time is predicted; bytes are exact for float32"
    return (
        f"{table}bytes are exact for float32; time is predicted from operations and bytes at the prices of one "
        f"conventional step\nmeasured here ({min(MEASURED, given.batch_size)} images, {1e3 * prices.step:.0f} ms on "
        f"{given.device}, optimizer left out). {_honesty(given.losses)}"
    )


def _honesty(implementation: str) -> str:
    """How far the prediction was off where it was compared with measurements."""
    import json

    from ..experiment import course

    path = course() / "data" / "results" / "benchmarks" / "complexity.json"
    if not path.is_file():
        return "Expect the order of magnitude; measure where it matters."
    networks = json.loads(path.read_text(encoding="utf-8"))["networks"]
    rows = [row for n in networks for row in n["rows"] if row["implementation"] == implementation and row["M"]]
    off = [100 * abs(row["predicted"]["time"] - row["processor"]["median"]) for row in rows]
    return (
        f"In the published benchmark ({len(networks)} networks, M = 1 to\n{max(row['M'] for row in rows)}) such "
        f"predictions were {sum(off) / len(off):.1f} points off on average and {max(off):.1f} at worst."
    )
