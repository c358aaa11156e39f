"""ADD: archives of the context and files of servers."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import http.server
import io
import lzma
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from engine.build import adding, fetching
from engine.build.reach import Reach
from engine.errors import DataCorrupt, EngineError, NotFound, PermissionDenied, Unavailable
from engine.layers.stream import CHUNK_BYTES
from tests.support.builds import Workbench

pytestmark = pytest.mark.root


def archive(*names: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size, entry.uid, entry.gid, entry.mode, entry.mtime = 1, 7, 8, 0o640, 1_000_000_000
            packed.addfile(entry, io.BytesIO(b"x"))
    return out.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("kind", PACKERS)
def test_archives_are_unpacked(bench: Workbench, kind: str) -> None:
    data = PACKERS[kind](archive("d/one", "two"))
    files = bench.files(bench.build("FROM scratch\nADD a.bin /to/\n", {"a.bin": data}))
    assert set(files) == {"to", "to/d", "to/d/one", "to/two"}
    assert files["to/two"][:5] == ("f", 0o640, 7, 8, b"x")


@pytest.mark.parametrize("kind", PACKERS)
def test_a_bomb_comes_in_pieces(kind: str) -> None:
    """A few kilobytes that are gigabytes once unpacked must not be so in the worker's memory."""
    pack, data = PACKERS[kind], bytes(16 << 20)
    pieces = list(adding._plain(io.BytesIO(pack(data) + pack(b"and more"))))
    assert b"".join(pieces) == data + b"and more"
    assert max(map(len, pieces)) <= CHUNK_BYTES


def test_an_archive_may_begin_with_a_small_stream(bench: Workbench) -> None:
    data = archive("one")
    files = bench.files(
        bench.build("FROM scratch\nADD a.bin /to/\n", {"a.bin": gzip.compress(data[:100]) + gzip.compress(data[100:])})
    )
    assert set(files) == {"to", "to/one"}


def test_what_is_no_archive_is_copied(bench: Workbench) -> None:
    files = bench.files(
        bench.build(
            "FROM scratch\nADD notes.gz plain d /to/\nADD --unpack=false a.tar /kept/\n",
            {"notes.gz": gzip.compress(b"only words"), "plain": "x", "d/e": "y", "a.tar": archive("one")},
        )
    )
    assert set(files) == {"to", "to/notes.gz", "to/plain", "to/e", "kept", "kept/a.tar"}


def test_an_archive_goes_by_links_of_the_image_alone(bench: Workbench, tmp_path: Path) -> None:
    built = bench.build(
        f"FROM tiny\nRUN ln -s {tmp_path} /out && mkdir -p /real && ln -s real /alias\n"
        "ADD --chown=app a.tar /out/\nADD a.tar /alias/\n",
        {"a.tar": archive("one")},
    )
    files = bench.files(built)
    assert files[f"{tmp_path}/one".lstrip("/")][2:4] == (1000, 1000)
    assert "real/one" in files
    assert files["alias"].kind == "l"
    assert not list(tmp_path.iterdir())


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/file.txt?x=1")
            self.end_headers()
        elif self.path.startswith("/file.txt"):
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.send_header("Last-Modified", "Sun, 09 Sep 2001 01:46:40 GMT")
            self.end_headers()
            self.wfile.write(b"hello")
        elif self.path.startswith("/short"):
            self.send_response(200)
            self.send_header("Content-Length", "50")
            self.end_headers()
            self.wfile.write(b"hello")
        elif self.path.startswith("/loop"):
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_address[1]}"
    listening.shutdown()
    thread.join()
    listening.server_close()


def fetch(url: str, directory: Path, checksum: str | None = None) -> Path:
    return fetching.fetch(url, directory, checksum, lambda: False, Reach(near=("127.0.0.0/8",)))


def test_a_file_is_fetched(server: str, tmp_path: Path) -> None:
    path = fetch(f"{server}/moved/name.txt", tmp_path, f"sha256:{hashlib.sha256(b'hello').hexdigest()}")
    assert (path.name, path.read_bytes()) == ("name.txt", b"hello")
    assert path.stat().st_mtime == 1_000_000_000


@pytest.mark.parametrize(("path", "error"), [("/none", NotFound), ("/short", Unavailable), ("/loop", Unavailable)])
def test_a_server_that_does_not_give_it(server: str, tmp_path: Path, path: str, error: type[EngineError]) -> None:
    with pytest.raises(error):
        fetch(server + path, tmp_path)


def test_a_wrong_checksum(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataCorrupt):
        fetch(f"{server}/file.txt", tmp_path, f"sha256:{'0' * 64}")


def test_this_host_itself_is_not_asked(bench: Workbench, server: str) -> None:
    for url in (f"{server}/file.txt", "http://localhost/x", "http://169.254.169.254/latest/", "http://[::1]/x"):
        with pytest.raises(PermissionDenied):
            bench.build(f"FROM scratch\nADD {url} /\n")


@pytest.mark.parametrize(
    "host",
    [
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[fd00:ec2::254]",
        "127.1",
        "2852039166",
        "0",
    ],
)
def test_no_other_way_to_write_them_helps(tmp_path: Path, host: str) -> None:
    with pytest.raises(PermissionDenied):
        fetching.fetch(f"http://{host}/x", tmp_path, None, lambda: False, Reach())


def test_containers_are_not_asked_from_outside_their_networks(bench: Workbench) -> None:
    bench.build("FROM tiny\nRUN true\n", no_cache=True)  # so that there is a network
    subnets = bench.engine.network.subnets()
    assert subnets
    for subnet in subnets:
        for address in (subnet[1], subnet[9]):  # the host's own on the bridge, and one that a container may have
            with pytest.raises(PermissionDenied):
                bench.build(f"FROM scratch\nADD http://{address}/x /\n")


def test_of_two_files_of_one_name_the_last_counts(tmp_path: Path, server: str) -> None:
    fetch(f"{server}/moved/name.txt", tmp_path)
    assert fetch(f"{server}/file.txt/name.txt", tmp_path).read_bytes() == b"hello"
    assert [path.name for path in tmp_path.iterdir()] == ["name.txt"]
