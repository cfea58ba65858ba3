"""The report's chapter of claims tells a verdict's p and what could be seen beside the interval."""

import re
from dataclasses import replace

from imachsr.claims import Claim, Judgement, paired
from imachsr.claims.contrasts import Contrast
from imachsr.reproduce.verdicts import HOW, chapter

SIDES = {"scheme": "imachsr"}, {"scheme": "conventional"}
CLAIM = Claim("mine", "iMacHSR", "Table 2", "Table 2", "comparison", "it gains", contrasts=(SIDES,), needs="seeds")


def test_a_row_has_baseline_frames_corrected_p_and_what_could_be_seen():
    found = paired([0.5, 1.0, 1.5, 0.5, 1.5])
    contrast = Contrast(*SIDES, "mIoU", "camvid", found, (-1.25, 2.5), 0.321, family=4, baseline=37.9, aside=(2.0, 3.0))
    page = chapter([Judgement(CLAIM, "not distinguishable", "seeds", (contrast,))])
    cells = dict(re.findall(r'<td data-name="([^"]*)">([^<]*)</td>', page))
    over = f"{found.low:+.2f} to {found.high:+.2f}"
    expected = f"+1.00 on 37.90; seeds: 5, {over}; frames: -1.25 to +2.50; other seeds, not judged: 2, mean +2.50"
    assert cells["measured"] == expected
    assert cells["p, could see"] == f"0.321, {found.visible(0.05 / 4):.2f} points"
    few = replace(contrast, found=paired([0.5, 1.0, 1.5]), adjusted=float("nan"))
    (told,) = re.findall(r'"p, could see">([^<]*)<', chapter([Judgement(CLAIM, "not distinguishable", "", (few,))]))
    assert told == f"{few.found.visible(0.05 / 4):.2f} points", "no p, but what they could see"
    assert page.count(HOW.partition("'")[0]) == 1, "that intervals are not corrected is said once"


def test_what_waits_names_the_least_it_takes():
    page = chapter([Judgement(CLAIM, "not testable here", "")])
    cells = dict(re.findall(r'<td data-name="([^"]*)">([^<]*)</td>', page))
    assert cells == {"where": "iMacHSR Table 2", "claims": "1", "at least": "seeds"}
    assert HOW.partition("'")[0] not in page
