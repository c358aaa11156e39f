"""Uploads to a registry that takes the specification at its word: pieces, resumption, sizes, redirects."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import DataCorrupt, InvalidArgument, Unavailable
from engine.oci.digest import Digest
from engine.registry import transport, uploading, writing
from engine.registry.auth import Credentials
from engine.registry.endpoint import Endpoint
from engine.registry.transport import Transport
from engine.registry.uploading import Source
from engine.registry.writing import Writer
from tests.support.strict_registry import Rules, StrictRegistry

DATA = os.urandom(3_000_000)
Made = Callable[..., StrictRegistry]


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_BACK_OFF_SECONDS", 0.005)


@pytest.fixture
def made() -> Iterator[Made]:
    registries: list[StrictRegistry] = []

    def make(**rules: object) -> StrictRegistry:
        registries.append(StrictRegistry(Rules(**rules)))  # type: ignore[arg-type]
        return registries[-1]

    yield make
    for registry in registries:
        registry.close()


class Sending:
    """One client's upload of `data`; `sent` is what it said of its progress."""

    def __init__(self, directory: Path, registry: StrictRegistry, credentials: Credentials | None = None) -> None:
        self.path = directory / "blob"
        self.transport = Transport(Endpoint(registry.address, ("http",), False), credentials)
        self.writer = Writer(self.transport, "app")
        self.sent: list[int] = []

    def blob(self, data: bytes, digest: Digest | None = None) -> str:
        self.path.write_bytes(data)
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            source = Source(digest or Digest.of(data), descriptor, len(data))
            return self.writer.blob(source, [], self.sent.append)
        finally:
            os.close(descriptor)
            self.transport.close()


def test_a_blob_goes_in_one_piece(tmp_path: Path, made: Made) -> None:
    registry, sending = made(), None
    sending = Sending(tmp_path, registry)
    assert sending.blob(DATA) == writing.UPLOADED
    assert registry.blobs == {Digest.of(DATA): DATA}
    assert [method for method, _ in registry.methods("/blobs/")] == ["HEAD", "POST", "PUT"]
    assert sending.sent[-1] == len(DATA)
    assert sending.blob(DATA) == writing.EXISTED
    assert sending.blob(b"") == writing.UPLOADED
    assert registry.blobs[Digest.of(b"")] == b""


def test_a_cut_upload_goes_on_where_it_broke(tmp_path: Path, made: Made) -> None:
    registry = made(cut_uploads_at=[1_000_000, 500_000, 1])
    sending = Sending(tmp_path, registry)
    assert sending.blob(DATA) == writing.UPLOADED
    assert registry.blobs == {Digest.of(DATA): DATA}
    patches = [span for method, span in registry.methods("/uploads/") if method == "PATCH"]
    assert patches == ["1000000-2999999", "1500000-2999999", "1500001-2999999"]
    assert registry.uploads == {}


def test_an_upload_that_comes_no_further_is_given_up_and_cancelled(tmp_path: Path, made: Made) -> None:
    registry = made(cut_uploads_at=[0] * 20)
    with pytest.raises(Unavailable, match="push again"):
        Sending(tmp_path, registry).blob(DATA)
    assert registry.blobs == registry.uploads == {}


def test_pieces_are_as_large_as_the_registry_wants_them(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "_CHUNK_BYTES", 400_000)
    registry = made(chunk_least=1_000_000, cut_uploads_at=[1_000_000, 200_000])
    assert Sending(tmp_path, registry).blob(DATA) == writing.UPLOADED
    assert registry.blobs == {Digest.of(DATA): DATA}
    patches = [span for method, span in registry.methods("/uploads/") if method == "PATCH"]
    assert patches[:3] == ["0-999999", "1000000-1999999", "1200000-2199999"]
    registry = made(chunk_least=100)
    assert Sending(tmp_path, registry).blob(DATA[:300_000]) == writing.UPLOADED
    assert "PATCH" not in [method for method, _ in registry.methods("/uploads/")]


def test_pieces_become_smaller_where_a_request_is_too_large(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "_SMALLEST_CHUNK_BYTES", 300_000)
    registry = made(request_most=800_000)
    sending = Sending(tmp_path, registry)
    assert sending.blob(DATA) == writing.UPLOADED
    assert registry.blobs == {Digest.of(DATA): DATA}
    before = len(registry.requests)
    assert sending.blob(DATA[::-1]) == writing.UPLOADED
    assert [method for method, *_ in registry.requests[before:]] == ["HEAD", "POST", *["PATCH"] * 4, "PUT"]
    with pytest.raises(InvalidArgument, match="limit"):
        Sending(tmp_path, made(request_most=100_000)).blob(DATA)


def test_what_is_damaged_here_is_found_out_by_the_registry(tmp_path: Path, made: Made) -> None:
    registry = made()
    with pytest.raises(DataCorrupt, match="pull it again"):
        Sending(tmp_path, registry).blob(DATA, Digest.of(b"other"))
    assert registry.blobs == registry.uploads == {}
    assert [method for method, _ in registry.methods("/uploads/")].count("PUT") == 2


def test_uploads_elsewhere_get_no_credentials(tmp_path: Path, made: Made) -> None:
    alice = Credentials("alice", "secret")
    registry, other = made(user=alice.basic), made()
    registry.rules.absolute_location = f"http://{other.address}"
    with pytest.raises(Unavailable):
        Sending(tmp_path, registry, alice).blob(DATA)  # the other one knows nothing of the upload
    assert other.requests
    assert {user for *_, user in other.requests} == {""}
    assert {user for *_, user in registry.requests[1:]} == {alice.basic}


@pytest.mark.parametrize("location", ["ftp://x", "file:///etc", "//[", "http://x:port"])
def test_an_upload_address_is_of_the_web(tmp_path: Path, made: Made, location: str) -> None:
    with pytest.raises(Unavailable, match="address"):
        Sending(tmp_path, made(absolute_location=location)).blob(DATA)
