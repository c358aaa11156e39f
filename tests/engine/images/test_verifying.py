"""Signatures at registries that want to be no help: they refuse some, send without end, or say what is not so."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Cancelled, PermissionDenied, Unavailable
from engine.images import verifying
from engine.images.verifying import Signed, verify
from engine.oci import media, signing
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor
from engine.oci.reference import Reference
from engine.registry.client import RegistryClient
from engine.registry.errors import BlobDamaged
from tests.engine.images.conftest import Host, open_host

PRIVATE, PUBLIC = signing.new_key()
KEY = signing.key_id(PUBLIC)
CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'


class Scripted:
    """`answers` are by path (without query): status and body, or what writes an answer of its own. All else is 404."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes] | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: list[str] = []
        self.is_over = threading.Event()
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"  # each answer ends with its connection, which is hard to break off

            def log_message(self, *arguments: object) -> None:
                pass

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                scripted.asked.append(path)
                answer = scripted.answers.get(path, (404, b""))
                if isinstance(answer, tuple):
                    self.send_response(answer[0])
                    self.send_header("Content-Length", str(len(answer[1])))
                    self.end_headers()
                    self.wfile.write(answer[1])
                else:
                    answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()

    def drip(self, handler: BaseHTTPRequestHandler) -> None:
        """A byte now and then: no single read takes long."""
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not self.is_over.wait(0.05):
                handler.wfile.write(b" ")
                handler.wfile.flush()

    def put(self, kind: str, data: bytes, name: str = "") -> Digest:
        digest = Digest.of(data)
        for called in filter(None, (digest, name)):
            self.answers[f"/v2/app/{kind}/{called}"] = (200, data)
        return digest

    def layer(self, data: bytes, signature: str, size: int | None = None) -> dict[str, Any]:
        """A layer of a signature's manifest, with its blob; of another size than it says, if one is given."""
        digest = self.put("blobs", data)
        annotations = {signing.ANNOTATION: signature}
        said = len(data) if size is None else size
        return {"mediaType": signing.PAYLOAD_TYPE, "digest": digest, "size": said, "annotations": annotations}

    def signed(self, subject: str) -> dict[str, Any]:
        payload = signing.payload("app", Digest(subject))
        return self.layer(payload, signing.sign(payload, PRIVATE))

    def sign(self, subject: str, *before: dict[str, Any]) -> None:
        """Put a signature under cosign's tag, after other layers."""
        manifest = {"mediaType": media.OCI_MANIFEST, "layers": [*before, self.signed(subject)]}
        self.put("manifests", json.dumps(manifest).encode(), signing.tag_of(Digest(subject)))

    def list(self, subject: str, entries: list[dict[str, Any]]) -> None:
        """What refers to it; the same page follows each page."""
        path = f"/v2/app/referrers/{subject}"
        body = json.dumps({"mediaType": media.OCI_INDEX, "manifests": entries}).encode()

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.send_header("Link", f'<{path}?next=1>; rel="next"')
            handler.end_headers()
            handler.wfile.write(body)

        self.answers[path] = answer


@pytest.fixture
def registry() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.close()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return open_host(tmp_path / "home")


@pytest.fixture
def image(host: Host, registry: Scripted) -> str:
    return publish(host, registry.address)


def publish(host: Host, *registries: str) -> str:
    """An image's id, which came in an index and has that's digest as a name at each of the registries."""
    config = {"mediaType": media.OCI_CONFIG, "digest": Digest.of(CONFIG), "size": len(CONFIG)}
    manifest = {"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": config, "layers": []}
    data = json.dumps(manifest).encode()
    entry = {"mediaType": media.OCI_MANIFEST, "digest": Digest.of(data), "size": len(data)}
    index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": [entry]}
    blobs = [host.content.put(one) for one in (CONFIG, data, json.dumps(index).encode())]
    names = [Reference.parse(f"{address}/app@{blobs[-1]}") for address in registries]
    return host.images._shelf.publish(CONFIG, names, blobs).id


def own(host: Host, image: str) -> list[str]:
    """The digests that may be signed: the manifest's and the index's."""
    blobs = host.images._shelf.records.documents(image)[1]
    return sorted(blob for blob in blobs if blob != Digest.of(CONFIG))


def found(host: Host, image: str, cancel: threading.Event | None = None) -> list[Signed]:
    return verify(host.images._shelf, image, [PUBLIC], cancel=cancel)


@pytest.mark.parametrize("signed", [0, 1])
def test_one_digest_that_is_refused_hides_no_signature_of_another(
    host: Host, registry: Scripted, image: str, signed: int
) -> None:
    digests = own(host, image)
    registry.sign(digests[signed])
    refused = digests[1 - signed]
    for path in (f"referrers/{refused}", f"manifests/{signing.tag_of(Digest(refused))}"):
        registry.answers[f"/v2/app/{path}"] = (403, b"")
    assert [(one.key_id, one.digest) for one in found(host, image)] == [(KEY, digests[signed])]
    del registry.answers[f"/v2/app/manifests/{signing.tag_of(Digest(digests[signed]))}"]
    with pytest.raises(PermissionDenied):
        found(host, image)


def test_one_referrer_that_is_refused_hides_no_signature_by_cosigns_tag(
    host: Host, registry: Scripted, image: str
) -> None:
    digest, other = own(host, image)[0], Digest.of(b"refused")
    entry = {"mediaType": media.OCI_MANIFEST, "digest": other, "size": 9, "artifactType": signing.ARTIFACT_TYPE}
    registry.answers[f"/v2/app/manifests/{other}"] = (403, b"")
    registry.list(digest, [entry])
    registry.sign(digest)
    assert [one.digest for one in found(host, image)] == [digest]


def test_a_payload_that_is_none_hides_none_beside_it(host: Host, registry: Scripted, image: str) -> None:
    digest = own(host, image)[0]
    lost = registry.layer(b"lost", "AAAA")
    del registry.answers[f"/v2/app/blobs/{lost['digest']}"]
    refused = registry.layer(b"refused", "AAAA")
    registry.answers[f"/v2/app/blobs/{refused['digest']}"] = (403, b"")
    odd: dict[str, Any] = {"digest": 5, "annotations": {signing.ANNOTATION: "AAAA"}}
    registry.sign(digest, lost, refused, odd)
    assert [one.digest for one in found(host, image)] == [digest]


def test_no_more_of_a_payload_is_read_than_one_may_have_whatever_size_is_said(
    host: Host, registry: Scripted, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, sizes = own(host, image)[0], []
    config = RegistryClient.config

    def watched(client: RegistryClient, descriptor: Descriptor, *limit: int) -> bytes:
        data = config(client, descriptor, *limit)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(RegistryClient, "config", watched)
    big = registry.layer(b" " * (signing.PAYLOAD_BYTES + 1), "AAAA", size=10)
    registry.sign(digest, big)
    assert [one.digest for one in found(host, image)] == [digest]
    assert max(sizes) < 1000
    with RegistryClient(host.config, Reference.parse(f"{registry.address}/app")) as client:
        descriptor = Descriptor("", Digest(big["digest"]), 10)
        assert len(config(client, descriptor)) == signing.PAYLOAD_BYTES + 1
        with pytest.raises(BlobDamaged, match="more than"):
            config(client, descriptor, signing.PAYLOAD_BYTES)


def test_of_a_list_without_end_a_few_pages_are_read(host: Host, registry: Scripted, image: str) -> None:
    digest = own(host, image)[0]
    other = {"mediaType": media.OCI_MANIFEST, "digest": Digest.of(b"sbom"), "size": 9, "artifactType": "an/sbom"}
    registry.list(digest, [other])
    registry.sign(digest)
    assert [one.digest for one in found(host, image)] == [digest]
    assert registry.asked.count(f"/v2/app/referrers/{digest}") == 10


def test_of_many_signatures_that_are_listed_the_first_are_looked_at(host: Host, registry: Scripted, image: str) -> None:
    digest = own(host, image)[0]
    listed = [Digest.of(str(number).encode()) for number in range(60)]
    kind = {"mediaType": media.OCI_MANIFEST, "size": 9, "artifactType": signing.ARTIFACT_TYPE}
    registry.list(digest, [{**kind, "digest": one} for one in listed])
    assert found(host, image) == []
    assert registry.asked.count(f"/v2/app/referrers/{digest}") == 1
    assert sum(path == f"/v2/app/manifests/{one}" for path in registry.asked for one in listed) == 50


def drip(host: Host, registry: Scripted, image: str, what: str) -> None:
    """Let the registry's answers of one kind never end."""
    for digest in own(host, image):
        name = digest if what == "referrers" else signing.tag_of(Digest(digest))
        registry.answers[f"/v2/app/{what}/{name}"] = registry.drip


@pytest.mark.parametrize("what", ["referrers", "manifests"])
def test_a_look_can_be_cancelled_while_a_registry_sends_a_byte_now_and_then(
    host: Host, registry: Scripted, image: str, what: str
) -> None:
    drip(host, registry, image, what)
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        found(host, image, cancel)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("what", ["referrers", "manifests"])
def test_a_look_ends_in_time_though_a_registrys_answer_does_not(
    host: Host, registry: Scripted, image: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "LOOK_SECONDS", 0.3)
    drip(host, registry, image, what)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"in time .* try again") as caught:
        found(host, image)
    assert time.monotonic() - began < 10
    assert caught.value.detail == {"registry": registry.address}


def test_a_registry_that_takes_its_time_leaves_others_theirs(
    host: Host, registry: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "LOOK_SECONDS", 4.0)
    other = Scripted()
    try:
        image = publish(host, registry.address, other.address)
        slow, quick = (registry, other) if found_first(host, image) == registry.address else (other, registry)
        drip(host, slow, image, "referrers")
        quick.sign(own(host, image)[0])
        quick.answers[f"/v2/app/referrers/{own(host, image)[0]}"] = late
        assert [one.place.partition("/")[0] for one in found(host, image)] == [quick.address]
        assert slow.asked
    finally:
        other.close()


def late(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(0.6)
    handler.send_response(404)
    handler.end_headers()


def found_first(host: Host, image: str) -> str:
    """The registry that is asked first."""
    return Reference.parse(host.images._shelf.records.find(image).digests[0]).registry
