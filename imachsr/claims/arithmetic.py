"""Claims that the papers' own numbers decide: each check returns whether they bear it out, and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..experiment import METRICS

Verdict = tuple[bool, str]
Quoted = Mapping[str, float]
ALMOST_ALL = 0.85  # of cells; chosen here
DEEPLAB = "deeplabv3plus_resnet18"


def check(name: str, folder: Path, quoted: Quoted) -> Verdict:
    """Run one check on the numbers in a folder of papers' data, against those the claim quotes (metric -> number)."""
    if name not in CHECKS:
        raise ValueError(f"got check={name!r}; the checks known are {[*CHECKS]}; use one of them")
    return CHECKS[name](folder, quoted)


def largest_relative_gain(folder: Path, quoted: Quoted) -> Verdict:
    """Whether no cell gains more in mIoU, in per cent, than is quoted."""
    limit = quoted["mIoU"]
    gains = {(model, data): 100 * (on - off) / off for model, data, off, on in _cells(folder, "mIoU")}
    (model, data), most = max(gains.items(), key=lambda entry: entry[1])
    points = {(m, d): on - off for m, d, off, on in _cells(folder, "mIoU")}[model, data]
    return round(most, 2) <= limit, (
        f"the largest relative gain of Table 2 is {most:.2f} % ({model} on {data}, {points:+.2f} points); "
        f"{limit} % is {_points(folder, DEEPLAB, 'cityscapes'):+.2f} points"
    )


def _points(folder: Path, model: str, data: str) -> float:
    """Gain in mIoU points of one cell of Table 2."""
    return next(on - off for m, d, off, on in _cells(folder, "mIoU") if (m, d) == (model, data))


def deeplab_cityscapes_margins(folder: Path, quoted: Quoted) -> Verdict:
    """Whether the four relative margins, in per cent, follow from the table."""
    found = {}
    for metric in METRICS:
        off, on = next((a, b) for m, d, a, b in _cells(folder, metric) if (m, d) == (DEEPLAB, "cityscapes"))
        found[metric] = round(100 * (on - off) / off, 2)
    words = ", ".join(f"{name} {value:.2f} %" for name, value in found.items())
    return found == dict(quoted), f"the table gives {words}"


def almost_all_cells_gain(folder: Path, _: Quoted) -> Verdict:
    """Whether the share of cells that are larger with the scheme is at least `ALMOST_ALL`, all models together."""
    gains: dict[str, list[bool]] = {}
    for model, _data, off, on in (cell for metric in METRICS for cell in _cells(folder, metric)):
        gains.setdefault(model, []).append(on > off)
    every = [gain for each in gains.values() for gain in each]
    share = sum(every) / len(every)
    return share >= ALMOST_ALL, (
        f"{sum(every)} of {len(every)} cells of Table 2 gain, {100 * share:.0f} %; almost all, of all models together, "
        f"is read as {100 * ALMOST_ALL:.0f} %, the paper names no number; by model "
        + ", ".join(f"{model} {sum(each)} of {len(each)}" for model, each in gains.items())
    )


def complex_data_gain_more(folder: Path, _: Quoted) -> Verdict:
    """Whether each model gains more, relatively, on more complex data, in the order of the paper's own example."""
    order = ("cityscapes", "synthia_sf", "camvid")
    gains = {(m, data): 100 * (on - off) / off for m, data, off, on in _cells(folder, "mIoU")}
    words, holds = [], []
    for model in dict.fromkeys(model for model, _ in gains):
        falling = [gains[model, data] for data in order]
        holds.append(falling == sorted(falling, reverse=True))
        listed = ", ".join(f"{data} {gain:+.2f} %" for data, gain in zip(order, falling, strict=True))
        words.append(f"{model} {'holds' if holds[-1] else 'fails'} ({listed})")
    return all(holds), "relative gains in mIoU, most complex data first: " + "; ".join(words)


def seaformer_synthia_loses(folder: Path, _: Quoted) -> Verdict:
    """Whether only SeaFormer fails to gain on SYNTHIA-SF."""
    gains = {model: on - off for model, data, off, on in _cells(folder, "mIoU") if data == "synthia_sf"}
    words = ", ".join(f"{model} {gain:+.2f}" for model, gain in gains.items())
    return [model for model, gain in gains.items() if gain <= 0] == ["seaformer"], f"mIoU points on SYNTHIA-SF: {words}"


def hs3_fuse_gain_over_sagate(folder: Path, quoted: Quoted) -> Verdict:
    """Whether some row of HS3's Table 2 shows the points over SA-Gate that are quoted."""
    rows = json.loads((folder / "hs3.json").read_text(encoding="utf-8"))["table2"]["rows"]
    scores = {(row["inference"], row["method"]): row["mIoU"] for row in rows}
    gains = {kind: scores[kind, "HS3-Fuse"] - scores[kind, "SA-Gate"] for kind in ("single scale", "multi-scale")}
    words = ", ".join(f"{kind} {gain:+.1f}" for kind, gain in gains.items())
    return any(round(gain, 1) == quoted["mIoU"] for gain in gains.values()), f"Table 2 has, in mIoU points, {words}"


def hs3_server_gains(folder: Path, quoted: Quoted) -> Verdict:
    """Whether HS3's Table 4 shows the points over the two rivals that are quoted."""
    rows = json.loads((folder / "hs3.json").read_text(encoding="utf-8"))["table4"]["rows"]
    scores = {row["method"]: row for row in rows}
    rivals = {"HMS": "Hierarchical Multi-scale attention", "InverseForm": "InverseForm"}
    gains = {
        f"{metric} over {short}": round(scores["HS3-Fuse"][metric] - scores[name][metric], 1)
        for short, name in rivals.items()
        for metric in ("mIoU", "iIoU")
    }
    return gains == quoted, "Table 4 has, in points, " + ", ".join(
        f"{name} {gain:+.1f}" for name, gain in gains.items()
    )


def deeplab_gains_by_data(folder: Path, quoted: Quoted) -> Verdict:
    """Whether Table 2 has the relative gains of DeepLabv3+ that are quoted for the three datasets."""
    cells = {data: (off, on) for model, data, off, on in _cells(folder, "mIoU") if model == DEEPLAB}
    gains = {data: round(100 * (on - off) / off, 2) for data, (off, on) in cells.items()}
    return gains == quoted, "relative gains in mIoU: " + ", ".join(f"{d} {gain:+.2f} %" for d, gain in gains.items())


def _cells(folder: Path, metric: str) -> Iterator[tuple[str, str, float, float]]:
    """(model, data, without, with) for each cell of Table 2."""
    rows: list[dict[str, Any]] = json.loads((folder / "table2.json").read_text(encoding="utf-8"))["rows"]
    on = {(row["model"], row["data"]): row[metric] for row in rows if row["supervision"] == "on"}
    for row in rows:
        if row["supervision"] == "off":
            yield row["model"], row["data"], row[metric], on[row["model"], row["data"]]


CHECKS: dict[str, Callable[[Path, Quoted], Verdict]] = {
    function.__name__: function
    for function in (
        largest_relative_gain, deeplab_cityscapes_margins, almost_all_cells_gain, complex_data_gain_more,
        seaformer_synthia_loses, hs3_fuse_gain_over_sagate, hs3_server_gains, deeplab_gains_by_data,
    )
}  # fmt: skip
