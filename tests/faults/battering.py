"""Kills at random moments, of any part and of several together, while containers print what is known beforehand.

`Battering.round` kills once; `Battering.reckon` compares everything with what had to come: every byte of both streams,
every exit code, no run twice, the host's record and the site's row alike.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import secrets
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from tests.support.portside import Portside
from tests.support.processes import eventually
from tests.support.rest import ENDED, Answer

# What is killed, by the words on its command line. The hands are the keeper's, and `up` is all of Python.
PARTS = {
    "worker": ("-m", "worker"),
    "site": ("uvicorn",),
    "inbox": ("inbox",),
    "redis": ("valkey-server",),
    "keeper": ("engine.keeper",),
    "launcher": ("launcher",),
    "resolver": ("engine.network.dns",),
    "up": ("python",),
}
WATCHERS = ("keeper", "launcher", "up")

LINES, LOUD_LINES = 400, 3_500_000
ONCE = "echo run >> /runs; wc -l < /runs;"  # a second run of the same would say 2
BOTH = f"{ONCE} i=0; while [ $i -lt {LINES} ]; do echo out-$i; echo err-$i >&2; usleep 4000; i=$((i+1)); done; exit 11"
TERMINAL = f"{ONCE} i=0; while [ $i -lt {LINES} ]; do echo line-$i; usleep 4000; i=$((i+1)); done; exit 12"
LOUD = f"{ONCE} seq 1 {LOUD_LINES}; exit 13"  # three segments, two of which are compressed
FAILS = "echo run >> /runs; n=$(wc -l < /runs); echo run-$n; usleep 300000; exit $((20 + n))"
SHORT = f"{ONCE} echo short; echo both >&2; exit 14"
WAITS = f"trap 'echo told; exit 15' TERM; {ONCE} while :; do usleep 20000; done"

NETWORK = "battered"
ASKS = f"""{ONCE} n=0
while [ $n -lt 10 ]; do
  if nslookup itself >/dev/null 2>&1; then n=$((n+1)); fi; usleep 100000
done
echo found; exit 16"""


def lines(prefix: str, count: int = LINES, end: str = "\n") -> bytes:
    return "".join(f"{prefix}-{number}{end}" for number in range(count)).encode()


@dataclass(frozen=True)
class Kind:
    """One kind of container: what it is asked for with, and all that it must have said when it has ended."""

    script: str
    code: int
    stdout: bytes
    stderr: bytes = b""
    wishes: dict[str, Any] = field(default_factory=dict)
    restarts: int = 0


KINDS = {
    "both": Kind(BOTH, 11, b"1\n" + lines("out"), lines("err")),
    "terminal": Kind(TERMINAL, 12, b"1\r\n" + lines("line", end="\r\n"), wishes={"tty": True}),
    "fails": Kind(FAILS, 24, lines("run", 5)[6:], wishes={"restart": "on-failure", "restart_limit": 3}, restarts=3),
    "short": Kind(SHORT, 14, b"1\nshort\n", b"both\n"),
    "waits": Kind(WAITS, 15, b"1\ntold\n"),
    "asks": Kind(ASKS, 16, b"1\nfound\n", wishes={"network": NETWORK, "network_alias": ["itself"]}),
}
LOUDEST = Kind(LOUD, 13, b"1\n" + b"".join(b"%d\n" % number for number in range(1, LOUD_LINES + 1)))


@dataclass
class Life:
    """A container that was asked for."""

    id: str
    kind: Kind
    job: str
    has_monitor: bool = True


class Battering:
    """`loud`: containers that fill segments of their logs are among them."""

    def __init__(self, portside: Portside, image: str, seed: int, *, loud: bool = False) -> None:
        self.portside, self.rest, self.image = portside, portside.rest, image
        self.dice = random.Random(seed)
        self.kinds = [*KINDS.values(), *([LOUDEST] if loud else [])]
        self.lives: list[Life] = []
        self.kills = 0
        self.reckoned = 0
        self.killed: dict[str, int] = {}

    # ---- asking, whoever is dead at the moment

    def insist(self, ask: Callable[[], Answer], *good: int, seconds: float = 180) -> Answer:
        """Ask until one of the `good` answers comes: the site, its database or the broker may be away."""

        def answer() -> Answer | None:
            try:
                given = ask()
            except urllib3.exceptions.HTTPError:
                return None
            assert given.status in good or given.status >= 500, given
            return given if given.status in good else None

        return eventually(answer, seconds=seconds, what=f"an answer of {good}")  # type: ignore[return-value]

    def ask_for(self, kind: Kind) -> None:
        name = f"life-{secrets.token_hex(6)}"
        made = self.insist(lambda: self._create(name, kind), 202)
        self.lives.append(Life(made.json["container"]["id"], kind, made.json["job"]["url"]))

    def _create(self, name: str, kind: Kind) -> Answer:
        """An answer that was lost may have been a yes: then the name is taken, by what was asked for."""
        answer = self.rest.create(self.image, "sh", "-c", kind.script, name=name, **kind.wishes)
        if answer.status != 409:
            return answer
        (row,) = [row for row in self.rest.rows(f"/api/v1/containers/?name={name}") if row["name"] == name]
        jobs = [job for job in self.rest.rows("/api/v1/jobs/") if job["subject"] == row["id"]]
        answer.status, answer.text = (
            202,
            json.dumps({"container": row, "job": {"url": f"/api/v1/jobs/{jobs[-1]['id']}/"}}),
        )
        return answer

    # ---- killing

    def round(self) -> None:
        while len(self.lives) < 6:
            self.ask_for(self.dice.choice(self.kinds))
        time.sleep(self.dice.uniform(0, 0.8))
        for life in self.lives:
            if life.kind is KINDS["waits"] and self.dice.random() < 0.2:
                self._stop(life)
        victims = self.dice.sample(sorted(PARTS), self.dice.choice((1, 1, 1, 2, 2, 3, 4)))
        if any(not life.has_monitor for life in self.lives) and sum(victim in WATCHERS for victim in victims):
            victims = [victim for victim in victims if victim not in WATCHERS]
            if self._are_watched():  # of the two that are left, one may go
                victims.append(self.dice.choice(WATCHERS[:2]))
        if self.dice.random() < 0.3 and not set(victims) & set(WATCHERS):
            self._kill_a_monitor()
        for victim in victims:
            self._kill(victim)
        time.sleep(self.dice.uniform(0, 0.5))
        self._start()
        self.reckon(patient=False)

    def _kill(self, part: str) -> None:
        births = self._births()
        for pid in set(self.portside.pids(*PARTS[part])) - births - self._births():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.kills += 1
                self.killed[part] = self.killed.get(part, 0) + 1

    def _births(self) -> set[int]:
        """The launcher's forks on their way to a monitor or to a container: to kill one is to kill what it becomes."""
        launchers = self.portside.pids(*PARTS["launcher"])
        with contextlib.suppress(OSError, ValueError):
            launchers.remove(int((self.portside.home.config.run / "launcher.lock").read_text()))
        return set(launchers)

    def _start(self) -> None:
        """By hand what a person starts; all else comes back by itself."""
        program = self.portside.program
        if program is not None and not program.is_running:
            self.portside.start(seconds=180)

    def _stop(self, life: Life) -> None:
        """Whatever comes of the asking: a container is stopped twice as well as once."""
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            self.rest.post(f"/api/v1/containers/{life.id}/stop/", {"timeout_seconds": 120})

    def _kill_a_monitor(self) -> None:
        """Of one that the other two can hold."""
        mortal = [life for life in self.lives if life.has_monitor]
        if not mortal or not self._are_watched():
            return
        life = self.dice.choice(mortal)
        with contextlib.suppress(OSError, ValueError, ProcessLookupError):
            found = json.loads((self.portside.home.config.containers / life.id / "run.json").read_text())
            os.kill(found["monitor_pid"], signal.SIGKILL)
            life.has_monitor = False
            self.kills += 1
            self.killed["monitor"] = self.killed.get("monitor", 0) + 1

    def _are_watched(self) -> bool:
        """Whether keeper and launcher are there and have every container's pipes open that runs."""
        wanted = {f"{self.portside.home.config.containers}/{life.id}/stdout" for life in self.lives if self._runs(life)}
        for life in self.lives:  # the launcher takes a terminal a moment after the rest
            if life.kind is KINDS["terminal"] and self._runs(life) and not self._holder(life).exists():
                return False
        return all(
            any(wanted <= opened(pid) for pid in self.portside.pids(*PARTS[part])) for part in ("keeper", "launcher")
        )

    def _holder(self, life: Life) -> Path:
        return self.portside.home.config.containers / life.id / "terminal.json"

    def _record(self, life: Life) -> dict[str, Any]:
        path = self.portside.home.config.containers / life.id / "container.json"
        with contextlib.suppress(FileNotFoundError):
            record: dict[str, Any] = json.loads(path.read_bytes())
            return record
        return {}

    def _runs(self, life: Life) -> bool:
        return self._record(life).get("status") in ("running", "restarting")

    # ---- reckoning

    def reckon(self, *, patient: bool = True) -> None:
        """Compare what has ended with what had to come, and remove it; `patient` waits for all."""
        for life in list(self.lives):
            if patient:
                self._await_end(life)
            elif self._record(life).get("status") != "stopped":
                continue
            self._compare(life)
            self._remove(life)
            self.lives.remove(life)
            self.reckoned += 1

    def _await_end(self, life: Life) -> None:
        def has_ended() -> bool:
            if life.kind is KINDS["waits"]:
                self._stop(life)
            row = self.insist(lambda: self.rest.get(f"/api/v1/containers/{life.id}/"), 200).json
            return bool(row["status"] == "stopped")

        eventually(has_ended, seconds=240, what=f"the end of {life}: {self._record(life)}")

    def _compare(self, life: Life) -> None:
        kind = life.kind

        def agrees() -> dict[str, Any]:
            row: dict[str, Any] = self.insist(lambda: self.rest.get(f"/api/v1/containers/{life.id}/"), 200).json
            record = self._record(life)
            for name in ("status", "exit_code", "restart_count", "error"):
                assert (row[name] or None) == (record[name] or None), (name, row, record)
            return row

        row: dict[str, Any] = eventually(agrees, seconds=180, what="the same at the site and on the host")  # type: ignore[assignment]
        told = (row["status"], row["exit_code"], row["restart_count"], row["error"] or None)
        log = self.insist(lambda: self.rest.get(f"/api/v1/containers/{life.id}/logs/"), 200).text
        assert told == ("stopped", kind.code, kind.restarts, None), (life.id, told, log[-500:], self._record(life))
        for stream, expected in {"stdout": kind.stdout, "stderr": kind.stderr}.items():
            query = f"/api/v1/containers/{life.id}/logs/?stream={stream}"
            said = self.insist(lambda query=query: self.rest.get(query), 200).text.encode()  # type: ignore[misc]
            assert same(said, expected), (life.id, stream, len(said), len(expected), said[:300], said[-300:])

    def _remove(self, life: Life) -> None:
        def is_gone() -> bool:
            answer = self.insist(lambda: self.rest.delete(f"/api/v1/containers/{life.id}/"), 202, 404, 409)
            return answer.status == 404

        eventually(is_gone, seconds=180, what="the removal")

    def jobs_that_hang(self) -> list[dict[str, Any]]:
        return [job for job in self.rest.rows("/api/v1/jobs/") if job["status"] not in ENDED]


def opened(pid: int) -> set[str]:
    """The paths of all that a process has open; empty for one that has gone."""
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


def same(left: bytes, right: bytes) -> bool:
    return hashlib.sha256(left).digest() == hashlib.sha256(right).digest()
