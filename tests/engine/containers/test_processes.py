"""Top on the real kernel: pids, users and commands as they are inside, whatever the container does to its files."""

from __future__ import annotations

import time
from typing import Any

import pytest

from engine.containers.processes import COMMAND_LENGTH, printable
from engine.errors import Conflict, InvalidArgument, NotFound
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


def processes(host: Host, name: str) -> dict[str, dict[str, Any]]:
    """By the last word of the command."""
    return {one["command"].split()[-1]: one for one in host.engine.container_top(name)["processes"]}


def spins(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]] | None:
    spinning, first = found["spin"], found["1002"]
    return found if spinning["cpu_percent"] > 5 > first["cpu_percent"] and spinning["cpu_seconds"] > 0.1 else None


def sleeper(host: Host, name: str) -> dict[str, Any]:
    """Of a container that sleeps: for a moment after its start a program has no command line."""
    found = eventually(lambda: processes(host, name).get("1000"), what="its program")
    assert isinstance(found, dict)
    return found


def test_processes_are_told_as_the_container_knows_them(host: Host) -> None:
    script = "sleep 1001 & sh -c 'while :; do :; done' spin & exec sleep 1002"
    record = host.run("sh", "-c", script, user="app")
    eventually(lambda: len(processes(host, record.name)) == 3, what="its processes")
    time.sleep(1.2)
    found = eventually(lambda: spins(processes(host, record.name)), what="one that spins")
    assert isinstance(found, dict)
    first, child = found["1002"], found["1001"]
    assert (first["pid"], first["parent"], first["host_pid"]) == (1, 0, record.pid)
    assert first["host_parent"] not in (0, first["host_pid"], child["host_pid"])  # who bears it, on the host
    assert child["host_parent"] == first["host_pid"]
    assert (child["parent"], child["user"], child["state"]) == (1, "app", "sleeping")
    assert child["memory_bytes"] > 0 and child["threads"] == 1
    assert abs(first["started_at"] - time.time()) < 20
    host.engine.container_pause(record.id)
    assert len(processes(host, record.name)) == 3
    host.engine.container_kill(record.id)
    with pytest.raises(Conflict, match="start it first"):
        host.engine.container_top(record.id)


def test_root_inside_is_root_and_ids_without_a_name_are_numbers(host: Host) -> None:
    record = host.run("sh", "-c", "sed -i /^root/d /etc/passwd; echo x; exec sleep 1000")
    host.says(record.id, b"x")
    assert sleeper(host, record.id)["user"] == "0"
    host.engine.container_remove(record.id, force=True)
    record = host.run("sleep", "1000")
    found = sleeper(host, record.id)
    assert (found["user"], found["command"]) == ("root", "sleep 1000")
    host.engine.container_remove(record.id, force=True)


@pytest.mark.parametrize(
    "prepare",
    [
        "ln -sf /proc/1/root/etc/shadow /etc/passwd",
        "rm /etc/passwd; mkfifo /etc/passwd",
        "rm /etc/passwd; mkdir /etc/passwd",
        "ln -sf ../../../../../etc/passwd /etc/passwd",
        "head -c 3000000 /dev/zero > /etc/passwd",
        r"printf 'a\033[2Jb:x:0:0::/:/bin/sh\nroot:x:99999999999999:0\n' > /etc/passwd",
    ],
)
def test_a_hostile_list_of_users_is_no_trouble(host: Host, prepare: str) -> None:
    record = host.run("sh", "-c", f"{prepare}; echo done; exec sleep 1000")
    host.says(record.id, b"done")
    began = time.monotonic()
    assert sleeper(host, record.id)["user"] == "0"
    assert time.monotonic() - began < 50
    host.engine.container_remove(record.id, force=True)


def test_what_a_process_calls_itself_moves_no_cursor(host: Host) -> None:
    record = host.run("sh", "-c", 'exec sh -c "sleep 1000 & wait" "$(printf "\\033[31mred\\nline")"')

    def first() -> str:
        """A shell that has not executed the other yet may be seen, and one that prints the name."""
        return next(str(one["command"]) for one in host.engine.container_top(record.id)["processes"] if one["pid"] == 1)

    eventually(lambda: first().endswith(r"\x1b[31mred\nline"), what="its name")
    host.engine.container_remove(record.id, force=True)


def test_escapes_and_length() -> None:
    assert printable(b"a\xff\x00b\xe2\x80\xaec") == r"a\xff\x00b\u202ec"
    assert len(printable(b"x" * 9999)) == COMMAND_LENGTH


def test_a_signal_reaches_the_process_that_was_looked_at_and_no_other(host: Host) -> None:
    record = host.run("sh", "-c", "sleep 1001 & sleep 1002 & exec sleep 1003")
    eventually(lambda: len(processes(host, record.name)) == 3, what="its processes")
    found = processes(host, record.name)
    one = found["1001"]
    with pytest.raises(InvalidArgument):
        host.engine.container_signal_process(record.id, one["host_pid"], one["started_at"], "SIGNOPE")
    for host_pid, started_at in ((one["host_pid"], one["started_at"] - 60), (1, one["started_at"]), (-1, 0.0)):
        with pytest.raises(NotFound, match="look at its processes again"):
            host.engine.container_signal_process(record.id, host_pid, started_at, "SIGKILL")
    other = host.run("sleep", "1004")
    theirs = processes(host, other.name)["1004"]
    with pytest.raises(NotFound, match="look at its processes again"):
        host.engine.container_signal_process(record.id, theirs["host_pid"], theirs["started_at"], "SIGKILL")
    host.engine.container_signal_process(record.id, one["host_pid"], one["started_at"], "SIGKILL")
    eventually(
        lambda: processes(host, record.name).get("1001", {"state": "zombie"})["state"] == "zombie",
        seconds=60,
        what="the end of the first",
    )
    assert {"1002", "1003"} <= set(processes(host, record.name)) and "1004" in processes(host, other.name)
    told = [one.attributes for one in host.engine.journal.read(0, limit=1000) if one.kind == "action.done"]
    mine = [news for news in told if news["action"] == "kill"]
    assert [(news["signal"], news["name"]) for news in mine] == [(9, record.name)]
