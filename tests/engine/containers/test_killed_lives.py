"""Lives with a network and a port, and a kill at a random moment of whoever takes part: nothing is left of any.

PORTSIDE_ENGINE_CYCLES says how many (20); PORTSIDE_ENGINE_SEED repeats one run's dice.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.containers.keeper_link import import_path
from engine.errors import NotFound
from engine.facade import Engine
from tests.support.engine import Host
from tests.support.home import command_of
from tests.support.processes import eventually, free_port

pytestmark = [pytest.mark.root, pytest.mark.registry]

CYCLES = int(os.environ.get("PORTSIDE_ENGINE_CYCLES", "20"))
VICTIMS = ("caller", "launcher", "keeper", "monitor", "container", "nobody", "nobody")
LONGEST_KILL = 0.25
PROJECT = Path(__file__).parents[3]


class Caller:
    """The program of `tests.support.lives`, started again whenever it has been killed."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.restarts = -1
        self.process: subprocess.Popen[str] | None = None

    def begin(self, container_id: str, port: int, how: str) -> None:
        if self.process is None:
            command = [sys.executable, "-m", "tests.support.lives", str(self.host.home.path), self.host.image]
            environment = {**os.environ, "PYTHONPATH": f"{PROJECT}:{import_path()}"}
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT, env=environment
            )
            assert self.process.stdout is not None and self.process.stdout.readline() == "ready\n"
            self.restarts += 1
        assert self.process.stdin is not None
        self.process.stdin.write(f"{container_id} {port} {how}\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate()
        self.process = None

    def answer(self, seconds: float = 60) -> str:
        """The rest of the line after the id: empty, or what went wrong."""
        assert self.process is not None and self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], seconds)[0], f"no answer within {seconds:g} s"
        return self.process.stdout.readline().strip().partition(" ")[2]

    def end(self) -> None:
        if self.process is not None:
            self.process.communicate(timeout=60)


def test_killed_lives_leave_nothing(host: Host) -> None:
    seed = int(os.environ.get("PORTSIDE_ENGINE_SEED") or random.randrange(1 << 30))
    print(f"seed {seed}")
    dice, caller, port = random.Random(seed), Caller(host), free_port()
    neighbour = host.run("sleep", "1000000")  # with something to do, the keeper stays
    host.kill_hard(host.engine.runtime.ensure_launcher())  # a later one looks after it in another way than its own
    for how in ("kill", "stop", "exit"):
        caller.begin(secrets.token_hex(32), port, how)
        assert caller.answer() == ""
    recover(host, secrets.token_hex(32))
    before: dict[str, object] = eventually(lambda: seen(host), what="a quiet host")  # type: ignore[assignment]
    complaints = []
    for number in range(CYCLES):
        container_id, how = secrets.token_hex(32), dice.choice(("kill", "stop", "exit"))
        victim, moment = dice.choice(VICTIMS), dice.uniform(0, LONGEST_KILL)
        caller.begin(container_id, port, how)
        if victim != "nobody":
            time.sleep(moment)
        kill(host, caller, victim, container_id)
        if caller.process is None:
            recover(host, container_id)
            complaint = ""
        else:
            complaint = caller.answer()
        if complaint:  # one that met the kill may fail, but then must be removable
            recover(host, container_id)
            complaints.append(f"{number}: {victim} after {moment:.3f} s, {how}: {complaint}")
            assert victim != "nobody", complaints[-1]
    caller.end()
    print("\n".join(complaints))
    Engine(host.home.config).reconcile()
    assert [record.id for record in host.engine.container_list()] == [neighbour.id]

    def nothing_more() -> bool:
        after = seen(host)
        assert after is not None
        more = {name: difference(before[name], after[name]) for name in before if differs(before[name], after[name])}
        assert more == {}
        return True

    eventually(nothing_more, what="no trace of them")
    assert host.engine.container_get(neighbour.id).status == "running"
    host.engine.container_remove(neighbour.id, force=True)
    assert host.is_clean()


def differs(before: object, after: object) -> bool:
    """Of numbers less is fine: `before` may have counted a question that was just being answered."""
    if isinstance(before, list) and isinstance(after, list):
        return any(now > once for once, now in zip(before, after, strict=True))
    return before != after


def difference(before: object, after: object) -> object:
    if isinstance(before, set) and isinstance(after, set):
        return {"gone": before - after, "new": after - before}
    return {"before": before, "after": after}


def kill(host: Host, caller: Caller, victim: str, container_id: str) -> None:
    if victim == "caller":
        caller.kill()
        return
    pids: list[int] = []
    if victim == "launcher":
        pids = launchers(host)
    elif victim == "keeper":
        pids = host.helper_pids("engine.keeper") + host.helper_pids("engine.keeper.hands")
    elif victim in ("monitor", "container"):
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((host.home.config.containers / container_id / "run.json").read_text())
            pids = [found["monitor_pid" if victim == "monitor" else "pid"]]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def recover(host: Host, container_id: str) -> None:
    """As the next worker would: what was half done is finished or undone, and what is there can be removed."""
    engine = Engine(host.home.config)
    engine.reconcile()
    with contextlib.suppress(NotFound):
        engine.container_remove(container_id, force=True)


def launchers(host: Host) -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        return [int((host.home.config.run / "launcher.lock").read_text())]
    return []


def seen(host: Host) -> dict[str, object] | None:
    """The traces; None when a process went while it was looked at."""
    with contextlib.suppress(OSError):
        return traces(host)
    return None


def traces(host: Host) -> dict[str, object]:
    """All that the home has in the kernel and on disk, once its helpers are there and the pool is full."""
    runtime = host.engine.runtime
    host.engine.ensure_helpers()
    eventually(lambda: runtime.pooled() == runtime.pool_size, what="a full pool")
    launcher, keeper = runtime.ensure_launcher(), host.keeper_pid()
    pool = sorted(map(int, Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()))
    hands = host.helper_pids("engine.keeper.hands")  # come and go as the keeper needs them, with a socket of its own
    own = [pid for pid in host.home.own_processes() if pid not in (launcher, keeper, *pool, *hands)]
    nft = subprocess.run(
        ["nft", "list", "table", "inet", host.home.config.nft_table], check=False, capture_output=True, text=True
    )
    links = Path("/sys/class/net").iterdir()
    return {
        "descriptors": [descriptors(launcher), descriptors(keeper) - len(hands)],
        "pool": len(pool),
        "other processes": {
            command_of(pid).rstrip("0123456789 ") for pid in own if "support.lives" not in command_of(pid)
        },
        "namespaces": {kind: namespaces(kind, [launcher, keeper, *pool]) for kind in ("net", "mnt", "ipc", "user")},
        "mounts": {line for pid in (launcher, keeper) for line in mounts_of(pid) if str(host.home.path) in line},
        "links": {link.name for link in links if host.home.config.bridge in os.path.realpath(link / "master")},
        "nft": nft.stdout or nft.stderr,
        "groups": {str(path) for parent in host.home.cgroup_parents() for path in parent.rglob("*/")},
        "files": files(host.home.path),
    }


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def mounts_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/mountinfo").read_text().splitlines()


def namespaces(kind: str, pids: list[int]) -> int:
    return len({os.readlink(f"/proc/{pid}/ns/{kind}") for pid in pids})


def files(home: Path) -> set[str]:
    """Every name below the home but those of SQLite's own side files, which come and go."""
    found: set[str] = set()
    for directory, below, names in os.walk(home):
        if Path(directory).name in ("content", "layers", "blobs", "kept-logs"):  # the last: logs of removed containers
            below[:] = []
        found |= {f"{directory}/{name}" for name in (*below, *names) if not name.endswith(("-wal", "-shm", "-journal"))}
    return found
