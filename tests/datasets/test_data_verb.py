"""`imachsr data check` and `pack`: what they print, refuse, and their exit status."""

import pytest

from imachsr import datasets
from imachsr.cli import main


def test_check_reports_and_passes(camvid, capsys):
    assert main(["data", "check", "camvid", "--root", str(camvid)]) == 0
    shown = capsys.readouterr().out
    for words in ("3 train, 1 val, 1 test", "5 png", "5 of 24x18", "labels   0-2, 11", "bicyclist", "no problems"):
        assert words in shown


def test_check_fails_on_a_damaged_file(camvid, capsys):
    path = camvid / "train" / "0001TP_000030.png"
    path.write_bytes(path.read_bytes()[:40])
    assert main(["data", "check", "camvid", "--root", str(camvid)]) == 1
    assert f"{path}: " in capsys.readouterr().out


def test_pack_makes_a_root(camvid, tmp_path, capsys):
    to = tmp_path / "packed"
    assert main(["data", "pack", "camvid", "--root", str(camvid), "--size", "9x12", "--to", str(to)]) == 0
    assert "5 frames of camvid at 12x9" in capsys.readouterr().out
    assert datasets.create("camvid", root=to)[0][0].shape == (3, 9, 12)
    assert main(["data", "check", "camvid", "--root", str(to)]) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pack", "camvid", "--root", "x", "--to", "y"], "got data pack without --size; it needs one"),
        (
            ["check", "camvid", "--root", "x", "--to", "y"],
            "got --to with data check; it belongs to data pack; leave it out",
        ),
        (
            ["get", "camvid", "--root", "x", "--classes", "11"],
            "got --classes with data get; it belongs to data check and pack",
        ),
        (["check", "synthia_sf", "--root", "x", "--classes", "20"], "classes=20 for synthia_sf; it has 19 or 22 or 23"),
        (["check", "nyudv2", "--root", "x", "--inputs", "sound"], "inputs='sound' for nyudv2; it has 'rgb+hha' or"),
        (["check", "streets", "--root", "x"], "those with files are camvid, cityscapes, synthia_sf, nyudv2"),
        (["check", "cityscapes", "--root", "/no/such"], "the root holds leftImg8bit and gtFine"),
        (["check", "nyudv2", "--root", "/no/such"], "the root holds train.txt, test.txt, RGB, HHA, Label"),
        (["check", "synthia_sf", "--root", "/no/such"], "the root holds SEQ1 to SEQ6"),
    ],
)
def test_refusals(words, told, capsys):
    assert main(["data", *words]) == 1
    assert told in capsys.readouterr().err
