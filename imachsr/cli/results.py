"""`imachsr results`: what the ledger holds, chosen, compared and written in several forms."""

from __future__ import annotations

import argparse
import json
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..claims import compare
from ..experiment import (
    METRICS,
    Result,
    comparison,
    ledger_folder,
    publish,
    published_folder,
    results,
    results_markdown,
    write_atomically,
)
from ..experiment.choosing import chosen, wanted
from ..experiment.ledger import CALIBRATION, OF_CLASS, without_nan
from ..experiment.settings import OF_SCHEME
from ..experiment.tables import latex_table, result_rows, results_latex, rows_csv, said_once, told
from ..metrics import PROTOCOLS
from ..objective import SCHEMES
from .arguments import verb_parser

if TYPE_CHECKING:
    import pandas as pd

ACTS = {
    "list": "one line per result",
    "show": "each result by class",
    "table": "means over seeds",
    "compare": "differences from a baseline scheme over the seeds both have",
    "export": "everything about each result, as CSV; --format latex: the table",
    "publish": "copy into data/results, to be committed",
}
FORMS = {
    "list": ("text", "csv", "json"),
    "show": ("text", "json"),
    "table": ("text", "csv", "latex", "json"),
    "compare": ("text", "csv", "latex", "json"),
    "export": ("csv", "latex", "json"),
}
NOTES = (
    "Scores in per cent, differences in points over shared seeds, whose number is to be fixed before the runs. "
    "Intervals: Student's t over seeds, not corrected; p: after Holm's correction over all schemes on one ground, in "
    "five metrics (pixel accuracy too) or the two of calibration, whichever are shown. Fewer than five seeds are not "
    "distinguishable and have no p. The papers' claims are judged by imachsr claims, corrected table by table."
)


def add(verbs: argparse._SubParsersAction) -> None:
    parser = verb_parser(
        verbs, "results", "list, filter, compare, export or publish filed results",
        "compare --where data=camvid --where model=deeplabv3plus_resnet18 --metric mIoU",
    )  # fmt: skip
    does = "; ".join(f"{act}: {what}" for act, what in ACTS.items())
    parser.add_argument("act", nargs="?", default="list", choices=[*ACTS], help=f"{does} (default: list)")
    parser.add_argument("keys", nargs="*", help="beginnings of keys (default: all results)")
    parser.add_argument(
        "--where", action="append", default=[], metavar="NAME=VALUE",
        help="only results with this setting, as in scheme=imachsr or size=180x240; again: another must hold too, "
        "or for the same name one more value may",
    )  # fmt: skip
    parser.add_argument(
        "--metric", action="append", choices=[*METRICS, "pixel_accuracy", *CALIBRATION],
        help=f"repeatable (default: mIoU in lists, elsewhere {', '.join(METRICS)})",
    )  # fmt: skip
    parser.add_argument("--by-class", action="store_true", help="of table: the IoU of each class in place of the means")
    parser.add_argument("--protocol", default="dataset", choices=[*PROTOCOLS], help="(default: dataset; CSV: all)")
    parser.add_argument("--baseline", choices=[*SCHEMES], help="of compare (default: conventional)")
    parser.add_argument(
        "--format", choices=["text", "csv", "latex", "json"], help="(default: csv for export, else text)"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--published", action="store_true", help="only published results")
    source.add_argument("--ledger", type=Path, metavar="DIR", help="only this folder (default: local and published)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of printing")
    parser.set_defaults(action=_results, rest=[])


def _results(given: argparse.Namespace) -> None:
    if given.rest and given.act == "list" and not given.keys and given.rest[0] in ACTS:
        given.act, *given.rest = given.rest  # options may stand in front of it
    given.keys += given.rest
    _refuse(given)
    if given.act == "publish":
        return _publish(given)
    given.baseline = given.baseline or "conventional"
    found, given.schemes = _found(given)
    if not found and given.out:
        raise ValueError(f"got no results to write to {given.out}; `imachsr run` files one; run it first")
    if not found:
        come = "they come with the repository, or by `imachsr results publish`" if given.published else None
        print(f"no results yet; {come or '`imachsr run` files one'}")
        return
    if given.by_class:
        given.metric = [f"{OF_CLASS}{name}" for name in dict.fromkeys(name for one in found for name in one.classes)]
    text = _written(found, _form(given), given).rstrip("\n")
    if given.out is None:
        print(text)
    else:
        write_atomically(given.out, f"{text}\n")
        shown = {given.baseline, *(given.schemes or SCHEMES)}
        count = sum(result.settings["scheme"] in shown for result in found)
        print(f"wrote {given.out}, from {count} results")


def _refuse(given: argparse.Namespace) -> None:
    """Options that do not go together."""
    if given.ledger and not given.ledger.exists():
        raise ValueError(
            f"got --ledger {given.ledger}, which is no folder; results are filed in one, {ledger_folder()} by default; "
            "correct the path"
        )
    if given.baseline and given.act != "compare":
        raise ValueError(f"got --baseline with {given.act!r}; only compare takes one off; leave it out")
    if given.by_class and (given.act != "table" or given.metric):
        raise ValueError("got --by-class; it is a table's, in place of metrics; use it with table and without --metric")
    if given.act in FORMS and _form(given) not in FORMS[given.act]:
        raise ValueError(
            f"got --format {given.format} for {given.act!r}; that is written as {', '.join(FORMS[given.act])}; "
            "choose one"
        )


def _form(given: argparse.Namespace) -> str:
    return given.format or ("csv" if given.act == "export" else "text")


def _found(given: argparse.Namespace) -> tuple[list[Result], list[str] | None]:
    """The results asked for, and the schemes that are shown of them: p of a comparison is corrected over all."""
    where = wanted(given.where)
    filed = results(*([published_folder()] if given.published else [given.ledger] if given.ledger else []))
    found = chosen(filed, given.keys, where)
    schemes = where.pop("scheme", None) if found else None
    if given.act == "compare" and schemes:
        found = chosen(filed, given.keys, where)
    found.sort(key=lambda r: (*(r.settings[name] for name in ("data", "model", "scheme", "seed")), r.key))
    return found, schemes


def _publish(given: argparse.Namespace) -> None:
    where = wanted(given.where)

    for name in ("out", "format", "published"):
        if getattr(given, name):
            raise ValueError(f"got --{name} with 'publish'; it copies to {published_folder()}; leave it out")
    local = given.ledger or ledger_folder()
    keys = [result.key for result in chosen(results(local), given.keys, where)] if where else given.keys
    for path in publish(keys, ledger=local):
        print(f"published {path}")


def _written(found: list[Result], form: str, given: argparse.Namespace) -> str:
    if form == "csv":
        return rows_csv(_records(found, given))
    if form == "json":
        return json.dumps(without_nan(_records(found, given)), indent=1)
    if given.act == "compare":
        return _compared(found, form, given)
    if given.act in ("table", "export"):
        write = results_latex if form == "latex" else results_markdown
        return write(found, given.protocol, given.metric or METRICS)
    return "\n".join(
        _line(result, given) + (f"\n{result.table(given.protocol)}" if given.act == "show" else "") for result in found
    )


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _records(found: list[Result], given: argparse.Namespace) -> list[dict[str, Any]]:
    """What csv and json hold: a result, a row of the table or a difference each."""
    metrics = given.metric or METRICS
    if given.act == "table":
        return _rows(comparison(found, given.protocol, metrics, spread=True))
    if given.act == "compare":
        return _rows(compare(found, given.baseline, metrics, given.protocol, given.schemes))
    if given.act == "show":
        return [asdict(result) for result in found]
    return result_rows(found, given.metric or (*METRICS, "pixel_accuracy"))


def _line(result: Result, given: argparse.Namespace) -> str:
    s, asked = result.settings, given.metric or ("mIoU",)
    shown = ", ".join(f"{name} {_fixed(result.score(name, given.protocol), 100)} %" for name in asked)
    return (
        f"{result.key}  {s['tier']:<7} {s['data']:<8} {s['split']:<10} {told(result, 'size'):<8} "
        f"{s['epochs']:>3} epochs  {s['model']} {s['scheme']:<16} {len(result.points)} points  seed {s['seed']}  "
        f"{shown} ({given.protocol})"
    )


def _compared(found: list[Result], form: str, given: argparse.Namespace) -> str:
    """The differences with their intervals, what all rows share said once; as text a table for each ground."""
    table = compare(found, given.baseline, given.metric or METRICS, given.protocol, given.schemes)
    if table.empty:
        return f"nothing beside {given.baseline} is filed or chosen; a difference has two sides; add another scheme"
    shown = table.drop(columns=["baseline", "mean", "difference", "low", "high", "relative", "seeds", "unlike", "p",
                                "finding"])  # fmt: skip
    shown[given.baseline] = [_fixed(value) for value in table["baseline"]]
    shown["scheme's"] = [_fixed(value) for value in table["mean"]]
    shown["difference"] = [_fixed(value, sign="+") for value in table["difference"]]
    shown["95 % interval"] = [
        f"{low:+.2f} to {high:+.2f}" if low == low else "-"
        for low, high in zip(table["low"], table["high"], strict=True)
    ]
    shown["relative %"] = [_fixed(value, sign="+") for value in table["relative"]]
    shown["p"] = [_fixed(value, digits=3) for value in table["p"]]
    shown["seeds"] = [
        f"{seeds} ({unlike} on unlike machines)" if unlike else f"{seeds}"
        for seeds, unlike in zip(table["seeds"], table["unlike"], strict=True)
    ]
    shown["finding"] = table["finding"]
    notes = f"{NOTES} Protocol {given.protocol}."
    if form == "latex":
        words, shown = said_once(shown, kept=[name for name in shown.columns if name != "where"])
        return latex_table(shown, notes + (f" Shared: {words}." if words else ""))
    blocks = []
    for where, part in shown.groupby("where", sort=False):
        words, part = said_once(part.drop(columns="where"), kept={*shown.columns} - {*OF_SCHEME})
        blocks.append(f"{where}{f'; {words}' if words else ''}\n{part.to_string(index=False)}\n")
    return "\n".join([*blocks, textwrap.fill(notes, 120)])


def _fixed(value: float | None, scale: float = 1, *, sign: str = "", digits: int = 2) -> str:
    return "-" if value is None or value != value else f"{scale * value:{sign}.{digits}f}"
