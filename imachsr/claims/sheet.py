"""The claim sheet: one row per claim, read from judgements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .judge import Contrast, Judgement

if TYPE_CHECKING:
    import pandas as pd


def sheet(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """One row per claim and comparison; differences in points, intervals at 95 %.

    Columns: id, where, says, compared, on, reported, measured, seeds, over seeds, over frames, p (Holm), visible,
    verdict, why.
    """
    import pandas as pd

    return pd.DataFrame([_row(j, contrast) for j in judgements for contrast in (j.contrasts or (None,))])


def sheet_markdown(judgements: Sequence[Judgement]) -> str:
    """The sheet as a Markdown table."""
    table = sheet(judgements)
    if table.empty:
        return "No claims."
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    lines += [
        "| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in table.itertuples(index=False)
    ]
    return "\n".join(lines)


def _row(judgement: Judgement, contrast: Contrast | None) -> dict[str, str]:
    claim = judgement.claim
    row = {
        "id": claim.id,
        "where": f"{claim.paper} {claim.where}",
        "says": claim.says,
        "compared": "",
        "on": "",
        "reported": "",
        "measured": "",
        "seeds": "",
        "over seeds": "",
        "over frames": "",
        "p (Holm)": "",
        "visible": "",
        "verdict": judgement.verdict,
        "why": judgement.why,
    }
    if contrast is None:
        return row
    row["compared"] = f"{_side(contrast.better)} - {_side(contrast.worse)}, {contrast.metric}"
    if contrast.metric in claim.reported:
        row["reported"] = f"{claim.reported[contrast.metric]:+.2f}"
    if contrast.found is None:
        return row
    found = contrast.found
    row["on"] = contrast.footing
    row["measured"] = f"{found.mean:+.2f}"
    row["seeds"] = str(len(found.differences))
    if len(found.differences) > 1:
        row["over seeds"] = _interval(found.low, found.high)
        row["p (Holm)"] = f"{contrast.adjusted:.3f}"
        row["visible"] = f"{found.visible:.2f}"
    if contrast.frames:
        row["over frames"] = _interval(*contrast.frames)
    return row


def _side(settings: object) -> str:
    assert isinstance(settings, dict)
    rest = ", ".join(f"{name} {value}" for name, value in settings.items() if name != "scheme")
    return f"{settings['scheme']} ({rest})" if rest else str(settings["scheme"])


def _interval(low: float, high: float) -> str:
    return f"{low:+.2f} to {high:+.2f}"
