"""What the papers say, as data: every number of their own methods, every stated conclusion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..experiment import METRICS, course

KINDS = ("comparison", "equivalence", "arithmetic", "elsewhere")
MARGIN = 0.5  # points, of "no difference"; chosen here, the papers name none
# "the outputs of stages 2 and 3" (HS3 Section 4.1), read as the finest branch of the last block of each
HS3_POINTS = {
    "hrnet_w18": ("stage2.0[0]", "stage3.3[0]"),
    "hrnet_w18_ocr": ("stage2.0[0]", "stage3.3[0]"),
    "hrnet_w18_small_v2": ("stage2.0[0]", "stage3.2[0]"),
    "hrnet_w18_small_v2_ocr": ("stage2.0[0]", "stage3.2[0]"),
    "hrnet_w48": ("stage2.0[0]", "stage3.3[0]"),
}
# a network as the papers print it -> those it may be; HS3's HRNetV2-w18 costs what the smaller of that name costs
NETWORKS = {
    "topformer": ("topformer_tiny", "topformer_small", "topformer_base"),
    "seaformer": ("seaformer_tiny", "seaformer_small", "seaformer_base", "seaformer_large"),
    "hrnet_w18": ("hrnet_w18_small_v2", "hrnet_w18"),
    "hrnet_w18_ocr": ("hrnet_w18_small_v2_ocr", "hrnet_w18_ocr"),
}


@dataclass(frozen=True)
class Claim:
    """One number or conclusion of a paper.

    Args:
        id: unique name.
        paper: "iMacHSR" or "HS3".
        where: table, figure or section.
        table: claims of one table are corrected together (Holm), what they compare alike once.
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
        needs: the least it takes before a verdict is possible.
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
    """Every claim: Table 2 cell by cell, HS3's tables row by row, then the conclusions.

    Raises:
        ValueError: no such folder.
    """
    folder = Path(folder or papers_folder())
    if not folder.is_dir():
        raise ValueError(f"got no papers' numbers in {folder}; they come with the repository; run this in a checkout")
    stated = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    return [
        *_table2(json.loads((folder / "table2.json").read_text(encoding="utf-8"))["rows"]),
        *_hs3(json.loads((folder / "hs3.json").read_text(encoding="utf-8"))),
        *(Claim(**{**row, **_frozen(row)}) for given in stated for row in _each_network(given)),
    ]


def _each_network(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A conclusion about networks in general as one claim for each that is named: none is chosen by its runs."""
    plain = {name: value for name, value in row.items() if name != "networks"}
    return [
        {
            **plain,
            "id": f"{row['id']}/{network}",
            "says": f"{row['says'].removesuffix('.')} ({network}).",
            "only": {**row["only"], "model": [*NETWORKS.get(network, (network,))]},
        }
        for network in row.get("networks", ())
    ] or [plain]


def _frozen(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "contrasts": tuple((better, worse) for better, worse in row.get("contrasts", ())),
        "metrics": tuple(row.get("metrics", ("mIoU",))),
        "only": {
            name: [tuple(v) if isinstance(v, list) else v for v in row["only"][name]] for name in row.get("only", ())
        },
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
                        only={"data": [data], "model": [*NETWORKS.get(model, (model,))]},
                        reported={metric: round(row[metric] - off[metric], 2)},
                        needs=f"{data}, five seeds of {scheme} and conventional",
                    )
                )
    return found


def _hs3(tables: Mapping[str, Any]) -> list[Claim]:
    """HS3's Tables 1, 3, 5 and 6: against no supervision inside, and against deep supervision."""
    found = []
    for name in ("table1", "table3", "table6"):
        rows = [{"model": tables[name].get("model"), **row} for row in tables[name]["rows"]]
        scores = {(row["model"], row["scheme"]): row["mIoU"] for row in rows if "hs3" not in row["scheme"]}
        found += [
            _hs3_row(name, tables[name]["data"], row, {"scheme": other}, scores[row["model"], other])
            for row in rows
            for other in ("conventional", "deep_supervision")
            if "hs3" in row["scheme"] and (row["model"], other) in scores
        ]
    deep, *angles = [{"model": tables["table5"]["model"], "scheme": "hs3", **row} for row in tables["table5"]["rows"]]
    against = {"scheme": "hs3", "theta": float(deep["theta"])}
    return found + [_hs3_row("table5", tables["table5"]["data"], row, against, deep["mIoU"]) for row in angles]


def _hs3_row(table: str, data: str, row: Mapping[str, Any], other: Mapping[str, Any], score: float) -> Claim:
    """One number of HS3 against another: mIoU `score` of the settings `other`."""
    model = row["model"]
    # "lighter": true is a row that costs what its baseline costs, 1.0 times
    kinds = {"scheme": str, "theta": float, "clustering": str, "lighter": float}
    side = {name: kind(row[name]) for name, kind in kinds.items() if name in row}
    networks = NETWORKS.get(model, (model,))
    difference = round(row["mIoU"] - score, 2)
    points = {"names": [HS3_POINTS[name] for name in networks]} if model in HS3_POINTS else {}
    ours, theirs = (_in_words(each) for each in (side, other))
    ids = ["/".join(v if isinstance(v, str) else f"{v:g}" for v in each.values()) for each in (side, other)]
    return Claim(
        id="/".join(("hs3", table, model, *ids)),
        paper="HS3",
        where=f"Table {table[-1]}",
        table=f"HS3 Table {table[-1]}",
        kind="comparison" if difference else "equivalence",
        margin=0.0 if difference else MARGIN,
        says=f"{model} on {data}: mIoU {score:.1f} {theirs}, {row['mIoU']:.1f} {ours}.",
        contrasts=((side, other),),
        only={"data": [data], "model": [*networks], "points": [2], **points},
        reported={"mIoU": difference},
        needs=f"{data}, five seeds of {ours} and {theirs}, a GPU",
    )


def _in_words(side: Mapping[str, Any]) -> str:
    words = {"theta": " at {:g} degrees", "clustering": " with {} clusters", "lighter": " at {:g} times the cost"}
    return side["scheme"] + "".join(words[name].format(value) for name, value in side.items() if name in words)
