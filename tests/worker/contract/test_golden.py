"""Golden files: what goes over the wire today must be readable tomorrow, by either side.

A new command or event gets an example here and a file in golden/; a change of an existing file is a change of
the contract, and both the old and the new file must be readable for one release. Missing files are written by
`PORTSIDE_WRITE_GOLDEN=1 python -m pytest tests/worker/contract`, to be read and committed.
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from worker.contract import builds as b
from worker.contract import commands as c
from worker.contract import events as e
from worker.contract import frames as f
from worker.contract import networks as n
from worker.contract import volumes as v
from worker.contract.wire import ContractError, from_wire, to_wire

GOLDEN = Path(__file__).parent / "golden"
CONTAINER = "c0ffee" + "0" * 58
EXEC = "e" * 64
NETWORK = "ab" * 32
HOST = "8f5a3c1e-0000-4000-8000-000000000001"
JOB = "8f5a3c1e-0000-4000-8000-000000000002"
IMAGE = "sha256:" + "ab" * 32

PLACE = v.BackupPlace(
    kind="s3", endpoint="https://s3.example.com", bucket="backups", prefix="box", region="eu-1", tls_verify=False,
    ca_pem="pem", reaches_local=True,
)  # fmt: skip
COMMANDS: list[c.Command] = [
    c.PullImage(reference="docker.io/library/alpine:latest", platform="linux/arm64"),
    c.RemoveImage(image=IMAGE, force=True),
    c.PushImage(reference="registry.example.com/app:1", image=IMAGE, all_platforms=True),
    c.TagImage(image=IMAGE, reference="registry.example.com/app:1"),
    c.PruneImages(all=True, until=1700000000.0, labels=("stage=build",)),
    c.VerifyImages(repair=True),
    c.LookUpImages(references=("docker.io/library/alpine:3",)),
    c.TryRegistry(registry="registry.example.com:5000"),
    c.LoadImages(),
    c.ImportImage(reference="registry.example.com/app:1"),
    c.CreateStarterImage(),
    c.CreateContainer(
        container_id=CONTAINER, name="web", image="alpine:3", command=("sh", "-c", "echo hi"), entrypoint=("/entry",),
        env={"A": "1"}, labels={"a": "b"}, ports=(c.PortMapping(container=80, host=8080),
        c.PortMapping(container=53, host=5300, host_last=5310, protocol="udp", address="0.0.0.0")), user="1000:1000",
        workdir="/srv", hostname="web", memory_bytes=64 << 20, cpus=1.5, pids_limit=100, restart="on-failure",
        restart_limit=3, start=False, cap_add=("NET_ADMIN",), cap_drop=("ALL",), privileged=True, read_only=True,
        security_opt=("no-new-privileges=false", "seccomp=unconfined"), userns="host", runtime="crun", init=True,
        tty=True, stdin_open=True, stdin_once=True,
        devices=("/dev/fuse:/dev/fuse:rw",), device_cgroup_rules=("c 10:* rm",), group_add=("audio",),
        sysctls={"net.core.somaxconn": "128"}, ulimits=("nofile=64:128",), tmpfs=("/run:size=64m",),
        shm_size=1 << 20, stop_signal="SIGINT", stop_timeout=3, auto_remove=True, domainname="example.org",
        extra_hosts=("db:10.0.0.2",), dns=("9.9.9.9",), dns_search=("example.org",), dns_options=("ndots:2",),
        memory_reservation=32 << 20, memory_swap=128 << 20, oom_score_adj=500, oom_kill_disable=True,
        cpu_shares=512, cpu_quota=50_000, cpu_period=100_000, cpu_rt_runtime=5000, cpu_rt_period=100_000,
        cpuset_cpus="0-1", cpuset_mems="0", blkio_weight=500,
        device_read_bps=("/dev/sda:1048576",), device_write_bps=("/dev/sda:1048576",),
        device_read_iops=("/dev/sda:100",), device_write_iops=("/dev/sda:100",),
        healthcheck={"test": ["CMD-SHELL", "curl -f localhost"], "interval_seconds": 5.5, "retries": 2},
        restart_unhealthy=True, depends_on=("db",), network=f"container:{CONTAINER}", pid="host", ipc="shareable",
        uts="host", cgroupns="host", expose=("80/tcp",), publish_all=True, publish_address="10.0.0.5",
        pull="always", platform="linux/arm64",
        annotations={"org.example.a": "1"}, memory_swappiness=10, blkio_weight_device=("/dev/sda:500",),
        log_driver="local", log_opt={"max-size": "1m"}, storage_opt={"size": "10G"},
        volumes=("data:/data:ro",), mounts=("type=tmpfs,target=/scratch",), volumes_from=("db:ro",),
        volume_driver="local", signed_by={"release": "PEM"}, allowed_images=("docker.io/library/*",),
    ),
    c.RecreateContainer(
        container_id=CONTAINER, replaces="0" * 64, name="web", image="docker.io/library/alpine:latest", start=False,
        renew_volumes=True,
    ),
    c.StartContainer(container_id=CONTAINER, signed_by={"release": "PEM"}),
    c.StopContainer(container_id=CONTAINER, timeout_seconds=2.5, signal="SIGINT"),
    c.KillContainer(container_id=CONTAINER, signal="SIGHUP"),
    c.SignalProcess(container_id=CONTAINER, host_pid=4711, started_at=1700000000.25, signal="SIGHUP"),
    c.RestartContainer(container_id=CONTAINER, timeout_seconds=1.0, signed_by={"release": "PEM"}),
    c.PauseContainer(container_id=CONTAINER),
    c.UnpauseContainer(container_id=CONTAINER),
    c.UpdateContainer(container_id=CONTAINER, changes={"memory_bytes": 64 << 20, "cpus": None, "restart": "always"}),
    c.RenameContainer(container_id=CONTAINER, name="web-2"),
    c.CommitContainer(
        container_id=CONTAINER, reference="local/web:2", created_at="2026-01-02T03:04:05Z", changes=("USER app",)
    ),
    c.RemoveContainer(container_id=CONTAINER, force=True, volumes=True, stop=True, timeout_seconds=2.5),
    c.CreateVolume(name="data", driver_opts={"type": "tmpfs"}, labels={"a": "b"}),
    c.RemoveVolume(name="data", force=True),
    c.PruneVolumes(all=True, labels=("a=b",), not_labels=("c",)),
    v.MeasureVolume(name="data"),
    v.LimitVolume(name="data", limit_bytes=1 << 30),
    v.RenameVolume(name="data", new_name="old-data"),
    v.CloneVolume(name="data", new_name="copy", labels={"a": "b"}, pause=True),
    v.SnapshotVolume(name="data", snapshot="before", pause=True),
    v.RevertVolume(name="data", snapshot="before", stop=True),
    v.RemoveSnapshot(name="data", snapshot="before"),
    v.BackupVolume(name="data", place=PLACE, key="data/one.tar.zst", pause=True),
    v.RestoreVolume(name="data", place=PLACE, key="data/one.tar.zst", digest=IMAGE, stop=True),
    v.RemoveBackups(place=v.BackupPlace(kind="directory", directory="/srv/backups"), keys=("data/one.tar.zst",)),
    v.TryPlace(place=PLACE),
    b.BuildImage(
        build_id="b1" * 16, scope="harbour", tags=("docker.io/library/app:1",), context="c1" * 16,
        dockerfile="docker/Dockerfile", dockerfile_text="FROM alpine", target="last", build_args={"A": "1"},
        labels={"a": "b"}, platform="linux/arm64", no_cache=True, pull=True, network="none",
        extra_hosts=("db:10.0.0.2",), memory_bytes=1 << 30, cpus=0.5, source_date_epoch=1700000000,
        platforms=("linux/amd64", "linux/arm64"), push=True, cache_from=("app:cache",), cache_to="app:cache",
        cache_mode="max", cache_mounts=True, cache_inline=True, sbom="spdx", provenance="max", sign=True,
        allowed_images=("docker.io/library/*",), entitlements=("security.insecure",),
        signed_by={"release": "PEM"},
    ),
    b.ForgetBuild(build_id="b1" * 16),
    b.PruneBuildCache(scope="harbour", unused_seconds=3600.0, keep_bytes=1 << 30),
    n.CreateNetwork(
        network_id=NETWORK, name="front", subnet="10.20.0.0/24", gateway="10.20.0.254", ip_range="10.20.0.0/25",
        ipv6=True, subnet6="fd00:20::/64", gateway6="fd00:20::fe", ip_range6="fd00:20::/80", mtu=1400,
        internal=True, icc=False, labels={"a": "b"}, attachable=True, options={"foo": "bar"},
    ),
    n.RemoveNetwork(network_id=NETWORK, from_stopped=True),
    n.PruneNetworks(until=1700000000.0, labels=("a=b",), not_labels=("c",)),
    n.ConnectNetwork(
        network_id=NETWORK, container_id=CONTAINER, ip="10.20.0.5", ip6="fd00:20::5",
        mac_address="02:00:00:00:00:05", aliases=("db",),
    ),
    n.DisconnectNetwork(network_id=NETWORK, container_id=CONTAINER),
]  # fmt: skip

FACTS = e.HostFacts(
    name="box", session="s1", cores=2, memory_bytes=8 << 30, kernel="6.1.0", architecture="x86_64",
    operating_system="Debian GNU/Linux 12", engine_version="0.1.0", cgroup_version="v2", disk_total_bytes=100,
    disk_free_bytes=50, containers_running=1, last_seq=7,
    runtimes=(e.RuntimeFacts(name="crun", version="crun version 1.8.1"),),
    userns_problem="user.max_user_namespaces is 0",
    apparmor_problem="there is no apparmor_parser on this host",
    cpu_rt_problem="control groups of version 2, which this host has, share out no real-time processor time",
    swap_problem="this kernel does not account for swap",
)  # fmt: skip
STATE = e.ContainerState(
    id=CONTAINER, name="web", image="alpine:3", status="stopped", image_id=IMAGE, pid=None, ip_address="10.88.0.2",
    ports=(e.PublishedPort(container=80, host=8080, protocol="tcp", address="127.0.0.1"),), exit_code=137,
    oom_killed=True, error="out of memory", restart_count=2, created_at=1.0, started_at=2.0, finished_at=3.5,
    userns="host", userns_problem="user.max_user_namespaces is 0", apparmor_profile="portside-default",
    health=e.HealthState(
        status="unhealthy", failing_streak=3,
        log=(e.HealthResult(start=2.5, end=2.75, exit_code=1, output="connection refused"),),
    ), spec={"restart": "no"},
)  # fmt: skip
VOLUME_STATE = e.VolumeState(
    name="data", driver_opts={"type": "tmpfs"}, labels={"a": "b"}, created_at=1.5,
    mountpoint="/home/volumes/data/_data", size_bytes=4096, files=3, measured_at=2.5, limit_bytes=2048, quota="counted",
    is_over=True, snapshots=(e.SnapshotState(name="before", created_at=2.0, size_bytes=1024),),
)  # fmt: skip
IMAGE_STATE = e.ImageState(
    id=IMAGE, tags=("docker.io/library/alpine:3",), digests=("docker.io/library/alpine@" + IMAGE,), size_bytes=7,
    architecture="amd64", os="linux", created_at="2026-01-01T00:00:00Z", layers=1, config={"cmd": ["sh"]},
)  # fmt: skip
RESULT = e.HealthResult(start=2.5, end=2.75, exit_code=1, output="connection refused")
LABELLED = e.Labelled(type="container", name="web", image="alpine:3", labels={"a": "b"})
PROGRESS = e.Progress(
    phase="downloading", items=(e.ProgressItem(id="sha256:aa", status="downloading", done_bytes=5, total_bytes=9),)
)
ERROR = e.ErrorInfo(family="not_found", message="no such image", detail={"reference": "alpine:3"})
ATTRIBUTES: dict[str, Any] = {
    e.HOST_REGISTERED: FACTS,
    e.HOST_HEARTBEAT: FACTS,
    e.HOST_STOPPED: {},
    e.HOST_INVENTORY: {"containers": (STATE,), "images": (IMAGE_STATE,), "volumes": (VOLUME_STATE,)},
    e.HOST_JOURNAL_TRIMMED: {"first_seq": 5},
    e.JOB_STARTED: {"fence": 1},
    e.JOB_PROGRESS: PROGRESS,
    e.JOB_FINISHED: {"status": "failed", "result": {}, "error": ERROR, "fence": 1},
    e.IMAGE_UPDATED: IMAGE_STATE,
    e.IMAGE_REMOVED: {},
    e.VOLUME_CREATED: VOLUME_STATE,
    e.VOLUME_MEASURED: VOLUME_STATE,
    e.VOLUME_UPDATED: VOLUME_STATE,
    e.VOLUME_RENAMED: {**to_wire(VOLUME_STATE), "old_name": "data-1"},
    e.VOLUME_REMOVED: e.Labelled(type="volume", name="data", labels={"a": "b"}),
    e.NETWORK_CREATED: {"id": NETWORK, "name": "front", "subnet": "10.1.0.0/22", "gateway": "10.1.0.1"},
    e.NETWORK_REMOVED: {"type": "network", "name": "front", "labels": {}},
    e.CONTAINER_CREATED: STATE,
    e.CONTAINER_STARTED: STATE,
    e.CONTAINER_DIED: STATE,
    e.CONTAINER_PAUSED: STATE,
    e.CONTAINER_UNPAUSED: STATE,
    e.CONTAINER_RESTARTING: STATE,
    e.CONTAINER_UPDATED: STATE,
    e.CONTAINER_RENAMED: {**to_wire(STATE), "old_name": "web-1"},
    e.CONTAINER_HEALTH: STATE,
    e.CONTAINER_OOM: STATE,
    e.CONTAINER_KILLED: {**to_wire(STATE), "signal": 15},
    e.CONTAINER_STOPPED: STATE,
    e.CONTAINER_RESTARTED: STATE,
    e.CONTAINER_SETTLED: STATE,
    e.CONTAINER_REMOVED: {**to_wire(LABELLED), "log_kept": True},
    e.LOG_REMOVED: {},
    e.EXEC_CREATED: {"container": CONTAINER, "command": ["sh"], "user": None, "tty": True},
    e.EXEC_STARTED: {"container": CONTAINER, "command": ["sh"], "user": None, "tty": True},
    e.EXEC_DIED: {"container": CONTAINER, "exit_code": 3},
    e.HEALTH_CHECKED: {"run": 2, "failing_streak": 1, **to_wire(RESULT)},
    e.ACTION_DONE: {"action": "resize", "height": 24, "width": 80, **to_wire(LABELLED)},
}
TRANSIENT = {e.HOST_HEARTBEAT, e.HOST_JOURNAL_TRIMMED, e.JOB_PROGRESS}
SUBJECTS = {
    "host": HOST,
    "job": JOB,
    "image": IMAGE,
    "volume": "data",
    "network": NETWORK,
    "container": CONTAINER,
    "exec": EXEC,
    "health": CONTAINER,
    "action": CONTAINER,
    "log": CONTAINER,
}
EVENTS = [
    e.Event(
        host_id=HOST, kind=kind, subject=SUBJECTS[kind.split(".")[0]], at=1700000000.25,
        seq=None if kind in TRANSIENT else 7, attributes=to_wire(attributes),
    )
    for kind, attributes in ATTRIBUTES.items()
]  # fmt: skip
CONTROLS = {
    "stream.open": f.OpenStream(
        stream_id="s", source="logs", container_id=CONTAINER, cursor=5, tail=10, since=1.5, until=9.5
    ),
    "session.open": f.OpenSession(session_id="s", source="exec", container_id=CONTAINER),
    "stream.credit": f.Credit(stream_id="s", consumed_bytes=4096),
    "stream.close": f.CloseStream(stream_id="s"),
    "job.cancel": f.CancelJob(job_id=JOB),
    "events.replay": f.ReplayEvents(after_seq=41),
    "host.settings": f.HostSettings(
        keep_logs_seconds=604800.0, keep_logs_bytes=1 << 30, memory_bytes=1 << 33, cpus=2.5, pids=4096
    ),
}


def golden(name: str, value: Any) -> Any:
    path = GOLDEN / f"{name}.json"
    if not path.exists() and os.environ.get("PORTSIDE_WRITE_GOLDEN") == "1":
        path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
    assert path.exists(), f"{path.name} is missing: see the top of this file"
    return json.loads(path.read_text())


@pytest.mark.parametrize("command", COMMANDS, ids=c.kind_of)
def test_a_command_is_written_and_read_as_it_always_was(command: c.Command) -> None:
    stored = golden(f"command.{c.kind_of(command)}", c.encode_command(command))
    assert c.encode_command(command) == stored
    assert c.decode_command(stored) == command


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_an_event_is_written_and_read_as_it_always_was(event: e.Event) -> None:
    stored = golden(f"event.{event.kind}", e.encode_event(event))
    assert e.encode_event(event) == stored
    assert e.decode_event(stored) == event
    attributes = ATTRIBUTES[event.kind]
    if dataclasses.is_dataclass(attributes) and not isinstance(attributes, type):
        assert from_wire(type(attributes), stored["attributes"]) == attributes


@pytest.mark.parametrize("kind", CONTROLS)
def test_a_control_message_is_written_and_read_as_it_always_was(kind: str) -> None:
    stored = golden(f"control.{kind}", f.encode_control(CONTROLS[kind]))
    assert f.encode_control(CONTROLS[kind]) == stored
    assert stored["kind"] == kind  # no field of a message may hide it
    assert from_wire(f.CONTROL_KINDS[kind], stored) == CONTROLS[kind]


def test_every_kind_has_its_golden_file() -> None:
    assert {c.kind_of(command) for command in COMMANDS} == set(c.KINDS)
    assert set(CONTROLS) == set(f.CONTROL_KINDS)
    named = {value for name, value in vars(e).items() if name.isupper() and isinstance(value, str)}
    assert set(ATTRIBUTES) == named
    files = {path.stem for path in GOLDEN.glob("*.json")}
    kinds = {f"command.{kind}" for kind in c.KINDS} | {f"event.{kind}" for kind in named}
    assert files == kinds | {f"control.{kind}" for kind in CONTROLS}


def test_a_frame_is_eighteen_bytes_and_its_data() -> None:
    frame = f.Frame(f.DATA, f.STDERR, 1 << 40, 1700000000.25, b"hello")
    assert frame.encode() == bytes.fromhex("0102000000000001000000001040fc54d941") + b"hello"
    assert f.Frame.decode(frame.encode()) == frame


def test_a_field_that_is_new_is_ignored_and_a_missing_one_is_named() -> None:
    assert c.decode_command({"kind": "container.start", "container_id": "x", "colour": "red"}) == c.StartContainer(
        container_id="x"
    )
    with pytest.raises(ContractError, match=r"StartContainer\.container_id is missing"):
        c.decode_command({"kind": "container.start"})
    with pytest.raises(ContractError, match="older than the site"):
        c.decode_command({"kind": "container.teleport"})


def test_a_create_of_an_older_site_means_what_it_meant() -> None:
    stored = json.loads((GOLDEN / "command.container.create.json").read_text())
    older = {name: stored[name] for name in ("kind", "container_id", "name", "image", "command", "pids_limit")}
    assert c.decode_command(older) == c.CreateContainer(
        container_id=CONTAINER, name="web", image="alpine:3", command=("sh", "-c", "echo hi"), pids_limit=100
    )
