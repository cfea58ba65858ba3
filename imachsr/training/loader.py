"""Batches whose order, augmentation and random draws depend on (seed, epoch, index) only."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import threading
import traceback
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from multiprocessing import parent_process
from typing import Any, NamedTuple

import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Sampler, Subset, default_collate

from ..points import is_whole
from .state import random_state, set_random_state


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batches of (epoch, index): with the epoch in the index, every random draw of a sample can be fixed by its name.

    Args:
        length: samples in the dataset.
        batch_size: samples per batch; the last, smaller batch of a shuffled epoch is left out.
        seed: fixes the order of every epoch.
        shuffle: a new order each epoch; else 0, 1, 2, ... with the last batch kept.
    """

    def __init__(self, length: int, batch_size: int, *, seed: int = 0, shuffle: bool = True) -> None:
        if not is_whole(batch_size, least=1):
            raise ValueError(f"got batch_size={batch_size!r}; a batch is a whole number of samples; pass 1 or more")
        if shuffle and length < batch_size:
            raise ValueError(
                f"got {length} training samples and batch_size={batch_size}; an epoch needs at least one full batch; "
                "lower the batch size"
            )
        self.length, self.batch_size, self.seed, self.shuffle = length, batch_size, seed, shuffle
        self.epoch, self.start, self.rank, self.ranks = 0, 0, 0, 1

    def set_epoch(self, epoch: int, *, start: int = 0) -> None:
        """Choose the epoch (from 0) that the next iteration gives, and the batch it begins with."""
        self.epoch, self.start = epoch, start

    def share(self, rank: int, ranks: int) -> None:
        """From now on give only this process's part of every batch.

        Raises:
            ValueError: the batch does not divide.
        """
        if self.batch_size % ranks:
            raise ValueError(
                f"got batch_size={self.batch_size} on {ranks} processes; batch_size counts the images of one step over "
                f"all processes, and each takes as many; choose a multiple of {ranks}"
            )
        if not self.shuffle and (rest := self.length % self.batch_size) % ranks:
            raise ValueError(
                f"got a last batch of {rest} images on {ranks} processes; each takes as many of every batch; shuffle, "
                f"which leaves it out, or give a number of images that divides by {ranks}"
            )
        self.rank, self.ranks = rank, ranks

    def __len__(self) -> int:
        return self.length // self.batch_size if self.shuffle else -(-self.length // self.batch_size)

    def batch(self, epoch: int, step: int) -> list[int]:
        """Indices of this process's samples in one batch of an epoch."""
        return self._order(epoch)[step * self.batch_size : (step + 1) * self.batch_size][self.rank :: self.ranks]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = self._order(self.epoch)
        for start in range(self.start * self.batch_size, len(self) * self.batch_size, self.batch_size):
            yield [(self.epoch, index) for index in order[start : start + self.batch_size][self.rank :: self.ranks]]

    def _order(self, epoch: int) -> list[int]:
        if not self.shuffle:
            return torch.arange(self.length).tolist()
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return torch.randperm(self.length, generator=generator).tolist()


def batches(
    dataset: Dataset, batch_size: int = 8, *, seed: int = 0, shuffle: bool = True, workers: int = 0
) -> DataLoader:
    """A loader whose order and augmentation depend on (seed, epoch, index) only, whatever the number of workers.

    The dataset is asked for the index of a sample, or for (epoch, index) where it says so by an attribute `takes_epoch`
    that is true. Even what it draws from the global generators of torch, numpy or Python is fixed by (seed, epoch,
    index). A sample that fails is an error that names it and its files.

    Raises:
        TypeError: no dataset of numbered samples.
        ValueError: too few samples, no batch size, or a dataset around another that would hide the epoch from it.

    >>> images, labels = next(iter(batches([(torch.zeros(3, 4, 4), torch.zeros(4, 4))] * 6, 2)))
    >>> images.shape
    torch.Size([2, 3, 4, 4])
    """
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")) or isinstance(dataset, DataLoader):
        raise TypeError(
            f"got a {type(dataset).__name__}; batches are made from numbered samples (image, labels); pass a dataset "
            "with __len__ and __getitem__"
        )
    if (
        not getattr(dataset, "takes_epoch", False)
        and type(dataset) not in (Subset, ConcatDataset)
        and any(getattr(held, "takes_epoch", False) for held in getattr(dataset, "__dict__", {}).values())
    ):
        raise ValueError(
            f"got a {type(dataset).__name__} around a dataset whose augmentation follows the epoch; asked for an index "
            "alone it would give the same pictures in each; set takes_epoch = True and hand (epoch, index) on"
        )
    sampler = EpochBatches(len(dataset), batch_size, seed=seed, shuffle=shuffle)
    own = torch.Generator().manual_seed(seed)  # else the loader draws from the global generator
    return _Loader(
        _Samples(dataset, seed),
        batch_sampler=sampler,
        num_workers=workers,
        generator=own,
        persistent_workers=workers > 0,
        collate_fn=_as_it_is,
        worker_init_fn=_apart,
    )


class _Bad(NamedTuple):
    """A batch that could not be made: told in words, because exceptions lose theirs between processes."""

    message: str
    trace: str


class _Loader(DataLoader):
    """Raises what went wrong in a worker as one error of this process."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for batch in super().__iter__():
            yield _made(batch)


def _made(batch: Any) -> Any:
    if isinstance(batch, _Bad):
        error = ValueError(batch.message)
        error.add_note(batch.trace)
        raise error
    return batch


class _Samples(Dataset):
    """Whole batches of a dataset, each sample drawn under a seed of its own."""

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self.dataset, self.seed = dataset, seed

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitems__(self, indices: list[tuple[int, int]]) -> Any:
        before, samples = random_state(), []
        try:
            for epoch, index in indices:
                _seed(self.seed, epoch, index)
                try:
                    samples.append(_sample(self.dataset, epoch, index))
                except Exception as error:
                    what = f"got {type(error).__name__}: {error} from {sample_name(self.dataset, index)}"
                    remedy = f"every sample must load (this was epoch {epoch + 1}); mend the file or remove it"
                    return _Bad(f"{what}; {remedy}", traceback.format_exc())
        finally:
            set_random_state(before)
        return self._collated(samples, indices)

    def _collated(self, samples: list[Any], indices: list[tuple[int, int]]) -> Any:
        try:
            return default_collate(samples)
        except (RuntimeError, TypeError, KeyError) as error:
            sizes = [str(_sizes(sample)) for sample in samples]
            if isinstance(error, RuntimeError) and len(set(sizes)) == 1:
                raise  # of the machine, such as no room in shared memory
            usual = Counter(sizes).most_common(1)[0][0]
            odd = next((i for i, size in enumerate(sizes) if size != usual), 0)
            beside = f" beside {usual}" if sizes[odd] != usual else ""
            what = f"got sizes {sizes[odd]} from {sample_name(self.dataset, indices[odd][1])}{beside}"
            if isinstance(error, RuntimeError):
                rule, remedy = "one batch holds samples of one size", "resize or crop the data to one size"
            else:
                rule, remedy = "samples are tensors, all of one kind", "give each as (image, labels), both tensors"
            return _Bad(f"{what}; {rule} ({error}); {remedy}", traceback.format_exc())


def _sample(dataset: Any, epoch: int, index: int) -> Any:
    dataset, index = _part(dataset, index)
    return dataset[(epoch, index) if getattr(dataset, "takes_epoch", False) else index]


def _part(dataset: Any, index: int) -> tuple[Any, int]:
    """The dataset that a sample comes from, and its number there: behind subsets and concatenations."""
    if type(dataset) is Subset:  # one of its own kind may have a __getitem__ of its own
        return _part(dataset.dataset, dataset.indices[index])
    if type(dataset) is ConcatDataset:
        part = bisect_right(dataset.cumulative_sizes, index)
        return _part(dataset.datasets[part], index - [0, *dataset.cumulative_sizes][part])
    return dataset, index


def _sizes(sample: Any) -> Any:
    """The shapes in a sample, or what there is instead."""
    if isinstance(sample, dict):
        return {name: _sizes(part) for name, part in sample.items()}
    if isinstance(sample, (tuple, list)):
        return [_sizes(part) for part in sample]
    return tuple(sample.shape) if hasattr(sample, "shape") else type(sample)


def sample_name(dataset: Any, index: int) -> str:
    """A sample as a person finds it: its number, and its files where the dataset knows them."""
    dataset, index = _part(dataset, index)
    paths = getattr(getattr(dataset, "source", dataset), "paths", None)
    files = f" ({', '.join(map(str, paths(index)))})" if callable(paths) else ""
    return f"sample {index}{files}"


def first_batch(loader: DataLoader) -> Any:
    """The first samples of the data in their own order, as one batch; the loader is not touched."""
    sampler, samples = loader.batch_sampler, loader.dataset
    if not isinstance(sampler, EpochBatches) or not isinstance(samples, _Samples):
        return next(iter(loader))
    return _made(samples.__getitems__([(0, index) for index in range(min(sampler.batch_size, sampler.length))]))


def origin(loader: DataLoader, epoch: int, step: int, place: int) -> str:
    """The name of the sample at a place of this process's part of a batch."""
    sampler, samples = loader.batch_sampler, loader.dataset
    if not isinstance(sampler, EpochBatches) or not isinstance(samples, _Samples):
        return f"image {place} of batch {step} of epoch {epoch + 1}"
    return f"{sample_name(samples.dataset, sampler.batch(epoch, step)[place])} in epoch {epoch + 1}"


def _seed(seed: int, epoch: int, index: int) -> None:
    """The processes' global CPU generators, by a sample's name; a GPU's stays alone."""
    import numpy

    number = int.from_bytes(hashlib.sha256(f"{seed} {epoch} {index}".encode()).digest()[:8], "little") >> 1
    torch.default_generator.manual_seed(number)
    numpy.random.seed(number % 2**32)  # noqa: NPY002 the global generator is what user code may draw from
    random.seed(number)


def _as_it_is(batch: Any) -> Any:
    return batch


def _apart(worker: int) -> None:
    """Ctrl-C and signals to the whole group are for the main process: it finishes its step, then ends the workers.

    One that is killed ends them too. torch asks for a worker's parent only once it runs, and waits for ever where the
    parent died before that.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # a group of its own; SIGTERM must work, or the main process waits for it at its end for ever


def _end_with_parent() -> None:
    parent_process().join()  # type: ignore[union-attr]
    os._exit(1)
