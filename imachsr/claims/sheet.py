"""The claim sheet: one row per claim, read from judgements, and a short name for each comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..experiment.ledger import CALIBRATION
from ..experiment.tables import markdown_table
from .contrasts import Contrast
from .judge import Judgement
from .sources import NETWORKS, Claim

if TYPE_CHECKING:
    import pandas as pd

NAMES = {
    "camvid": "CamVid", "cityscapes": "Cityscapes", "synthia_sf": "SYNTHIA-SF", "nyudv2": "NYUDv2",
    "deeplabv3plus_resnet18": "DeepLabv3+", "deeplabv3plus_wrn38": "DeepLabv3+ on WRN-38", "topformer": "TopFormer",
    "seaformer": "SeaFormer", "hrnet_w18": "HRNet-W18", "hrnet_w18_ocr": "HRNet-W18 OCR", "hrnet_w48": "HRNet-W48",
}  # fmt: skip
SETTINGS = {"points": "M = {}", "distance": "distance {}", "near": "near {}", "theta": "{:g} degrees",
            "clustering": "clusters {}", "lighter": "at {:g} times the cost", "weighting": "{}",
            "lambda_": "lambda {:g}"}  # fmt: skip

COLUMNS = (
    "id", "where", "says", "compared", "on", "reported", "baseline", "measured", "seeds", "not judged", "over seeds",
    "over frames", "p (Holm)", "visible", "verdict", "why",
)  # fmt: skip


def label(claim: Claim, contrast: Contrast) -> str:
    """A comparison in few words, for the row of a figure: "Table 2, CamVid, DeepLabv3+: imacsr, mIoU".

    It names dataset and network where the claim is about one of them; an arrow marks what is better where it is lower.
    """
    place = [claim.where.split(" (")[0] if claim.paper == "iMacHSR" else f"{claim.paper} {claim.where}"]
    for allowed in (claim.only.get("data", []), claim.only.get("model", [])):
        family = next((name for name, each in NETWORKS.items() if [*each] == allowed), "")
        if family or len(allowed) == 1:
            place.append(NAMES.get(family or allowed[0], allowed[0]))
    if any(claim.only.get("test_scales", ())):
        place.append("multi-scale")
    metric = contrast.metric + (" ↓" if contrast.metric in CALIBRATION else "")
    return f"{', '.join(place)}: {_against(contrast)}, {metric}"


def sheet(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """One row per claim and comparison; differences in points, intervals at 95 %.

    Columns: id, where, says, compared, on, reported, baseline (of the runs, in per cent), measured, seeds, not judged
    (other seeds, and their mean difference), over seeds (not corrected), over frames, p (Holm), visible, verdict, why.
    """
    import pandas as pd

    return pd.DataFrame([_row(j, contrast) for j in judgements for contrast in (j.contrasts or (None,))])


def sheet_markdown(judgements: Sequence[Judgement]) -> str:
    """The sheet as a Markdown table."""
    table = sheet(judgements)
    return "No claims." if table.empty else markdown_table(table)


def _row(judgement: Judgement, contrast: Contrast | None) -> dict[str, str]:
    claim = judgement.claim
    row = dict.fromkeys(COLUMNS, "")
    row.update(id=claim.id, where=f"{claim.paper} {claim.where}", says=claim.says)
    row.update(verdict=judgement.verdict, why=judgement.why)
    if contrast is None:
        return row
    row["compared"] = f"{_side(contrast.better)} - {_side(contrast.worse)}, {contrast.metric}"
    if contrast.metric in claim.reported:
        row["reported"] = f"{claim.reported[contrast.metric]:+.2f}"
    if others := contrast.aside:
        row["not judged"] = f"{len(others)}, mean {sum(others) / len(others):+.2f}"
    if contrast.found is None:
        return row
    found = contrast.found
    row["on"] = contrast.footing
    row["baseline"] = f"{contrast.baseline:.2f}"
    row["measured"] = f"{found.mean:+.2f}"
    row["seeds"] = str(len(found.differences))
    if len(found.differences) > 1:
        row["over seeds"] = _interval(found.low, found.high)
        row["p (Holm)"] = f"{contrast.adjusted:.3f}" if contrast.adjusted == contrast.adjusted else ""
        row["visible"] = f"{contrast.visible:.2f}"
    if contrast.frames:
        row["over frames"] = _interval(*contrast.frames)
    return row


def _against(contrast: Contrast) -> str:
    """What is compared, the shared settings in front; the scheme alone where it is compared with its absence."""
    sides = [dict(contrast.better), dict(contrast.worse)]
    divided = [side.pop("divide", True) for side in sides]
    schemes = [side.pop("scheme") for side in sides]
    shared = [_said(name, value) for name, value in sides[0].items() if sides[1].get(name) == value]
    own = [
        [_said(name, value) for name, value in side.items() if other.get(name) != value]
        for side, other in (sides, sides[::-1])
    ]
    if schemes[0] != schemes[1]:
        own = [[scheme, *words] for scheme, words in zip(schemes, own, strict=True)]
    against = ", ".join(own[0]) if schemes[1] == "conventional" else " vs ".join(", ".join(words) for words in own)
    return ", ".join([*shared, against, *([] if all(divided) else ["constant weight"])])


def _said(name: str, value: object) -> str:
    return SETTINGS.get(name, f"{name} {{}}").format(value)


def _side(settings: object) -> str:
    assert isinstance(settings, dict)
    rest = ", ".join(f"{name} {value}" for name, value in settings.items() if name != "scheme")
    return f"{settings['scheme']} ({rest})" if rest else str(settings["scheme"])


def _interval(low: float, high: float) -> str:
    return f"{low:+.2f} to {high:+.2f}"
