"""Other ports and labels for a container that runs: what is asked for answers, what was connected stays connected."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.containers.keeper_link import import_path
from engine.containers.record import ContainerRecord
from engine.containers.spec import PortMapping
from engine.errors import Conflict, InvalidArgument
from tests.engine.containers.fakes import Crash, FakeImage, World, engine_on, image_config, spec
from tests.support.engine import Host
from tests.support.processes import eventually, free_port

ECHO = ("sh", "-c", "nc -ll -p 8080 -e cat & nc -ll -p 9090 -e cat & wait")


@pytest.fixture
def world() -> World:
    return World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})


def test_labels_and_ports_are_replaced_added_and_removed(tmp_path: Path, world: World) -> None:
    containers, parts = engine_on(tmp_path, world)
    containers.create(spec(1, labels={"a": "1", "b": "2"}, ports=(PortMapping(container=80, host=8080),)))
    updated = containers.update("c1", {"add_labels": {"c": "3"}, "remove_labels": ["a", "none"]})
    assert updated.spec.labels == {"b": "2", "c": "3"}
    assert containers.update("c1", {"labels": {"d": "4"}}).spec.labels == {"d": "4"}
    more = [{"container": 53, "protocol": "udp"}, {"container": 80, "host": 8080}]
    updated = containers.update("c1", {"add_ports": more})
    assert [(port.container, port.host) for port in updated.spec.ports] == [(80, 8080), (53, None)]
    assert containers.update("c1", {"add_ports": more}) == updated, "once more changes nothing"
    assert [port.container for port in containers.update("c1", {"remove_ports": [{"container": 80}]}).spec.ports] == [
        53
    ]
    assert containers.update("c1", {"ports": []}).spec.ports == ()
    for wrong in ({"ports": [{"container": "80"}]}, {"add_ports": [{"hots": 1}]}, {"labels": {"a": 1}}):
        with pytest.raises(InvalidArgument):
            containers.update("c1", wrong)
    told = [entry.attributes["changed"] for entry in parts.journal.read(0) if entry.kind == "container.updated"]
    assert told == [["labels"], ["labels"], ["ports"], ["ports"], ["ports"]]
    assert "network.republish" not in world.calls, "it doesn't run"


def test_a_change_that_is_cut_short_or_fails_leaves_the_ports_as_the_record_has_them(
    tmp_path: Path, world: World
) -> None:
    containers, _ = engine_on(tmp_path, world)
    containers.create(spec(1, ports=(PortMapping(container=80, host=8080),)))
    before = containers.start("c1")
    world.fail_at, world.error = "network.republish", Conflict("in use")
    with pytest.raises(Conflict):
        containers.update("c1", {"ports": [{"container": 81}], "pids_limit": 5})
    assert containers.get("c1") == before
    containers, parts = engine_on(tmp_path, world)
    parts.catalog.save = lambda *_: (_ for _ in ()).throw(Crash("before the record"))  # type: ignore[method-assign]
    with pytest.raises(Crash):
        parts.network.republish(before.id, [PortMapping(container=81, host=8081)])
        containers.update("c1", {"ports": [{"container": 81, "host": 8081}]})
    containers, _ = engine_on(tmp_path, world)
    assert any("cut short" in line for line in containers.recover())
    assert [(port.container, port.host) for port in world.published[before.id]] == [(80, 8080)]
    assert containers.recover() == []


def echoes(connection: socket.socket, word: bytes) -> bool:
    connection.sendall(word)
    got = b""
    while len(got) < len(word) and (data := connection.recv(100)):
        got += data
    return got == word


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """A connection to what listens behind a published port, once it does."""
    made: list[socket.socket] = []

    def connect() -> bool:
        connection = socket.create_connection(("127.0.0.1", port), 60)
        try:
            answers = echoes(connection, b"hello")
        except OSError:
            answers = False
        made.append(connection) if answers else connection.close()
        return answers

    def connects() -> bool:
        try:
            return connect()
        except OSError:
            return False

    eventually(connects, what=f"an answer at port {port}")
    with made[0] as connection:
        yield connection


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 60).close()
    except ConnectionRefusedError:
        return True
    return False


def published(record: ContainerRecord) -> list[tuple[int, int]]:
    return [(port.container, port.host) for port in record.ports]


@pytest.mark.root
@pytest.mark.registry
def test_connections_live_while_ports_come_and_go(host: Host) -> None:
    old, other = free_port(), free_port()
    stays = PortMapping(container=9090)
    record = host.run(*ECHO, ports=(PortMapping(container=8080, host=old), stays))
    kept = record.ports[1].host
    with connected(old) as first, connected(kept) as second:
        changes: dict[str, Any] = {
            "remove_ports": [{"container": 8080}],
            "add_ports": [{"container": 8080, "host": other}],
        }
        updated = host.engine.container_update(record.id, {**changes, "add_labels": {"tier": "front"}})
        assert sorted(published(updated)) == sorted([(9090, kept), (8080, other)])
        assert (updated.pid, updated.spec.labels) == (record.pid, {"tier": "front"})
        assert is_refused(old)
        with connected(other):
            assert echoes(first, b"still here") and echoes(second, b"here too")
        swapped = host.engine.container_update(record.id, {"ports": [{"container": 9090, "host": other}]})
        assert published(swapped) == [(9090, other)]
        with connected(other):  # the same port of the host leads elsewhere now
            assert echoes(second, b"and here")
        assert is_refused(kept)
    neighbour = host.run("sleep", "1000", name="neighbour", ports=(PortMapping(container=1, host=old),))
    with pytest.raises(Conflict, match=f"{old}/tcp .* container neighbour") as caught:
        host.engine.container_update(record.id, {"add_ports": [{"container": 8080, "host": old}], "pids_limit": 77})
    assert caught.value.detail["field"] == "ports"
    assert host.engine.container_get(record.id) == swapped
    again = host.engine.container_restart(record.id, 0)
    assert published(again) == [(9090, other)]
    for container_id in (record.id, neighbour.id):
        host.engine.container_remove(container_id, force=True)
    assert host.is_clean()


_FLIP = """
import sys
from engine.config import EngineConfig
from engine.facade import Engine
engine = Engine(EngineConfig.from_environment())
name, one, other = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
while True:
    for port in (other, one):
        engine.container_update(name, {"ports": [{"container": 8080, "host": port}, {"container": 9090}]})
"""


@pytest.mark.root
@pytest.mark.registry
def test_killed_in_the_middle_of_changes_kernel_and_record_agree_after_recovery(host: Host) -> None:
    one, other = free_port(), free_port()
    record = host.run(*ECHO, ports=(PortMapping(container=8080, host=one), PortMapping(container=9090)))
    kept = record.ports[1].host
    environment = {**host.home.environment(), "PYTHONPATH": import_path()}
    with connected(kept) as connection:
        for delay in range(6):
            program = subprocess.Popen(
                [sys.executable, "-c", _FLIP, record.id, str(one), str(other)],
                env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            assert program.stdout is not None and program.stdout.readline() == b"ready\n", program.communicate()
            before = host.engine.journal.last_seq()
            eventually(
                lambda before=before, delay=delay: host.engine.journal.last_seq() > before + delay, what="changes"
            )
            os.kill(program.pid, signal.SIGKILL)
            program.communicate()
            host.engine.reconcile()
            now = host.engine.container_get(record.id)
            assert now.pid == record.pid
            there = {(port.container, port.host) for port in host.engine.network.published(record.id)}
            assert there == set(published(now)) == {(9090, kept), (8080, now.spec.ports[0].host)}
            gone = other if now.spec.ports[0].host == one else one
            assert is_refused(gone)
            with connected(now.spec.ports[0].host or 0):
                assert echoes(connection, b"alive")
    host.engine.container_remove(record.id, force=True)
    assert host.is_clean()
