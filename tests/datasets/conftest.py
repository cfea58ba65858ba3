"""CamVid trees drawn for tests: the layout of the real one, a few pixels each."""

import numpy as np
import pytest
from PIL import Image

from imachsr.datasets.nyudv2 import colours

FEW = {
    "train": ["0001TP_000030", "0001TP_000060", "0006R0_f00090"],
    "val": ["0016E5_07959"],
    "test": ["Seq05VD_f00000"],
}


def numbered(drive, count, start=0, step=30, prefix=""):
    return [f"{drive}_{prefix}{start + step * i:05d}" for i in range(count)]


WHOLE = {
    "train": [
        *numbered("0016E5", 204, 390),
        *numbered("0006R0", 101, 930, prefix="f"),
        *numbered("0001TP", 62, 6690),
    ],
    "val": numbered("0016E5", 101, 7959, 2),
    "test": [*numbered("Seq05VD", 171, prefix="f"), *numbered("0001TP", 62, 8550)],
}


def draw(root, frames=None, *, image="png", listed=None, prefix="/SegNet/CamVid/", size=(24, 18)):
    """Write a tree of `frames` per list; image k is of grey level 20 k, its mask of class k % 12 (11 is void)."""
    for name, stems in (frames or FEW).items():
        for folder in (name, f"{name}annot"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        lines = []
        for k, stem in enumerate(stems):
            pixels = np.full((size[1], size[0], 3), 20 * k % 256, np.uint8)
            Image.fromarray(pixels).save(root / name / f"{stem}.{image}", lossless=True)
            mask = np.full((size[1], size[0]), k % 12, np.uint8)
            mask[0] = 11
            Image.fromarray(mask).save(root / f"{name}annot" / f"{stem}.png")
            lines.append(f"{prefix}{name}/{stem}.{listed or image} {prefix}{name}annot/{stem}.png\n")
        (root / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    return root


def _draw_nyudv2(root, frames, *, tabs=True, palette=True):
    """Frames of one colour, depth 1.5 m and more, every label once; palette masks have colours, not greys."""
    for folder in ("RGB", "HHA", "Depth", "Label"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for part, stems in frames.items():
        for stem in stems:
            Image.new("RGB", (10, 8), (int(stem), 50, 60)).save(root / "RGB" / f"{stem}.jpg")
            Image.new("RGB", (10, 8), (90, 50, 60)).save(root / "HHA" / f"{stem}.png")
            np.save(root / "Depth" / f"{stem}.npy", np.full((8, 10), 1.5 + int(stem), np.float32))
            mask = Image.fromarray(np.resize(np.arange(41, dtype=np.uint8), (8, 10)))
            if palette:
                mask.putpalette([v for colour in [[0, 0, 0], *colours(40)] for v in colour])
            mask.save(root / "Label" / f"{stem}.png")
        lines = [f"RGB/{stem}.jpg\tLabel/{stem}.png" if tabs else stem for stem in stems]
        (root / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """What passed its check is remembered in a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def draw_nyudv2():
    return _draw_nyudv2


@pytest.fixture(scope="session")
def draw_camvid():
    return draw


@pytest.fixture
def camvid(tmp_path):
    """Five frames, PNG, lists with the prefixes of the public copy."""
    return draw(tmp_path / "camvid")


@pytest.fixture(scope="session")
def camvid_701(tmp_path_factory):
    """All 701 names of the real lists' pattern, one pixel each."""
    return draw(tmp_path_factory.mktemp("whole") / "camvid", WHOLE, size=(1, 2))
