"""A miniature CamVid, drawn for the tests."""

import numpy as np
import pytest
from PIL import Image

FRAMES = {
    "train": ("0001TP_006690", "0001TP_006720", "0016E5_07920"),
    "val": ("0016E5_07959", "0016E5_07961"),
    "test": ("Seq05VD_f00000", "Seq05VD_f00030"),
}


@pytest.fixture
def draw(tmp_path):
    """draw(name, suffix=".png", listed=".png") -> root of a seven-frame copy, 48x36, in the SegNet layout.

    The grey of an image pixel is 20 times its label, so a test can see whether the two stay together.
    """

    def make(name="copy", suffix=".png", listed=".png"):
        root = tmp_path / name
        for seed, (part, stems) in enumerate(FRAMES.items()):
            (root / part).mkdir(parents=True)
            (root / f"{part}annot").mkdir()
            rng, lines = np.random.default_rng(seed), []
            for stem in reversed(stems):
                mask = rng.integers(0, 12, (6, 8), dtype=np.uint8).repeat(6, 0).repeat(6, 1)
                mask[0, :12] = range(12)
                Image.fromarray(mask).save(root / f"{part}annot" / f"{stem}.png")
                image = Image.fromarray(np.stack([mask * 20] * 3, -1))
                image.save(root / part / f"{stem}{suffix}", **({"lossless": True} if suffix == ".webp" else {}))
                prefix = "/SegNet/CamVid"
                lines.append(f"{prefix}/{part}/{stem}{listed} {prefix}/{part}annot/{stem}.png\n")
            (root / f"{part}.txt").write_text("".join(lines))
        return root

    return make
