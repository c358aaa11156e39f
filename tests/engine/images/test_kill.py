"""Kill -9 in the middle of a pull: no half image is ever seen, and the next pull goes on with what was fetched."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.images.service import Images
from engine.oci.digest import Digest
from tests.engine.images.conftest import Host, open_host
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.processes import eventually
from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]
REPOSITORY = Path(__file__).parents[3]


def pulling(home: Path, reference: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.engine.images.pull_process", str(home), reference], cwd=REPOSITORY
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def verify_store(host: Host) -> None:
    """Every visible blob is what its name says, every visible image has all its layers."""
    for digest in host.content.digests():
        assert Digest.of(host.content.read(digest)) == digest
    for image in host.images.list():
        assert all(host.snapshots.has_layer(diff_id) for diff_id in image.diff_ids)


def children_of_the_dead(home: Path) -> list[int]:
    """Unpackers that still work in this home."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "root").startswith(str(home)):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_the_next_pull_goes_on_after_a_kill(
    host: Host, registry: Registry, fault_proxy: FaultProxy, push: Push
) -> None:
    push({"small": b"s" * 1000}, {"large": os.urandom(3_000_000)}, name="killed")
    reference = fault_proxy.reference("killed")
    small, large = (layer["digest"] for layer in registry.manifest("killed")["layers"])  # type: ignore[attr-defined]
    fault_proxy.add(Fault(large, bytes_per_second=1_000_000))
    process = pulling(host.config.home, reference)
    ingest = host.config.content / "ingest" / large.replace(":", "-")
    while not ingest.exists() or ingest.stat().st_size < 1_000_000 or len(host.leftovers()["layers"]) < 1:
        assert process.poll() is None
        time.sleep(0.01)
    kill(process)
    eventually(lambda: children_of_the_dead(host.config.home) == [], what="the end of its children")
    assert host.images.list() == []
    again = open_host(host.config.home)
    again.images.recover()
    assert again.leftovers()["staging"] == []
    assert again.leftovers()["ingests"] == [ingest.name]
    fault_proxy.clear()
    image = again.images.pull(reference)
    assert [path for _, path, _ in fault_proxy.requests if small in path] == []
    resumed = [asked for _, path, asked in fault_proxy.requests if large in path]
    assert len(resumed) == 1
    assert int(resumed[0].removeprefix("bytes=").rstrip("-")) >= 1_000_000
    verify_store(again)
    assert (again.tree(image.chain_id)[0] / "large").stat().st_size == 3_000_000


def test_no_moment_of_a_kill_leaves_a_half_image(host: Host, push: Push) -> None:
    chance = random.Random(7)
    layers = [{f"layer-{n}/file-{m}": chance.randbytes(3000) for m in range(60)} for n in range(4)]
    reference = push(*layers, name="kill-anywhere")
    started = time.monotonic()
    process = pulling(host.config.home, reference)
    assert process.wait(120) == 0
    whole = time.monotonic() - started
    image = host.images.get(reference)
    expected = host.leftovers() | {"layers": 4}
    for _ in range(6):
        host.images.remove(image.id, uses=lambda _: [])
        process = pulling(host.config.home, reference)
        time.sleep(chance.uniform(0.3, 1.0) * whole)
        kill(process)
        again = open_host(host.config.home)
        assert again.images.list() in ([], [image])
        verify_store(again)
        again.images.recover()
        verify_store(again)
        assert again.images.pull(reference).id == image.id
        verify_store(again)
        now = again.leftovers()
        assert now | {"layers": len(now["layers"])} == expected
    host.images.remove(image.id, uses=lambda _: [])
    assert host.is_empty


def test_what_another_boot_did_not_finish_writing_is_dropped(
    host: Host, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Images, "_sync_later", lambda self: None)
    reference = push({"a": b"1"}, name="power-cut")
    synced = host.images.pull(push({"b": b"2"}, name="synced"))
    host.images._collector.sync(host.config.home)
    host.images.pull(reference)
    with host.store.transaction() as connection:
        connection.execute("UPDATE image SET boot = 'another boot'")
    host.images.recover()
    assert host.images.list() == [synced]
    assert len(host.leftovers()["layers"]) == 1
