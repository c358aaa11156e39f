"""The pool of prepared containers-to-be: used where it can be, never needed, gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.runtime import record, wire
from engine.runtime.client import Runtime
from engine.runtime.spec import Bind
from tests.engine.runtime.box import Box, until

pytestmark = pytest.mark.root

SIZE = 4
NAMESPACES = ("mnt", "uts", "ipc", "pid", "net", "cgroup")
Make = Callable[[], Box]


@pytest.fixture
def make(tmp_path: Path, image: Path) -> Iterator[Make]:
    """Containers of a home whose pool holds four."""
    config = EngineConfig(home=tmp_path / "home")
    config.home.mkdir()
    cgroups = Cgroups(config)
    runtime = Runtime(config, cgroups, pool=SIZE)
    boxes: list[Box] = []

    def made() -> Box:
        boxes.append(Box(config, runtime, cgroups, image))
        return boxes[-1]

    yield made
    for box in boxes:
        box.remove()
    runtime.stop_launcher()
    cgroups.remove_parent()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def full(box: Box) -> list[int]:
    """Wait for a full pool; the pids of its processes (while no container runs)."""
    full_pool(box)
    return children(box.runtime.ensure_launcher())


def full_pool(box: Box) -> None:
    until(lambda: box.runtime.pooled() == SIZE)


def namespaces(pid: int | str) -> dict[str, str]:
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in NAMESPACES}


def test_the_pool_fills_itself_to_its_size_and_no_further(make: Make) -> None:
    box = make()
    assert len(full(box)) == SIZE
    time.sleep(0.1)
    assert len(full(box)) == SIZE


def test_a_drained_pool_delays_but_fails_no_start_and_fills_again(make: Make) -> None:
    boxes: list[Box] = []

    def start(box: Box) -> None:
        box.wants_pool = False  # take what is there
        box.run("/bin/sleep", "100", collect=False)

    def drained() -> bool:
        more = [make() for _ in range(SIZE * 3)]
        full_pool(more[0])
        with ThreadPoolExecutor(len(more)) as threads:
            list(threads.map(start, more))
        boxes.extend(more)
        return {box.was_pooled for box in more} == {True, False}

    until(drained)  # it may be filled again as fast as it is used
    assert all(box.runtime.is_alive(box.directory) for box in boxes)
    until(lambda: boxes[0].runtime.pooled() == SIZE)
    late = make()
    late.run("/bin/sleep", "100", collect=False)
    assert late.was_pooled


def test_the_launcher_waits_for_nobody_who_has_not_asked_yet(make: Make) -> None:
    box = make()
    run = str(box.config.run)
    box.runtime.ensure_launcher()
    with wire.connect(run, "launcher.sock", 60) as late, wire.connect(run, "launcher.sock", 60) as gone:
        gone.close()
        assert box.sh("echo meanwhile") == "meanwhile\n"
        wire.send(late, {"verb": "ping"})
        answer = wire.receive(late)
    assert answer is not None
    assert answer["pid"] == box.runtime.ensure_launcher()


def test_pooled_containers_share_no_namespace_with_each_other_or_the_host(make: Make) -> None:
    boxes = [make(), make()]
    seen = [namespaces(box.run("/bin/sleep", "100", collect=False)) for box in boxes]
    assert all(box.was_pooled for box in boxes)
    for name in NAMESPACES:
        assert len({seen[0][name], seen[1][name], os.readlink(f"/proc/self/ns/{name}")}) == 3, name


@pytest.mark.parametrize("monitor", ["c", "python"])
def test_its_monitor_is_back_in_the_hosts_namespaces_and_holds_nothing_of_it(
    make: Make, monitor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = make()
    monkeypatch.setattr(box.runtime, "_c_monitor", monitor == "c")
    box.run("/bin/sleep", "100", collect=False)
    assert box.was_pooled
    watcher = box.record()["monitor_pid"]
    until(lambda: namespaces(watcher) == namespaces("self"))
    until(lambda: len(os.listdir(f"/proc/{watcher}/fd")) <= 7)  # of which four: directory, pipes, root
    box.runtime.signal(box.directory, signal.SIGKILL)
    assert box.wait().code == 137


def test_a_pooled_container_starts_as_its_own_and_not_at_low_priority(make: Make) -> None:
    box = make()
    pid = box.run("/bin/sleep", "100", collect=False)
    assert box.was_pooled
    assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0)
    assert os.sched_getscheduler(pid) == os.SCHED_OTHER
    assert pid in box.cgroups.pids(box.id)


def test_who_bore_a_container_does_not_take_the_processor_from_its_program(make: Make) -> None:
    """It sleeps on when the program is executed: its end would take a millisecond."""
    box, parent, elder = bearing(make)
    before = switches(elder)
    box.runtime.start(box.directory)
    assert switches(elder) == before
    os.kill(parent, signal.SIGCONT)
    until(lambda: children(parent) == [box.created.pid])


def bearing(make: Make) -> tuple[Box, int, int]:
    """A created container, its first process's parent, which is held, and who bore it, asleep."""
    for _ in range(10):
        box = make()
        pid = box.create("/bin/sleep", "100", collect=False)
        parent = box.record()["monitor_pid"]
        os.kill(parent, signal.SIGSTOP)  # in the tenth of a second in which it waits for the program
        for elder in children(parent):
            if elder != pid and "S (sleeping)" in Path(f"/proc/{elder}/status").read_text():
                return box, parent, elder
        os.kill(parent, signal.SIGCONT)
    pytest.fail("it is not there for a tenth of a second")


def switches(pid: int) -> list[str]:
    """How often a process has gone to sleep, or was sent off its processor."""
    return [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "switches" in line]


@pytest.mark.parametrize("what", ["created", "started"])
def test_who_bore_a_container_goes_with_its_parent(make: Make, what: str) -> None:
    box, parent, elder = bearing(make)
    if what == "started":
        box.runtime.start(box.directory)
    os.kill(parent, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{elder}").exists())


def test_the_pool_gives_only_what_a_container_asks_for(make: Make) -> None:
    other, large = make(), make()
    other.wants_pool = False
    full(other)
    out = other.sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start", sysctls={})
    assert (other.was_pooled, out) == (False, "1024\n")
    out = large.sh("busybox df -m /dev/shm | busybox tail -n1", shm_bytes=8 << 20)
    assert (large.was_pooled, out.split()[1]) == (True, "8")


def test_a_pooled_process_that_dies_is_replaced_and_never_chosen(make: Make) -> None:
    box = make()
    dead = full(box)[:3]
    box.wants_pool = False
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    assert box.sh("echo fine") == "fine\n"
    until(lambda: box.runtime.pooled() == SIZE)
    until(lambda: not set(dead) & set(children(box.runtime.ensure_launcher())))


@pytest.mark.parametrize("ending", ["killed", "stopped"])
def test_the_pool_ends_with_its_launcher(make: Make, ending: str) -> None:
    box = make()
    pooled = full(box)
    inside = [child for pid in pooled for child in children(pid)]
    held = {os.readlink(f"/proc/{pid}/ns/net") for pid in inside}
    assert len(held) == SIZE
    if ending == "killed":
        os.kill(box.runtime.ensure_launcher(), signal.SIGKILL)
    else:
        box.runtime.stop_launcher()
    until(lambda: all(record.start_ticks(pid) is None for pid in pooled + inside))
    assert not held & set(_network_namespaces())


def test_a_create_in_flight_survives_the_death_of_its_pooled_process(make: Make) -> None:
    box = make()
    pooled = full(box)
    for pid in pooled:
        os.kill(pid, signal.SIGSTOP)  # so that it can't answer
    box.wants_pool = False
    time.sleep(0.05)
    killer = os.fork()
    if killer == 0:
        time.sleep(0.2)
        for pid in pooled:
            os.kill(pid, signal.SIGKILL)
        os._exit(0)
    assert box.sh("echo fine") == "fine\n"
    os.waitpid(killer, 0)


def _network_namespaces() -> list[str]:
    found = []
    for name in os.listdir("/proc"):
        try:
            found.append(os.readlink(f"/proc/{int(name)}/ns/net"))
        except (OSError, ValueError):
            continue
    return found


def test_waiting_processes_keep_no_mount_of_the_host_busy(make: Make, tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "disk", str(place)], check=True)
    try:
        full(make())
    finally:
        subprocess.run(["umount", str(place)], check=True)
    pooled = children(make().runtime.ensure_launcher())
    assert not any("disk" in Path(f"/proc/{pid}/mountinfo").read_text() for pid in pooled)


def test_what_the_host_mounts_later_can_be_bound_and_stays_apart(make: Make, tmp_path: Path) -> None:
    box = make()
    full(box)
    place = tmp_path / "late"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "late", str(place)], check=True)
    subprocess.run(["mount", "--make-shared", str(place)], check=True)
    try:
        (place / "below").mkdir()
        (place / "file").write_text("late\n")
        pid = box.run("/bin/sleep", "100", collect=False, binds=[Bind(str(place), "/late")])
        assert box.was_pooled
        assert Path(f"/proc/{pid}/root/late/file").read_text() == "late\n"
        subprocess.run(["mount", "-t", "tmpfs", "later", str(place / "below")], check=True)
        assert "later" not in Path(f"/proc/{pid}/mountinfo").read_text()
    finally:
        subprocess.run(["umount", "--recursive", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("long", ["spec", "process"])
def test_the_launcher_reads_no_further_than_it_needs(long: str) -> None:
    request = {"verb": 'create",\\"spec":', "directory": "/a", "run": 1, long: {"spec": {"process": 1}}, "more": 2}
    assert wire.head(wire.encode(request)) == dict(list(request.items())[:3])
    assert wire.head(wire.encode({"verb": "ping"})) == {"verb": "ping"}
