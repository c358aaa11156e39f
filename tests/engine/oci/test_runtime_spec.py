"""config.json as a typed value: what is right is read, what is wrong is refused by its path."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidArgument
from engine.oci import runtime_process
from engine.oci.runtime_spec import Spec, parse
from engine.runtime import capabilities
from engine.runtime.spec import ProcessSettings, build

FULL: dict[str, Any] = {
    "ociVersion": "1.2.0",
    "process": {
        "terminal": True,
        "consoleSize": {"height": 25, "width": 80},
        "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [5, 6]},
        "args": ["sh", ""],
        "env": ["A=1", "B="],
        "cwd": "/",
        "capabilities": {"bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_BPF"], "effective": [], "ambient": ["CAP_KILL"]},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": (1 << 64) - 1}],
        "noNewPrivileges": True,
        "oomScoreAdj": -1000,
        "scheduler": {"policy": "SCHED_BATCH", "nice": 5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
        "execCPUAffinity": {"initial": "0", "final": "0-1"},
    },
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "h",
    "domainname": "d",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {
            "destination": "/data", "type": "bind", "source": "/", "options": ["rbind", "rro"],
            "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 2}],
            "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 2}],
        },
    ],
    "hooks": {"prestart": [{"path": "/bin/true", "args": ["true"], "env": ["A=1"], "timeout": 3}]},
    "annotations": {"a": "b"},
    "linux": {
        "namespaces": [{"type": t} for t in ("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time")],
        "uidMappings": [{"containerID": 0, "hostID": 1, "size": 10}, {"containerID": 10, "hostID": 50, "size": 1}],
        "gidMappings": [{"containerID": 0, "hostID": 1, "size": 10}],
        "timeOffsets": {"monotonic": {"secs": -5, "nanosecs": 1}},
        "devices": [{"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229, "fileMode": 438, "uid": 0}],
        "netDevices": {"dummy0": {"name": "eth7"}},
        "cgroupsPath": "/a/b",
        "resources": {
            "devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 3}],
            "memory": {"limit": 100, "swap": 200, "reservation": -1, "swappiness": 0, "disableOOMKiller": True},
            "cpu": {"shares": 1, "quota": -1, "period": 5, "cpus": "0-3,5", "mems": "0", "idle": 1},
            "pids": {"limit": -1},
            "blockIO": {"weight": 10, "throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 5}]},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 4}],
            "network": {"classID": 1, "priorities": [{"name": "eth0", "priority": 5}]},
            "rdma": {"mlx5_1": {"hcaHandles": 3}},
            "unified": {"memory.high": "5"},
        },
        "rootfsPropagation": "slave",
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_X86_64"],
            "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "syscalls": [
                {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}
            ],
        },
        "maskedPaths": ["/proc/keys"],
        "readonlyPaths": ["/proc/sys"],
        "sysctl": {"net.ipv4.ip_forward": "1"},
        "personality": {"domain": "LINUX32"},
    },
}  # fmt: skip


def refusal(document: object) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        parse(json.dumps(document))
    assert str(caught.value).startswith(str(caught.value.detail["field"]))
    return caught.value


def places(value: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """(path, container, key) of everything in the document."""
    found: list[tuple[str, Any, Any]] = []
    free = ("annotations", "linux.sysctl", "linux.timeOffsets", "linux.netDevices", "linux.resources.rdma",
            "linux.resources.unified")  # fmt: skip
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        name = f"{path}[{key!r}]" if isinstance(value, list) or path in free else f"{path}.{key}" if path else key
        found.append((name, value, key))
        found += places(below, name)
    return found


PLACES = [path for path, _, _ in places(FULL)]


def test_every_field_of_the_specification_is_read() -> None:
    spec = parse(json.dumps(FULL))
    assert spec.process is not None
    assert spec.process.capabilities is not None
    assert spec.process.capabilities.bounding == ("CAP_KILL", "CAP_CHOWN", "CAP_BPF")
    assert spec.process.rlimits[0].hard == (1 << 64) - 1
    assert spec.linux.time_offsets["monotonic"].secs == -5
    assert spec.linux.resources.block_io is not None
    assert spec.linux.resources.block_io.throttle_read_iops_device[0].rate == 5
    assert spec.mounts[1].uid_mappings[0].host_id == 1000
    assert spec.hooks.prestart[0].timeout == 3


@pytest.mark.parametrize("path", PLACES)
def test_a_wrong_type_anywhere_is_refused_with_its_path(path: str) -> None:
    document = copy.deepcopy(FULL)
    _, holder, key = next(place for place in places(document) if place[0] == path)
    holder[key] = [[1.5]] if not isinstance(holder[key], list) else {"a": 1.5}
    assert refusal(document).detail["field"] == path


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("process.capabilities.bounding", ["CAP_KILL", "CAP_X"], "process.capabilities.bounding[1]"),
        ("process.capabilities.effective", ["CAP_KILL"], "process.capabilities.effective[0]"),
        ("process.cwd", "relative", "process.cwd"),
        ("process.args", [], "process.args"),
        ("process.args", [""], "process.args[0]"),
        ("process.env", ["A=1", "=1"], "process.env[1]"),
        ("process.user.uid", -1, "process.user.uid"),
        ("process.user.uid", True, "process.user.uid"),
        ("process.oomScoreAdj", 1001, "process.oomScoreAdj"),
        ("process.rlimits", [{"type": "RLIMIT_X", "soft": 1, "hard": 1}], "process.rlimits[0].type"),
        ("process.rlimits", [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}], "process.rlimits[0].soft"),
        ("process.rlimits", [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2, "process.rlimits[1].type"),
        ("process.scheduler", {"policy": "SCHED_FIFO"}, "process.scheduler.priority"),
        ("process.ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 8}, "process.ioPriority.priority"),
        ("root", None, "root"),
        ("ociVersion", "2.0.0", "ociVersion"),
        ("ociVersion", "one", "ociVersion"),
        ("mounts", [{"type": "proc"}], "mounts[0].destination"),
        ("mounts", [{"destination": "/a", "type": "bind"}], "mounts[0].source"),
        ("hooks.prestart", [{"path": "true"}], "hooks.prestart[0].path"),
        ("hooks.prestart", [{"path": "/true", "timeout": 0}], "hooks.prestart[0].timeout"),
        ("linux.namespaces", [{"type": "pid"}, {"type": "pid"}], "linux.namespaces[1].type"),
        ("linux.namespaces", [{"type": "net"}], "linux.namespaces[0].type"),
        ("linux.uidMappings", [], "linux.uidMappings"),
        ("linux.uidMappings", [{"containerID": 0, "hostID": 0, "size": 0}], "linux.uidMappings[0].size"),
        ("linux.gidMappings", [{"containerID": 0, "hostID": 0, "size": 2}, {"containerID": 1, "hostID": 9, "size": 1}],
         "linux.gidMappings[1]"),
        ("linux.devices", [{"type": "c", "path": "/dev/x", "major": 1}], "linux.devices[0].minor"),
        ("linux.netDevices", {"a/b": {}}, "linux.netDevices['a/b']"),
        ("linux.netDevices", {"a": {"name": "sixteen-letters-"}}, "linux.netDevices['a'].name"),
        ("linux.cgroupsPath", "/a/../b", "linux.cgroupsPath"),
        ("linux.resources.memory", {"limit": 5, "swap": 4}, "linux.resources.memory.swap"),
        ("linux.resources.cpu.cpus", "0-", "linux.resources.cpu.cpus"),
        ("linux.resources.devices", [{"allow": True, "access": "x"}], "linux.resources.devices[0].access"),
        ("linux.resources.unified", {"../x.y": "1"}, "linux.resources.unified['../x.y']"),
        ("linux.seccomp.defaultAction", "SCMP_ACT_MAYBE", "linux.seccomp.defaultAction"),
        ("linux.seccomp.syscalls", [{"names": [], "action": "SCMP_ACT_LOG"}], "linux.seccomp.syscalls[0].names"),
        ("linux.sysctl", {"../x": "1"}, "linux.sysctl['../x']"),
        ("linux.rootfsPropagation", "public", "linux.rootfsPropagation"),
        ("hostname", "x" * 65, "hostname"),
        ("process.user.uid", (1 << 32) - 1, "process.user.uid"),
        ("linux.devices", [{"type": "p", "path": "/dev/x"}, {"type": "p", "path": "/dev//./x"}],
         "linux.devices[1].path"),
        ("linux.seccomp.defaultErrnoRet", 4096, "linux.seccomp.defaultErrnoRet"),
        ("linux.seccomp.syscalls", [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4096}],
         "linux.seccomp.syscalls[0].errnoRet"),
        ("process.user.gid", (1 << 32) - 1, "process.user.gid"),
        ("process.user.additionalGids", [1, (1 << 32) - 1], "process.user.additionalGids[1]"),
        ("linux.devices", [{"type": "p", "path": "/dev/x", "uid": (1 << 32) - 1}], "linux.devices[0].uid"),
        ("linux.devices", [{"type": "p", "path": "/dev/x", "gid": (1 << 32) - 1}], "linux.devices[0].gid"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_path(path: str, value: object, field: str) -> None:
    document = copy.deepcopy(FULL)
    holder = document
    *above, last = path.split(".")
    for key in above:
        holder = holder[key]
    holder[last] = value
    assert refusal(document).detail["field"] == field


def test_what_the_specification_does_not_know_is_ignored() -> None:
    document = copy.deepcopy(FULL)
    for _, holder, key in places(document):
        if isinstance(holder[key], dict) and holder[key] and key not in (
            "annotations", "sysctl", "timeOffsets", "netDevices", "rdma", "unified"
        ):  # fmt: skip
            holder[key]["x-unknown"] = {"anything": [1.5]}
    assert parse(json.dumps(document)) == parse(json.dumps(FULL))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, '"x"', "\xff"])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^config\.json"):
        parse(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.sampled_from(PLACES), JSON)
def test_any_value_at_any_place_is_read_or_refused_by_a_path_that_leads_there(path: str, value: object) -> None:
    document = copy.deepcopy(FULL)
    _, holder, key = next(place for place in places(document) if place[0] == path)
    holder[key] = value
    try:
        assert isinstance(parse(json.dumps(document)), Spec)
    except InvalidArgument as error:
        field = str(error.detail["field"])
        assert str(error).startswith(field)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused_or_read_but_never_crash(data: bytes) -> None:
    try:
        parse(data)
    except InvalidArgument as error:
        assert "field" in error.detail


def test_a_value_can_not_be_changed() -> None:
    with pytest.raises(AttributeError):
        parse(json.dumps(FULL)).hostname = "x"  # type: ignore[misc]


def test_what_the_engine_builds_for_its_own_containers_is_valid() -> None:
    built = build(ProcessSettings(args=["sh"]))
    assert {"type": "user"} in built["linux"]["namespaces"]
    with pytest.raises(InvalidArgument, match="uidMappings"):
        parse(json.dumps(built))  # each run has ids of its own, so they are not in what is kept
    for kind in ("uidMappings", "gidMappings"):
        built["linux"][kind] = [{"containerID": 0, "hostID": 2_000_224_256, "size": 65536}]
    assert parse(json.dumps(built)).process is not None
    assert parse(json.dumps(build(ProcessSettings(args=["sh"], user_namespace=False)))).process is not None


def test_the_specifications_capabilities_are_the_runtimes() -> None:
    assert list(runtime_process.CAPABILITIES) == capabilities.NAMES


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xef\xbb\xbf{}", "it begins with the byte order mark of UTF-8"),
        ("{}".encode("utf-16"), "it begins with the byte order mark of UTF-16"),
        ("{}".encode("utf-16-be"), "it has zero bytes, as in UTF-16"),
        ("{}".encode("utf-32-le"), "it has zero bytes, as in UTF-16"),
        (b'{"a": "\xff"}', "'utf-8' codec can't decode"),
    ],
)
def test_json_is_utf_8_without_a_mark(data: bytes, why: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^config.json: is not JSON: {why}"):
        parse(data)


def test_a_hooks_environment_has_names_and_values() -> None:
    hooks = {"poststop": [{"path": "/bin/true", "env": ["A=1", "B"]}]}
    with pytest.raises(
        InvalidArgument, match=r"^hooks\.poststop\[0\]\.env\[1\]: 'B' does not have the form NAME=value"
    ):
        parse(json.dumps({"ociVersion": "1.2.0", "root": {"path": "rootfs"}, "hooks": hooks}))
