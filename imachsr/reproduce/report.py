"""The report: one self-contained page that opens offline."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..claims import claims, judge, papers_folder
from ..claims.weights import supported
from ..experiment import METRICS, Result, comparison, course, provenance, published_folder, results, write_atomically
from ..experiment.tables import about_seeds, said_once, with_reach
from .verdicts import chapter

if TYPE_CHECKING:
    import pandas as pd


def _figures(folder: Path, prefix: str = "[0-9][0-9]_") -> list[Path]:
    """Pictures that `figures.show` filed: a PNG with its words beside it, by notebook, then in the order drawn."""
    found = [path for path in folder.glob(f"{prefix}*.png") if path.with_suffix(".json").is_file()]
    return sorted(found, key=lambda path: (path.name[:2], path.stat().st_mtime_ns))


def remove_figures(folder: Path, prefix: str) -> None:
    """The report shows what this run drew, nothing older."""
    for picture in _figures(folder, prefix):
        if {"alt", "caption"} == set(json.loads(picture.with_suffix(".json").read_text(encoding="utf-8"))):
            picture.with_suffix(".json").unlink()
            picture.unlink()


def write_report(folder: str | Path, *, tier: str, data: str, failures: Sequence[str] = ()) -> Path:
    """One self-contained page: what was run, the figures of each notebook, the claims, the choices, the provenance.

    Figures of notebooks that were last executed at another tier, or on other data, are left out.

    Args:
        folder: holds the figures; `report.html` is written there.
        tier: whose results are compared.
        data: likewise.
        failures: shown first.
    """
    folder = Path(folder)
    ran = [result for result in results() if (result.settings["tier"], result.settings["data"]) == (tier, data)]
    titles = {path.name[:2]: _title(path) for path in sorted((course() / "notebooks").glob("[0-9][0-9]_*.ipynb"))}
    chapters: dict[str, list[str]] = {}
    for image in _figures(folder):
        if not _drawn_at(folder, image.name[:2], {"tier": tier, "data": data}):
            continue
        chapters.setdefault(image.name[:2], []).append(_picture(image))
    headings = {n: html.escape(titles.get(n, n)) for n in sorted(chapters)}
    pictures = [f'<h3 id="notebook-{n}">{said}</h3>' + "".join(chapters[n]) for n, said in headings.items()]
    failed = "".join(f"<li>{html.escape(failure)}</li>" for failure in failures)
    page = PAGE.format(
        tier=html.escape(tier),
        data=html.escape(data),
        failed=f"<h2>Failed</h2><ul>{failed}</ul>" if failed else "",
        contents="".join(f'<li><a href="#notebook-{n}">{said}</a></li>' for n, said in headings.items()),
        table=_compared(ran),
        published=_published(),
        pictures="\n".join(pictures),
        claims=_claims(),
        choices=_choices(),
        provenance=_table(provenance().items()),
    )
    write_atomically(folder / "report.html", page)
    return folder / "report.html"


def _drawn_at(folder: Path, number: str, asked: Mapping[str, str]) -> bool:
    """Whether nothing says that a notebook's pictures are of another tier or of other data."""
    executed = sorted((folder / "executed").glob(f"{number}_*.ipynb"), key=lambda path: path.stat().st_mtime_ns)
    if not executed:
        return True
    newest = json.loads(executed[-1].read_text(encoding="utf-8"))  # a failed execution drew over an older whole one
    kept = newest["metadata"].get("papermill", {}).get("parameters", {})
    return all(kept.get(name, value) == value for name, value in asked.items())


def _title(notebook: Path) -> str:
    first = json.loads(notebook.read_text(encoding="utf-8"))["cells"][0]["source"]
    return "".join(first).splitlines()[0].lstrip("# ")


def _picture(image: Path) -> str:
    words = json.loads(image.with_suffix(".json").read_text(encoding="utf-8"))
    encoded = base64.b64encode(image.read_bytes()).decode()
    heading = f"<h4>{PUBLISHED}</h4>" if words["caption"].startswith(PUBLISHED) else ""
    return (
        f'{heading}<figure id="{image.stem}"><img alt="{html.escape(words["alt"])}" '
        f'src="data:image/png;base64,{encoded}">'
        f"<figcaption>{html.escape(words['caption'])}</figcaption></figure>"
    )


def _compared(ran: Sequence[Result]) -> str:
    """The comparison with its settings in words; what all rows share is said once."""
    table = comparison(ran, spread=True)
    if table.empty:
        return _frame(table)
    seeds = about_seeds(table)
    table = with_reach(table, METRICS).rename(columns=IN_WORDS)
    words, table = said_once(table.map(lambda value: ("no", "yes")[value] if isinstance(value, bool) else value))
    return f"<p>{html.escape(f'{words}. ' if words else '')}{html.escape(seeds)}</p>{_frame(table)}"


def _published() -> str:
    """All published results: means over seeds, and where each run came from."""
    import pandas as pd

    found = results(published_folder())
    found.sort(key=lambda one: (*(one.settings[name] for name in ("model", "scheme", "seed")), one.key))
    if not found:
        return "<p>None.</p>"
    each = [
        {
            "key": one.key, **{name: one.settings[name] for name in ("model", "scheme", "seed")},
            "mIoU": 100 * one.score("mIoU"),
            **{name: one.provenance.get(name, "") for name in ("revision", "torch", "threads", "device", "date")},
        }
        for one in found
    ]  # fmt: skip
    return f"{_compared(found)}<details><summary>Every run</summary>{_frame(pd.DataFrame(each))}</details>"


def _frame(table: pd.DataFrame) -> str:
    return f'<div class="scroll">{table.to_html(index=False, float_format="{:.2f}".format, border=0)}</div>'


def _claims() -> str:
    """Verdicts on the papers' claims, from published results."""
    if not papers_folder().is_dir():
        return f"<p>The papers' numbers are not here: no {html.escape(papers_folder().name)} beside the results.</p>"
    return chapter(judge(claims(), results(published_folder())))


def _choices() -> str:
    path = course() / "data" / "papers" / "choices.json"
    chosen = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    evidence = {"weights": supported().says} if any("evidence" in row for row in chosen) else {}
    return _table((row["silent"], f"{row['choice']} {evidence.get(row.get('evidence'), '')}".strip()) for row in chosen)


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(str(v))}</td></tr>" for k, v in rows)
    return f'<div class="scroll"><table>{cells}</table></div>'


PUBLISHED = "Published runs"  # a caption begins so where runs are not of the report's tier and data
IN_WORDS = {
    "lambda_": "λ", "alpha": "α", "theta": "θ (degrees)", "divide": "shared among points",
    "analysis": "share of images kept out",
}  # fmt: skip
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>imachsr: {tier} tier on {data}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
figure {{ margin: 2rem 0; }} img {{ max-width: 100%; background: white; }} figcaption {{ opacity: .85; }}
.scroll {{ overflow-x: auto; }} table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
nav {{ columns: 22rem; }} nav ul {{ margin: 0; }}
h3 {{ margin-top: 3rem; }} h2 + h3 {{ margin-top: 1rem; }} details {{ margin: 2rem 0; }} .rows {{ font-size: .9rem; }}
th {{ max-width: 28rem; }}
th, td {{ padding: .25rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid #8884; }}
@media (max-width: 48rem) {{
  figure {{ overflow-x: auto; }} img {{ max-width: 48rem; }}
  th, td {{ padding: .25rem .3rem; }} .scroll {{ font-size: .75rem; }} .rows thead, .rows td:empty {{ display: none; }}
  .rows tr {{ display: block; padding: .5rem 0; border-bottom: 1px solid #8884; }}
  .rows td {{ display: grid; grid-template-columns: 5rem 1fr; padding: 0; border: 0; }}
  .rows td::before {{ content: attr(data-name); opacity: .75; }}
}}
</style></head><body>
<h1>Supervision inside the network: {tier} tier on {data}</h1>
<p>Every number is read from results: the comparison from runs of this tier on this data; the claims, and the figures
headed "Published runs", from published ones. A smoke or lesson number says that the code works; it says nothing about
the papers. Differences between single seeds are not findings.</p>
{failed}
<nav aria-label="Contents"><ul>
<li><a href="#comparison">Comparison</a></li>
<li><a href="#published">Published results</a></li>
<li><a href="#figures">Figures</a><ul>{contents}</ul></li>
<li><a href="#claims">The papers' claims</a></li>
<li><a href="#choices">Choices</a></li>
<li><a href="#provenance">Provenance</a></li>
</ul></nav>
<h2 id="comparison">Comparison</h2>
<p>In per cent; protocol: dataset (one confusion matrix over all test images).</p>
{table}
<h2 id="published">Published results</h2>
<p>Runs on real data that come with the repository; the claims are judged by them. In per cent; protocol: dataset.</p>
{published}
<h2 id="figures">Figures</h2>
{pictures}
<h2 id="claims">The papers' claims</h2>
<p>Judged by published results on real data; fewer than five seeds can only say "not distinguishable". Differences in
points, intervals at 95 %; protocol: dataset, where iMacSR's printed numbers follow its Eq. 13 (protocol paper).</p>
{claims}
<h2 id="choices">Choices made where the papers are silent</h2>
{choices}
<h2 id="provenance">Provenance</h2>
{provenance}
</body></html>
"""
