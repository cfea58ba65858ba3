"""`imachsr lesson`: versions of the notebooks for a class, and how long they take."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import verb_parser

EXAMPLE = "export --for student 01 03 --out class"


def add(verbs: argparse._SubParsersAction) -> None:
    from ..lessons import AUDIENCES

    lesson = verb_parser(
        verbs, "lesson", "make versions of the notebooks for students, instructors, self-study; tell their minutes",
        EXAMPLE,
    )  # fmt: skip
    acts = lesson.add_subparsers(dest="act", metavar="ACT", title="acts", required=True)
    parser = verb_parser(acts, "export", "write one version of the notebooks into a folder", "")
    parser.epilog = f"example:\n  imachsr lesson {EXAMPLE}"
    parser.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="numbers or names (default: all)")
    parser.add_argument(
        "--for",
        dest="audience",
        required=True,
        choices=[*AUDIENCES],
        help="student: stubs, no outputs; solution: solutions in their place; instructor: both, and notes",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write to")
    parser.set_defaults(action=_export)
    parser = verb_parser(acts, "minutes", "say how long the notebooks take at each tier, as it was measured", "")
    parser.epilog = "example:\n  imachsr lesson minutes 01 03"
    parser.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="numbers or names (default: all)")
    parser.add_argument("--publish", action="store_true", help="first keep what was measured here with the course")
    parser.set_defaults(action=_minutes)


def _export(given: argparse.Namespace) -> None:
    from ..lessons import export
    from ..reproduce.execution import notebooks

    for path in export(notebooks(given.notebooks), given.audience, given.out):
        print(path)


def _minutes(given: argparse.Namespace) -> None:
    from ..lessons import minutes
    from ..reproduce.execution import notebooks
    from ..reproduce.minutes import publish_minutes

    if given.publish:
        print(f"published {publish_minutes()}")
    for path in notebooks(given.notebooks):
        print(f"{path.stem}\n{minutes(path.name[:2])}")
