"""What the papers say, as data: every number of their own methods, every stated conclusion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..experiment import METRICS, course

KINDS = ("comparison", "equivalence", "arithmetic", "elsewhere")
SIZES = {"topformer": ["topformer_tiny", "topformer_small", "topformer_base"],
         "seaformer": ["seaformer_tiny", "seaformer_small", "seaformer_base", "seaformer_large"]}  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """One number or conclusion of a paper.

    Args:
        id: unique name.
        paper: "iMacHSR" or "HS3".
        where: table, figure or section.
        table: claims of one table are corrected together (Holm).
        kind: "comparison" of runs; "equivalence" of runs within `margin`; "arithmetic" on the paper's own numbers;
            "elsewhere", what scores cannot judge.
        says: the claim in words.
        contrasts: pairs of settings, the first said to be better.
        metrics: each contrast is judged in each of them.
        only: settings that both sides share, name -> allowed values.
        reported: metric -> the difference the paper prints, in points.
        margin: for an equivalence, in points.
        check: for arithmetic, name of the function in `imachsr.claims.arithmetic`.
        quoted: for arithmetic, metric -> the number in the claim's words.
        needs: what it would take to judge it.
    """

    id: str
    paper: str
    where: str
    table: str
    kind: str
    says: str
    contrasts: tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...] = ()
    metrics: tuple[str, ...] = ("mIoU",)
    only: Mapping[str, list[Any]] = field(default_factory=dict)
    reported: Mapping[str, float] = field(default_factory=dict)
    margin: float = 0.0
    check: str = ""
    quoted: Mapping[str, float] = field(default_factory=dict)
    needs: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"got kind={self.kind!r} for claim {self.id!r}; it is one of {KINDS}; correct it")
        if (self.kind in ("comparison", "equivalence")) != bool(self.contrasts) or (
            (self.kind == "equivalence") != (self.margin > 0)
        ):
            raise ValueError(
                f"got claim {self.id!r} of kind {self.kind!r} with {len(self.contrasts)} contrasts and margin "
                f"{self.margin}; comparisons have contrasts, an equivalence a margin above 0 too; correct it"
            )


def papers_folder() -> Path:
    """Where the papers' numbers are kept."""
    return course() / "data" / "papers"


def claims(folder: str | Path | None = None) -> list[Claim]:
    """Every claim, in the order of the papers: Table 2 cell by cell, HS3's tables row by row, then the conclusions."""
    folder = Path(folder or papers_folder())
    stated = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    return [
        *_table2(json.loads((folder / "table2.json").read_text(encoding="utf-8"))["rows"]),
        *_hs3(json.loads((folder / "hs3.json").read_text(encoding="utf-8"))),
        *(Claim(**{**row, **_frozen(row)}) for row in stated),
    ]


def _frozen(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "contrasts": tuple((better, worse) for better, worse in row.get("contrasts", ())),
        "metrics": tuple(row.get("metrics", ("mIoU",))),
    }


def _table2(rows: list[dict[str, Any]]) -> list[Claim]:
    """36 gains, each judged against imacsr first: its printed numbers are the same."""
    cells = {(row["model"], row["data"], row["supervision"]): row for row in rows}
    found = []
    for (model, data, supervision), row in cells.items():
        if supervision != "on":
            continue
        off = cells[model, data, "off"]
        for scheme in ("imacsr", "imachsr"):
            for metric in METRICS:
                found.append(
                    Claim(
                        id=f"table2/{model}/{data}/{metric}/{scheme}",
                        paper="iMacHSR",
                        where="Table 2 (iMacSR Table IV)",
                        table=f"Table 2, {scheme}",
                        kind="comparison",
                        says=f"{model} on {data}: {metric} {off[metric]:.2f} without, {row[metric]:.2f} with.",
                        contrasts=(({"scheme": scheme}, {"scheme": "conventional"}),),
                        metrics=(metric,),
                        only={"data": [data], "model": SIZES.get(model, [model])},
                        reported={metric: round(row[metric] - off[metric], 2)},
                        needs=f"{data}, five seeds of {scheme} and conventional",
                    )
                )
    return found


def _hs3(tables: Mapping[str, Any]) -> list[Claim]:
    """HS3's Tables 1 and 3: against no supervision inside, and against deep supervision."""
    found = []
    for name in ("table1", "table3"):
        data, rows = tables[name]["data"], tables[name]["rows"]
        scores = {(row["model"], row["scheme"]): row["mIoU"] for row in rows if not row.get("lighter")}
        for (model, scheme), score in scores.items():
            for other in ("conventional", "deep_supervision"):
                if scheme in ("hs3", "hs3_fuse") and (model, other) in scores:
                    found.append(
                        Claim(
                            id=f"hs3/{name}/{model}/{scheme}/{other}",
                            paper="HS3",
                            where=f"Table {name[-1]}",
                            table=f"HS3 Table {name[-1]}",
                            kind="comparison",
                            says=f"{model} on {data}: mIoU {scores[model, other]:.1f} {other}, {score:.1f} {scheme}.",
                            contrasts=(({"scheme": scheme}, {"scheme": other}),),
                            only={"data": [data], "model": [model], "points": [2]},  # ends of stages 2 and 3
                            reported={"mIoU": round(score - scores[model, other], 2)},
                            needs=f"{data}, five seeds of {scheme} and {other}, a GPU",
                        )
                    )
    return found
