"""Minutes of the notebooks: measured as they run, runs included the first time, published on request, read in words."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY
from imachsr import lessons
from imachsr.cli import main
from imachsr.experiment import METRICS, Result, Settings
from imachsr.reproduce.minutes import Minutes, Stopwatch, _strangers, measured_minutes, publish_minutes

SETTINGS = [Settings.at("smoke", scheme=scheme, points=2, length=8, epochs=1) for scheme in ("conventional", "imachsr")]


def file(ledger, key, settings):
    """A run that took a minute."""
    scores = {"dataset": dict.fromkeys(METRICS, 0.5)}
    Result(key, settings.stored(), (), (), scores, [], [], provenance={"seconds": 60.0}).write(ledger)


def watch(seconds, others=0.0):
    stopwatch = Stopwatch()
    stopwatch.seconds, stopwatch.others = seconds, others
    return stopwatch


def test_first_time_counts_the_runs_again_does_not_and_half_of_them_is_neither(tmp_path, monkeypatch):
    names = {"conventional": "a" * 16, "imachsr": "b" * 16}
    monkeypatch.setattr("imachsr.reproduce.minutes.key_of", lambda settings: names[settings.scheme])
    first = Minutes({"09_small": SETTINGS}, ledger=tmp_path)
    file(tmp_path, names["conventional"], SETTINGS[0])
    half = Minutes({"09_small": SETTINGS}, ledger=tmp_path)
    file(tmp_path, names["imachsr"], SETTINGS[1])
    half.note("09_small", watch(5.0), tier="smoke", data="streets")
    assert measured_minutes(tmp_path) == []
    first._training = watch(90.0, 1.4)
    first.note("09_small", watch(30.0, 0.6), tier="smoke", data="streets")
    Minutes({"09_small": SETTINGS}, ledger=tmp_path).note("09_small", watch(12.0), tier="smoke", data="streets")
    rows = measured_minutes(tmp_path)
    assert [(row["again"], row["runs"], row["seconds"]) for row in rows] == [(False, 2, 150.0), (True, 0, 12.0)]
    words = lessons.minutes("09", rows=rows).splitlines()[0]
    cores = f"{rows[0]['cores']} cores"
    assert words.startswith(f"smoke    2.5 min the first time, with 2 trainings ({cores}, 1.2 of them busy with other")
    assert f"; 0.2 min again ({cores}; " in words


def test_where_a_run_failed_nothing_is_filed(tmp_path, monkeypatch):
    monkeypatch.setattr("imachsr.reproduce.minutes.key_of", lambda settings: f"{settings.scheme:a<16}"[:16])
    found = Minutes({"09_small": SETTINGS}, ledger=tmp_path)
    found.note("09_small", watch(5.0), tier="lab", data="camvid")
    assert measured_minutes(tmp_path) == []


def test_a_newer_measurement_takes_the_place_and_publishing_keeps_the_rest(tmp_path):
    here, there = tmp_path / "ledger", tmp_path / "results"
    with pytest.raises(ValueError, match="`imachsr reproduce` a notebook first"):
        publish_minutes(ledger=here, published=there)
    for folder, name, seconds in (
        (there, "03_x", 9.0),
        (there, "05_x", 60.0),
        (here, "03_x", 7.0),
        (here, "03_x", 6.0),
    ):
        Minutes({}, ledger=folder).note(name, watch(seconds), tier="smoke", data="streets")
    publish_minutes(ledger=here, published=there)
    assert [(row["notebook"], row["seconds"]) for row in measured_minutes(there)] == [("03_x", 6.0), ("05_x", 60.0)]


def test_words_name_other_data_and_notebooks_without_tiers(tmp_path):
    note = Minutes({}, ledger=tmp_path).note
    note("03_x", watch(60.0), tier="lesson", data="camvid")
    note("14_x", watch(30.0))
    rows = measured_minutes(tmp_path)
    assert lessons.minutes("03", rows=rows).splitlines()[:2][1].startswith("lesson   camvid: 1.0 min (")
    assert lessons.minutes("14", rows=rows).startswith("every    0.5 min (")


def test_what_others_took_during_the_trainings_is_known_once_they_are_over(tmp_path, monkeypatch):
    monkeypatch.setattr("imachsr.reproduce.minutes.key_of", lambda settings: "a" * 16)
    for ended in (False, True):
        found = Minutes({"09_small": SETTINGS[:1]}, ledger=tmp_path / f"{ended}")
        file(tmp_path / f"{ended}", "a" * 16, SETTINGS[0])
        if ended:
            found.runs_ended()
        found.note("09_small", watch(30.0), tier="smoke", data="streets")
        (row,) = measured_minutes(tmp_path / f"{ended}")
        assert (row["others"] is not None) == (ended and _strangers() is not None)


def test_others_are_counted_in_cores(monkeypatch):
    seen = iter([10.0, 13.0, None, None])
    monkeypatch.setattr("imachsr.reproduce.minutes._strangers", lambda: next(seen))
    monkeypatch.setattr("time.perf_counter", iter([0.0, 2.0, 0.0, 2.0]).__next__)
    assert Stopwatch().stop().others == 1.5
    assert Stopwatch().stop().others is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")
def test_a_program_started_here_is_no_other():
    before, start = _strangers(), sum(os.times()[:4])
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    own = sum(os.times()[:4]) - start
    assert own > 0.1
    machine = sum(map(int, Path("/proc/stat").read_text().split()[1:4])) / os.sysconf("SC_CLK_TCK")
    assert _strangers() == pytest.approx(machine - start - own, abs=0.5)
    assert _strangers() >= before - 0.1


def test_verb_tells_the_published_minutes(capsys):
    assert main(["lesson", "minutes", "03"]) == 0
    assert capsys.readouterr().out == f"03_losses\n{lessons.minutes('03')}\n"


def test_published_minutes_are_of_notebooks_there_are():
    for row in measured_minutes(REPOSITORY / "data" / "results"):
        assert (REPOSITORY / "notebooks" / f"{row['notebook']}.ipynb").is_file()
        assert row["seconds"] > 0


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "notebooks").glob("[0-9][0-9]_*.ipynb")), ids=lambda path: path.stem
)
def test_every_notebook_reads_its_minutes_and_types_none(path):
    cells = ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    assert f'print(lessons.minutes("{path.name[:2]}"))' in cells[2]
    (head,) = re.findall(r"^\| tier .*", cells[0], re.MULTILINE)
    assert "minutes" not in head
