"""One fetch of a digest on a host, whichever jobs and processes want it; who dies hands on what it has."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from engine.oci.digest import Digest
from tests.engine.images.conftest import Host
from tests.engine.images.test_kill import kill, pulling
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.processes import eventually
from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]


def test_a_killed_process_hands_its_bytes_to_those_who_wait(
    host: Host, push: Push, registry: Registry, fault_proxy: FaultProxy
) -> None:
    push({"large": os.urandom(2_000_000)}, {"small": b"s"}, name="handed-on")
    reference = fault_proxy.reference("handed-on")
    large: str = registry.manifest("handed-on")["layers"][0]["digest"]  # type: ignore[index]
    go_on = threading.Event()
    fault_proxy.add(Fault(large, go_on=go_on))
    ingest = host.config.content / "ingest" / large.replace(":", "-")
    first = pulling(host.config.home, reference)
    try:
        eventually(lambda: ingest.exists() and ingest.stat().st_size > 500_000, what="half of the layer")
        others = [pulling(host.config.home, reference) for _ in range(2)]
        results: list[str] = []
        threads = [threading.Thread(target=lambda: results.append(host.images.pull(reference).id)) for _ in range(3)]
        for thread in threads:
            thread.start()
    finally:
        kill(first)
        go_on.set()
    assert [process.wait(240) for process in others] == [0, 0]
    for thread in threads:
        thread.join(240)
    assert len(set(results)) == 1 == len(host.images.list())
    assert len(results) == 3
    asked = [span for _, path, span in fault_proxy.requests if large in path]
    assert len(asked) == 2
    assert int(asked[1].removeprefix("bytes=").rstrip("-")) > 500_000


def test_what_is_here_already_is_not_asked_for_again(host: Host, push: Push, fault_proxy: FaultProxy) -> None:
    push({"a": b"1"}, name="again")
    reference = fault_proxy.reference("again")
    image = host.images.pull(reference)
    fault_proxy.clear()
    assert host.images.pull(reference) == image
    assert [path.partition("/again/")[2] for _, path, _ in fault_proxy.requests] == ["manifests/latest"]
    config = host.content.path(Digest(image.id))
    config.write_bytes(b"damaged")
    assert host.images.pull(reference) == image
    assert [path.partition("/again/")[2] for _, path, _ in fault_proxy.requests][1:] == [
        "manifests/latest",
        f"blobs/{image.id}",
    ]
