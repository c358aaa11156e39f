"""`python -m bench.at_rest`: what the whole platform keeps and does while nobody asks it for anything.

All processes of a Portside (site, worker, broker, launcher, keeper, resolver, monitors) beside all of dockerd's
(containerd, shims), with no container and with many idle ones. Memory is PSS, where a page that several processes share
counts in parts; the processor's share is what they used in half a minute without a request. The containers' own
processes are left out.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from bench import namespace
from bench.contender import CannotStart
from bench.idle_memory import pss_kib
from bench.ours import Ours
from bench.peers import Docker
from bench.scratch import scratch_directory
from tests.support import images
from tests.support.home import command_of
from tests.support.registry import Registry

SETTLE_SECONDS, REST_SECONDS = 15.0, 30.0
T = TypeVar("T")
IDLE = ("sleep", "1000000")


class Platform(Protocol):
    name: str

    def processes(self) -> list[int]: ...

    def run(self, reference: str) -> None: ...


class Portside:
    name = "portside"

    def __init__(self, ours: Ours) -> None:
        self.ours = ours

    def processes(self) -> list[int]:
        return self.ours.home.own_processes()

    def run(self, reference: str) -> None:
        rest = self.ours.rest
        answer = rest.create(reference, *IDLE)
        if answer.status != 202:
            raise CannotStart(f"portside create: {answer}")
        rest.succeed(answer)


class Dockerd:
    name = "docker"

    def __init__(self, docker: Docker) -> None:
        self.docker = docker

    def processes(self) -> list[int]:
        pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
        return [pid for pid in pids if str(self.docker.directory) in command_of(pid)]

    def run(self, reference: str) -> None:
        self.docker.call("run", "-d", reference, *IDLE)


def measure(platform: Platform) -> tuple[float, float, int]:
    """MiB of PSS, share of one processor (1.0: all of it), and how many processes there are."""
    time.sleep(SETTLE_SECONDS)
    before, begin = ticks(platform.processes()), time.monotonic()
    time.sleep(REST_SECONDS)
    pids = _outside(platform.processes())
    after, seconds = ticks(pids), time.monotonic() - begin
    used = sum(ticks - before.get(pid, 0) for pid, ticks in after.items()) / os.sysconf("SC_CLK_TCK")
    return _sum(pss_kib, pids) / 1024, used / seconds, len(pids)


def _outside(pids: Sequence[int]) -> list[int]:
    """Those that are not in a container."""
    own = os.readlink("/proc/self/ns/pid")
    return [pid for pid in pids if _or(lambda pid=pid: os.readlink(f"/proc/{pid}/ns/pid"), "") == own]


def ticks(pids: Sequence[int]) -> dict[int, int]:
    """Processor time by pid, its ended children's included (proc(5): utime, stime, cutime, cstime)."""
    found = {}
    for pid in _outside(pids):
        stat = _or(lambda pid=pid: Path(f"/proc/{pid}/stat").read_text(), "")
        if stat:
            found[pid] = sum(map(int, stat.rpartition(")")[2].split()[11:15]))
    return found


def _sum(figure: Callable[[int], float], pids: Sequence[int]) -> float:
    return sum(_or(lambda pid=pid: figure(pid), 0.0) for pid in pids)


def _or(read: Callable[[], T], otherwise: T) -> T:
    """A process may end while it is looked at."""
    try:
        return read()
    except OSError:
        return otherwise


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.at_rest", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--containers", type=int, default=50)
    options = parser.parse_args()
    namespace.enter("bench.at_rest")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    scratch = scratch_directory()
    registry = Registry(scratch / "registry")
    reference = registry.push(images.tiny(), "idle:latest")
    ours, docker = Ours(), Docker(scratch / "docker")
    opened: list[Ours | Docker] = []
    try:
        for one in (ours, docker):
            try:
                one.open()
            except CannotStart as reason:
                sys.stderr.write(f"left out: {one.name}: {reason}\n")
                continue
            opened.append(one)
            one.pull(reference)
            platform: Platform = Portside(ours) if one is ours else Dockerd(docker)
            for count in (0, options.containers):
                for _ in range(count):
                    platform.run(reference)
                memory, share, processes = measure(platform)
                sys.stdout.write(
                    f"{platform.name}, {count} containers: {memory:.0f} MiB in {processes} processes, "
                    f"{share:.2%} of a processor\n"
                )
                sys.stdout.flush()
    finally:
        if docker in opened:
            ids = docker.call("ps", "-aq").split()
            if ids:
                docker.call("rm", "-f", *ids)
        for one in opened:
            one.close()
        registry.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
