"""The command line: `imachsr VERB ...` and `python -m imachsr VERB ...`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from . import __version__
from .metrics import PROTOCOLS

EPILOG = """examples:
  imachsr points --model deeplabv3plus_resnet18 --size 180x240
  imachsr run --data streets --scheme imachsr --points 3 --epochs 5
  imachsr data get camvid --root data/camvid
  imachsr reproduce --tier smoke
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, do what they say, return the exit status: 0 done, 1 failed, 2 not understood."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.action is None:
        parser.print_help()
        return 0
    try:
        return given.action(given) or 0
    except (ValueError, TypeError, RuntimeError, FloatingPointError, OSError) as error:
        if given.traceback:
            raise
        print(f"imachsr {given.verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nimachsr {given.verb}: stopped; nothing half-done was filed", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="imachsr",
        description="Losses inside any network: choose points, train, compare, reproduce the papers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"imachsr {__version__}")
    parser.add_argument("--traceback", action="store_true", help="on an error, show where it came from")
    parser.set_defaults(action=None)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for add in (_add_points, _add_run, _add_reproduce, _add_results, _add_data):
        add(verbs)
    return parser


def _verb(verbs: argparse._SubParsersAction, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    return verbs.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  imachsr {name} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_points(verbs: argparse._SubParsersAction) -> None:
    parser = _verb(
        verbs,
        "points",
        "list a network's intermediate points and the rules they meet",
        "--model deeplabv3plus_resnet18 --count 3 --near input --distance 2",
    )
    parser.add_argument("--model", default="deeplabv3plus_resnet18", help="network by name (default: %(default)s)")
    parser.add_argument("--size", type=_size, default=(180, 240), metavar="HxW", help="image size (default: 180x240)")
    parser.add_argument("--classes", type=int, default=11, help="classes of the labels (default: %(default)s)")
    parser.add_argument("--count", type=int, help="choose so many and print only those")
    parser.add_argument("--near", default="spread", choices=["spread", "input", "center", "output"])
    parser.add_argument("--distance", type=int, help="take every so many-th base")
    parser.set_defaults(action=_points)


def _points(given: argparse.Namespace) -> None:
    import torch

    from . import choose_points, find_points, models

    points = find_points(models.create(given.model, given.classes), torch.zeros(2, 3, *given.size))
    if given.count is None:
        print(points)
        return
    for point in choose_points(points, given.count, near=given.near, distance=given.distance):
        height, width = point.size
        print(f"{point.name:<40} {point.channels:>5} channels  {height}x{width}  depth {100 * point.depth:.0f} %")


def _add_run(verbs: argparse._SubParsersAction) -> None:
    from .experiment import TIERS, Settings, ledger_folder
    from .objective.scheme import SCHEDULES, SCHEMES, WEIGHTINGS

    parser = _verb(
        verbs,
        "run",
        "train and score one setting, or answer from the ledger",
        "--data camvid --root data/camvid --scheme imachsr --points 3 --epochs 20 --seed 0",
    )
    defaults = {entry.name: entry.default for entry in fields(Settings)}
    parser.add_argument("--tier", choices=[*TIERS], help="start from a tier's defaults")
    parser.add_argument("--model", help=f"network by name (default: {defaults['model']})")
    parser.add_argument("--data", help="streets or camvid (default: streets)")
    parser.add_argument("--root", help="folder of the data, for all but streets")
    parser.add_argument("--split", help="standard; for camvid also random600, val101, blocked600 (default: standard)")
    parser.add_argument("--scheme", choices=[*SCHEMES], help=f"(default: {defaults['scheme']})")
    parser.add_argument("--points", type=int, help=f"number of intermediate points M (default: {defaults['points']})")
    parser.add_argument("--near", choices=["spread", "input", "center", "output"], help="(default: spread)")
    parser.add_argument("--distance", type=int, help="bases between points")
    parser.add_argument("--alpha", type=float, help=f"weight of the supervision (default: {defaults['alpha']})")
    parser.add_argument(
        "--lambda",
        dest="lambda_",
        metavar="LAMBDA",
        type=float,
        help=f"weight of the regularizer (default: {defaults['lambda_']})",
    )
    parser.add_argument(
        "--whole-weights",
        dest="divide",
        action="store_false",
        default=None,
        help="every point gets all of alpha and lambda, instead of 1/M of it",
    )
    parser.add_argument("--weighting", choices=[*WEIGHTINGS], help="how terms are weighted (default: fixed)")
    parser.add_argument("--weight-schedule", choices=[*SCHEDULES], help="of alpha and lambda (default: constant)")
    parser.add_argument("--size", type=_size, metavar="HxW", help="network input, height x width (default: 180x240)")
    parser.add_argument("--length", type=int, help="images per part, for streets")
    parser.add_argument("--augment", action="store_true", default=None, help="random scale, crop, flip and colour")
    parser.add_argument("--epochs", type=int, help=f"(default: {defaults['epochs']})")
    parser.add_argument("--batch-size", type=int, help=f"(default: {defaults['batch_size']})")
    parser.add_argument("--learning-rate", type=float, help=f"(default: {defaults['learning_rate']})")
    parser.add_argument("--weight-decay", type=float, help=f"(default: {defaults['weight_decay']})")
    parser.add_argument("--schedule", choices=["constant", "poly"], help=f"(default: {defaults['schedule']})")
    parser.add_argument("--memory-format", choices=["auto", "contiguous", "channels_last"], help="(default: auto)")
    parser.add_argument("--evaluate-every", type=int, metavar="EPOCHS", help="0: only after the last (default: 1)")
    parser.add_argument("--seed", type=int, help=f"(default: {defaults['seed']})")
    parser.add_argument("--workers", type=int, help="processes that load data (default: 0)")
    parser.add_argument("--ledger", default=ledger_folder(), type=Path, help="folder of results (default: data/ledger)")
    parser.add_argument("--again", action="store_true", help="run even if the ledger has the answer")
    parser.add_argument("--protocol", default="dataset", choices=[*PROTOCOLS], help="(default: dataset)")
    parser.set_defaults(action=_run)


def _run(given: argparse.Namespace) -> None:
    from .experiment import Settings, run

    changes = {
        entry.name: getattr(given, entry.name)
        for entry in fields(Settings)
        if entry.name != "tier" and getattr(given, entry.name, None) is not None
    }
    settings = Settings.at(given.tier, **changes) if given.tier else Settings(**changes)
    started = time.time()
    result = run(settings, ledger=given.ledger, again=given.again)
    path = given.ledger / f"{result.key}.json"
    print(result.table(given.protocol))
    answered = path.stat().st_mtime < started
    print(f"answered from {path}; --again runs it anew" if answered else f"filed as {path}")


def _add_reproduce(verbs: argparse._SubParsersAction) -> None:
    from .experiment import TIERS

    parser = _verb(
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
    from .reproduce import reproduce

    return reproduce(
        given.notebooks, tier=given.tier, data=given.data, root=given.root, out=given.out, store_outputs=given.store
    )


def _add_results(verbs: argparse._SubParsersAction) -> None:
    parser = _verb(
        verbs, "results", "list filed results, show some whole, publish some, or print the published table",
        "publish 3f2a91",
    )  # fmt: skip
    parser.add_argument("act", nargs="?", default="list", choices=["list", "show", "publish", "table"])
    parser.add_argument("keys", nargs="*", help="beginnings of keys")
    parser.add_argument("--protocol", default="dataset", choices=[*PROTOCOLS], help="(default: dataset)")
    parser.set_defaults(action=_results)


def _results(given: argparse.Namespace) -> None:
    from .experiment import publish, published_folder, results, results_markdown

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


def _add_data(verbs: argparse._SubParsersAction) -> None:
    parser = _verb(verbs, "data", "get a public dataset, or check the copy you have", "get camvid --root data/camvid")
    parser.add_argument("act", choices=["get", "check"])
    parser.add_argument("name", help="camvid")
    parser.add_argument("--root", required=True, help="folder of the data")
    parser.add_argument("--source", help="get from this archive (path or address) instead of the public one")
    parser.set_defaults(action=_data)


def _data(given: argparse.Namespace) -> int | None:
    from .datasets import check
    from .datasets.download import get

    if given.act == "get":
        print(get(given.name, given.root, source=given.source))
        return None
    report = check(given.name, given.root)
    print(report)
    return 1 if report.problems else 0


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = (int(side) for side in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}; a size is HEIGHTxWIDTH, as in 180x240") from None
    return height, width
