"""Registries and networks that misbehave: a pull goes on where it can, and says what is wrong where it can't."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from engine.content.blobs import Ingest
from engine.content.leases import Leases
from engine.errors import Cancelled, DataCorrupt, PermissionDenied, ResourceExhausted, Unavailable
from engine.images import bringing
from engine.images.pull import fetch_layers
from engine.layers import limits
from engine.registry import transport
from tests.engine.images.conftest import Host, open_host
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]
CONTENT = os.urandom(1_500_000)


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_BACK_OFF_SECONDS", 0.005)


@pytest.fixture
def proxied(fault_proxy: FaultProxy, push: Push) -> Iterator[str]:
    """Reference of a one-layer image behind the proxy."""
    push({"content": CONTENT}, name="faults:latest")
    yield fault_proxy.reference("faults:latest")


@pytest.fixture
def layer(registry: Registry, proxied: str) -> str:
    """The layer's digest."""
    digest: str = registry.manifest("faults")["layers"][0]["digest"]  # type: ignore[index]
    return digest


def ranges(proxy: FaultProxy, digest: str) -> list[str]:
    return [asked for _, path, asked in proxy.requests if digest in path]


def is_complete(host: Host, reference: str) -> bool:
    image = host.images.get(reference)
    return (host.tree(image.chain_id)[0] / "content").read_bytes() == CONTENT


def test_cut_connections_are_taken_up_where_they_broke(
    host: Host, proxied: str, layer: str, fault_proxy: FaultProxy
) -> None:
    for cut in (500_000, 400_000, 1):
        fault_proxy.add(Fault(layer, cut_after_bytes=cut))
    host.images.pull(proxied)
    assert is_complete(host, proxied)
    assert ranges(fault_proxy, layer) == ["", "bytes=500000-", "bytes=900000-", "bytes=900001-"]


def test_a_connection_that_always_breaks_is_unavailable_and_the_next_pull_goes_on(
    host: Host, proxied: str, layer: str, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Fault(layer, cut_after_bytes=1_000_000))
    fault_proxy.add(Fault(layer, cut_after_bytes=0, times=100))
    with pytest.raises(Unavailable, match="pull again"):
        host.images.pull(proxied)
    assert host.images.list() == []
    assert host.leftovers()["ingests"] == [layer.replace(":", "-")]
    assert host.leftovers()["layers"] == host.leftovers()["staging"] == []
    fault_proxy.clear()
    host.images.recover()  # a restart in between takes nothing away
    host.images.pull(proxied)
    assert is_complete(host, proxied)
    assert ranges(fault_proxy, layer) == ["bytes=1000000-"]


def test_wrong_bytes_are_fetched_once_more(host: Host, proxied: str, layer: str, fault_proxy: FaultProxy) -> None:
    fault_proxy.add(Fault(layer, flip_at=700_000))
    host.images.pull(proxied)
    assert is_complete(host, proxied)
    assert ranges(fault_proxy, layer) == ["", ""]


@pytest.mark.parametrize("fault", [{"flip_at": 0}, {"flip_at": 700_000}, {"short_length": 100_000}], ids=str)
def test_content_that_is_never_right_is_corrupt_and_leaves_nothing(
    host: Host, proxied: str, layer: str, fault_proxy: FaultProxy, fault: dict[str, int]
) -> None:
    fault_proxy.add(Fault(layer, times=100, **fault))
    with pytest.raises(DataCorrupt, match="push it again"):
        host.images.pull(proxied)
    assert host.is_empty


def test_a_blob_that_is_cut_in_the_registry_itself_is_corrupt(host: Host, registry: Registry, push: Push) -> None:
    reference = push({"content": os.urandom(200_000)}, name="truncated")
    digest: str = registry.manifest("truncated")["layers"][0]["digest"]  # type: ignore[index]
    os.truncate(registry.blob_file(digest), 150_000)
    with pytest.raises((DataCorrupt, Unavailable)):
        host.images.pull(reference)
    assert host.images.list() == []


def test_a_manifest_that_is_not_its_digest_is_corrupt(host: Host, proxied: str, fault_proxy: FaultProxy) -> None:
    digest = host.images.pull(proxied).digests[0]
    host.images.remove(proxied, uses=lambda _: [])
    fault_proxy.add(Fault("/manifests/", flip_at=20, times=100))
    with pytest.raises(DataCorrupt):
        host.images.pull(digest)
    assert host.is_empty


def test_a_document_that_was_damaged_on_the_way_is_fetched_once_more(
    host: Host, proxied: str, registry: Registry, fault_proxy: FaultProxy
) -> None:
    config: str = registry.manifest("faults")["config"]["digest"]  # type: ignore[index]
    fault_proxy.add(Fault("/manifests/", flip_at=30))
    fault_proxy.add(Fault(config, flip_at=30))
    host.images.pull(proxied)
    assert is_complete(host, proxied)


def test_a_busy_registry_is_asked_again(host: Host, proxied: str, layer: str, fault_proxy: FaultProxy) -> None:
    fault_proxy.add(Fault("/manifests/", status=503, times=2))
    fault_proxy.add(Fault(layer, status=429, headers={"Retry-After": "0"}, times=2))
    fault_proxy.add(Fault(layer, status=500))
    host.images.pull(proxied)
    assert is_complete(host, proxied)


@pytest.mark.parametrize(("status", "text"), [(429, "limits how often"), (503, "out of order"), (418, "answered 418")])
def test_a_registry_that_stays_so_is_unavailable(
    host: Host, proxied: str, fault_proxy: FaultProxy, status: int, text: str
) -> None:
    body = b'{"errors":[{"code":"X","message":"come back tomorrow"}]}'
    fault_proxy.add(Fault("/manifests/", status=status, times=100, body=body, headers={"Retry-After": "0"}))
    with pytest.raises(Unavailable, match=f"{text}.*come back tomorrow"):
        host.images.pull(proxied)


def test_a_refusal_in_the_middle_is_permission_denied(
    host: Host, proxied: str, layer: str, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Fault(layer, status=401, times=100, headers={"WWW-Authenticate": 'Basic realm="x"'}))
    with pytest.raises(PermissionDenied, match="add credentials"):
        host.images.pull(proxied)
    assert host.is_empty


def test_a_document_of_many_megabytes_is_refused(host: Host, proxied: str, fault_proxy: FaultProxy) -> None:
    fault_proxy.add(Fault("/manifests/", status=200, body=b" " * (6 << 20), times=100))
    with pytest.raises(DataCorrupt, match="more than"):
        host.images.pull(proxied)
    assert host.is_empty


@pytest.mark.parametrize(("megabytes", "looks_ahead"), [(8, True), (8, False), (24, True)])
def test_a_full_disk_is_said_so_and_the_space_is_given_back(
    tmp_path: Path, registry: Registry, push: Push, monkeypatch: pytest.MonkeyPatch, megabytes: int, looks_ahead: bool
) -> None:
    """With 8 MB the download would fill the disk, or does, with 24 MB the unpacked files do."""
    if not looks_ahead:
        monkeypatch.setattr(Ingest, "check_room", lambda *_: None)
    reference = push({"content": CONTENT}, {"more": os.urandom(14 << 20)}, name="full-disk")
    with small_disk(tmp_path / "small", megabytes, monkeypatch) as host:
        with pytest.raises(ResourceExhausted, match="remove images"):
            host.images.pull(reference)
        assert host.is_empty, host.leftovers()


def test_a_disk_without_room_for_the_end_of_a_lease_keeps_nothing_either(
    tmp_path: Path, registry: Registry, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One layer finds the disk full, and another, whose bytes stay, takes what that one has given back."""
    reference = push({"content": CONTENT}, {"more": os.urandom(14 << 20)}, name="full-disk-lease")
    taker: str = registry.manifest("full-disk-lease")["layers"][0]["digest"]  # type: ignore[index]
    monkeypatch.setattr(Ingest, "check_room", lambda *_: None)
    with small_disk(tmp_path / "small", 8, monkeypatch) as host:

        def filled(*arguments: Any) -> None:
            try:
                fetch_layers(*arguments)
            finally:
                fill(host.config.content / "ingest" / taker.replace(":", "-"))

        monkeypatch.setattr(bringing, "fetch_layers", filled)
        with pytest.raises(ResourceExhausted, match="remove images"):
            host.images.pull(reference)
        assert host.is_empty, host.leftovers()
        assert host.store.connection().execute("SELECT name FROM lease").fetchall() == []


def test_a_lease_whose_end_a_full_disk_did_not_take_ends_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "small", 8, monkeypatch) as host:
        leases = Leases(host.store)
        with pytest.raises(Cancelled), leases.hold("job"):
            fill(host.config.home / "filler")
            raise Cancelled("by somebody")
        (host.config.home / "filler").unlink()
        leases.abandon("job")
        assert host.store.connection().execute("SELECT name FROM lease").fetchall() == []


@contextlib.contextmanager
def small_disk(home: Path, megabytes: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host on a disk of its own, of which unpacking may take all."""
    defaults = tuple((asdict(limits.Limits()) | {"reserve_bytes": 0}).values())
    monkeypatch.setattr(limits.Limits.__init__, "__defaults__", defaults)
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", home], check=True)
    try:
        host = open_host(home)
        yield host
        host.store.close()
    finally:
        subprocess.run(["umount", "-l", home], check=True)


def fill(path: Path) -> None:
    """Append until the disk takes no byte more."""
    with path.open("ab", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while file.write(bytes(4096)):
            pass


def test_a_cancelled_pull_stops_at_once_and_keeps_its_bytes(
    host: Host, proxied: str, layer: str, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Fault(layer, bytes_per_second=400_000))
    cancel, done = threading.Event(), threading.Event()

    def pull() -> None:
        with pytest.raises(Cancelled):
            host.images.pull(proxied, cancel=cancel)
        done.set()

    threading.Thread(target=pull).start()
    ingest = host.config.content / "ingest" / layer.replace(":", "-")
    while not ingest.exists() or ingest.stat().st_size < 100_000:
        time.sleep(0.01)
    cancel.set()
    assert done.wait(60)
    assert host.images.list() == []
    assert host.leftovers()["staging"] == host.leftovers()["locks"] == []
    fault_proxy.clear()
    host.images.pull(proxied)
    assert is_complete(host, proxied)
    assert int(ranges(fault_proxy, layer)[0].removeprefix("bytes=").rstrip("-")) >= 100_000


def test_a_pull_that_waits_for_a_busy_registry_is_cancelled_at_once(
    host: Host, proxied: str, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Fault("/manifests/", status=503, headers={"Retry-After": "20"}, times=9))
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        host.images.pull(proxied, cancel=cancel)
    assert time.monotonic() - began < 19


def test_a_cancelled_pull_hands_its_bytes_to_the_one_that_waits(
    host: Host, proxied: str, layer: str, fault_proxy: FaultProxy
) -> None:
    go_on, cancel = threading.Event(), threading.Event()
    fault_proxy.add(Fault(layer, bytes_per_second=400_000, go_on=go_on))
    results: list[object] = []

    def first() -> None:
        try:
            host.images.pull(proxied, cancel=cancel)
        except Cancelled as error:
            results.append(error)

    def second() -> None:
        results.append(host.images.pull(proxied))

    threads = [threading.Thread(target=first)]
    threads[0].start()
    ingest = host.config.content / "ingest" / layer.replace(":", "-")
    while not ingest.exists() or ingest.stat().st_size < 100_000:
        time.sleep(0.01)
    threads.append(threading.Thread(target=second))
    threads[1].start()
    time.sleep(0.3)
    cancel.set()
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert isinstance(results[0], Cancelled)
    assert is_complete(host, proxied)
    asked = ranges(fault_proxy, layer)
    assert len(asked) == 2
    assert asked[1].startswith("bytes=")
