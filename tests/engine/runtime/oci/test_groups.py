"""cgroupsPath and resources on this machine's control groups; version 2's rules where only they can be asked."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.oci.runtime_resources import CPU, DeviceRule, Memory, Pids, Resources
from engine.runtime.oci.groups import device_filter, v2
from engine.runtime.oci.groups.tree import Tree, hierarchies, release
from engine.runtime.wire import Failure
from tests.engine.runtime.box import until
from tests.engine.runtime.oci.bundles import COMMAND, Bundle, groups_of

pytestmark = pytest.mark.root

V1 = bool(hierarchies(Path("/proc/self/mountinfo").read_text())[0])
UNIFIED = hierarchies(Path("/proc/self/mountinfo").read_text())[1]


def test_limits_are_written_where_the_kernel_enforces_them(bundle: Bundle) -> None:
    bundle.linux["cgroupsPath"] = f"/above-{bundle.id}/inner"
    bundle.linux["resources"] = {
        "memory": {"limit": 64 << 20, "reservation": 32 << 20}, "pids": {"limit": 50},
        "cpu": {"shares": 512, "quota": 50_000, "period": 100_000, "cpus": "0", "mems": "0"},
    }  # fmt: skip
    bundle.args("/bin/sleep", "100").create()
    assert bundle.group("memory").parts[-2:] == (f"above-{bundle.id}", "inner")
    files = {
        "memory": [("memory.limit_in_bytes", "memory.max", str(64 << 20))],
        "pids": [("pids.max", "pids.max", "50")],
        "cpu": [("cpu.cfs_quota_us", "cpu.max", "50000" if V1 else "50000 100000"),
                ("cpu.shares", "cpu.weight", "512" if V1 else "20")],
        "cpuset": [("cpuset.cpus", "cpuset.cpus", "0")],
    }  # fmt: skip
    for controller, values in files.items():
        for one, two, value in values:
            assert (bundle.group(controller) / (one if V1 else two)).read_text().strip() == value
    bundle.remove()
    for tree in groups_of(f"above-{bundle.id}"):
        tree.rmdir()


def test_every_process_is_in_the_groups_and_sees_only_them(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    assert (bundle.group("pids") / "cgroup.procs").read_text().split() == [str(bundle.pid())]
    assert ":/\n" in bundle.succeed("exec", bundle.id, "/bin/cat", "/proc/self/cgroup")


def test_a_limit_below_what_is_used_is_refused_when_that_is_to_be_checked(bundle: Bundle) -> None:
    bundle.args("/bin/sh", "-c", "busybox dd if=/dev/zero of=/dev/null bs=32M count=100000000").start()
    file = bundle.group("memory") / ("memory.usage_in_bytes" if V1 else "memory.current")
    until(lambda: int(file.read_text()) > 24 << 20)
    resources = json.dumps({"memory": {"limit": 8 << 20, "checkBeforeUpdate": True}})
    done = bundle.call("update", "--resources", "-", bundle.id, input=resources, stdin=None)
    assert (done.returncode, done.stderr.split(":")[0]) == (1, "linux.resources.memory.limit")
    assert bundle.status() == "running"


def test_quota_and_burst_go_up_and_down_together(bundle: Bundle) -> None:
    bundle.linux["resources"] = {"cpu": {"quota": 50_000, "period": 100_000, "burst": 40_000}}
    bundle.args("/bin/sleep", "100").create()
    for quota, burst in ((20_000, 10_000), (80_000, 70_000)):
        bundle.succeed("update", "--cpu-quota", str(quota), "--cpu-burst", str(burst), bundle.id)
        names = ("cpu.cfs_quota_us", "cpu.cfs_burst_us") if V1 else ("cpu.max", "cpu.max.burst")
        found = [(bundle.group("cpu") / name).read_text().split()[0] for name in names]
        assert found == [str(quota), str(burst)]


@pytest.mark.parametrize("limit", [0, 4096])
def test_a_memory_limit_that_is_too_low_to_begin_is_named(bundle: Bundle, limit: int) -> None:
    bundle.linux["resources"] = {"memory": {"limit": limit}}
    found = bundle.args("/bin/true").refusal()
    assert found.startswith(f"linux.resources.memory.limit: {limit} bytes are not enough")


def test_the_pids_limit_holds(bundle: Bundle) -> None:
    bundle.linux["resources"] = {"pids": {"limit": 3}}
    done = bundle.run("sleep 60 & sleep 60 & sleep 60 & sleep 60 & wait")
    assert "fork" in done.stderr


@pytest.mark.parametrize(
    ("resources", "field"),
    [
        ({"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]}, "linux.resources.hugepageLimits[0]"),
        ({"cpu": {"cpus": "4000"}}, "linux.resources.cpu.cpus"),
        ({"unified": {"memory.nothere": "1"}}, "linux.resources.unified"),
        ({"network": {"classID": 1}}, "linux.resources.network"),
        ({"rdma": {"x": {"hcaHandles": 1}}}, "linux.resources.rdma"),
        ({"blockIO": {"throttleReadBpsDevice": [{"major": 4000, "minor": 1, "rate": 1}]}}, "linux.resources.blockIO"),
    ],
)
def test_what_the_kernel_can_not_do_is_refused_by_its_field(
    bundle: Bundle, resources: dict[str, object], field: str
) -> None:
    bundle.linux["resources"] = resources
    assert bundle.args("/bin/true").refusal().startswith(field)


def test_groups_that_somebody_lives_in_are_refused_and_kept(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    other = Bundle(bundle.directory, bundle.image)
    other.linux["cgroupsPath"] = bundle.id
    other.write()
    done = other.call("create", "-b", str(other.directory), other.id)
    assert done.stderr.startswith("linux.cgroupsPath")
    assert bundle.status() == "running"


def test_groups_that_another_container_is_being_made_in_are_refused_and_kept(bundle: Bundle) -> None:
    tree = Tree.of(bundle.id)
    claim = tree.claim()
    tree.make()
    try:
        bundle.write()
        done = bundle.call("create", "-b", str(bundle.directory), bundle.id)
        assert done.stderr.startswith("linux.cgroupsPath: another container is being made in this control group")
        assert all(Path(directory).is_dir() for directory in tree.directories())
    finally:
        release(claim)
    bundle.args("/bin/sleep", "100").start()  # in groups that are there and empty


def test_of_creators_with_one_path_at_the_same_time_one_succeeds(bundle: Bundle) -> None:
    bundle.linux["cgroupsPath"] = bundle.id
    bundle.args("/bin/sleep", "100").write()
    for _ in range(5):
        ids = [f"{bundle.id}-{number}" for number in range(4)]
        commands = [[*COMMAND, "--root", str(bundle.root), "create", "-b", str(bundle.directory), id] for id in ids]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        running = [subprocess.Popen(command, **quiet) for command in commands]
        ended = [process.wait(60) for process in running]
        assert sorted(ended) == [0, 1, 1, 1]
        winner = ids[ended.index(0)]
        bundle.succeed("start", winner)
        assert json.loads(bundle.succeed("state", winner))["status"] == "running"
        bundle.succeed("delete", "--force", winner)


@pytest.mark.skipif(not Path("/sys/fs/cgroup/devices").exists(), reason="version 1's list of devices")
def test_a_rule_for_all_devices_allows_no_more_than_it_says(bundle: Bundle) -> None:
    bundle.linux["resources"] = {"devices": [{"allow": True, "access": "m"}, {"allow": True, "type": "c", "major": 10}]}
    bundle.args("/bin/sleep", "100").create()
    listed = (bundle.group("devices") / "devices.list").read_text().splitlines()
    assert {"b *:* m", "c *:* m", "c 10:* rwm"} <= set(listed)
    assert not any(line.startswith("a") for line in listed)


def test_groups_may_be_mounted_at_several_places(bundle: Bundle) -> None:
    options = ["nosuid", "noexec", "nodev"]
    bundle.config["mounts"] += [
        {"destination": f"/run/groups-{access}", "type": "cgroup", "options": [*options, access]}
        for access in ("ro", "rw")
    ]
    found = bundle.sh("cd /sys/fs/cgroup; ls -A; for a in ro rw; do cd /run/groups-$a; echo; ls -A; done")
    first, *others = found.split("\n\n")
    assert first.split()
    assert [other.split() for other in others] == [first.split()] * 2
    mounted = bundle.sh("cat /proc/self/mountinfo")
    assert {access: f" {access}," in line for line in mounted.splitlines() for access in ("ro", "rw")
            if f" /run/groups-{access}" in line} == {"ro": True, "rw": True}  # fmt: skip


@pytest.mark.parametrize("pids", ["own", "shared"])
@pytest.mark.parametrize(
    "words", [("delete",), ("delete", "--force"), ("kill", "-s", "KILL"), ("kill", "--all"), ("ps",)]
)
def test_who_has_ended_has_no_rights_over_a_group_that_another_took(
    bundle: Bundle, words: tuple[str, ...], pids: str
) -> None:
    if pids == "shared":
        bundle.linux["namespaces"] = [entry for entry in bundle.linux["namespaces"] if entry["type"] != "pid"]
    bundle.args("/bin/sh", "-c", "exit 0").start()
    bundle.until("stopped")
    other = Bundle(bundle.directory, bundle.image)
    other.linux["cgroupsPath"] = bundle.id
    other.args("/bin/sleep", "100").start()
    try:
        done = bundle.call(*words, bundle.id)
        assert done.returncode == int(words[0] == "kill")
        assert str(other.pid()) not in done.stdout
        assert other.status() == "running"
        assert (other.group("memory") / "cgroup.procs").read_text().split() == [str(other.pid())]
        if words[0] == "delete":
            assert not (bundle.root / bundle.id).exists()
    finally:
        other.remove()


def test_who_has_ended_leaves_a_group_to_who_is_being_made_in_it(bundle: Bundle) -> None:
    bundle.args("/bin/sh", "-c", "exit 0").start()
    bundle.until("stopped")
    tree = Tree.of(bundle.id)
    claim = tree.claim()
    try:
        assert tree.mark("another")
        bundle.succeed("delete", bundle.id)
        assert all(Path(directory).is_dir() for directory in tree.directories())
    finally:
        release(claim)
        tree.remove()


@pytest.mark.skipif(not Path("/sys/fs/cgroup/systemd/cgroup.procs").exists(), reason="no hierarchy of systemd's")
def test_a_container_is_in_the_hierarchy_of_systemd(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    directory = Path("/sys/fs/cgroup/systemd") / bundle.id
    assert (directory / "cgroup.procs").read_text().split() == [str(bundle.pid())]
    inside = bundle.succeed("exec", bundle.id, "/bin/cat", "/sys/fs/cgroup/systemd/cgroup.procs")
    assert inside.split()[0] == "1"
    bundle.succeed("delete", "--force", bundle.id)
    assert not directory.exists()


def test_the_hierarchy_of_systemd_alone_makes_no_version_1() -> None:
    lines = [
        "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd",
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    ]
    assert hierarchies("\n".join(lines)) == ({}, "/sys/fs/cgroup/unified")
    more = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"
    both = {"name=systemd": "/sys/fs/cgroup/systemd", "cpu": "/sys/fs/cgroup/cpu"}
    assert hierarchies("\n".join([*lines, more])) == (both, "/sys/fs/cgroup/unified")


def test_without_a_pid_namespace_kill_reaches_everybody(bundle: Bundle) -> None:
    bundle.linux["namespaces"] = [entry for entry in bundle.linux["namespaces"] if entry["type"] != "pid"]
    bundle.args("/bin/sh", "-c", "sleep 100 & sleep 100 & wait").start()
    bundle.succeed("kill", bundle.id, "KILL")
    bundle.until("stopped")
    tree = Tree.of(bundle.id)
    until(lambda: not tree.pids())
    bundle.succeed("delete", bundle.id)


@pytest.fixture
def unified() -> Iterator[Path]:
    if UNIFIED is None:
        pytest.skip("no version 2 tree is mounted")
    group = Path(UNIFIED) / f"t-{secrets.token_hex(4)}"
    group.mkdir()
    yield group
    group.rmdir()


def opens(group: Path, path: str, flags: int) -> bool:
    """Whether a process in the group can open `path`."""
    pid = os.fork()
    if pid == 0:
        (group / "cgroup.procs").write_text("0")
        try:
            os.close(os.open(path, flags))
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def test_the_filter_of_version_2_answers_by_type_number_and_access(unified: Path) -> None:
    rules = (
        DeviceRule(allow=False),
        DeviceRule(allow=True, type="c", major=1, minor=3),
        DeviceRule(allow=True, type="c", major=1, minor=5, access="r"),
        DeviceRule(allow=True, type="c", major=1),
        DeviceRule(allow=False, type="c", major=1, minor=8),
        DeviceRule(allow=False, type="c", major=1, minor=9, access="w"),
    )
    assert opens(unified, "/dev/random", os.O_RDONLY)
    device_filter.attach(str(unified), rules[:3])
    found = {name: (opens(unified, f"/dev/{name}", os.O_RDONLY), opens(unified, f"/dev/{name}", os.O_RDWR))
             for name in ("null", "zero", "full", "urandom")}  # fmt: skip
    assert found == {"null": (True, True), "zero": (True, False), "full": (False, False), "urandom": (False, False)}


def test_a_long_list_of_devices_is_no_trouble(unified: Path) -> None:
    many = tuple(DeviceRule(allow=True, type="b", major=number, minor=7, access="rw") for number in range(300, 360))
    device_filter.attach(str(unified), (DeviceRule(allow=False), DeviceRule(allow=True, type="c", major=1), *many))
    assert opens(unified, "/dev/null", os.O_RDWR)


def test_later_rules_of_the_filter_win(unified: Path) -> None:
    rules = (DeviceRule(allow=True), DeviceRule(allow=False, type="c", major=1, minor=8),
             DeviceRule(allow=False, type="c", major=1, minor=9, access="w"))  # fmt: skip
    device_filter.attach(str(unified), rules)
    assert opens(unified, "/dev/null", os.O_RDWR)
    assert not opens(unified, "/dev/random", os.O_RDONLY)
    assert opens(unified, "/dev/urandom", os.O_RDONLY)
    assert not opens(unified, "/dev/urandom", os.O_RDWR)


def test_version_2_files_get_translated_values(tmp_path: Path) -> None:
    for name in ("memory.max", "memory.swap.max", "memory.low", "cpu.max", "cpu.weight", "pids.max", "memory.high"):
        (tmp_path / name).touch()
    resources = Resources(
        memory=Memory(limit=100, swap=150, reservation=-1), cpu=CPU(shares=1024, quota=5, period=10),
        pids=Pids(limit=-1), unified={"memory.high": "7"},
    )  # fmt: skip
    v2.apply(str(tmp_path), resources, None)
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {"memory.max": "100", "memory.swap.max": "50", "memory.low": "max", "cpu.max": "5 10",
                     "cpu.weight": "39", "pids.max": "max", "memory.high": "7"}  # fmt: skip


@pytest.mark.parametrize(
    ("resources", "field"),
    [
        (Resources(memory=Memory(swappiness=5)), "linux.resources.memory.swappiness"),
        (Resources(cpu=CPU(realtime_runtime=5)), "linux.resources.cpu.realtimeRuntime"),
        (Resources(unified={"memory.nothere": "7"}), "linux.resources.unified"),
    ],
)
def test_what_version_2_lacks_is_refused(tmp_path: Path, resources: Resources, field: str) -> None:
    with pytest.raises(Failure, match=field.replace(".", r"\.")):
        v2.apply(str(tmp_path), resources, None)


def test_throttles_of_a_block_device_are_in_force(bundle: Bundle) -> None:
    if "blkio" not in Tree.of(bundle.id).v1:
        pytest.skip("the io controller is version 2's here")
    device = next(iter(sorted(Path("/sys/block").glob("*/dev")))).read_text().strip()
    major, minor = (int(number) for number in device.split(":"))
    bundle.linux["resources"]["blockIO"] = {
        f"throttle{way}{unit}Device": [{"major": major, "minor": minor, "rate": rate}]
        for rate, (way, unit) in enumerate(
            [("Read", "Bps"), ("Write", "Bps"), ("Read", "IOPS"), ("Write", "IOPS")], 1_000_000
        )
    }
    bundle.args("/bin/sleep", "100").create()
    for rate, name in enumerate(("read_bps", "write_bps", "read_iops", "write_iops"), 1_000_000):
        assert (bundle.group("blkio") / f"blkio.throttle.{name}_device").read_text() == f"{device} {rate}\n"


def test_huge_pages_are_limited_wherever_their_controller_is(bundle: Bundle) -> None:
    of_version_2 = Path(f"{UNIFIED}/cgroup.controllers").read_text() if UNIFIED else ""
    if "hugetlb" not in Tree.of(bundle.id).v1 and "hugetlb" not in of_version_2:
        pytest.skip("this kernel has no hugetlb controller")
    bundle.linux["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 4 << 20}]
    bundle.args("/bin/sleep", "100").create()
    directory = bundle.group("hugetlb")
    found = next(directory / name for name in ("hugetlb.2MB.max", "hugetlb.2MB.limit_in_bytes")
                 if (directory / name).exists())  # fmt: skip
    assert found.read_text() == f"{4 << 20}\n"


def test_memory_and_swap_together_are_measured_by_the_limit_that_is_there(bundle: Bundle) -> None:
    """update --memory-swap alone: runc's tests/integration/update.bats."""
    bundle.linux["resources"]["memory"] = {"limit": 64 << 20}
    bundle.args("/bin/sleep", "100").start()
    bundle.succeed("update", "--memory-swap", str(96 << 20), bundle.id)
    group = bundle.group("memory")
    if (group / "memory.swap.max").exists():
        assert int((group / "memory.swap.max").read_text()) == 32 << 20
    elif (group / "memory.memsw.limit_in_bytes").exists():
        assert int((group / "memory.memsw.limit_in_bytes").read_text()) == 96 << 20
    done = bundle.call("update", "--memory-swap", str(32 << 20), bundle.id)
    assert done.returncode == 1 and f"is below memory.limit, {64 << 20}" in done.stderr, done.stderr
    bundle.succeed("update", "--memory", "-1", bundle.id)
    done = bundle.call("update", "--memory-swap", str(32 << 20), bundle.id)
    assert done.returncode == 1 and "needs memory.limit" in done.stderr, done.stderr


def test_a_period_and_its_quota_change_in_whichever_order_the_group_above_allows(bundle: Bundle) -> None:
    bundle.linux["cgroupsPath"] = f"/{bundle.id}/below"
    bundle.linux["resources"]["cpu"] = {"period": 100_000, "quota": 50_000}
    bundle.args("/bin/sleep", "100").start()
    group = bundle.group("cpu")
    if not (group / "cpu.cfs_quota_us").exists():
        pytest.skip("version 2 takes both at once")
    (group.parent / "cpu.cfs_quota_us").write_text("50000")
    try:
        for period, quota in ((10_000, 3_000), (200_000, 90_000), (10_000, 5_000)):
            bundle.succeed("update", "--cpu-period", str(period), "--cpu-quota", str(quota), bundle.id)
            assert (group / "cpu.cfs_period_us").read_text().strip() == str(period)
            assert (group / "cpu.cfs_quota_us").read_text().strip() == str(quota)
    finally:
        bundle.succeed("delete", "--force", bundle.id)
        for directory in groups_of(bundle.id):
            directory.rmdir()
