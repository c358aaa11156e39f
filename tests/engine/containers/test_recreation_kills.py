"""Recreate on the real kernel: addresses, ports and volumes change hands, also when the process is killed on the way.

PORTSIDE_RECREATE_KILLS says at how many lines, spread over all of them, it is killed (8); PORTSIDE_ENGINE_SEED repeats
one run's dice.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.containers import recreation
from engine.containers.keeper_link import import_path
from engine.containers.record import ContainerRecord
from engine.containers.spec import ContainerSpec, PortMapping
from engine.errors import EngineError, InvalidArgument
from engine.facade import Engine
from engine.options.networks import NetworkSpec
from tests.support.engine import Host
from tests.support.processes import eventually, free_port

pytestmark = [pytest.mark.root, pytest.mark.registry]

KILLS = int(os.environ.get("PORTSIDE_RECREATE_KILLS", "8"))
NEVER = 1 << 30
PROJECT = Path(__file__).parents[3]
IP, MAC = "10.99.7.9", "02:00:00:00:07:09"


def network(host: Host) -> str:
    name = f"net-{secrets.token_hex(3)}"
    host.engine.networks.create(NetworkSpec(id=secrets.token_hex(32), name=name, subnet="10.99.7.0/24"))
    return name


def wanted(host: Host, name: str, on: str, port: int, **changes: Any) -> ContainerSpec:
    fields = {
        "name": name,
        "network": on,
        "ip": IP,
        "mac_address": MAC,
        "volumes": ("/data",),
        "stop_signal": "SIGKILL",
    }
    return host.spec("sleep", "600", ports=(PortMapping(container=80, host=port),), **{**fields, **changes})


def told(record: ContainerRecord) -> tuple[Any, ...]:
    """What of a container has to be again as it was."""
    return record.name, record.status, record.ip_address, record.networks, record.ports, record.mounts


def test_addresses_and_ports_change_hands_and_come_back(host: Host) -> None:
    on, port = network(host), free_port()
    old = wanted(host, "gull", on, port)
    host.engine.container_create(old)
    before = host.engine.container_start(old.id)
    with pytest.raises(EngineError, match="container gull is as it was"):
        host.engine.container_recreate("gull", wanted(host, "gull", on, port, command=("no-such-program",)))
    assert told(host.engine.container_get("gull")) == told(before)
    with pytest.raises(InvalidArgument, match="container gull is as it was"):
        host.engine.container_recreate("gull", wanted(host, "gull", on, port, ip="10.1.2.3"))
    assert told(host.engine.container_get("gull")) == told(before)

    new = wanted(host, "gull", on, port, env={"A": "2"})
    record = host.engine.container_recreate("gull", new)
    assert (record.id, record.ip_address, record.ports) == (new.id, IP, before.ports)
    assert [one["mac"] for one in record.networks] == [MAC]
    assert [one.id for one in host.engine.container_list()] == [new.id]
    assert record.mounts == before.mounts  # the volume without a name among them
    assert [point.name for point in before.mounts] == [volume.name for volume in host.engine.volumes.list()]
    host.engine.container_remove("gull", force=True)
    host.engine.networks.remove(on)
    assert host.is_clean(old.id, new.id)


def recreate(host: Host, old: str, spec: ContainerSpec, line: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.support.recreating", str(host.home.path), old]
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT}:{import_path()}"}
    command += [json.dumps(spec.as_dict()), str(line)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, cwd=PROJECT, env=environment
    )


def test_killed_at_any_line_one_of_the_two_is_there(host: Host) -> None:
    seed = os.environ.get("PORTSIDE_ENGINE_SEED", secrets.token_hex(4))
    dice = random.Random(seed)
    on, port = network(host), free_port()
    spec = wanted(host, "gull", on, port)
    host.engine.container_create(spec)
    current = host.engine.container_start(spec.id)
    spec = wanted(host, "gull", on, port)
    whole = recreate(host, current.id, spec, NEVER)
    assert whole.returncode == 0, whole.stderr
    lines, current = int(whole.stdout), host.engine.container_get(spec.id)
    (volume,) = host.engine.volumes.list()
    (Path(volume.mountpoint) / "kept").write_text("by all of them")
    ends = []
    for number in range(KILLS):
        line = 1 + int((number + dice.random()) * lines / KILLS)
        spec = wanted(host, "gull", on, port)
        died = recreate(host, current.id, spec, line)
        assert died.returncode in (-signal.SIGKILL, 0), died.stderr
        engine = Engine(host.home.config)
        done = engine.reconcile()
        where = f"line {line} of {lines}, seed {seed}: {done}"

        def is_alone(engine: Engine = engine, where: str = where) -> bool:
            records = engine.container_list()
            assert [(one.name, one.status) for one in records] == [("gull", "running")], where
            return True

        eventually(is_alone, what=where)
        (found,) = engine.container_list()
        assert [(one.name, one.used_by) for one in engine.volumes.list()] == [(volume.name, (found.id,))], where
        assert (Path(volume.mountpoint) / "kept").exists(), where
        assert recreation.unfinished(engine.containers._parts) == [], where
        assert (found.ip_address, [one["mac"] for one in found.networks], found.ports) == (IP, [MAC], current.ports)
        assert found.id in (current.id, spec.id), where
        if found.id == current.id:
            assert told(found) == told(current), where
        ends.append(found.id == spec.id)
        current = engine.container_recreate(current.id, spec)  # as the next worker does the job again
        assert current.id == spec.id, where
    assert ends == sorted(ends)  # the old one up to some line, from there on the new one
    host.engine.container_remove("gull", force=True)
    host.engine.networks.remove(on)
    assert host.is_clean()
