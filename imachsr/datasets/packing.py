"""Write a packed copy (see `packed`): whole in a hidden folder first, then moved to its place at once."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .catalogue import Catalogue, Item
from .packed import FORMAT, MANIFEST
from .reading import FileError, few, sha256
from .transforms import resize, resize_mask

ROOM_LEFT = 1 << 28  # bytes that stay free on the disk


def pack(catalogue: Catalogue, size: tuple[int, int], to: Path, *, progress: bool | None = None) -> str:
    """Resize every frame to `size` once, as the transforms would, and write all of them to the new folder `to`.

    Args:
        catalogue: files, not a packed copy; parts whose labels are withheld are left out.
        size: (height, width).
        to: a folder that does not exist, or is empty.
        progress: show a bar; by default where output is a terminal.

    Returns:
        What is there now, in a sentence.

    Raises:
        ValueError: a folder in use, too little room, or a faulty file, which is named; nothing is left then.
    """
    _refuse(catalogue, size, to)
    parts = {part: items for part, items in catalogue.parts.items() if part not in catalogue.withheld}
    items = [item for held in parts.values() for item in held]
    label_size = _label_size(catalogue, items)
    shapes = {f"{kind}.npy": _shape(kind, len(items), size) for kind in catalogue.inputs}
    shapes |= {"masks.npy": ((len(items), *size), np.uint8), "labels.npy": ((len(items), *label_size), np.uint8)}
    need = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in shapes.values())
    to.parent.mkdir(parents=True, exist_ok=True)
    room = shutil.disk_usage(to.parent).free - ROOM_LEFT
    if room < need:
        raise ValueError(f"{to}: {need >> 20} MiB to write, {max(0, room) >> 20} free; choose another disk or size")
    workshop = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
    folder = workshop / "packed"  # made with everybody's permissions, which a temporary folder lacks
    try:
        folder.mkdir()
        _write_arrays(catalogue, items, size, shapes, folder, progress)
        (folder / MANIFEST).write_text(_manifest(catalogue, parts, size, shapes, folder), encoding="utf-8")
        if to.exists():
            to.rmdir()  # it is empty
        os.replace(folder, to)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return f"{to}: {len(items)} frames of {catalogue.name} at {size[1]}x{size[0]}, {need / 2**20:.0f} MiB"


def _refuse(catalogue: Catalogue, size: tuple[int, int], to: Path) -> None:
    if catalogue.size is not None:
        raise ValueError(f"{catalogue.root} is packed already; packing starts from the files; give their folder")
    if len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        raise ValueError(f"got size {size!r}; sizes are (height, width) in whole pixels; pass one such as (180, 240)")
    if catalogue.problems:
        raise ValueError(f"{catalogue.root}: {few(catalogue.problems)}; a whole copy is packed; {catalogue.remedy}")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ValueError(f"{to} is in use; nothing there is overwritten; choose a new or empty folder with --to")


def _label_size(catalogue: Catalogue, items: list[Item]) -> tuple[int, int]:
    if not items:
        raise ValueError(f"{catalogue.root} has no frames with labels; a copy needs some; {catalogue.remedy}")
    try:
        height, width = catalogue.reader.values(items[0]).shape
    except FileError as fault:
        raise ValueError(f"{fault}; {catalogue.remedy}") from fault
    return height, width


def _shape(kind: str, count: int, size: tuple[int, int]) -> tuple[tuple[int, ...], type]:
    return ((count, *size), np.float32) if kind == "depth" else ((count, *size, 3), np.uint8)


def _write_arrays(
    catalogue: Catalogue,
    items: list[Item],
    size: tuple[int, int],
    shapes: dict[str, tuple[tuple[int, ...], type]],
    folder: Path,
    progress: bool | None,
) -> None:
    from tqdm import tqdm

    arrays = {name: _reserved(folder / name, shape, dtype) for name, (shape, dtype) in shapes.items()}
    disable = None if progress is None else not progress
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        rows = threads.map(partial(_write_row, catalogue, size, arrays), range(len(items)), items)
        try:
            for _ in tqdm(rows, total=len(items), desc="pack", unit="frame", leave=False, disable=disable):
                pass
        except BaseException:
            threads.shutdown(wait=True, cancel_futures=True)
            raise
    for array in arrays.values():
        array.flush()


def _reserved(path: Path, shape: tuple[int, ...], dtype: type) -> np.memmap:
    """An array on disk whose room is really taken: a disk that fills up later would kill the process."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _write_row(catalogue: Catalogue, size: tuple[int, int], arrays: dict[str, np.memmap], row: int, item: Item) -> None:
    try:
        images, mask = catalogue.reader.read(item, full=True)
    except FileError as fault:
        raise ValueError(f"{fault}; {catalogue.remedy}") from fault
    labels = arrays["labels.npy"]
    if mask.shape != labels.shape[1:]:
        sizes = f"{mask.shape[1]}x{mask.shape[0]} where others have {labels.shape[2]}x{labels.shape[1]}"
        raise ValueError(f"{item.mask}: {sizes}; a packed copy has labels of one size; {catalogue.remedy}")
    labels[row] = mask
    arrays["masks.npy"][row] = resize_mask(torch.from_numpy(mask)[None], size)[0].numpy()
    for kind, image in zip(catalogue.inputs, images, strict=True):
        picture = torch.from_numpy(image)
        small = resize(picture.permute(2, 0, 1) if image.ndim == 3 else picture[None], size)
        arrays[f"{kind}.npy"][row] = small.permute(1, 2, 0).numpy() if image.ndim == 3 else small[0].numpy()


def _manifest(
    catalogue: Catalogue, parts: dict[str, list[Item]], size: tuple[int, int], arrays: dict[str, Any], folder: Path
) -> str:
    content = {
        "format": FORMAT,
        "name": catalogue.name,
        "size": size,
        "classes": catalogue.classes,
        "palette": catalogue.palette,
        "inputs": catalogue.inputs,
        "variant": catalogue.variant,
        "published": {part: count for part, count in catalogue.published.items() if part in parts},
        "withheld": catalogue.withheld,
        "arrays": {n: {"bytes": (folder / n).stat().st_size, "sha256": sha256(folder / n)} for n in arrays},
        "parts": {
            part: [{"name": item.name, "files": catalogue.reader.files(item)} for item in items]
            for part, items in parts.items()
        },
    }
    return json.dumps(content, indent=1) + "\n"
