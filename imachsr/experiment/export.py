"""A filed run's network for use elsewhere: its weights, and a program that needs none of this package."""

from __future__ import annotations

import shutil
from pathlib import Path
from pickle import UnpicklingError

import torch

from ..points import logits_of
from .fusing import rebuilt
from .ledger import Result, the_one
from .places import Places

CLOSE = 1e-4  # of the largest logit: what another order of summing may change


def export(key: str, ledger: Path, out: Path) -> list[str]:
    """Write `KEY.pt` (a state_dict) and `KEY.pt2` (a torch.export program), and compare their outputs.

    The program gives logits, for batches of the shape it was made with.

    Args:
        key: the beginning of a run's key.
        ledger: where the run was filed, with its weights kept.
        out: folder for the two files.

    Returns:
        What was written, line by line.

    Raises:
        ValueError: no such run, or its weights were not kept, or are damaged.
        RuntimeError: the program gives other outputs than the network.
    """
    result = the_one(key, Path(ledger))
    kept = Places(Path(ledger), result.key).weights
    network = _trained(result, kept)
    out.mkdir(parents=True, exist_ok=True)
    weights, program = out / f"{result.key}.pt", out / f"{result.key}.pt2"
    shutil.copyfile(kept, weights)
    shapes = result.provenance.get("input_shapes") or [[3, *(result.settings["size"] or (360, 480))]]
    generator = torch.Generator().manual_seed(0)
    images = tuple(torch.randn(2, *shape, generator=generator) for shape in shapes)
    try:
        difference = _as_program(_Logits(network).eval(), images, program)
    except BaseException:
        program.unlink(missing_ok=True)  # unchecked
        raise
    if not difference <= CLOSE:
        program.unlink()
        raise RuntimeError(
            f"got outputs that differ by {difference:.2g} of the largest logit; the program must compute what the "
            f"network does, to {CLOSE:g}; use the state_dict {weights}, and report this network"
        )
    sizes = " and ".join(str(tuple(image.shape)) for image in images)
    return [
        f"{weights}  state_dict of {result.settings['model']} with {len(result.classes)} classes",
        f"{program}  program for images {sizes}; outputs differ by {difference:.2g} of the largest logit",
    ]


def _trained(result: Result, kept: Path) -> torch.nn.Module:
    """The run's network with the weights that were kept of it."""
    if not kept.is_file():
        raise ValueError(
            f"got run {result.key}, whose weights are not at {kept}; they are kept by `imachsr run`, not by notebooks; "
            "run its settings with --again"
        )
    network = rebuilt(result).eval()
    try:
        network.load_state_dict(torch.load(kept, map_location="cpu", weights_only=True))
    except (RuntimeError, EOFError, KeyError, TypeError, UnpicklingError) as error:
        raise ValueError(
            f"got {kept}, which is damaged or of another network ({type(error).__name__}); it holds the run's "
            "state_dict; run its settings with --again"
        ) from error
    return network


class _Logits(torch.nn.Module):
    """A network whose answer is its logits, whatever stands beside them."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *images: torch.Tensor) -> torch.Tensor:
        return logits_of(self.network(*images))


def _as_program(network: torch.nn.Module, images: tuple[torch.Tensor, ...], program: Path) -> float:
    """Write the program; how far its outputs are from the network's, as a share of the largest logit."""
    with torch.no_grad():
        torch.export.save(torch.export.export(network, images), program)
        want, got = network(*images), torch.export.load(program).module()(*images)
    return float((want - got).abs().max() / want.abs().max())
