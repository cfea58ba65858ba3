"""The command line: what it prints, what it refuses, and its exit status."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY
from imachsr.cli import main


def test_points(capsys):
    assert main(["points", "--size", "64x96"]) == 0
    assert "encoder.layer3" in capsys.readouterr().out
    assert main(["points", "--size", "64x96", "--count", "2", "--near", "input"]) == 0
    assert len(capsys.readouterr().out.strip().splitlines()) == 2


def test_run_prints_the_table_files_the_result_and_answers_again(tmp_path, capsys):
    command = ["run", "--size", "32x48", "--length", "4", "--epochs", "1", "--batch-size", "2",
               "--scheme", "conventional", "--ledger", str(tmp_path)]  # fmt: skip
    assert main(command) == 0
    first = capsys.readouterr().out
    assert "bicyclist" in first
    assert "filed as" in first
    (path,) = tmp_path.glob("*.json")
    stamp = path.stat().st_mtime_ns
    assert main(command) == 0
    second = capsys.readouterr().out
    assert second.splitlines()[:-1] == first.splitlines()[:-1]
    assert "answered from" in second
    assert path.stat().st_mtime_ns == stamp, "answered from the ledger"


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        (["run", "--data", "camvid"], 1, "--root"),
        (["run", "--data", "camvid", "--root", "/nowhere"], 1, "/nowhere"),
        (["run", "--points", "500", "--length", "4", "--size", "32x48"], 1, "500"),
        (["points", "--model", "lenet"], 1, "deeplabv3plus_resnet18"),
        (["results", "publish", "zz"], 1, "exactly one"),
        (["results", "show", "zz"], 1, "imachsr results"),
        (["results", "publish"], 1, "no keys"),
        (["results", "publish", "zz", "--out", "table.csv"], 1, "got --out with 'publish'"),
        (["data", "get", "imagenet", "--root", "x"], 1, "camvid"),
        (["points", "--near", "input"], 1, "add --count M"),
        (["results", "--ledger", "nowhere"], 1, "got --ledger nowhere, which is no folder"),
        (["results", "--ledger", ".", "--out", "rows.csv"], 1, "got no results to write to rows.csv"),
        (["results", "--baseline", "hs3"], 1, "only compare takes one off"),
        (["reproduce", "03", "--epochs", "1", "--dry-run"], 1, "got epochs for ['03'], which has no runs"),
        (["complexity", "--model", "os:getcwd"], 1, "it returned a str"),
        (["run", "--gamma", "1", "1", "1", "--alpha", "0.9"], 1, "gamma stands in alpha's place"),
        (["bench", "gpu"], 1, "got 'gpu'; there are losses, complexity, metrics"),
        (["run", "--inputs", "rgb"], 1, "only nyudv2 has several kinds"),
        (["run", "--names", "encoder.layer1"], 1, "give as many names as points"),
    ],
)
def test_refusals_are_one_line_with_a_remedy(command, status, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(command) == status
    shown = capsys.readouterr().err
    assert words in shown
    assert len(shown.strip().splitlines()) == 1
    assert ";" in shown, "what came; the rule; the remedy"


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--scheme", "magic"], ["points", "--size", "big"], ["points", "--size", "0x9"], ["dance"],
        ["points", "more"], ["results", "--loud"],
    ],
)  # fmt: skip
def test_words_it_does_not_know(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main(command)
    assert stop.value.code == 2
    assert capsys.readouterr().err


def test_every_setting_has_an_option():
    from imachsr import Settings
    from imachsr.cli.run import HELP

    assert {*HELP} == {*Settings.__dataclass_fields__}


def settings_of(*words):
    from imachsr.cli import _parser
    from imachsr.cli.run import _settings

    return _settings(_parser().parse_args(["run", *words]))


def test_options_are_settings():
    from imachsr import Settings

    assert settings_of() == Settings()
    given = settings_of(
        "--lambda", "0.1", "--whole-weights", "--gamma", "1", "2", "3", "--size", "32x48", "--test-flip", "--compile",
        "--test-scales", "0.5", "1", "--ema", "0.9", "--names", "a", "b", "c", "--warmup", "3",
        "--memory-format", "contiguous",
    )  # fmt: skip
    assert given == Settings(
        lambda_=0.1, divide=False, gamma=(1.0, 2.0, 3.0), size=(32, 48), test_flip=True, compile=True,
        test_scales=(0.5, 1.0), ema=0.9, names=("a", "b", "c"), warmup=3, memory_format="contiguous",
    )  # fmt: skip
    assert settings_of("--tier", "smoke") == Settings.at("smoke")


def test_a_packed_copy_says_its_size(tmp_path):
    (tmp_path / "manifest.json").write_text('{"format": 1, "size": [90, 120]}')
    camvid = ("--data", "camvid", "--root", str(tmp_path))
    assert settings_of(*camvid).size == (90, 120)
    assert settings_of(*camvid, "--size", "32x48").size == (32, 48), "refused later, by name"
    assert settings_of(*camvid, "--tier", "lesson").tier == "lesson", "a tier's name stands for its size"


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_a_reader_that_has_enough_is_no_error():
    command = f'"{sys.executable}" -m imachsr results | head -c 1; echo " ${{PIPESTATUS[0]}}"'
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert ended.stderr == ""
    assert ended.stdout.split()[-1] == "0"


@pytest.mark.parametrize(("codes", "status"), [([0, 0], 0), ([-9, 0], 1), ([0, 3], 1)])
def test_bench_runs_what_is_named_and_fails_where_one_fails(codes, status, monkeypatch):
    ran = []

    def finished(command):
        ran.append(Path(command[1]).name)
        return subprocess.CompletedProcess(command, codes[len(ran) - 1])

    monkeypatch.setattr(subprocess, "run", finished)
    assert main(["bench", "losses", "metrics"]) == status
    assert ran == ["losses.py", "metrics.py"]


@pytest.mark.parametrize("words", ["table --where split=standard", "compare --metric mIoU --where split=standard"])
def test_readme_shows_what_is_published(words, capsys):
    act = words.split()[0]
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    shown = re.search(rf"<!-- {act}: begin.*?-->\n(.*?)\n<!-- {act}: end -->", readme, re.DOTALL)[1]
    assert main(["results", *words.split(), "--published"]) == 0
    assert shown.removeprefix("```\n").removesuffix("\n```") == capsys.readouterr().out.rstrip("\n")


def test_a_network_of_two_inputs_is_listed_counted_and_refused_where_data_gives_one(capsys, tmp_path):
    two = ["--model", "sagate_resnet101", "--size", "32x32"]
    assert main(["points", *two, "--count", "2"]) == 0
    assert "backbone." in capsys.readouterr().out
    assert main(["run", *two, "--length", "4", "--ledger", str(tmp_path)]) == 1
    assert "takes 2 inputs, and data 'streets', which gives 1" in capsys.readouterr().err
