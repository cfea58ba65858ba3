"""One measure from many processes."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar


class Mergeable(Protocol):
    """What can be gathered: anything that merges and can be pickled."""

    def merge(self, other: Any) -> Any: ...


M = TypeVar("M", bound=Mergeable)


def gathered(measure: M) -> M:
    """The measures of all processes of torch.distributed as one, the same on each; alone, the measure itself.

    Counts are whole numbers, so the result does not depend on how the images were dealt out. Each image must have been
    seen by one process only: a distributed sampler that repeats images to fill its last batch counts them twice.

    Args:
        measure: this process's `Confusion`, `Calibration` or `PredictiveEntropy`; it is left as it was.

    Returns:
        A new measure, images in the order of ranks.

    >>> from imachsr.metrics import Confusion
    >>> int(gathered(Confusion(2)).matrix.sum())
    0
    """
    import copy

    import torch.distributed as distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return copy.deepcopy(measure)
    parts: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(parts, measure)
    whole = parts[0]
    for part in parts[1:]:
        whole.merge(part)
    return whole
