"""What training refuses, and that a copy which passed is read again only when a file changed."""

import os

import pytest
from PIL import Image

from imachsr import datasets
from imachsr.datasets import verified


@pytest.fixture
def reads(monkeypatch):
    """How often a copy was read whole."""
    counted = []
    whole = verified.inspect
    monkeypatch.setattr(verified, "inspect", lambda catalogue: counted.append(1) or whole(catalogue))
    monkeypatch.setattr(verified, "_passed", set())
    return counted


def forget(monkeypatch):
    """A new process: only the files on disk remember."""
    monkeypatch.setattr(verified, "_passed", set())


def test_what_passed_is_not_read_again(camvid, reads, monkeypatch):
    for part in ("train", "test"):
        datasets.verify(datasets.create("camvid", root=camvid, part=part))
    forget(monkeypatch)
    datasets.verify(datasets.create("camvid", root=camvid))
    assert len(reads) == 1


@pytest.mark.parametrize("name", ["train/0001TP_000030.png", "testannot/Seq05VD_f00000.png"])
def test_a_file_that_changed_is_read_again(camvid, reads, name):
    dataset = datasets.create("camvid", root=camvid)
    datasets.verify(dataset)
    content = (camvid / name).read_bytes()
    (camvid / name).write_bytes(content[:-30] + b"\0" * 30)
    os.utime(camvid / name, ns=(1, 1))
    with pytest.raises(ValueError, match=rf"{name.replace('/', '.')}: .*every file must be whole .*imachsr data check"):
        datasets.verify(dataset)
    (camvid / name).write_bytes(content)
    datasets.verify(dataset)
    assert len(reads) == 3


def test_any_part_of_the_root_counts(camvid):
    (camvid / "val" / "0016E5_07959.png").write_bytes(b"")
    dataset = datasets.create("camvid", root=camvid, part="train")
    with pytest.raises(ValueError, match=r"val.0016E5_07959.png: cannot identify"):
        datasets.verify(dataset)


def test_a_file_that_went_missing_is_named(camvid):
    dataset = datasets.create("camvid", root=camvid)
    (camvid / "train" / "0001TP_000060.png").unlink()
    for refused in (lambda: datasets.verify(dataset), lambda: dataset[1]):
        with pytest.raises(ValueError, match=r"0001TP_000060.png: .*No such file.*; the file must be a readable"):
            refused()


def test_without_a_cache_it_is_read_each_time(camvid, reads, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        forget(monkeypatch)
        datasets.verify(datasets.create("camvid", root=camvid))
    assert len(reads) == 2


@pytest.mark.parametrize("fault", ["a folder that may not be asked about", "no home"])
def test_a_cache_that_cannot_be_had_is_no_error(camvid, reads, monkeypatch, tmp_path, fault):
    if fault == "no home":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it says of a user without one
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("x" * 300)))  # refused at every look, as EACCES is
    monkeypatch.chdir(tmp_path)
    before = {*tmp_path.iterdir()}
    for _ in range(2):
        forget(monkeypatch)
        datasets.verify(datasets.create("camvid", root=camvid))
    assert len(reads) == 2
    assert {*tmp_path.iterdir()} == before


def test_training_begins_with_it(camvid, tmp_path):
    import imachsr

    Image.new("L", (24, 18), 42).save(camvid / "valannot" / "0016E5_07959.png")
    settings = imachsr.Settings(data="camvid", root=str(camvid), size=(32, 48), epochs=1, batch_size=2)
    with pytest.raises(ValueError, match=r"0016E5_07959.png: label 42; labels are 0..10"):
        imachsr.run(settings, ledger=tmp_path / "ledger", progress=False)
    assert not [*(tmp_path / "ledger").rglob("*.json")], "nothing is filed"


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b""])
def test_a_file_that_breaks_later_is_named_at_that_step(camvid, workers, damage):
    from torch.utils.data import DataLoader

    dataset = datasets.create("camvid", root=camvid)
    datasets.verify(dataset)
    path = camvid / "train" / "0001TP_000060.png"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=rf"{path}: .*the file must be a readable picture; fetch a fresh copy"):
        list(DataLoader(dataset, batch_size=1, num_workers=workers))
