"""`python -m bench.docker_api`: the same docker command on Portside and on dockerd, by turns.

ps of ten containers, run, exec and logs, each a whole command from its start to its end: what people wait for. The
command itself takes its time too, the same for both; `version` of the client alone shows how much.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import namespace
from bench.contender import CannotStart
from bench.ours import Ours
from bench.peers import Docker
from bench.report import Row, table
from bench.scratch import scratch_directory
from tests.dockerapi.client import Client, program
from tests.support import images
from tests.support.registry import Registry

CONTAINERS, LINES = 10, 10_000
SECONDS = 240  # no new round begins after this
PRINTS = (
    f"i=0; while [ $i -lt {LINES} ]; do echo line $i of a log that people read; i=$((i+1)); done; exec sleep 100000"
)


class Daemon:
    """`client` speaks to it; ten containers run there, one of them has printed."""

    def __init__(self, name: str, client: Client, reference: str) -> None:
        self.name, self.client, self.reference = name, client, reference
        self._call("pull", "-q", reference)
        self.container = self._call("run", "-d", reference, "sh", "-c", PRINTS)
        for _ in range(CONTAINERS - 1):
            self._call("run", "-d", reference, "sleep", "100000")
        while self._call("logs", "--tail", "1", self.container)[:5] != "line " or not self._has_printed():
            time.sleep(0.1)

    def _has_printed(self) -> bool:
        return f"line {LINES - 1} " in self._call("logs", "--tail", "1", self.container)

    def ps(self) -> None:
        self._call("ps")

    def run(self) -> None:
        self._call("run", "--rm", self.reference, "true")

    def run_detached(self) -> None:
        self._call("run", "-d", "--label", "bench=1", self.reference, "sleep", "100000")

    def exec(self) -> None:
        self._call("exec", self.container, "true")

    def logs(self) -> None:
        self._call("logs", self.container)

    def images(self) -> None:
        self._call("images")

    def clear(self) -> None:
        made = self._call("ps", "-aq", "--filter", "label=bench").split()
        if made:
            self._call("rm", "-f", *made)

    def _call(self, *words: str) -> str:
        """Raises CannotStart with what the command complains of."""
        done = self.client.run(*words)
        if done.returncode != 0:
            raise CannotStart(f"{self.name}: docker {words[0]}: {done.stderr.decode(errors='replace')[-400:]}")
        return done.stdout.decode(errors="replace").strip()


def timed(work: Callable[[], object]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def alone(client: Client) -> None:
    """The command, without a daemon."""
    subprocess.run([client.program, "--version"], check=True, capture_output=True, stdin=subprocess.DEVNULL)


WORK: dict[str, str] = {
    "docker ps, ten containers": "ps",
    "docker images": "images",
    "docker run -d": "run_detached",
    "docker run --rm … true": "run",
    "docker exec … true": "exec",
    f"docker logs, {LINES:,} lines": "logs",
}


def measure(rows: list[Row], ours: Ours, peer: Docker, registry: Registry, scratch: Path, rounds: int) -> None:
    """Add a row for each kind of work. Raises CannotStart."""
    reference = registry.push(images.tiny(), "api:latest")
    client = Client.of_site(ours.portside.address, str(ours.rest.token), scratch / "ours-config")
    daemons = [
        Daemon("portside", client, reference),
        Daemon("docker", Client(program(), peer.socket, scratch / "docker-config"), reference),
    ]
    mine = {work: Row(work, goal=1.0) for work in WORK}
    floor = Row("the docker command alone")
    rows += [floor, *mine.values()]
    end = time.monotonic() + SECONDS
    for number in range(rounds + 1):
        for daemon in daemons:
            if number:
                floor.add(daemon.name, timed(lambda daemon=daemon: alone(daemon.client)))
            for work, verb in WORK.items():
                seconds = timed(getattr(daemon, verb))
                if number:  # the first round pays for what later ones find ready
                    mine[work].add(daemon.name, seconds)
            daemon.clear()
        print(f"docker command, round {number} of {rounds}", file=sys.stderr, flush=True)
        if time.monotonic() > end:
            break


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.docker_api")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of every command (default 10)")
    options = parser.parse_args()
    namespace.enter("bench.docker_api")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    scratch = scratch_directory()
    registry, ours, peer = Registry(scratch / "registry"), Ours(), Docker(scratch / "docker")
    rows: list[Row] = []
    try:
        ours.open()
        peer.open()
        measure(rows, ours, peer, registry, scratch, options.rounds)
    except CannotStart as reason:
        print(reason, file=sys.stderr)
        return 1
    finally:
        print(f"\n{platform.platform()}, {os.cpu_count()} cores; medians\n")
        print(table(rows, ["portside", "docker"]))
        peer.close()
        ours.close()
        registry.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
