"""Containers that run with a volume, while something is done with its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.containers.record import ContainerRecord
from engine.errors import Conflict, ResourceExhausted
from engine.volumes.volume import VolumeSpec
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]
WRITES = "trap 'exit 0' TERM; cd /data; n=0; while :; do n=$((n+1)); echo $n > one; echo $n > two; sleep 0.01; done"


def writer(host: Host) -> ContainerRecord:
    """One that writes the same number to two files, one after the other, again and again."""
    record = host.run("sh", "-c", WRITES, volumes=("data:/data",))
    eventually((data(host) / "two").exists, what="its first writing")
    return record


def data(host: Host, name: str = "data") -> Path:
    return Path(host.engine.volumes.get(name).mountpoint)


def test_a_copy_is_of_one_moment_while_its_writer_stands_still(host: Host) -> None:
    record = writer(host)
    host.engine.volumes.copies.clone("data", "copy", pause=True)
    one, two = ((data(host, "copy") / name).read_text() for name in ("one", "two"))
    assert int(one or two) - int(two or one) in (0, 1)
    before = (data(host) / "one").read_text()
    eventually(lambda: (data(host) / "one").read_text() not in ("", before), what="more of it: it goes on")
    assert host.engine.container_get(record.id).status == "running"


def test_who_runs_is_stopped_for_a_snapshot_and_started_again(host: Host) -> None:
    host.engine.volumes.create(VolumeSpec(name="data"))
    (data(host) / "mark").touch()
    host.engine.volumes.copies.snapshot("data", "before")
    record = writer(host)
    (data(host) / "mark").unlink()
    with pytest.raises(Conflict, match=f"in use by {record.name}"):
        host.engine.volumes.copies.revert("data", "before")
    assert not (data(host) / "mark").exists()
    host.engine.volumes.copies.revert("data", "before", stop=True)
    assert (data(host) / "mark").exists()
    eventually((data(host) / "two").exists, what="its writing, to the files that are there now")
    after = host.engine.container_get(record.id)
    assert (after.status, after.run) == ("running", record.run + 1)


def test_who_writes_too_much_is_stopped_and_not_started(host: Host) -> None:
    made = host.engine.volumes.create(VolumeSpec(name="data", driver_opts={"size": "1m"}))
    if made.quota != "counted":
        pytest.skip("here the kernel refuses what is too much")
    record = writer(host)
    reader = host.run("sleep", "100000", volumes=("data:/data:ro",))
    (data(host) / "big").write_bytes(b"x" * (2 << 20))
    assert host.engine.volumes.measure("data").is_over
    eventually(lambda: host.engine.container_get(record.id).status == "stopped", what="its end")
    assert host.engine.container_get(reader.id).status == "running", "who only reads goes on"
    with pytest.raises(ResourceExhausted, match="raise the limit"):
        host.engine.container_start(record.id)
    (data(host) / "big").unlink()
    host.engine.container_start(record.id)
