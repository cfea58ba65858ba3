"""Checkpoints on disk: written whole or not at all, with a checksum, the last two kept.

A file is one line with its kind and the sha256 of the rest, then what `torch.save` makes of the state.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

KIND = b"imachsr-checkpoint-1"
KEPT = 2
HEADER = len(KIND) + 1 + 64 + 1


class RefusedError(ValueError):
    """A checkpoint that cannot be used, and why."""


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: of this run alone; made when the first one is written.
        identity: what a state must have been made with: name -> value, as plain data.
    """

    def __init__(self, folder: str | Path, identity: dict[str, Any]) -> None:
        self.folder, self.identity = Path(folder), identity

    def paths(self) -> list[Path]:
        """The files there, oldest first."""
        return sorted(self.folder.glob("step-*.ckpt"))

    def save(self, state: dict[str, Any], step: int) -> Path:
        """Write one for so many steps taken, then drop all but it and the one before; newer ones had been refused.

        Raises:
            OSError: it could not be written; what was there before is untouched.
        """
        buffer = io.BytesIO()
        torch.save({"identity": self.identity, **state}, buffer)
        path = self.folder / f"step-{step:09d}.ckpt"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            header = KIND + b" " + hashlib.sha256(buffer.getbuffer()).hexdigest().encode() + b"\n"
            write_whole(path, header, buffer.getbuffer())
        except OSError as error:
            raise OSError(
                error.errno,
                f"got {error.strerror or error} while saving {path}; a checkpoint is written whole or not at all, so "
                "the previous one stays; make room or the folder writable, then run the same again to go on from there",
            ) from error
        paths = self.paths()
        kept = [other for other in paths if other <= path][-KEPT:]
        for other in set(paths) - {*kept}:
            other.unlink(missing_ok=True)
        return path

    def latest(self) -> dict[str, Any] | None:
        """The newest state that can be used; None where there are no files. Refused ones are warned of, with reasons.

        Raises:
            ValueError: there are files and none can be used.
        """
        for leftover in self.folder.glob(".step-*"):  # of a process that was killed while saving
            leftover.unlink(missing_ok=True)
        reasons = []
        for path in reversed(self.paths()):
            try:
                state = read(path, self.identity)
            except RefusedError as refused:
                reasons.append(str(refused))
                continue
            for reason in reasons:
                warnings.warn(f"{reason}; going on from {path.name} instead", stacklevel=2)
            return state
        if reasons:
            raise ValueError(
                f"{'; '.join(reasons)}; no checkpoint in {self.folder} can go on as this run; restore one, or delete "
                "the folder to begin anew"
            )
        return None


def read(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's state, where the file is sound and of this identity.

    Raises:
        RefusedError: it is not; says what came and what must be.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RefusedError(f"got {error.strerror or error} while reading {path}") from error
    header, payload = content[:HEADER], memoryview(content)[HEADER:]
    if not content:
        raise RefusedError(f"got an empty file at {path}; a checkpoint begins with its checksum")
    if not header.startswith(KIND + b" ") or header[-1:] != b"\n":
        raise RefusedError(f"got {path}, whose first line is no checkpoint's; it must name its kind and checksum")
    if hashlib.sha256(payload).hexdigest().encode() != header[len(KIND) + 1 : -1]:
        raise RefusedError(f"got {path}, {len(content)} bytes that do not fit its checksum; it is cut short or damaged")
    try:
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise RefusedError(
            f"got {path}, which holds an object of some program; a state is tensors and numbers"
        ) from error
    for name, theirs in state["identity"].items():  # older files know less
        if theirs != identity.get(name):
            raise RefusedError(f"got {path} with {name} {theirs!r}; this run has {name} {identity.get(name)!r}")
    return state


def write_whole(path: Path, *parts: bytes | memoryview) -> None:
    """To a neighbour first, onto the disk, then renamed over the name; what is no regular file is written to."""
    if path.exists() and not path.is_file():
        path.write_bytes(b"".join(parts))
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    mask = os.umask(0)
    os.umask(mask)
    try:
        with suppress(OSError):  # some file systems have no such modes
            os.chmod(temporary, 0o666 & ~mask)  # a temporary file is private; a filed one is not
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """The renaming itself onto the disk, where folders can be opened and written out."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
