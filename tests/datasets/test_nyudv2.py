"""NYUDv2: palette files read as numbers, 0 is void without wrapping, several inputs move together."""

import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from imachsr import Settings, datasets
from imachsr.datasets.nyudv2 import CLASSES, LABELS, colours
from imachsr.datasets.transforms import Augment, denormalise


@pytest.fixture
def root(tmp_path, draw_nyudv2):
    return draw_nyudv2(tmp_path / "nyu", {"train": ["10", "2", "3"], "test": ["0"]})


@pytest.mark.parametrize("palette", [True, False])
def test_numbers_not_colours(tmp_path, draw_nyudv2, palette):
    dataset = datasets.create("nyudv2", root=draw_nyudv2(tmp_path, {"train": ["1"], "test": ["0"]}, palette=palette))
    assert Image.open(tmp_path / "Label" / "1.png").mode == ("P" if palette else "L")
    assert dataset[0][1].flatten()[:41].tolist() == [255, *range(40)]
    if palette:
        brightness = np.array(Image.open(tmp_path / "Label" / "1.png").convert("L")).flatten()[:41]
        assert brightness.tolist() != [*range(41)], "what reading colours would give"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
def test_zero_is_void_in_any_width(dtype):
    assert LABELS.decode(np.array([[0, 1, 40]], dtype), "mask.png").tolist() == [[255, 0, 39]]


@pytest.mark.parametrize("value", [41, 255])
def test_numbers_beyond_40_are_refused(root, value):
    Image.new("L", (10, 8), value).save(root / "Label" / "2.png")
    with pytest.raises(ValueError, match=rf"Label.2.png: label {value}; labels are 1..40, and 0 for none; restore"):
        datasets.create("nyudv2", root=root)[0]


def test_several_inputs_are_a_tuple(root):
    (rgb, hha), target = datasets.create("nyudv2", root=root, size=(4, 5))[0]
    assert (rgb.shape, hha.shape, target.shape) == ((3, 4, 5), (3, 4, 5), (4, 5))
    dataset = datasets.create("nyudv2", root=root, inputs="rgb+hha+depth")
    (rgb, hha, depth), _ = dataset[0]
    assert dataset.inputs == ("rgb", "hha", "depth")
    assert (depth.shape, depth.dtype, depth.unique().tolist()) == ((1, 8, 10), torch.float32, [3.5])
    assert datasets.create("nyudv2", root=root, inputs="rgb")[0][0].shape == (3, 8, 10)
    assert datasets.create("nyudv2", root=root, inputs="depth")[0][0].shape == (1, 8, 10)


def test_batches_of_several_inputs(root):
    loader = torch.utils.data.DataLoader(datasets.create("nyudv2", root=root), batch_size=3)
    ((rgb, hha), targets) = next(iter(loader))
    assert rgb.shape == hha.shape == (3, 3, 8, 10)
    assert targets.shape == (3, 8, 10)


@pytest.mark.parametrize("tabs", [True, False], ids=["paths with tabs", "bare names"])
def test_lists_in_either_form_and_frames_by_number(tmp_path, draw_nyudv2, tabs):
    root = draw_nyudv2(tmp_path, {"train": ["10", "2", "3"], "test": ["0"]}, tabs=tabs)
    assert [item.name for item in datasets.create("nyudv2", root=root).source.items] == ["2", "3", "10"]


def test_numbers_counted_anew_per_part_are_found_out(tmp_path, draw_nyudv2):
    root = draw_nyudv2(tmp_path, {"train": ["1", "2"], "test": ["1"]})
    with pytest.raises(ValueError, match="frame 1 is listed 2 times"):
        datasets.create("nyudv2", root=root)


def test_only_the_inputs_asked_for_are_needed(root):
    (root / "HHA" / "2.png").unlink()
    with pytest.raises(ValueError, match=r"train.txt line 2: no HHA/2.jpg; every image needs"):
        datasets.create("nyudv2", root=root)
    datasets.create("nyudv2", root=root, inputs="rgb+depth")


def test_all_that_a_frame_lacks_is_named_in_one_line(root):
    (root / "HHA" / "2.png").unlink()
    (root / "Label" / "2.png").unlink()
    problems = datasets.check("nyudv2", root, progress=False).problems
    assert problems == ("train.txt line 2: no HHA/2.jpg, Label/2.png",)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: np.save(path, np.full((8, 10), np.nan, np.float32)), "finite floats, metres from 0 up"),
        (lambda path: np.save(path, np.zeros((8, 10), np.uint16)), r"uint16 \(8, 10\); depth is \(H, W\)"),
        (lambda path: path.write_bytes(path.read_bytes()[:90]), "depth must be a readable .npy array"),
        (lambda path: np.save(path, np.ones((8, 9), np.float32)), "9x8.*must have the same size"),
    ],
)
def test_bad_depth_is_named(root, damage, words):
    damage(root / "Depth" / "2.npy")
    dataset = datasets.create("nyudv2", root=root, inputs="rgb+depth")
    with pytest.raises(ValueError, match=rf"Depth.2.npy.*{words}"):
        dataset[0]
    assert "2.npy" in str(datasets.check("nyudv2", root, inputs="rgb+depth", progress=False).problems)


def test_no_val_and_no_other_split(root):
    with pytest.raises(ValueError, match="got part 'val'; split 'standard' of nyudv2 has the parts train, test"):
        datasets.create("nyudv2", root=root, part="val")
    with pytest.raises(ValueError, match="got split 'half'; nyudv2 has the split standard; choose it"):
        datasets.create("nyudv2", "half", root=root)


def test_inputs_move_together_and_colours_change_in_photographs_only():
    ramp = np.tile(np.linspace(40, 200, 80).astype(np.uint8)[:, None], (1, 60))[..., None].repeat(3, 2).copy()
    depth, mask = ramp[..., 0].astype(np.float32), ramp[..., 0] // 20
    for i in range(8):
        augment = Augment((40, 40), colour=0.5, inputs=("rgb", "hha", "depth"))
        (rgb, hha, metres), target = augment((ramp, ramp, depth), mask, 0, i)
        labelled = target != 255
        assert torch.equal(metres[0].int()[labelled] // 20, target[labelled].int())
        assert (metres[0][~labelled] == 0).all()
        off = torch.from_numpy(denormalise(hha)[..., 0]).float() - metres[0]
        assert off[labelled].abs().max() < 12
        assert not torch.equal(rgb, hha)


def test_the_real_item(shared, tmp_path):
    sample = shared / "data" / "nyudv2_one_item"
    for folder in ("RGB", "HHA", "Depth", "Label"):
        shutil.copytree(sample / folder, tmp_path / folder)
    for part, stems in (("train", [2]), ("test", [0])):
        (tmp_path / f"{part}.txt").write_text("".join(f"RGB/{k}.jpg\tLabel/{k}.png\n" for k in stems))
    with pytest.raises(ValueError, match=r"train.txt line 1: no RGB/2.jpg"):
        datasets.create("nyudv2", root=tmp_path, part="test")
    for path in [*tmp_path.glob("*/0.*")]:
        shutil.copy(path, path.with_stem("2"))
    (rgb, hha), target = datasets.create("nyudv2", root=tmp_path, part="test")[0]
    assert rgb.shape == hha.shape == (3, 480, 640)
    stored = [0, 1, 2, 3, 5, 7, 12, 22, 24, 26, 38, 39, 40]
    assert target.unique().tolist() == sorted(255 if k == 0 else k - 1 for k in stored)
    assert Image.open(tmp_path / "Label" / "0.png").mode == "P"
    depth = datasets.create("nyudv2", root=tmp_path, part="test", inputs="depth")[0][0]
    assert 1.7 < depth.min() < depth.max() < 3.7, "metres"
    assert datasets.check("nyudv2", tmp_path, inputs="rgb+hha+depth", progress=False).problems == ()


def test_lists_are_the_official_ones_and_names_the_published_ones(shared):
    table = json.loads((shared / "data" / "tables" / "nyu40.json").read_text())
    assert tuple(table["classes40"]) == CLASSES
    counts = {
        p: len((shared / "data" / "nyudv2_one_item" / f"{p}.txt").read_text().split("\n")) for p in ("train", "test")
    }
    assert counts == pytest.approx(datasets.nyudv2.COUNTS, abs=1)
    assert len({tuple(colour) for colour in colours(40)}) == 40


def test_a_batch_knows_the_key_of_each_reading_of_the_data(tmp_path, draw_nyudv2):
    from imachsr.experiment.study import data_of
    from imachsr.reproduce.batch import key_of

    root = draw_nyudv2(tmp_path / "nyu", {"train": ["1", "2"], "test": ["0"]})
    depth = Settings(data="nyudv2", root=str(root), inputs="depth", size=(8, 10))
    train, test = data_of(depth)
    assert key_of(depth) == depth.key(f"{train.fingerprint} {test.fingerprint}")
    assert key_of(depth) != key_of(replace(depth, inputs="rgb"))


def test_a_spawned_loader_worker_can_be_sent_it(root):
    dataset = datasets.create("nyudv2", root=root, inputs="depth")
    sent = pickle.loads(pickle.dumps(dataset))
    assert sent[0][1].equal(dataset[0][1])


def test_depth_corrected_in_place_is_other_data(root, tmp_path):
    """From millimetres to metres: as many bytes."""
    kinds = ("rgb", "depth")

    def prints(name):
        datasets.pack("nyudv2", root, (4, 5), tmp_path / name, inputs="rgb+depth", progress=False)
        files = [datasets.create("nyudv2", root=root, inputs=kind).fingerprint for kind in kinds]
        return [*files, datasets.create("nyudv2", root=tmp_path / name, inputs="rgb+depth").fingerprint]

    before = prints("before")
    path = root / "Depth" / "2.npy"
    size = path.stat().st_size
    np.save(path, np.load(path) * np.float32(1e-3))
    assert path.stat().st_size == size
    rgb, depth, packed = (one == other for one, other in zip(before, prints("after"), strict=True))
    assert (rgb, depth, packed) == (True, False, False)
    assert prints("again")[1:] == prints("once more")[1:]
