"""Kill -9 while a container runs: it goes on, its log has no hole, its exit code is right."""

import pytest

from tests.support.portside import Portside
from tests.support.processes import eventually
from tests.support.sockets import follow_log

pytestmark = [pytest.mark.root, pytest.mark.registry]

# Counts until it is told to stop.
COUNT = "trap 'exit 7' TERM; n=0; while true; do n=$((n+1)); echo line $n; usleep 10000; done"

# What is killed, by the words on its command line.
PARTS = {
    "worker": ("-m", "worker"),
    "site": ("uvicorn",),
    "inbox": ("inbox",),
    "redis": ("valkey-server",),
    "keeper": ("keeper",),
    "launcher": ("launcher",),
    "everything but the container": ("python",),
}
# These are started again by themselves, so they can be killed twice; a new launcher comes with the next start.
COMES_BACK = ("worker", "site", "inbox", "redis", "keeper")


@pytest.mark.parametrize("part", PARTS)
def test_a_container_outlives_the_death_of(mortal: Portside, tiny_image: str, part: str) -> None:
    rest = mortal.rest
    rest.pull(tiny_image)
    container = rest.run(tiny_image, "sh", "-c", COUNT)
    follow_log(mortal, container["id"], until="line 20\n")
    (pid,) = container_pids(mortal, container["id"])
    mortal.kill(*PARTS[part])
    if part in COMES_BACK:
        # Whoever was at work for the dead one ends a moment later, and may be seen for its successor until then.
        eventually(lambda: mortal.kill(*PARTS[part]), what=f"a new {part}")
    assert container_pids(mortal, container["id"]) == [pid], "the container is no longer the process it was"
    if mortal.program is None or not mortal.program.is_running:
        mortal.start()
    eventually(mortal.is_ready, what="/readyz again")
    mortal.wait_host()
    goes_on_and_ends_well(mortal, container["id"])
    again = rest.run(tiny_image, "echo", "the host still works")
    rest.wait_status(again["id"], "stopped")
    assert rest.logs(again["id"]) == "the host still works\n"


def test_a_container_that_ends_while_nobody_looks_is_reported_afterwards(mortal: Portside, tiny_image: str) -> None:
    rest = mortal.rest
    rest.pull(tiny_image)
    container = rest.run(tiny_image, "sh", "-c", "sleep 2; echo last words; exit 9")
    mortal.kill("python")
    eventually(lambda: not mortal.home.container_cgroups() or not live_pids(mortal), what="the end")
    mortal.start()
    ended = rest.wait_status(container["id"], "stopped")
    assert ended["exit_code"] == 9
    assert rest.logs(container["id"]) == "last words\n"


def test_ctrl_c_leaves_containers_running_and_the_next_start_finds_them(mortal: Portside, tiny_image: str) -> None:
    rest = mortal.rest
    rest.pull(tiny_image)
    container = rest.run(tiny_image, "sh", "-c", COUNT)
    follow_log(mortal, container["id"], until="line 10\n")
    (pid,) = container_pids(mortal, container["id"])
    assert mortal.interrupt() in (0, 130, -2)
    for words in (("uvicorn",), ("inbox",), ("-m", "worker"), ("valkey-server",)):
        assert mortal.pids(*words) == [], f"{words} still runs after Ctrl-C"
    assert container_pids(mortal, container["id"]) == [pid]
    mortal.start()
    assert rest.wait_status(container["id"], "running")["started_at"] == container["started_at"]
    goes_on_and_ends_well(mortal, container["id"])


def goes_on_and_ends_well(portside: Portside, container_id: str) -> None:
    """It still counts; told to stop, it ends with its own code, and its log has every line."""
    rest = portside.rest
    before = len(str(eventually(lambda: rest.logs(container_id), what="the log")))  # 503 while the worker starts
    eventually(lambda: len(rest.logs(container_id)) > before, what="more lines")
    rest.act(container_id, "stop")
    assert rest.wait_status(container_id, "stopped")["exit_code"] == 7
    lines = rest.logs(container_id).splitlines()
    assert lines == [f"line {n}" for n in range(1, len(lines) + 1)]


def container_pids(portside: Portside, container_id: str) -> list[int]:
    """The container's first process, by its parent: shells start others that come and go."""
    pids = live_pids(portside, container_id)
    return [pid for pid in pids if (parent := _parent(pid)) and parent not in pids]


def live_pids(portside: Portside, container_id: str = "") -> list[int]:
    pids = set()
    for cgroup in portside.home.container_cgroups():
        if container_id in cgroup:
            try:
                with open(f"{cgroup}/cgroup.procs") as file:
                    pids.update(int(line) for line in file)
            except OSError:
                continue
    return sorted(pids)


def _parent(pid: int) -> int:
    """0 for a process that has gone in the meantime."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0
