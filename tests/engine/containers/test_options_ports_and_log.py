"""Exposed ports, and how much of a log is kept, tried in real containers."""

from __future__ import annotations

import pytest

from engine.containers.spec import PortMapping
from tests.support import images
from tests.support.engine import Host
from tests.support.processes import eventually
from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]


def test_all_that_image_and_request_expose_is_published_and_what_is_named_stays(
    tidy_host: Host, registry: Registry
) -> None:
    image = registry.push(images.tiny({"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}), "exposed:latest")
    named = PortMapping(container=80, address="127.0.0.2")
    record = tidy_host.run(
        "sleep", "1000", image=image, expose=("7000-7001", "80/tcp"), publish_all=True, ports=(named,)
    )
    assert [(port.container, port.protocol, port.address) for port in record.ports] == [
        (80, "tcp", "127.0.0.2"),
        (53, "udp", "127.0.0.1"),
        (7000, "tcp", "127.0.0.1"),
        (7001, "tcp", "127.0.0.1"),
    ]
    again = tidy_host.engine.container_restart(record.id, 0)
    assert [port.container for port in again.ports] == [80, 53, 7000, 7001]
    assert tidy_host.run("sleep", "1000", image=image, expose=("7000",)).ports == ()


def test_a_log_holds_what_it_is_given_and_its_end(tidy_host: Host) -> None:
    script = "i=0; while [ $i -lt 4000 ]; do echo $i 0123456789012345678901234567890123456789; i=$((i+1)); done"
    record = tidy_host.run("sh", "-c", script, log_opt={"max-size": "16k", "max-file": "2"})
    tidy_host.ended(record.id)
    kept = tidy_host.log(record.id)
    assert kept.splitlines()[-1].startswith(b"3999 ")
    assert len(kept) <= 2 * (16 << 10)
    none = tidy_host.run("sh", "-c", "echo here", log_driver="none")
    tidy_host.ended(none.id)
    eventually(lambda: b"here" in tidy_host.log(none.id), seconds=60, what="what an attached one would see")
