"""`imachsr results`: results chosen, compared and written, and a ledger that is not as it should be."""

import csv
import errno
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

import imachsr
from imachsr.claims import compare
from imachsr.cli import main
from imachsr.experiment import (
    METRICS,
    Result,
    Settings,
    comparison,
    course,
    ledger,
    ledger_folder,
    published_folder,
    results,
    write_atomically,
)
from imachsr.experiment.choosing import FIELDS, chosen, wanted
from imachsr.experiment.tables import footing, latex_table, result_rows, rows_csv

PROTOCOLS = ("dataset", "paper")


def result(score=0.5, fingerprint="data", **changes):
    settings = Settings(**{"data": "camvid", "scheme": "conventional", **changes})
    scores = {**dict.fromkeys(METRICS, score), "pixel_accuracy": score, "per_class": {"iou": [score] * 2}}
    right = round(10**6 * (score or 0))
    return Result(
        key=settings.key(fingerprint), settings=asdict(settings), classes=("road", "sky"), points=(), history=[],
        scores={name: scores for name in PROTOCOLS}, certainty={"ece": 0.1},
        per_image=[[[right] * 2, [0] * 2, [10**6 - right] * 2]],
        provenance={"fingerprint": fingerprint, "images": {"train": 3}, "image_format": "png", "device": "d"},
    )  # fmt: skip


def seeds(count, gain, **changes):
    """`count` seeds of conventional, and as many of imachsr that gain about so many points."""
    both = []
    for seed in range(count):
        base = 0.4 + 0.01 * seed
        both += [
            result(base, seed=seed),
            result(base + gain / 100 + 0.001 * (seed % 2), scheme="imachsr", seed=seed, **changes),
        ]
    return both


@pytest.fixture
def filed(tmp_path):
    for one in (*seeds(5, 2.0), result(0.3, data="streets", size=(64, 96), seed=7)):
        one.write(tmp_path)
    return tmp_path


def said(capsys, *words):
    assert main(["results", *map(str, words)]) == 0
    return capsys.readouterr().out


# --- choosing ---------------------------------------------------------------------------------------------------------


def test_every_setting_a_result_keeps_can_be_asked_for():
    kept = set(result().settings) - {"root"}
    assert set(FIELDS) == kept
    plain = Settings(gamma=(0.1, 0.2, 0.3), augment=True, crop=(8, 9), ema=0.9, length=3)
    for name in FIELDS:
        value = getattr(plain, name)
        sizes = name in ("size", "crop")
        text = ("x" if sizes else ",").join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert wanted([f"{name}={text}"]) == {name: [value]}, name


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("scheme", r"got 'scheme'; a filter is NAME=VALUE; write it as in scheme=imachsr"),
        ("shceme=imachsr", r"got setting 'shceme'; there are model, .*; did you mean scheme\?"),
        ("root=here", r"got setting 'root'; there are"),
        ("scheme=imachr", r"got scheme='imachr'; there are conventional, .*; did you mean imachsr\?"),
        ("seed=one", r"got seed='one'; it is int; write one"),
        ("size=180", r"got size='180'; it is tuple\[int, int\] \| None; write as in 180x240"),
        ("divide=perhaps", r"got divide='perhaps'; it is bool; write true or false"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(word, message):
    with pytest.raises(ValueError, match=message):
        wanted([word])


def test_filters_hold_together_and_values_of_one_name_add_up():
    runs = seeds(3, 1.0, points=5)

    def found(*words):
        return [(r.settings["scheme"], r.settings["seed"]) for r in chosen(runs, (), wanted(words))]

    assert found("scheme=imachsr", "seed=0", "seed=2") == [("imachsr", 0), ("imachsr", 2)]
    assert len(found("points=5")) == 6, "points say nothing about conventional training"
    assert [r.key for r in chosen(runs, [runs[1].key[:9]])] == [runs[1].key]
    with pytest.raises(ValueError, match="got seed=9, which none of 6 results has; they have 0, 1, 2; choose one"):
        chosen(runs, (), wanted(["seed=9"]))
    with pytest.raises(ValueError, match="no filed result begins with"):
        chosen(runs, ["zz"])


def test_a_result_older_than_a_setting_has_its_default():
    old = result()
    del old.settings["theta"]
    assert old.setting("theta") == Settings.theta
    assert chosen([old], (), wanted(["theta=76"])) == [old]


# --- comparing --------------------------------------------------------------------------------------------------------


def test_differences_are_paired_by_seed_and_students():
    from scipy import stats

    runs = seeds(5, 2.0)
    (row,) = compare(runs, metrics=("mIoU",)).to_dict("records")
    gains = [
        100 * (b.scores["dataset"]["mIoU"] - a.scores["dataset"]["mIoU"])
        for a, b in zip(runs[::2], runs[1::2], strict=True)
    ]
    interval = stats.t.interval(0.95, 4, sum(gains) / 5, stats.sem(gains))
    assert (row["low"], row["high"]) == pytest.approx(interval)
    assert row["difference"] == pytest.approx(row["mean"] - row["baseline"])
    assert row["relative"] == pytest.approx(100 * row["difference"] / row["baseline"])
    assert (row["seeds"], row["finding"]) == (5, "higher")
    assert row["p"] == pytest.approx(5 * stats.ttest_1samp(gains, 0).pvalue), "four metrics and the pixel accuracy"
    (row,) = compare(seeds(5, -2.0), metrics=("mIoU",)).to_dict("records")
    assert row["finding"] == "lower"


def test_calibration_is_compared_over_the_runs_filed_with_it_and_corrected_apart(tmp_path, capsys):
    from scipy import stats

    gains = (0.01, 0.012, 0.011, 0.009, 0.013)
    runs = [
        replace(one, certainty={"overconfidence": 0.07 - gains[place // 2] * (place % 2), "ece": 0.08})
        for place, one in enumerate(seeds(5, 2.0))
    ]
    runs[0].certainty.clear()
    row, _ = compare(runs, metrics=("overconfidence", "ece")).to_dict("records")
    assert (row["seeds"], row["finding"]) == (4, "not distinguishable"), "four seeds have a pair"
    assert row["difference"] == pytest.approx(-100 * sum(gains[1:]) / 4)
    runs[0].certainty.update(runs[2].certainty)
    row, _ = compare(runs, metrics=("overconfidence", "ece")).to_dict("records")
    assert row["p"] == pytest.approx(2 * stats.ttest_1samp(gains, 0).pvalue), "the two of calibration"
    assert row["finding"] == "lower"
    assert compare(runs, metrics=("mIoU",))["p"].tolist() == compare(seeds(5, 2.0), metrics=("mIoU",))["p"].tolist()
    runs[0].certainty.clear()
    for one in runs:
        one.write(tmp_path)
    text = said(capsys, "compare", "--ledger", tmp_path, "--metric", "ece")
    assert "+0.00 to +0.00" in text
    text = said(capsys, "table", "--ledger", tmp_path, "--metric", "overconfidence")
    assert "| conventional | 7.00 ± 0.00 | 4 |" in text
    assert "mF1 " not in said(capsys, "--ledger", tmp_path, "--metric", "ece")
    assert "ece - %" in said(capsys, "--ledger", tmp_path, "--metric", "ece")
    said(capsys, "export", "--ledger", tmp_path, "--metric", "ece")


def test_without_any_calibration_there_is_no_table_of_it(tmp_path, capsys):
    replace(result(), certainty={}).write(tmp_path)
    assert "No results with ece published yet." in said(capsys, "table", "--ledger", tmp_path, "--metric", "ece")
    for form in ("csv", "latex", "json"):
        said(capsys, "table", "--ledger", tmp_path, "--metric", "ece", "--format", form)
    assert list(comparison([], metrics=("ece",), spread=True).columns[-3:]) == ["ece sd", "ece low", "ece high"]


def test_a_table_by_class_has_each_class_over_the_seeds(filed, capsys):
    text = said(capsys, "table", "--ledger", filed, "--where", "data=camvid", "--by-class")
    assert "| scheme | IoU road | IoU sky | seeds |" in text
    assert "| conventional | 42.00 ± 1.96 | 42.00 ± 1.96 | 5 |" in text
    for words in (("list", "--by-class"), ("table", "--by-class", "--metric", "mIoU")):
        assert main(["results", *words, "--ledger", str(filed)]) == 1
        assert "got --by-class; it is a table's, in place of metrics; use it" in capsys.readouterr().err


def test_a_seed_that_was_scored_more_often_is_the_same_seed():
    runs = [result(0.4, seed=0), result(0.4, seed=0, evaluate_every=5), result(0.42, seed=1, evaluate_every=5)]
    (row,) = comparison(runs).to_dict("records")
    assert (row["seeds"], row["mIoU"]) == (2, pytest.approx(41))


def test_pairs_of_unlike_machines_and_image_files_are_told(capsys, tmp_path):
    runs = seeds(2, 1.0)
    runs[1].provenance["device"] = "another"
    (row,) = compare(runs, metrics=("mIoU",)).to_dict("records")
    assert (row["seeds"], row["unlike"]) == (2, 1)
    without = [replace(one, certainty={}) if one.settings["seed"] == 0 else one for one in runs]
    (row,) = compare(without, metrics=("ece",)).to_dict("records")
    assert (row["seeds"], row["unlike"]) == (1, 0), "of the pairs that are counted"
    copies = seeds(2, 1.0)
    for one in copies:
        one.provenance.update(fingerprint="copy", image_format="webp")
    both = compare(runs + copies, metrics=("mIoU",))["where"]
    assert [*both] == [f"{row['where']}, png images", f"{row['where']}, webp images"]
    for one in runs:
        one.write(tmp_path)
    assert "2 (1 on unlike machines)" in said(capsys, "compare", "--ledger", tmp_path, "--metric", "mIoU")


@pytest.mark.parametrize("count", [1, 2, 4])
def test_fewer_than_five_seeds_are_not_distinguishable(count):
    table = compare(seeds(count, 20.0))
    assert set(table["finding"]) == {"not distinguishable"}
    assert set(table["seeds"]) == {count}


def test_p_does_not_change_with_what_is_shown():
    runs = [
        result(0.4 + 0.01 * seed + gain, scheme=scheme, seed=seed)
        for seed, weak in enumerate((0.02, 0.005, 0.012, 0.018, 0.001))
        for scheme, gain in (("conventional", 0.0), ("imacsr", weak), ("imachsr", 0.02 * weak))
    ] + [result(0.9, scheme="hs3", seed=seed) for seed in (0, 1)]
    every = compare(runs)
    asked = compare(runs, metrics=("mF1",), schemes=["imacsr"])
    assert [*zip(asked["scheme"], asked["metric"], strict=True)] == [("imacsr", "mF1")]
    both = every[(every["scheme"] == "imacsr") & (every["metric"] == "mF1")]
    assert asked["p"].tolist() == both["p"].tolist()
    assert set(every["finding"]) == {"not distinguishable"}, "0.03 alone, ten comparisons"
    assert every[every["scheme"] == "hs3"]["p"].isna().all()
    assert compare(runs, metrics=("mF1", "mIoU"))["metric"].tolist()[:2] == ["mF1", "mIoU"], "in the order asked for"
    with pytest.raises(ValueError, match=r"got metrics \['miou'\]; what can be compared is \['mIoU'"):
        compare(runs, metrics=("miou",))
    with pytest.raises(ValueError, match=r"got schemes \['hs3_fuse'\]; what can be compared is \['conventional', "):
        compare(runs, schemes=["hs3_fuse"])


def test_a_scheme_nobody_asked_for_refuses_nothing():
    runs = [result(0.5, scheme="deep_supervision", points=M) for M in (3, 5)] + [result(0.4)]
    runs += [result(0.6, scheme="imachsr", points=3)]
    with pytest.raises(ValueError, match="got runs of deep_supervision with seed 0 that differ in points"):
        compare(runs, "deep_supervision")
    (row,) = compare(runs, "deep_supervision", ("mIoU",), schemes=["imachsr"]).to_dict("records")
    assert (row["scheme"], row["seeds"]) == ("imachsr", 1)


def test_other_schemes_are_corrected_with_those_shown(tmp_path, capsys):
    for seed in range(5):
        for scheme, gain in (("conventional", 0.0), ("imacsr", 0.02), ("imachsr", 0.01), ("hs3", 0.03)):
            result(0.4 + 0.01 * seed + gain + 0.001 * (seed % 2) * (gain > 0), scheme=scheme, seed=seed).write(tmp_path)

    def rows(*words):
        loaded = json.loads(said(capsys, "compare", "--ledger", tmp_path, "--format", "json", *words))
        return {(row["scheme"], row["metric"]): row["p"] for row in loaded}

    every = rows()
    asked = rows("--where", "scheme=imacsr", "--where", "scheme=hs3", "--metric", "mIoU")
    assert [*asked] == [("imacsr", "mIoU"), ("hs3", "mIoU")]
    assert all(every[name] == p for name, p in asked.items())
    assert "from 10 results" in said(
        capsys, "compare", "--ledger", tmp_path, "--where", "scheme=imacsr", "--out", tmp_path / "out" / "a.txt"
    )


def test_only_seeds_and_settings_both_were_run_with_are_compared():
    others = [
        result(0.9, scheme="imachsr", seed=9),
        result(0.9, scheme="imachsr", epochs=3),
        result(0.1, "else", seed=9),
    ]
    table = compare([*seeds(2, 1.0), *others], metrics=("mIoU",))
    assert sorted(zip(table["where"].str.contains("3 epochs"), table["seeds"], strict=True)) == [(False, 2)]
    alone = compare([result(seed=0), result(scheme="imachsr", seed=1)], metrics=("mIoU",))
    assert [*alone["seeds"]] == [0], "a scheme without a common seed is shown as such"
    with pytest.raises(ValueError, match="got baseline 'hs3', of which there is no run; a difference has two sides"):
        compare(seeds(1, 1.0), "hs3")


def test_a_weight_without_a_regularizer_keeps_no_pair_apart():
    matched = [result(0.6, scheme="imachsr", lambda_=0.0), result(0.5, scheme="deep_supervision", lambda_=0.01)]
    (row,) = compare(matched, "deep_supervision", metrics=("mIoU",)).to_dict("records")
    assert (row["seeds"], round(row["difference"], 6)) == (1, 10.0)
    assert "lambda" not in footing(matched[1])
    assert [one.idle("lambda_") for one in matched] == [False, True]


def test_a_footing_holds_no_setting_of_one_side_alone():
    assert footing(result(0.5, scheme="hs3", theta=80.0)) == footing(result(0.5, scheme="hs3", clustering="k_means"))


def test_against_a_baseline_with_points_the_points_must_agree():
    runs = [
        result(0.5, scheme="deep_supervision", points=3),
        result(0.6, scheme="imachsr", points=3),
        result(0.7, scheme="imachsr", points=5),
        result(0.4),
    ]
    table = compare(runs, "deep_supervision", metrics=("mIoU",))
    assert set(zip(table["scheme"], table["seeds"], strict=True)) == {
        ("conventional", 1),
        ("imachsr", 1),
        ("imachsr", 0),
    }


# --- writing ----------------------------------------------------------------------------------------------------------


def test_csv_has_a_row_per_result_and_comes_back(filed, capsys, tmp_path):
    out = tmp_path / "out" / "results.csv"
    assert "from 11 results" in said(capsys, "export", "--ledger", filed, "--out", out)
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    by_key = {one.key: one for one in results(filed)}
    assert {row["key"] for row in rows} == set(by_key)
    for row in rows:
        one = by_key[row["key"]]
        again = wanted([f"{name}={row[name]}" for name in FIELDS])
        assert {name: value for name, (value,) in again.items()} == {name: one.setting(name) for name in FIELDS}
        for protocol in PROTOCOLS:
            for metric in (*METRICS, "pixel_accuracy"):
                assert float(row[f"{protocol}.{metric}"]) == one.scores[protocol][metric]
        assert row["provenance.images.train"] == "3"
        assert float(row["certainty.ece"]) == 0.1


def test_csv_has_nothing_where_there_is_nothing():
    import pandas as pd

    one, other = result(), result(seed=1)
    one.scores["dataset"] = {**one.scores["dataset"], "mPrecision": None}
    other.provenance["note"] = 'a, "quoted"\nline'
    frame = pd.read_csv(io.StringIO(rows_csv(result_rows([one, other]))))
    assert len(frame) == 2
    assert frame["dataset.mPrecision"].isna().tolist() == [True, False]
    assert frame["provenance.note"].tolist()[1] == 'a, "quoted"\nline'


def _tabular(text):
    """The rows of a LaTeX table as cells, its braces and environments checked."""
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert re.findall(r"\\begin{(\w+)}", text) == re.findall(r"\\end{(\w+)}", text)[::-1] == ["table", "tabular"]
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{rule}") == 1
    rows = [re.split(r"(?<!\\)&", line.removesuffix(r"\\")) for line in text.splitlines() if line.endswith(r"\\")]
    (columns,) = re.findall(r"\\begin{tabular}{([lr]+)}", text)
    assert {len(row) for row in rows} == {len(columns)}
    assert not re.search(r"(?<!\\)[%#_]", text)
    return [[cell.strip() for cell in row] for row in rows]


def test_latex_shows_means_spreads_and_seeds(filed, capsys):
    head, *rows = _tabular(said(capsys, "table", "--ledger", filed, "--where", "data=camvid", "--format", "latex"))
    assert head == ["scheme", *METRICS, "seeds"]
    table = comparison([one for one in results(filed) if one.settings["data"] == "camvid"], spread=True)
    for row, want in zip(rows, table.to_dict("records"), strict=True):
        assert row[1] == rf"{want['mIoU']:.2f} $\pm$ {want['mIoU'] - want['mIoU low']:.2f}"
        assert row[-1] == "5"
    assert table["mIoU sd"][0] == pytest.approx(1.58, abs=0.005), "of 40, 41, .. 44"
    assert (table["mIoU low"][0], table["mIoU high"][0]) == pytest.approx((42 - 1.963, 42 + 1.963), abs=0.001)
    one = said(capsys, "table", "--ledger", filed, "--where", "data=streets")
    assert "One seed each: no difference here is a finding." in one
    assert "| 30.00 |" in one
    assert "size 64x96" in one, "what all rows share is said once"
    text = said(capsys, "table", "--ledger", filed, "--where", "data=camvid")
    assert "| conventional | 42.00 ± 1.96 |" in text
    assert "to be subtracted" not in text, "both schemes have the same number of seeds"
    one = _tabular(said(capsys, "export", "--ledger", filed, "--where", "data=streets", "--format", "latex"))
    assert "30.00" in one[1], "one seed has no spread"


def test_latex_escapes_what_means_something_there():
    import pandas as pd

    nasty = "a_b & 50% #1 {x} ~ ^ $ \\"
    (head, row) = _tabular(latex_table(pd.DataFrame({nasty: [nasty]}), nasty))
    assert head == row == [r"a\_b \& 50\% \#1 \{x\} \textasciitilde{} \textasciicircum{} \$ \textbackslash{}"]


@pytest.mark.parametrize("act", ["list", "show", "table", "compare", "export"])
def test_json_is_strict_and_csv_has_a_header(act, filed, capsys):
    filter_ = ["--ledger", filed, "--where", "data=camvid"]
    loaded = json.loads(said(capsys, act, *filter_, "--format", "json"), parse_constant=pytest.fail)
    assert len(loaded) == {"table": 2, "compare": 4}.get(act, 10)
    if act != "show":
        rows = list(csv.DictReader(io.StringIO(said(capsys, act, *filter_, "--format", "csv"))))
        assert len(rows) == len(loaded)


def test_compare_keeps_its_baseline_and_says_points_beside_per_cent(filed, capsys):
    text = said(capsys, "compare", "--ledger", filed, "--where", "scheme=imachsr", "--metric", "mIoU")
    (row,) = [line for line in text.splitlines() if line.strip().startswith("imachsr")]
    assert re.search(r"mIoU +42\.00 +44\.04 +\+2\.04 +\+1\.97 to \+2\.11 +\+4\.86 +0\.000 +5 +higher", row)
    assert "camvid standard 180x240" in text
    latex = _tabular(said(capsys, "compare", "--ledger", filed, "--where", "data=camvid", "--format", "latex"))
    assert len(latex) == 1 + len(METRICS)


def test_compare_has_a_table_for_each_ground_and_keeps_the_number_of_points(filed, capsys):
    for one in (
        result(0.35, data="streets", size=(64, 96), seed=7, scheme="imachsr", points=count) for count in (1, 5)
    ):
        one.write(filed)
    text = said(capsys, "compare", "--ledger", filed, "--metric", "mIoU")
    camvid, streets, _ = text.split("\n\n")
    assert "points 3" in camvid.splitlines()[0]
    assert [line.split()[:2] for line in streets.splitlines()[2:]] == [["imachsr", "1"], ["imachsr", "5"]]
    every = json.loads(said(capsys, "compare", "--ledger", filed, "--where", "data=streets", "--format", "json"))
    assert {(row["points"], round(row["difference"], 9)) for row in every} == {(1, 5.0), (5, 5.0)}


def test_a_setting_is_shown_where_rows_would_look_alike_without_it():
    whole, part = (result(scheme="deep_supervision", analysis=share) for share in (0.0, 0.1))
    assert "analysis" not in comparison([whole, result(scheme="imachsr")])
    table = comparison([whole, part, result(scheme="hs3")])
    assert [*table["analysis"]] == ["0.0", "0.1", "0.0"]


def test_lists_show_what_was_asked(filed, capsys):
    text = said(capsys, "--ledger", filed, "--where", "seed=7", "--metric", "mF1", "--protocol", "paper")
    assert text.count("\n") == 1
    assert "mF1 30.00 % (paper)" in text


def test_keys_and_acts_may_stand_behind_options(filed, capsys):
    key = sorted(filed.glob("*.json"))[0].stem
    shown = said(capsys, "table", key, "--ledger", filed)
    assert shown != said(capsys, "table", "--ledger", filed)
    assert said(capsys, "table", "--ledger", filed, key) == shown
    assert said(capsys, "--ledger", filed, "table", key) == shown


def test_what_is_not_written_that_way_is_refused(filed, capsys):
    assert main(["results", "list", "--ledger", str(filed), "--format", "latex"]) == 1
    assert "got --format latex for 'list'; that is written as text, csv, json; choose one" in capsys.readouterr().err


def test_publish_by_filter(filed, capsys, tmp_path, monkeypatch):
    for folder in ("notebooks", "data/papers"):
        (tmp_path / "home" / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "home")
    text = said(
        capsys, "publish", "--ledger", filed, "--where", "scheme=imachsr", "--where", "seed=0", "--where", "seed=1"
    )
    assert text.count("published") == 2
    assert {one.settings["scheme"] for one in results(tmp_path / "home" / "data" / "results")} == {"imachsr"}
    assert said(capsys, "--published").count("\n") == 2


def test_what_is_published_is_read_from_anywhere_and_what_is_run_is_filed_here(tmp_path, monkeypatch):
    checkout = course()
    (tmp_path / "notebooks").mkdir()  # of a class, say, with versions to fill in
    monkeypatch.chdir(tmp_path)
    assert course() == checkout
    assert published_folder() == checkout / "data" / "results"
    assert ledger_folder() == tmp_path / "data" / "ledger"


# --- a ledger that is not as it should be -----------------------------------------------------------------------------

TINY = imachsr.Settings(size=(32, 48), length=4, epochs=1, batch_size=2, scheme="conventional")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "JSONDecodeError"),
        (b'{"key": "0123', "JSONDecodeError"),
        (b"\xff\xfe\x00", "UnicodeDecodeError"),
        (b"null", "TypeError"),
        (b"{}", "KeyError: 'classes'"),
        (b'{"classes": [], "points": [], "surprise": 1}', "surprise"),
    ],
)
def test_a_damaged_result_is_named_and_the_others_are_there(content, why, filed):
    bad = filed / "0123456789abcdef.json"
    bad.write_bytes(content)
    with pytest.warns(UserWarning, match=rf"got .*{bad.name}, which is no whole result") as told:
        assert len(results(filed)) == 11
    assert why in str(told[0].message)
    assert "; move it away, and run the same again" in str(told[0].message)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"scores": {}}, "KeyError: 'dataset'"),
        ({"scores": {"dataset": {"mIoU": 0.5}}}, "KeyError: 'mPrecision'"),
        ({"key": "f" * 16}, "its key is ffffffffffffffff"),
        ({"settings": {**result().settings, "seed": -1}}, "got seed=-1; it must be at least 0"),
    ],
)
def test_a_result_that_lacks_something_is_no_result(change, why, tmp_path):
    (tmp_path / f"{'0' * 16}.json").write_text(json.dumps({**asdict(result()), "key": "0" * 16, **change}))
    with pytest.warns(UserWarning, match=why):
        assert results(tmp_path) == []


def test_scores_that_do_not_follow_from_the_counts_are_not_published(tmp_path):
    better = result(0.5)
    better.scores["dataset"]["mIoU"] = 0.99
    better.write(tmp_path / "ledger")
    good, uncounted = result(0.5, seed=1), replace(result(0.5, seed=2), per_image=[])
    for one in (good, uncounted):
        one.write(tmp_path / "ledger")
    for keys, counted in (([good.key, better.key], "0.5"), ([good.key, uncounted.key], "nan")):
        with pytest.raises(ValueError, match=rf"with mIoU .*, but {counted} by its counts of pixels; .*anew"):
            imachsr.experiment.publish(keys, ledger=tmp_path / "ledger", published=tmp_path / "results")
    assert not (tmp_path / "results").exists(), "all or none"


def test_a_first_phase_is_published_with_what_came_of_it(tmp_path):
    first = result(scheme="deep_supervision", analysis=0.1)
    second = result(scheme="hs3")
    second.provenance["hs3"] = {"first_phase": first.key}
    for one in (first, second):
        one.write(tmp_path / "ledger")
    imachsr.experiment.publish([second.key], ledger=tmp_path / "ledger", published=tmp_path / "results")
    assert {one.key for one in results(tmp_path / "results")} == {first.key, second.key}


def test_the_command_says_damage_in_a_line_and_goes_on(filed):
    bad = filed / "0123456789abcdef.json"
    bad.write_text("{")
    ran = subprocess.run(
        [sys.executable, "-m", "imachsr", "results", "--ledger", filed], capture_output=True, text=True, check=True
    )
    assert ran.stdout.count("\n") == 11
    assert ran.stderr.startswith(f"imachsr results: got {bad}")
    assert ran.stderr.count("\n") == 1


def test_settings_a_result_cannot_lack(filed):
    (path, *_) = filed.glob("*.json")
    stored = json.loads(path.read_text())
    del stored["settings"]["scheme"]
    path.write_text(json.dumps(stored))
    with pytest.raises(ValueError, match=rf"{path.name}, which is no whole result \(KeyError: 'scheme'\)"):
        Result.read(path)


def test_a_scheme_of_another_version_is_said(filed):
    (path, *_) = filed.glob("*.json")
    path.write_text(path.read_text().replace('"scheme":"conventional"', '"scheme":"later"'))
    with pytest.raises(ValueError, match=r"scheme 'later' is not known here"):
        Result.read(path)


def test_a_damaged_answer_is_not_taken_for_one(tmp_path):
    done = imachsr.run(TINY, ledger=tmp_path, progress=False)
    path = tmp_path / f"{done.key}.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=rf"got .*{path.name}, which is no whole result"):
        imachsr.run(TINY, ledger=tmp_path, progress=False)
    assert imachsr.run(TINY, ledger=tmp_path, again=True, progress=False).scores == done.scores


def test_a_ledger_that_is_a_file_is_refused_before_the_first_step(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("imachsr.experiment.study._train_and_score", lambda *_: pytest.fail("trained"))
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(
            OSError, match=r"got (File exists|Not a directory) in ledger .*; results.*; make room or"
        ) as told:
            imachsr.run(TINY, ledger=place, progress=False)
        assert "Errno" not in str(told.value)
    assert main(["results", "--ledger", str(tmp_path / "file")]) == 1
    assert (
        "file, which cannot be read (Not a directory); it is a folder of results; name another"
        in capsys.readouterr().err
    )


def test_a_ledger_that_cannot_be_written_is_refused_before_the_first_step(tmp_path, monkeypatch):
    def refuse(*_, dir, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(dir))

    monkeypatch.setattr("imachsr.experiment.study._train_and_score", lambda *_: pytest.fail("trained"))
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(
        OSError, match=r"got Permission denied in ledger .*; results.*; make room or the folder writable"
    ):
        imachsr.run(TINY, ledger=tmp_path / "ledger", progress=False)


def test_a_disk_that_fills_costs_nothing(tmp_path, monkeypatch):
    """The log cannot be written: the run says so, and the same again goes on."""
    from imachsr.training.log import Log

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    settings = replace(TINY, epochs=2)
    with monkeypatch.context() as patch:
        patch.setattr(Log, "epoch", full)
        with pytest.raises(
            OSError, match=r"got No space left on device in ledger .*; make room .*it goes on where it was"
        ):
            imachsr.run(settings, ledger=tmp_path, progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(ledger.os, "replace", full)
        with pytest.raises(OSError, match=r"got No space left on device while (writing|saving)"):
            imachsr.run(settings, ledger=tmp_path, progress=False)
    assert not list(tmp_path.glob("*.json"))
    assert imachsr.run(settings, ledger=tmp_path, progress=False).history[-1]["number"] == 2


def test_a_file_that_cannot_be_written_says_so(tmp_path, filed, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"got .* while writing .*; a file is written whole.*; make room or the folder"):
        write_atomically(tmp_path / "file" / "out.csv", "x")
    assert main(["results", "export", "--ledger", str(filed), "--out", str(tmp_path / "file" / "out.csv")]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
