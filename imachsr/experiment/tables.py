"""Results side by side: means over seeds, and a row per result; as Markdown, LaTeX and CSV.

Scores are in per cent in tables, and shares of one, as they were filed, in rows.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..objective import SCHEMES
from .ledger import CALIBRATION, METRICS, OF_CLASS, Result
from .settings import OF_SCHEME, Settings

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05  # of every test; intervals cover 1 - LEVEL
GROUND = ("tier", "data", "split", "model", "size", "epochs")
SPREAD, LOW, HIGH = " sd", " low", " high"  # end the names of a metric's columns about its mean
# settings that a footing always names, that a study varies, or that change no score
SAID = {"data", "split", "size", "model", "epochs", "scheme", *OF_SCHEME, "seed", "tier",
        "root", "workers", "memory_format", "evaluate_every"}  # fmt: skip
LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}  # fmt: skip


def comparison(
    results: Sequence[Result], protocol: str = "dataset", metrics: Sequence[str] = METRICS, *, spread: bool = False
) -> pd.DataFrame:
    """Results side by side: mean over the seeds of equal settings, in per cent, and how many seeds there were.

    Settings of points or clusters are columns where results of one scheme differ in them; any other setting that can
    change a score, where results differ that would look alike without it.

    Args:
        results: from a ledger.
        protocol: of the scores.
        metrics: a column each. With one of `CALIBRATION`, runs filed before it was measured are left out.
        spread: for each metric its standard deviation over seeds too, and both ends of Student's interval of the mean
            at 95 %, over the seeds where it is defined; nan for one seed.
    """
    import pandas as pd

    results = measured(results, metrics)
    shown = [*GROUND, "scheme", *varied(results)]
    shown += _unlike(results, shown)
    rows = [
        {
            **{name: told(result, name) for name in shown},
            "group": result.group,
            **{name: 100 * result.score(name, protocol) for name in metrics},
            "seeds": result.settings["seed"],
        }
        for result in results
    ]
    if not rows:
        ends = [metric + end for end in (SPREAD, LOW, HIGH) for metric in metrics] if spread else []
        return pd.DataFrame(columns=[*shown, *metrics, "seeds", *ends])
    table = pd.DataFrame(rows).drop_duplicates(["group", "seeds"])  # a seed that was scored more often, too
    table["scheme"] = pd.Categorical(table["scheme"], [*SCHEMES], ordered=True)
    grouped = table.groupby([*shown, "group"], observed=True, sort=True)
    merged = grouped.agg({**dict.fromkeys(metrics, "mean"), "seeds": "nunique"})
    if spread:
        deviations = grouped[[*metrics]].std()
        reach = half_interval(deviations, grouped[[*metrics]].count())
        merged = merged.join(deviations.add_suffix(SPREAD))
        merged = merged.join((merged[[*metrics]] - reach).add_suffix(LOW))
        merged = merged.join((merged[[*metrics]] + reach).add_suffix(HIGH))
    return merged.reset_index().drop(columns="group")


def half_interval(deviation: Any, count: Any) -> Any:
    """Half of Student's interval of a mean at 1 - `LEVEL`: numbers, arrays or tables; nan for one.

    Args:
        deviation: standard deviation of what the mean is of.
        count: how many.
    """
    from scipy.stats import t

    return t.ppf(1 - LEVEL / 2, count - 1) * deviation / count**0.5


def measured(results: Sequence[Result], metrics: Sequence[str]) -> list[Result]:
    """Those that have all of the metrics: calibration is younger than the first results."""
    return [result for result in results if result.certainty or not {*metrics} & {*CALIBRATION}]


def varied(results: Sequence[Result]) -> list[str]:
    """Settings, of those that say something about a scheme only, in which results of one scheme differ."""
    seen: dict[tuple[str, str], set[Any]] = {}
    for result in results:
        for name in OF_SCHEME:
            seen.setdefault((result.settings["scheme"], name), set()).add(told(result, name))
    return [name for name in OF_SCHEME if any(len(v) > 1 for (_, n), v in seen.items() if n == name)]


def _unlike(results: Sequence[Result], shown: Sequence[str]) -> list[str]:
    """Settings in which results differ that are alike in all that is shown."""
    others = [name for name in Settings.__dataclass_fields__ if name not in {*shown, *SAID}]
    seen: dict[tuple[Any, ...], set[tuple[Any, ...]]] = {}
    for result in results:
        alike = tuple(told(result, name) for name in shown)
        seen.setdefault(alike, set()).add(tuple(told(result, name) for name in others))
    return [
        name for place, name in enumerate(others) if any(len({v[place] for v in each}) > 1 for each in seen.values())
    ]


def told(result: Result, name: str) -> str | int:
    """A setting as a table shows it: nothing where it says nothing about the scheme."""
    value = result.setting(name)
    if name == "size":
        return "x".join(map(str, value or ("native",)))
    if name == "names" and value and not result.idle(name):
        return ",".join(value)
    return "" if result.idle(name) or value is None else value if isinstance(value, int) else f"{value}"


def footing(result: Result) -> str:
    """What a result was run on, in words. Equal words, data and processes: scores may be compared."""
    unusual = [
        f", {name} {result.setting(name)}"
        for name in Settings.__dataclass_fields__
        if name not in SAID and result.setting(name) != getattr(Settings, name)
    ]
    s = result.settings
    where = f"{s['data']} {s['split']} {told(result, 'size')}, {s['model']}, {s['epochs']} epochs"
    return where + "".join(unusual)


def said_once(table: pd.DataFrame, kept: Collection[str] = ("scheme", *METRICS, "seeds")) -> tuple[str, pd.DataFrame]:
    """What all rows of a table share, in words, and the table without it, but for columns that stay."""
    shared = [name for name in table.columns if name not in kept and len(set(table[name])) == 1]
    words = ", ".join(f"{name} {table[name].iloc[0]}" for name in shared if f"{table[name].iloc[0]}")
    return words, table.drop(columns=shared)


def results_markdown(results: Sequence[Result], protocol: str = "dataset", metrics: Sequence[str] = METRICS) -> str:
    """The comparison as a Markdown table with the notes a reader needs: protocol, seeds, image files, hardware."""
    results = measured(results, metrics)
    if not results:
        return f"No results with {', '.join(metrics)} published yet."
    table = with_reach(comparison(results, protocol, metrics, spread=True), metrics)
    words, table = said_once(table, ("scheme", *metrics, "seeds"))
    files = sorted({result.provenance["image_format"] for result in results} - {"drawn"})
    devices = sorted({result.provenance["device"] for result in results})
    copies = " ".join(f"Images from a {name.upper()} copy." if name == "webp" else "" for name in files)
    shared = f"All rows: {words}. " if words else ""
    notes = (
        f"{shared}Per cent, protocol `{protocol}`, all test images at full label size, "
        "after the last epoch. "
        f"{about_seeds(table)} Classes never predicted have no precision and are left out of its mean. {copies} "
        f"Hardware: {', '.join(devices)}."
    )
    return f"{markdown_table(table)}\n\n{notes}"


def markdown_table(table: pd.DataFrame) -> str:
    """A table in Markdown; a bar within a cell does not end it."""
    rows = [[str(cell).replace("|", r"\|") for cell in row] for row in table.itertuples(index=False)]
    head, *body = (f"| {' | '.join(row)} |" for row in ([*map(str, table.columns)], *rows))
    return "\n".join([head, "|" + "---|" * len(table.columns), *body])


def about_seeds(table: pd.DataFrame) -> str:
    """What the seeds of a comparison allow a reader to do with its rows."""
    most = int(table["seeds"].max())
    said = f"Means over up to {most} seeds, ± half of Student's 95 % interval of the mean from two seeds on."
    if most == 1:
        said = "One seed each: no difference here is a finding."
    if len(set(table["seeds"])) > 1:
        said += " Rows of different seeds are not to be subtracted: the verb compare pairs them seed by seed."
    return said


def with_reach(table: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """A comparison with its spread as text: the mean and half of its interval in one cell."""
    words = {
        metric: [
            f"{mean:.2f} ± {high - mean:.2f}" if high == high else f"{mean:.2f}" if mean == mean else ""
            for mean, high in zip(table[metric], table[metric + HIGH], strict=True)
        ]
        for metric in metrics
    }
    return table.assign(**words).drop(columns=[metric + end for metric in metrics for end in (SPREAD, LOW, HIGH)])


def results_latex(results: Sequence[Result], protocol: str = "dataset", metrics: Sequence[str] = METRICS) -> str:
    """The comparison for a paper: means with their intervals, what all rows share in the caption."""
    table = with_reach(comparison(results, protocol, metrics, spread=True), metrics)
    words, table = said_once(table, ("scheme", *metrics, "seeds"))
    notes = (
        f"Per cent, protocol {protocol}, mean over seeds ± half of Student's 95 % interval of it; one seed has none."
    )
    return latex_table(table.replace("", "--"), f"{notes} Shared: {words}." if words else notes)


def latex_table(table: pd.DataFrame, caption: str) -> str:
    """A floating table with rules of the package booktabs; every cell, name and the caption escaped."""
    columns = "".join("r" if table[name].dtype.kind in "if" else "l" for name in table.columns)
    cells = table.astype(object).map(_latex).rename(columns=_latex)
    return cells.to_latex(index=False, escape=False, caption=_latex(caption), column_format=columns, position="htbp")


def result_rows(results: Sequence[Result], metrics: Sequence[str] = (*METRICS, "pixel_accuracy")) -> list[dict]:
    """A flat row per result: key, every setting, the points chosen, scores of every protocol, provenance.

    Names: settings as in Settings; `PROTOCOL.METRIC`, `dataset.IoU CLASS`, `certainty.NAME`, `provenance.NAME`.
    """
    scored = [metric for metric in metrics if metric not in CALIBRATION]  # certainty is whole in any case
    return [
        {
            "key": result.key,
            **{name: result.setting(name) for name in Settings.__dataclass_fields__ if name != "root"},
            "chosen": " ".join(result.points),
            **{f"{name}.{metric}": scores[metric] for name, scores in result.scores.items() for metric in scored},
            **{f"dataset.{metric}": result.score(metric) for metric in map(OF_CLASS.__add__, result.classes)},
            **dict(_flat("certainty", result.certainty)),
            **dict(_flat("provenance", result.provenance)),
        }
        for result in results
    ]


def rows_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV (RFC 4180): a header of all names, nothing where a row has no value, sizes as HEIGHTxWIDTH."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(name, value) for name, value in row.items()})
    return file.getvalue()


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return ("x" if name in ("size", "crop") else ",").join(map(str, value))
    return "" if value != value else value


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Dictionaries within dictionaries as one, with dots; lists of lists as JSON."""
    if isinstance(value, dict):
        for inner, entry in value.items():
            yield from _flat(f"{name}.{inner}", entry)
    else:
        yield name, json.dumps(value) if isinstance(value, list) else value


def _latex(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if value == value else "--"
    return "".join(LATEX.get(sign, sign) for sign in str(value))
