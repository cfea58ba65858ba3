"""The report: one self-contained page that opens offline."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path

from ..experiment import comparison, provenance, results, write_atomically


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
    """One self-contained page with every figure of the folder inline, its alt text and caption, and the provenance."""
    folder = Path(folder)
    ran = [result for result in results() if (result.settings["tier"], result.settings["data"]) == (tier, data)]
    pictures = []
    for image in _figures(folder):
        words = json.loads(image.with_suffix(".json").read_text(encoding="utf-8"))
        encoded = base64.b64encode(image.read_bytes()).decode()
        pictures.append(
            f'<figure id="{image.stem}"><img alt="{html.escape(words["alt"])}" src="data:image/png;base64,{encoded}">'
            f"<figcaption>{html.escape(words['caption'])}</figcaption></figure>"
        )
    table = comparison(ran).to_html(index=False, float_format="{:.2f}".format, border=0)
    origin = "".join(
        f"<tr><th>{html.escape(k)}</th><td>{html.escape(str(v))}</td></tr>" for k, v in provenance().items()
    )
    failed = "".join(f"<li>{html.escape(failure)}</li>" for failure in failures)
    page = PAGE.format(
        tier=html.escape(tier),
        data=html.escape(data),
        failed=f"<h2>Failed</h2><ul>{failed}</ul>" if failed else "",
        table=table,
        pictures="\n".join(pictures),
        provenance=origin,
    )
    write_atomically(folder / "report.html", page)
    return folder / "report.html"


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>imachsr: {tier} tier on {data}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
figure {{ margin: 2rem 0; }} img {{ max-width: 100%; background: white; }} figcaption {{ opacity: .85; }}
.scroll {{ overflow-x: auto; }} table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .25rem .7rem; text-align: left; border-bottom: 1px solid #8884; }}
</style></head><body>
<h1>Supervision inside the network: {tier} tier on {data}</h1>
<p>Every number below was measured by the runs named in the table. A smoke or lesson number says that the code works;
it says nothing about the papers. Differences between single seeds are not findings.</p>
{failed}
<h2>Comparison</h2>
<p>Mean over seeds in per cent; protocol: dataset (one confusion matrix over all test images).</p>
<div class="scroll">{table}</div>
<h2>Figures</h2>
{pictures}
<h2>Provenance</h2>
<table>{provenance}</table>
</body></html>
"""
