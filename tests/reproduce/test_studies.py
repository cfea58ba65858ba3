"""Studies: what they run at each tier, that they share runs, and that the claims find theirs among them."""

import json
from dataclasses import asdict

import pytest
import torch

from conftest import REPOSITORY
from imachsr import models
from imachsr.claims import claims
from imachsr.claims.contrasts import matches, wanted
from imachsr.experiment import TIERS, Result, Settings
from imachsr.objective import SCHEMES
from imachsr.reproduce.studies import STUDIES, cell, of_cells

EVERY = [(name, tier) for name in STUDIES for tier in TIERS]


def settings(name, tier="lab", data="camvid", seeds=1):
    return STUDIES[name].settings(tier, data, None, seeds)


def test_networks_take_the_inputs_that_their_study_gives_them():
    """NYUDv2 gives one photograph, or two inputs to networks of two."""
    given = {setting.model: setting.inputs for setting in settings("hs3", "paper", "nyudv2")}
    assert len({*given.values()}) > 1
    for model, inputs in given.items():
        with torch.device("meta"):
            assert models.count_inputs(models.create(model, 40)) == len((inputs or "rgb+hha").split("+")), model


def test_the_papers_protocol_of_a_dataset_is_its_default_at_every_tier():
    for tier in TIERS:
        assert Settings.at(tier, data="cityscapes", root="x").split == "val500"
        synthia = Settings.at(tier, data="synthia_sf", root="x")
        assert (synthia.split, synthia.classes, synthia.tier) == ("random:1596/628", 23, tier)
        own = Settings.at(tier, data="synthia_sf", root="x", split="sequences:1,2,3,4,5/6", classes=22)
        assert (own.split, own.classes) == ("sequences:1,2,3,4,5/6", 22)


@pytest.mark.parametrize(("name", "tier"), EVERY)
def test_a_study_is_of_its_tier_distinct_and_has_every_seed(name, tier):
    found = settings(name, tier, seeds=2)
    assert found
    assert {setting.tier for setting in found} == {tier}
    assert len(set(found)) == len(found)
    half = len(found) // 2
    strip = [{k: v for k, v in asdict(setting).items() if k != "seed"} for setting in found]
    assert [setting.seed for setting in found] == [0] * half + [1] * half
    assert sorted(strip[:half], key=str) == sorted(strip[half:], key=str)


def test_the_papers_grids_are_whole_beyond_smoke():
    assert {(s.points, s.divide) for s in settings("fig3") if s.scheme == "imachsr"} == {
        (M, divide) for M in (1, 2, 3, 4, 5) for divide in (True, False) if M > 1 or divide
    }
    assert {(s.distance, s.divide) for s in settings("fig4") if s.scheme == "imachsr"} == {
        (distance, divide) for distance in (1, 2, 3) for divide in (True, False)
    }
    assert {(s.near, s.points) for s in settings("table4") if s.scheme == "imachsr"} == {
        (near, M) for near in ("input", "center", "output") for M in (1, 2, 3)
    }
    assert {s.model for s in settings("table2")} == {"deeplabv3plus_resnet18", "topformer_tiny", "seaformer_tiny"}
    assert {s.model for s in settings("table2", "smoke", "streets")} == {"deeplabv3plus_resnet18"}


def test_studies_share_the_runs_they_have_in_common():
    every = [setting for name in STUDIES if name != "weights" for setting in settings(name, "smoke", "streets")]
    assert len(set(every)) < len(every) / 1.5
    conventional = {s for s in every if s.scheme == "conventional"}
    assert len({cell(s) for s in conventional}) == 1


def test_every_splits_settings_are_only_for_data_that_has_splits():
    assert {s.split for s in settings("help")} > {"standard"}
    assert {s.split for s in settings("help", "smoke", "streets")} == {"standard"}


def test_weights_are_swept_on_training_images_alone():
    for tier, count in (("lab", 12), ("smoke", 5)):
        found = settings("weights", tier)
        assert {s.split for s in found} == {"tune"}
        assert len({(s.scheme, s.alpha, s.lambda_) for s in found}) == len(found) == count
        plain = Settings()
        assert [(s.alpha, s.lambda_) for s in found[:2]] == [(plain.alpha, plain.lambda_)] * 2, "a sweep cut short"
    assert not any(s.split == "tune" for name in STUDIES if name != "weights" for s in settings(name))


def test_cells_are_found_whatever_they_were_run_on():
    study = settings("fig3")
    other = Settings(data="cityscapes", size=(64, 64), epochs=3, points=5, divide=False)
    stored = [Result("0" * 16, asdict(s), ("road",), (), {}, [], []) for s in (other, Settings(points=5, alpha=1.0))]
    assert of_cells(stored, study) == stored[:1]
    by_hand = {"scheme": "hs3", "clustering": "manual"}
    for one, same in (
        ({"scheme": "conventional"}, {"scheme": "conventional", "points": 9}),
        ({"scheme": "deep_supervision"}, {"scheme": "deep_supervision", "lambda_": 0.5}),
        (by_hand, {**by_hand, "theta": 50.0}),
        ({"scheme": "hs3"}, {"scheme": "hs3", "analysis": 0.1}),
    ):
        one, same = Settings(**one), Settings(**same)
        assert (cell(one), one.key("d")) == (cell(same), same.key("d"))
    assert cell(Settings(scheme="hs3")) != cell(Settings(scheme="hs3", theta=50.0))


@pytest.mark.parametrize(
    ("prefix", "name", "tier", "data"),
    [
        ("fig3/", "fig3", "lab", "camvid"),
        ("fig4/", "fig4", "lab", "camvid"),
        ("table4/", "table4", "lab", "camvid"),
        ("hs3/table1", "hs3", "paper", "nyudv2"),
        ("hs3/table2", "hs3", "paper", "nyudv2"),
        ("hs3/table3", "hs3", "paper", "cityscapes"),
        ("hs3/table5", "hs3", "paper", "nyudv2"),
        ("hs3/table6", "hs3", "paper", "cityscapes"),
        ("introduction/another_loss", "help", "lab", "camvid"),
    ],
)
def test_claims_find_their_runs_in_the_study(prefix, name, tier, data):
    planned = STUDIES[name].settings(tier, data, "data", 1)
    runs = [Result("0" * 16, asdict(setting), ("road",), (), {}, [], []) for setting in planned]
    sides = [
        wanted(claim, side)
        for claim in claims(REPOSITORY / "data" / "papers")
        if claim.id.startswith(prefix)
        for pair in claim.contrasts
        for side in pair
    ]
    assert sides
    for side in sides:
        assert any(matches(run, side) for run in runs), side


@pytest.mark.parametrize("name", ["fig2", "table2", "fig3", "fig4", "table4", "help", "hs3"])
def test_a_notebook_trains_nothing_that_takes_hours(name):
    cells = json.loads((REPOSITORY / "notebooks" / f"{STUDIES[name].notebook}.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert "filed_or_run(" in code
    training = [line for line in code.splitlines() if "imachsr.run(" in line and "print(" not in line]
    assert all("ledger=apart" in line for line in training), "12 trains some once more, at the short tiers"


@pytest.mark.parametrize("name", ["fig3", "fig4", "table4", "help"])
def test_a_notebook_takes_its_runs_from_the_study(name):
    source = (REPOSITORY / "notebooks" / f"{STUDIES[name].notebook}.ipynb").read_text(encoding="utf-8")
    assert f'STUDIES[\\"{name}\\"].settings(tier, data, root or None, seeds)' in source
    assert "Settings.at(" not in source or name == "help"  # which trains three of its runs once more


def test_notebooks_exist_and_schemes_are_known():
    for study in STUDIES.values():
        assert study.says
        notebook = REPOSITORY / "notebooks" / f"{study.notebook}.ipynb"
        assert notebook.is_file() or study.name == "weights", study.notebook
        assert {s.scheme for s in settings(study.name)} <= set(SCHEMES)
