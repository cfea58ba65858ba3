"""The report's chapter of claims: verdicts counted, what was judged and by what, what the rest would take."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence

from ..claims import UNTESTED, VERDICTS, Judgement, sheet

HOW = (
    "Measured: the mean difference, on the baseline of these runs in per cent (where that is far from the paper's, so "
    "is the regime), with intervals over seeds and over test frames. They are of one comparison alone, not corrected; "
    "p is, by Holm's rule for its table. A true difference of the size it could see is found in 80 % of cases."
)


def chapter(judged: Sequence[Judgement]) -> str:
    """HTML: claims judged by runs, under what these share; by the papers' own numbers; and, folded, the others.

    Args:
        judged: every claim.
    """
    counts = Counter(judgement.verdict for judgement in judged)
    known = [judgement for judgement in judged if judgement.verdict != UNTESTED]
    by_runs, by_sums = ([j for j in known if bool(j.contrasts) == measured] for measured in (True, False))
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    parts = [f"<p>{len(judged)} claims: {html.escape(told)}.</p>"]
    if by_runs:
        parts.append(f"<p>{html.escape(HOW)}</p>")
    grounds: dict[str, list[dict[str, str]]] = {}
    for row in sheet(by_runs).to_dict("records"):
        grounds.setdefault(str(row["on"]), []).append(_by_runs({str(name): str(text) for name, text in row.items()}))
    for on, compared in grounds.items():
        parts += [f"<h3>Judged by runs: {html.escape(on or 'none')}</h3>", rows(compared)]
    if by_sums:
        parts += ["<h3>Judged by the papers' own numbers</h3>", rows([_by_sums(judgement) for judgement in by_sums])]
    if counts[UNTESTED]:
        wants = Counter((_where(j), j.claim.needs) for j in judged if j.verdict == UNTESTED)
        each = [{"where": where, "claims": str(count), "at least": needs} for (where, needs), count in wants.items()]
        said = f"{counts[UNTESTED]} claims {UNTESTED}: the least before a verdict is possible"
        parts.append(f"<details><summary>{html.escape(said)}</summary>{rows(each)}</details>")
    return "\n".join(parts)


def rows(each: Sequence[Mapping[str, str]]) -> str:
    """A table of texts; in a narrow window each row becomes a block that names its cells."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in each[0])
    body = [
        "".join(f'<td data-name="{html.escape(name)}">{html.escape(text)}</td>' for name, text in row.items())
        for row in each
    ]
    lines = "".join(f"<tr>{cells}</tr>" for cells in body)
    return f'<table class="rows"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'


def _by_runs(row: Mapping[str, str]) -> dict[str, str]:
    measured = {
        "": f"{row['measured']} on {row['baseline']}" if row["measured"] else "not run",
        "seeds: ": row["seeds"] + (f", {row['over seeds']}" if row["over seeds"] else ""),
        "frames: ": row["over frames"],
        "other seeds, not judged: ": row["not judged"],
    }
    return {
        "claim": f"{row['where']}: {row['says']}",
        "compared": row["compared"],
        "reported": row["reported"],
        "measured": "; ".join(f"{name}{text}" for name, text in measured.items() if text),
        "p, could see": ", ".join(filter(None, (row["p (Holm)"], row["visible"] and f"{row['visible']} points"))),
        "verdict": f"{row['verdict']}; {row['why']}",
    }


def _by_sums(judgement: Judgement) -> dict[str, str]:
    return {
        "claim": f"{_where(judgement)}: {judgement.claim.says}",
        "verdict": judgement.verdict,
        "why": judgement.why,
    }


def _where(judgement: Judgement) -> str:
    return f"{judgement.claim.paper} {judgement.claim.where}"
