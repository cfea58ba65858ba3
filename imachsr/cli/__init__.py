"""The command line: `imachsr VERB ...` and `python -m imachsr VERB ...`. One file per verb."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

from .. import __version__
from . import bench, claims, complexity, data, export, lesson, points, reproduce, results, run

VERBS = (points, run, reproduce, results, claims, complexity, bench, export, lesson, data)  # in the order of the help
EPILOG = """examples:
  imachsr points --model deeplabv3plus_resnet18 --size 180x240
  imachsr run --data streets --scheme imachsr --points 3 --epochs 5
  imachsr data get camvid --root data/camvid
  imachsr reproduce --tier smoke
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, do what they say, return the exit status: 0 done, 1 failed, 2 not understood."""
    parser = _parser()
    given, rest = parser.parse_known_args(arguments)
    if rest and (any(word.startswith("-") for word in rest) or "rest" not in given):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        given.rest = rest  # words behind an option, where a verb takes any number of them
    if given.action is None:
        parser.print_help()
        return 0
    plain = warnings.formatwarning
    warnings.formatwarning = lambda message, category, *rest, **more: (  # ours in one line, as errors are
        f"imachsr {given.verb}: {message}\n" if category is UserWarning else plain(message, category, *rest, **more)
    )
    try:
        status = given.action(given) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader, such as `head`, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, RuntimeError, FloatingPointError, OSError) as error:
        if given.traceback:
            raise
        print(f"imachsr {given.verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"\nimachsr {given.verb}: stopped; nothing half-done was filed; the same command goes on", file=sys.stderr
        )
        return 130
    finally:
        warnings.formatwarning = plain


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
    for verb in VERBS:
        verb.add(verbs)
    return parser
