"""A registry that means harm: documents too large, too deep, in circles or of the wrong kind are refused, and nothing
is left of them."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.errors import DataCorrupt, EngineError, InvalidArgument, ResourceExhausted, Unsupported
from engine.oci.manifest import MAX_BLOB_BYTES
from engine.registry import transport
from tests.engine.images.conftest import Host
from tests.support.oci_layout import ARCHITECTURE, tar_of

pytestmark = pytest.mark.root
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
TAR = tar_of({"file": b"content"})
BLOB = gzip.compress(TAR, 1, mtime=0)
DIFF_ID = "sha256:" + hashlib.sha256(TAR).hexdigest()
RIGHT_CONFIG = json.dumps(
    {"os": "linux", "architecture": ARCHITECTURE, "rootfs": {"type": "layers", "diff_ids": [DIFF_ID]}}
).encode()


def digest(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def described(data: bytes, media_type: str, **changed: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)} | changed


class Hostile:
    """Answers `documents[last part of the path]`: (content type, body, further headers); `sent` counts bytes."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[str, bytes, dict[str, str]]] = {}
        self.repeat = 1
        self.sent = 0
        hostile = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                kind, body, headers = hostile.documents.get(name) or hostile.documents.get("*") or ("", b"", {})
                times = hostile.repeat if name == "latest" else 1
                self.send_response(200 if kind else 404)
                for key, value in {"Content-Type": kind, "Content-Length": str(len(body) * times), **headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                for _ in range(times):
                    self.wfile.write(body)
                    hostile.sent += len(body)

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.reference = f"127.0.0.1:{self.server.server_address[1]}/hostile:latest"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def add(self, data: bytes, kind: str, *names: str, **headers: str) -> None:
        for name in names or (digest(data),):
            self.documents[name] = (kind, data, headers)

    def image(self, *, data: bytes | None = None, **manifest: Any) -> None:
        """An image of one layer, with whatever bytes of a config and fields of the manifest."""
        data = RIGHT_CONFIG if data is None else data
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(data, CONFIG),
            "layers": [described(BLOB, LAYER)],
        }
        self.add(json.dumps(document | manifest).encode(), MANIFEST, "latest")
        self.add(data, "application/octet-stream")
        self.add(BLOB, "application/octet-stream", digest(BLOB), digest(BLOB, "sha512"))


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    monkeypatch.setattr(transport, "_BACK_OFF_SECONDS", 0.005)
    server = Hostile()
    yield server
    server.server.shutdown()
    server.server.server_close()


def refused(
    host: Host, hostile: Hostile, reason: str, families: type[EngineError] | tuple[type[EngineError], ...]
) -> None:
    """The pull fails so, nothing of it is left in the home, and beside the home there is nothing new."""
    before = sorted(path.name for path in host.config.home.parent.iterdir())
    with pytest.raises(families, match=reason) as caught:
        host.images.pull(hostile.reference)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 600
    assert host.is_empty
    assert sorted(path.name for path in host.config.home.parent.iterdir()) == before


def test_an_image_of_this_registry_is_fine_without_a_trap(host: Host, hostile: Hostile) -> None:
    hostile.image()
    image = host.images.pull(hostile.reference)
    assert (host.tree(image.chain_id)[0] / "file").read_bytes() == b"content"


def test_blobs_may_be_named_by_sha512(host: Host, hostile: Hostile) -> None:
    hostile.image(layers=[described(BLOB, LAYER, digest=digest(BLOB, "sha512"))])
    image = host.images.pull(hostile.reference)
    assert (host.tree(image.chain_id)[0] / "file").read_bytes() == b"content"


def test_a_manifest_of_a_hundred_megabytes_is_not_read_to_its_end(host: Host, hostile: Hostile) -> None:
    hostile.add(b" " * (1 << 20), MANIFEST, "latest")
    hostile.repeat = 100
    refused(host, hostile, "more than", DataCorrupt)
    assert hostile.sent < 50 << 20  # the limit, and what lies in sockets


def test_a_manifest_that_grows_when_it_is_decoded_is_refused(host: Host, hostile: Hostile) -> None:
    hostile.add(gzip.compress(b" " * (100 << 20), 9), MANIFEST, "latest", **{"Content-Encoding": "gzip"})
    refused(host, hostile, "more than", DataCorrupt)


def test_a_config_of_megabytes_is_refused(host: Host, hostile: Hostile) -> None:
    hostile.image(data=b'{"x": "' + b"x" * (9 << 20) + b'"}')
    refused(host, hostile, "more than", DataCorrupt)


@pytest.mark.parametrize("depth", [5, 40])
def test_indexes_within_indexes_end_somewhere(host: Host, hostile: Hostile, depth: int) -> None:
    data = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    for level in range(depth):
        hostile.add(data, INDEX, *(["latest"] if level == depth - 1 else [digest(data)]))
        entry = described(data, INDEX, platform={"os": "linux", "architecture": ARCHITECTURE})
        data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
    refused(host, hostile, "nested too deeply", DataCorrupt)


def test_an_index_that_leads_to_itself_is_not_what_its_digest_says(host: Host, hostile: Hostile) -> None:
    platform = {"os": "linux", "architecture": ARCHITECTURE}
    entry = {"mediaType": INDEX, "digest": "sha256:" + "a" * 64, "size": 10, "platform": platform}
    data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
    hostile.add(data, INDEX, "*")
    refused(host, hostile, "another document", DataCorrupt)


FAMILIES = (DataCorrupt, Unsupported, InvalidArgument)
MANIFESTS: dict[str, tuple[dict[str, Any], str]] = {
    "a digest in capital letters": ({"layers": [described(BLOB, LAYER, digest=digest(BLOB).upper())]}, "digest"),
    "hex digits in capital letters": (
        {"layers": [described(BLOB, LAYER, digest="sha256:" + digest(BLOB)[7:].upper())]}, "digest",
    ),
    "an unknown algorithm": ({"layers": [described(BLOB, LAYER, digest="md5:" + "a" * 32)]}, "md5"),
    "sha512 of the wrong length": ({"layers": [described(BLOB, LAYER, digest="sha512:" + "a" * 64)]}, "digest"),
    "a digest that is a path": (
        {"layers": [described(BLOB, LAYER, digest="sha256:../../../../../../../etc/passwd")]}, "digest",
    ),
    "a digest that is a number": ({"layers": [described(BLOB, LAYER, digest=5)]}, "digest"),
    "no digest": ({"layers": [{"mediaType": LAYER, "size": 5}]}, "digest"),
    "a negative size": ({"layers": [described(BLOB, LAYER, size=-1)]}, "claims -1"),
    "a size that is a text": ({"layers": [described(BLOB, LAYER, size="5")]}, "size"),
    "a size of 100 digits": ({"layers": [described(BLOB, LAYER, size=10**100)]}, "claims 1000"),
    "layers that are no list": ({"layers": {"0": described(BLOB, LAYER)}}, "layers"),
    "a layer that is null": ({"layers": [None]}, "layer"),
    "a thousand layers": ({"layers": [described(BLOB, LAYER)] * 1000}, "at most"),
    "more layers than the config has": ({"layers": [described(BLOB, LAYER)] * 2}, "2 layers"),
    "a layer of an unknown kind": ({"layers": [described(BLOB, "application/x-sh")]}, "artifact|can't be unpacked"),
    "a config of an unknown kind": ({"config": described(b"{}", "text/html")}, "artifact"),
    "a config that is null": ({"config": None}, "config"),
    "a config of another size": ({"config": described(RIGHT_CONFIG, CONFIG, size=7)}, "has 7 bytes, but it has"),
}  # fmt: skip


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_hostile_manifest_is_refused_with_its_reason(host: Host, hostile: Hostile, name: str) -> None:
    changed, reason = MANIFESTS[name]
    hostile.image(**changed)
    refused(host, hostile, reason, FAMILIES)


def test_a_layer_that_no_disk_has_room_for_is_not_begun(host: Host, hostile: Hostile) -> None:
    hostile.image(layers=[described(BLOB, LAYER, size=MAX_BLOB_BYTES)])
    refused(host, hostile, "disk has", ResourceExhausted)


CONFIGS: dict[str, tuple[bytes, str]] = {
    "nested a million deep": (b'{"rootfs": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", "not JSON"),
    "objects nested deep": (b'{"a": ' * 200_000 + b"1" + b"}" * 200_000, "not JSON"),
    "a number of a million digits": (b'{"rootfs": {"diff_ids": []}, "x": ' + b"9" * 1_000_000 + b"}", "not JSON"),
    "a list": (b"[]", "not a JSON object"),
    "no text at all": (b"\xff\xfe\0\0", "not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "not JSON"),
    "empty": (b"", "not JSON|another document|rootfs"),
    "rootfs of another kind": (b'{"rootfs": {"type": "zfs", "diff_ids": []}}', "not known"),
    "no rootfs": (b'{"os": "linux"}', "rootfs"),
    "rootfs that is a list": (b'{"rootfs": []}', "rootfs"),
    "diff_ids that are a text": (b'{"rootfs": {"diff_ids": "sha256:a"}}', "diff_ids"),
    "diff_ids in capital letters": (
        json.dumps({"rootfs": {"diff_ids": [DIFF_ID.upper()]}}).encode(), "diff_ids",
    ),
    "config that is a number": (json.dumps({"config": 5, "rootfs": {"diff_ids": [DIFF_ID]}}).encode(), "config"),
    "Env that is an object": (json.dumps({"config": {"Env": {"A": 1}}, "rootfs": {"diff_ids": []}}).encode(), "Env"),
    "Env with a NUL": (json.dumps({"config": {"Env": ["A=\0"]}, "rootfs": {"diff_ids": []}}).encode(), "NUL"),
    "Labels that are numbers": (b'{"config": {"Labels": {"a": 1}}, "rootfs": {"diff_ids": []}}', "Labels"),
    "a time of 1e999": (
        b'{"config": {"Healthcheck": {"Interval": 1e999}}, "rootfs": {"diff_ids": []}}', "Interval",
    ),
    "another system": (json.dumps({"os": "windows", "rootfs": {"diff_ids": [DIFF_ID]}}).encode(), "windows"),
    "other content in the layer": (
        json.dumps({"os": "linux", "rootfs": {"diff_ids": ["sha256:" + "a" * 64]}}).encode(), "something else",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_a_hostile_config_is_refused_with_its_reason(host: Host, hostile: Hostile, name: str) -> None:
    data, reason = CONFIGS[name]
    hostile.image(data=data)
    refused(host, hostile, reason, FAMILIES)


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1], lambda data: data + b"\n", lambda data: data[:50] + b"\0" + data[51:]]
)
def test_a_blob_that_is_not_its_digest_is_refused(
    host: Host, hostile: Hostile, change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    hostile.image()
    hostile.add(change(BLOB), "application/octet-stream", digest(BLOB))
    refused(host, hostile, "push it again", DataCorrupt)
