"""Predictions of a few test images as a run goes: small pictures beside its Result, for the eye alone.

No score is computed from them, and they do not enter the key. Published results travel without them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ..points import several
from .ledger import Result, write_atomically
from .places import Places, ledger_folder

IMAGES = 4  # evenly over the test images: nobody's choice
EPOCHS = 12  # at most, evenly over those that are scored
SIDE = 640  # pixels at most; larger maps are thinned


def evenly(count: int, most: int) -> list[int]:
    """At most so many of 0 to count - 1, the first and the last among them.

    >>> evenly(233, 4), evenly(2, 4)
    ([0, 78, 155, 232], [0, 1])
    """
    places = range(min(count, most))
    return [-(-place * (count - 1) // max(1, len(places) - 1)) for place in places]


def shown_epochs(epochs: int, evaluate_every: int) -> list[int]:
    """The epochs after which predictions are kept: of those that are scored.

    >>> shown_epochs(4, 1), shown_epochs(5, 2), shown_epochs(3, 0), len(shown_epochs(200, 1))
    ([1, 2, 3, 4], [2, 4, 5], [3], 12)
    """
    scored = [e for e in range(1, epochs + 1) if e == epochs or (evaluate_every and e % evaluate_every == 0)]
    return [scored[place] for place in evenly(len(scored), EPOCHS)]


def thinned(labels: np.ndarray) -> np.ndarray:
    """Class ids (H, W) as they are kept: every n-th row and column of a map with a side beyond `SIDE`."""
    step = -(-max(labels.shape) // SIDE)
    return labels[::step, ::step]


@dataclass(frozen=True)
class Snapshots:
    """The pictures of one run, `EPOCH-IMAGE.png` in class ids behind the dataset's palette, each written whole.

    Args:
        folder: theirs alone.
    """

    folder: Path

    @classmethod
    def of(cls, result: Result, ledger: str | Path | None = None) -> Snapshots:
        """Those of a filed run, by default in the local ledger."""
        return cls(Places(Path(ledger or ledger_folder()), result.key).snapshots)

    def keep(self, network: nn.Module, test: Any, epoch: int) -> None:
        """Predict the test images that are shown, and write them down.

        Args:
            network: as it is after the epoch.
            test: the test data, with its palette.
            epoch: from 1.
        """
        from ..training import evaluating, predict

        device = next(network.parameters()).device
        with evaluating(network):
            for index in evenly(len(test), IMAGES):
                image, target = test[index]
                inputs = tuple(one[None].to(device) for one in several(image))
                found = predict(network, inputs if len(inputs) > 1 else inputs[0], size=tuple(target.shape))
                ids = thinned(found[0].cpu().numpy().astype(np.uint8))
                write_atomically(self._path(epoch, index), _png(ids, test.palette))

    @property
    def kept(self) -> list[tuple[int, int]]:
        """(epoch, test image) of every picture."""
        names = (path.stem.split("-") for path in self.folder.glob("*-*.png"))
        return sorted((int(epoch), int(index)) for epoch, index in names)

    def read(self, epoch: int, index: int) -> np.ndarray:
        """Class ids (h, w) predicted for a test image after an epoch.

        Raises:
            ValueError: no such picture was kept.
        """
        from PIL import Image

        path = self._path(epoch, index)
        if not path.is_file():
            epochs = [kept for kept, image in self.kept if image == index]
            has = f"those of epochs {epochs}" if epochs else "none"
            raise ValueError(
                f"got epoch {epoch} and test image {index} of run {self.folder.name}, which has {has}; pictures are "
                "kept beside a result while it is run, and published results travel without them; choose another "
                "epoch, or run the settings again (again=True)"
            )
        with Image.open(path) as picture:
            return np.asarray(picture)

    def _path(self, epoch: int, index: int) -> Path:
        return self.folder / f"{epoch:04d}-{index}.png"


def _png(ids: np.ndarray, palette: Sequence[Sequence[int]]) -> bytes:
    from PIL import Image

    picture, buffer = Image.fromarray(ids), io.BytesIO()
    picture.putpalette([value for color in palette for value in color])
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
