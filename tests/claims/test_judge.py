"""Verdicts follow from the runs: how many seeds, which way, how clear."""

import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest

from conftest import REPOSITORY
from imachsr.claims import VERDICTS, Claim, claims, judge, label, paired, sheet, sheet_markdown
from imachsr.claims.arithmetic import CHECKS, check
from imachsr.cli import main
from imachsr.experiment import Result, Settings
from imachsr.experiment.settings import OF_POINTS

PAPERS = REPOSITORY / "data" / "papers"
CLAIM = Claim(
    "mine", "iMacHSR", "Table 2", "Table 2", "comparison", "imachsr is better",
    contrasts=(({"scheme": "imachsr"}, {"scheme": "conventional"}),), only={"data": ["camvid"]}, needs="runs",
)  # fmt: skip


def run(scheme, seed, score, **changes):
    settings = Settings(**{"data": "camvid", "scheme": scheme, "seed": seed, **changes})
    counts = np.tile(np.array([[round(1000 * score)], [0], [1000 - round(1000 * score)]]), (6, 1, 1))
    scores = {name: score for name in ("mIoU", "mPrecision", "mRecall", "mF1", "pixel_accuracy")}
    return Result(
        key=settings.key("data"), settings=asdict(settings), classes=("road",), points=(), history=[],
        scores={"dataset": scores, "paper": scores}, per_image=counts.tolist(), provenance={"fingerprint": "data"},
    )  # fmt: skip


def runs(gains, base=0.4, **changes):
    found = []
    for seed, gain in enumerate(gains):
        found += [
            run("conventional", seed, base + 0.01 * seed),
            run("imachsr", seed, base + 0.01 * seed + gain, **changes),
        ]
    return found


def verdict(results, claim=CLAIM):
    (judgement,) = judge([claim], results)
    assert judgement.verdict in VERDICTS
    return judgement.verdict


CLEAR = [0.02, 0.021, 0.019, 0.02, 0.022]


def test_without_the_papers_numbers_it_says_where_they_are(tmp_path):
    with pytest.raises(ValueError, match="they come with the repository"):
        claims(tmp_path / "none")


def test_five_clear_seeds_reproduce_or_contradict():
    assert verdict(runs(CLEAR)) == "reproduced"
    assert verdict(runs([-gain for gain in CLEAR])) == "contradicted"
    assert verdict(runs([0.02, -0.03, 0.01, -0.01, 0.015])) == "not distinguishable"


def test_fewer_than_five_seeds_only_say_not_distinguishable():
    (judgement,) = judge([CLAIM], runs(CLEAR[:4]))
    assert judgement.verdict == "not distinguishable"
    assert "seeds: 4; a verdict needs 5" in judgement.why


def test_no_runs_are_not_testable():
    (judgement,) = judge([CLAIM], [])
    assert judgement.verdict == "not testable here"
    assert "no runs to judge; a verdict takes at least runs" in judgement.why


def test_drawn_scenes_training_images_and_cheap_runs_are_no_evidence():
    anywhere = Claim(**{**asdict(CLAIM), "only": {}, "contrasts": CLAIM.contrasts})

    def five(**changes):
        return [run(s, n, 0.4 + 0.1 * (s == "imachsr") + 0.001 * n, **changes) for s in ("imachsr", "conventional")
                for n in range(5)]  # fmt: skip

    assert verdict(five(), anywhere) == "reproduced"
    for changes in ({"data": "streets"}, {"split": "tune"}, {"size": (64, 96)}, {"epochs": 4}):
        assert verdict(five(**changes), anywhere) == "not testable here", changes


def test_only_equal_settings_and_equal_seeds_are_compared():
    longer = [r for r in runs(CLEAR) if r.settings["scheme"] == "conventional"]
    longer += [run("imachsr", seed, 0.9, epochs=40) for seed in range(5)]
    assert verdict(longer) == "not testable here"
    other_seeds = [r for r in runs(CLEAR) if r.settings["scheme"] == "conventional"]
    other_seeds += [run("imachsr", seed + 10, 0.9) for seed in range(5)]
    assert verdict(other_seeds) == "not testable here"
    more_points = [r for r in runs(CLEAR, points=5)]
    assert verdict(more_points) == "not testable here", "the claim means the default points"


def test_the_footing_with_most_seeds_is_judged():
    few = [run("conventional", 0, 0.4, epochs=50), run("imachsr", 0, 0.9, epochs=50)]
    (judgement,) = judge([CLAIM], runs(CLEAR) + few)
    (contrast,) = judgement.contrasts
    assert len(contrast.found.differences) == 5
    assert "20 epochs" in contrast.footing
    assert contrast.found.mean == pytest.approx(100 * np.mean(CLEAR))
    assert contrast.frames == pytest.approx((100 * np.mean(CLEAR),) * 2), "all frames are alike here"


def sure(results, *certainties):
    """The runs, filed with a calibration each, or without where there is None."""
    return [replace(one, certainty={} if c is None else {"overconfidence": c, "ece": abs(c)})
            for one, c in zip(results, certainties, strict=True)]  # fmt: skip


def test_less_overconfidence_is_better_and_is_judged_where_it_was_measured():
    every = {claim.id: claim for claim in claims(PAPERS) if claim.table == "overconfidence"}
    claim = every["conclusion/overconfidence/deeplabv3plus_resnet18"]
    plain, regularized = ([run(scheme, n, 0.4) for n in range(5)] for scheme in ("deep_supervision", "imacsr"))
    sides = sure(plain, *([0.07] * 5)) + sure(regularized, 0.05, 0.051, 0.049, 0.05, 0.052)
    assert verdict(sides, claim) == "reproduced"
    worse = sure(plain, *([0.03] * 5)) + sure(regularized, 0.05, 0.051, 0.049, 0.05, 0.052)
    assert verdict(worse, claim) == "contradicted"
    (judgement,) = judge([claim], sides)
    assert [contrast.metric for contrast in judgement.contrasts] == ["overconfidence", "ece"]
    assert [contrast.found.mean for contrast in judgement.contrasts] == pytest.approx([-1.96, -1.96])
    assert [contrast.frames for contrast in judgement.contrasts] == [None, None]
    (together, *others) = judge([*every.values()], sides)
    assert [contrast.family for contrast in together.contrasts] == [6, 6], "each network is a row of its own"
    assert [other.verdict for other in others] == ["not testable here"] * 2
    (row, _) = sheet([judgement]).to_dict("records")
    assert (row["measured"], row["baseline"], row["over frames"]) == ("-1.96", "7.00", "")
    assert verdict(sure(sides, *([None] * 10)), claim) == "not testable here", "filed before it was measured"
    longer = [replace(one, settings={**one.settings, "epochs": 50}) for one in sure(sides, *([None] * 10))]
    assert verdict(longer + sides, claim) == "reproduced", "on the footing that was measured"


def test_of_footings_with_as_many_seeds_the_standard_split_is_judged_whatever_the_order():
    drawn = [
        run(s, n, 0.4 + 0.01 * n + gain * (s == "imachsr"), split="random600")
        for n, gain in enumerate(-g for g in CLEAR)
        for s in ("conventional", "imachsr")
    ]
    for results in (runs(CLEAR) + drawn, drawn + runs(CLEAR)):
        assert verdict(results) == "reproduced"


def test_all_comparisons_of_a_claim_stand_on_one_footing():
    sides = [({"scheme": "imachsr", "points": 3}, {"scheme": "imachsr", "points": M}) for M in (1, 5)]
    claim = Claim(**{**asdict(CLAIM), "only": {}, "contrasts": tuple(sides)})

    def five(counts, **changes):
        return [
            run("imachsr", n, 0.4 + 0.001 * n + 0.1 * (M == 3), points=M, **changes) for M in counts for n in range(5)
        ]

    assert verdict(five((3, 1)) + five((3, 5), epochs=40), claim) == "not testable here"
    assert verdict(five((3, 1, 5)), claim) == "reproduced"


def test_a_side_with_two_settings_for_one_seed_is_refused():
    from imachsr.claims.pairing import pairs

    ours, theirs = [run("conventional", 0, 0.4)], [run("imachsr", 0, 0.5, points=M) for M in (3, 5)]
    with pytest.raises(ValueError, match=r"got runs of imachsr with seed 0 that differ in points; .* points=3"):
        pairs(ours, theirs, {"scheme", *OF_POINTS})
    often = [run("imachsr", 0, 0.5, evaluate_every=every) for every in (0, 1)]
    ((both,),) = pairs(ours, often, {"scheme", *OF_POINTS}).values()
    assert both[1] is often[0]


def test_an_undefined_score_makes_no_pair():
    results = runs(CLEAR)
    results[-1].scores["dataset"]["mIoU"] = None
    (judgement,) = judge([CLAIM], results)
    assert len(judgement.contrasts[0].found.differences) == 4


def test_a_table_is_corrected_whole():
    weak = [0.02, 0.005, 0.012, 0.018, 0.001]
    assert verdict(runs(weak)) == "reproduced"
    family = [
        Claim(**{**asdict(CLAIM), "id": f"c{i}", "contrasts": CLAIM.contrasts, "metrics": (m,)})
        for i, m in enumerate(("mIoU", "mF1", "mRecall", "mPrecision"))
    ]
    first, *_ = judge(family, runs(weak))
    assert first.contrasts[0].adjusted == pytest.approx(4 * first.contrasts[0].found.p)
    assert first.verdict == "not distinguishable"
    (alone,) = judge(family[:1], runs(weak))
    assert first.contrasts[0].visible > alone.contrasts[0].visible, "what a corrected test cannot see is not visible"


def test_what_is_not_judged_yet_keeps_its_place_so_that_no_verdict_lapses():
    begun = Claim(**{**asdict(CLAIM), "id": "begun", "contrasts": CLAIM.contrasts, "only": {"data": ["cityscapes"]}})
    weak = [0.02, 0.005, 0.012, 0.018, 0.001]
    few = runs(CLEAR[:4], data="cityscapes") + [run("conventional", seed, 0.4, data="cityscapes") for seed in range(4)]
    whole, unfinished = judge([CLAIM, begun], [*runs(weak), *few])
    assert (whole.verdict, unfinished.verdict) == ("not distinguishable", "not distinguishable")
    (one,) = whole.contrasts
    assert (one.adjusted, one.family) == (2 * one.found.p, 2)
    assert judge([CLAIM, begun], runs(weak))[0].contrasts[0].adjusted == one.adjusted, "not begun, too"
    (few,) = unfinished.contrasts
    assert len(few.found.differences) == 4
    assert np.isnan(few.adjusted)
    assert few.family == 2
    assert sheet([unfinished])["p (Holm)"].tolist() == [""]
    later = runs(weak) + [replace(one, settings={**one.settings, "data": "cityscapes"}) for one in runs(CLEAR)]
    assert judge([CLAIM, begun], later)[0].contrasts[0].adjusted == pytest.approx(one.found.p), "the second of two"


def test_every_comparison_of_a_claim_must_hold():
    both = Claim(**{**asdict(CLAIM), "contrasts": (*CLAIM.contrasts, ({"scheme": "imachsr"}, {"scheme": "imacsr"}))})
    results = runs(CLEAR)
    assert verdict(results, both) == "not testable here"
    better = [run("imacsr", seed, 0.6 + 0.01 * seed + gain) for seed, gain in enumerate(CLEAR)]
    assert verdict(results + better, both) == "contradicted"
    worse = [run("imacsr", seed, 0.3 + 0.01 * seed + gain / 2) for seed, gain in enumerate(CLEAR)]
    assert verdict(results + worse, both) == "reproduced"


def test_a_reported_loss_is_reproduced_by_a_loss():
    loss = Claim(**{**asdict(CLAIM), "reported": {"mIoU": -0.54}, "contrasts": CLAIM.contrasts})
    (judged,) = judge([loss], runs([-gain for gain in CLEAR]))
    assert judged.verdict == "reproduced"
    assert "as claimed in direction; the interval lies below the printed size" in judged.why
    assert verdict(runs(CLEAR), loss) == "contradicted"
    (judged,) = judge([loss], runs([0.01, -0.01, 0.02, -0.02, 0.0]))
    assert judged.why.startswith("the difference from zero could be chance; the interval holds the printed size")
    assert judged.why.endswith(f"; on {judged.contrasts[0].footing}"), "it names the network where the claim does not"
    gain = Claim(**{**asdict(CLAIM), "reported": {"mIoU": 2.04}, "contrasts": CLAIM.contrasts})
    (judged,) = judge([gain], runs(CLEAR))
    assert "the interval holds the printed size" in judged.why
    two = Claim(**{**asdict(gain), "metrics": ("mIoU", "mF1"), "reported": {"mIoU": 2.04, "mF1": 9.0}})
    (judged,) = judge([replace(two, contrasts=CLAIM.contrasts)], runs(CLEAR))
    assert "the interval of mIoU holds, of mF1 lies below the printed size" in judged.why
    assert {claim.kind for claim in claims(PAPERS) if 0.0 in claim.reported.values()} == {"equivalence"}


def test_an_unknown_protocol_is_refused_before_any_run():
    with pytest.raises(ValueError, match=r"got protocol='datasets'; scores are filed under .*; use one of them"):
        judge([CLAIM], [], protocol="datasets")


def test_a_single_scale_is_not_judged_by_several():
    single, multi = (
        next(c for c in claims(PAPERS) if c.id == f"hs3/table2/{kind}_scale") for kind in ("single", "multi")
    )
    own = {"data": "nyudv2", "model": "sagate_resnet101", "points": 2, "size": None}
    several = {"test_scales": (0.5, 0.75, 1.0, 1.25, 1.5, 1.75), "test_flip": True}
    many = [run(s, seed, 0.4 + (s == "hs3_fuse") * 0.02 + 0.001 * seed * (s == "hs3_fuse"), **own, **several)
            for s in ("hs3_fuse", "conventional") for seed in range(5)]  # fmt: skip
    assert verdict(many, single) == "not testable here"
    assert verdict(many, multi) == "reproduced"


def test_points_by_name_make_a_footing():
    claim = next(c for c in claims(PAPERS) if c.id == "hs3/table1/hrnet_w48/hs3/deep_supervision")
    own = {"data": "nyudv2", "model": "hrnet_w48", "points": 2, "size": None}
    by_rule = [run(s, 0, 0.4, **own) for s in ("hs3", "deep_supervision")]
    named = [run(s, 0, 0.4, **own, names=("stage2.0[0]", "stage3.3[0]")) for s in ("hs3", "deep_supervision")]
    assert verdict(by_rule, claim) == "not testable here", "those are not the stages' ends"
    assert verdict(named, claim) == "not distinguishable"


def test_equivalence():
    claim = Claim(**{**asdict(CLAIM), "kind": "equivalence", "margin": 0.5, "contrasts": CLAIM.contrasts})
    assert verdict(runs([0.001, -0.001, 0.0, 0.001, 0.0]), claim) == "reproduced"
    assert verdict(runs(CLEAR), claim) == "contradicted"
    assert verdict(runs([0.02, -0.02, 0.01, -0.015, 0.001]), claim) == "not distinguishable"
    assert verdict(runs([0.001, 0.0]), claim) == "not distinguishable"
    near = [0.005, -0.0005, 0.0015, 0.0035, 0.0]
    assert verdict(runs(near), claim) == "reproduced"
    family = [
        Claim(**{**asdict(claim), "id": f"c{i}", "contrasts": CLAIM.contrasts, "metrics": (m,)})
        for i, m in enumerate(("mIoU", "mF1", "mRecall", "mPrecision"))
    ]
    first, *_ = judge(family, runs(near))
    assert first.contrasts[0].adjusted == pytest.approx(4 * first.contrasts[0].found.within(0.5))
    assert first.verdict == "not distinguishable"
    found = first.contrasts[0].found
    assert first.contrasts[0].visible == pytest.approx(0.5 + found.visible(0.05 / 4)), "beyond the margin, not from 0"
    assert first.contrasts[0].needed() == found.needed(0.5, 0.05 / 4, equal=True) > 5


def test_what_an_equivalence_could_see_contradicts_it_four_times_in_five():
    claim = Claim(**{**asdict(CLAIM), "kind": "equivalence", "margin": 0.5, "contrasts": CLAIM.contrasts})
    (judged,) = judge([claim], runs([0.01, -0.01, 0.0, 0.01, -0.01]))
    (contrast,) = judged.contrasts
    deviation, draw = np.std(contrast.found.differences, ddof=1), np.random.default_rng(0)
    samples = [paired(contrast.visible + deviation * draw.standard_normal(5)) for _ in range(3000)]
    assert np.mean([sample.beyond(0.5) < 0.05 for sample in samples]) == pytest.approx(0.8, abs=0.025)


def test_chosen_seeds_and_looks_after_each_seed_bring_no_verdict():
    def at(seeds, gains):
        return [run(s, n, 0.4 + 0.01 * n + g * (s == "imachsr")) for n, g in zip(seeds, gains, strict=True)
                for s in ("conventional", "imachsr")]  # fmt: skip

    (judged,) = judge([CLAIM], at([3, 7, 11, 12, 40], CLEAR))
    assert judged.verdict == "not distinguishable"
    assert judged.why.startswith("seeds: 1; a verdict needs 5 (0 to 4); 4 other seeds not judged; on camvid")
    assert judged.contrasts[0].aside == pytest.approx([100 * gain for gain in CLEAR[1:]])
    (judged,) = judge([CLAIM], at([7, 8], CLEAR[:2]))
    assert judged.verdict == "not testable here"
    unclear, later = [0.02, -0.03, 0.01, -0.01, 0.015], [0.03] * 15
    (judged,) = judge([CLAIM], at(range(20), unclear + later))
    assert judged.verdict == "not distinguishable", "more seeds were run when five had not been enough"
    assert "; 15 other seeds not judged" in judged.why
    assert judged.contrasts[0].found.differences == pytest.approx([100 * gain for gain in unclear])
    (row,) = sheet([judged]).to_dict("records")
    assert (row["seeds"], row["not judged"]) == ("5", "15, mean +3.00")
    (judged,) = judge([CLAIM], at(range(20), unclear + later), seeds=20)
    assert judged.verdict == "reproduced", "a larger number, fixed beforehand"
    (judged,) = judge([CLAIM], at(range(20), CLEAR * 4), seeds=25)
    assert judged.verdict == "not distinguishable"
    with pytest.raises(ValueError, match=r"got seeds=4; a verdict takes 5 at least; pass seeds >= 5"):
        judge([CLAIM], [], seeds=4)


def test_what_two_claims_of_a_table_compare_alike_is_corrected_once():
    claim = Claim(**{**asdict(CLAIM), "id": "whole", "contrasts": CLAIM.contrasts, "metrics": ("mIoU", "mF1")})
    other = Claim(**{**asdict(CLAIM), "id": "cell", "contrasts": CLAIM.contrasts, "reported": {"mIoU": 1.0}})
    equal = Claim(
        **{**asdict(other), "id": "equal", "kind": "equivalence", "margin": 5.0, "contrasts": CLAIM.contrasts}
    )
    whole, cell = judge([claim, other], runs(CLEAR))
    assert {c.family for c in (*whole.contrasts, *cell.contrasts)} == {2}
    assert cell.contrasts[0].adjusted == whole.contrasts[0].adjusted == 2 * cell.contrasts[0].found.p
    *_, last = judge([claim, other, equal], runs(CLEAR))
    assert last.contrasts[0].family == 3, "another hypothesis on the same runs"


QUOTED = {claim.check: claim.quoted for claim in claims(PAPERS) if claim.kind == "arithmetic"}


# --- the papers' own numbers ------------------------------------------------------------------------------------------


def test_quoted_numbers_are_the_claims_own_words():
    quoting = {claim.check: claim for claim in claims(PAPERS) if claim.quoted}
    assert {*quoting} == {
        "largest_relative_gain", "deeplab_cityscapes_margins", "hs3_fuse_gain_over_sagate", "hs3_server_gains",
        "deeplab_gains_by_data",
    }  # fmt: skip
    for claim in quoting.values():
        assert all(str(number) in claim.says for number in claim.quoted.values())
    assert not check("deeplab_cityscapes_margins", PAPERS, {})[0]


def test_every_number_of_table_2_is_a_row():
    every = claims(PAPERS)
    assert len({claim.id for claim in every}) == len(every)
    assert sum(claim.id.startswith("table2/") for claim in every) == 9 * 4 * 2
    cell = next(c for c in every if c.id == "table2/deeplabv3plus_resnet18/cityscapes/mIoU/imacsr")
    assert cell.reported == {"mIoU": 4.02}
    assert {claim.check for claim in every if claim.kind == "arithmetic"} == {*CHECKS}


def test_a_comparison_is_corrected_in_one_table():
    """Two tables for one comparison would give one hypothesis two corrected p values."""
    tables = {}
    for claim in claims(PAPERS):
        for pair in claim.contrasts:
            for metric in claim.metrics:
                tables.setdefault(json.dumps([pair, metric, claim.only], sort_keys=True), []).append(claim.table)
    shared = [found for found in tables.values() if len(found) > 1]
    assert {found[0] for found in shared} == {"Table 2, imachsr", "HS3 Table 5", "HS3 Table 6"}
    assert all(len(set(found)) == 1 for found in shared)


def test_conclusions_of_a_table_are_judged_on_what_the_table_is_about():
    every = claims(PAPERS)
    for table, count in (("table5", 3), ("table6", 3)):
        row = next(c for c in every if c.id.startswith(f"hs3/{table}/hrnet"))
        stated = [c for c in every if c.id.startswith(f"hs3/{table}/") and not c.reported]
        assert len(stated) == count
        for claim in stated:
            assert claim.only == row.only, claim.id
            assert claim.table == row.table == f"HS3 Table {table[-1]}"
    elsewhere = [run(s, n, 0.4 + 0.001 * n - 0.1 * (s == "hs3")) for s in ("hs3", "conventional", "deep_supervision")
                 for n in range(5)]  # fmt: skip
    any_clustering = next(c for c in every if c.id == "hs3/table6/any_clustering")
    assert verdict(elsewhere, any_clustering) == "not testable here", "CamVid says nothing about Cityscapes"


def test_the_abstracts_maximum_is_not_the_tables(tmp_path):
    holds, why = check("largest_relative_gain", PAPERS, QUOTED["largest_relative_gain"])
    assert not holds
    assert "10.14 % (seaformer on camvid, +5.14 points)" in why
    assert "9.19 % is +4.02 points" in why
    changed = json.loads((PAPERS / "table2.json").read_text())
    for row in changed["rows"]:
        if row["model"] == "seaformer" and row["supervision"] == "on":
            row["mIoU"] = 1.0
    (tmp_path / "table2.json").write_text(json.dumps(changed))
    assert check("largest_relative_gain", tmp_path, QUOTED["largest_relative_gain"])[0]
    assert not check("almost_all_cells_gain", tmp_path, {})[1].startswith("32")


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("deeplab_cityscapes_margins", True),
        ("almost_all_cells_gain", True),
        ("complex_data_gain_more", False),
        ("seaformer_synthia_loses", True),
        ("hs3_fuse_gain_over_sagate", False),
        ("hs3_server_gains", False),
        ("deeplab_gains_by_data", True),
    ],
)
def test_what_the_papers_numbers_say(name, holds):
    assert check(name, PAPERS, QUOTED[name])[0] is holds


def test_almost_all_says_what_it_took_and_which_model_falls_short(tmp_path):
    why = check("almost_all_cells_gain", PAPERS, {})[1]
    assert why.startswith("32 of 36 cells of Table 2 gain, 89 %; almost all, of all models together, is read as 85 %")
    assert why.endswith("deeplabv3plus_resnet18 12 of 12, seaformer 8 of 12, topformer 12 of 12")
    rows = json.loads((PAPERS / "table2.json").read_text())
    for row in rows["rows"]:
        if (row["model"], row["data"], row["supervision"]) == ("topformer", "camvid", "on"):
            row["mIoU"] = row["mF1"] = 0.0
    (tmp_path / "table2.json").write_text(json.dumps(rows))
    assert not check("almost_all_cells_gain", tmp_path, {})[0], "30 of 36 are 83 %"


def test_arithmetic_reads_the_numbers(tmp_path):
    for file in PAPERS.glob("*.json"):
        shutil.copy(file, tmp_path)
    tables = json.loads((PAPERS / "hs3.json").read_text())
    tables["table2"]["rows"][1]["mIoU"] = 52.7
    (tmp_path / "hs3.json").write_text(json.dumps(tables))
    assert check("hs3_fuse_gain_over_sagate", tmp_path, {"mIoU": 1.2})[0]
    with pytest.raises(ValueError, match="got check='nothing'; the checks known are"):
        check("nothing", PAPERS, {})


# --- the sheet --------------------------------------------------------------------------------------------------------


def test_the_sheet_shows_what_was_judged():
    table = sheet(judge([CLAIM], runs(CLEAR)))
    (row,) = table.to_dict("records")
    assert row["baseline"] == "42.00"
    assert row["measured"] == "+2.04"
    assert row["seeds"] == "5"
    assert row["verdict"] == "reproduced"
    assert row["on"] == "camvid standard 180x240, deeplabv3plus_resnet18, 20 epochs"
    assert "| reproduced |" in sheet_markdown(judge([CLAIM], runs(CLEAR)))
    whole = sheet(judge(claims(PAPERS), []))
    assert len(whole) >= 100
    assert set(whole["verdict"]) <= {*VERDICTS}


def test_claims_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match=r"got kind='wish' for claim 'x'"):
        Claim("x", "p", "w", "t", "wish", "s")
    with pytest.raises(ValueError, match=r"comparisons have contrasts, an equivalence a margin"):
        Claim("x", "p", "w", "t", "comparison", "s")


def test_the_command_prints_verdicts(capsys):
    assert main(["claims", "abstract"]) == 0
    assert "contradicted by the paper's own numbers" in capsys.readouterr().out
    assert main(["claims", "table2", "--full"]) == 0
    assert "| id | where |" in capsys.readouterr().out
    assert main(["claims", "nowhere"]) == 1
    assert "got 'nowhere', which no claim's id begins with" in capsys.readouterr().err


def test_every_comparison_has_a_short_label_of_its_own():
    labels = [label(judged.claim, contrast) for judged in judge(claims(PAPERS), []) for contrast in judged.contrasts]
    assert len(labels) == len(set(labels)) > 100
    assert max(map(len, labels)) < 90
    assert "Table 2, CamVid, DeepLabv3+: imacsr, mIoU" in labels
    assert "HS3 Table 3, Cityscapes, HRNet-W18 OCR: hs3_fuse, mIoU" in labels
    assert "HS3 Table 3, Cityscapes, HRNet-W18 OCR: hs3_fuse, at 1 times the cost, mIoU" in labels
    assert "HS3 Table 5, NYUDv2, HRNet-W18 OCR: 80 degrees vs 0 degrees, mIoU" in labels
    assert "Fig. 4: near center, distance 2 vs distance 1, constant weight, mF1" in labels
