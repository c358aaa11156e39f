"""`python -m bench.engine_starts`: the engine alone, from the pool and from scratch, beside crun and runc.

No site, worker or broker: what a process start costs, and what an idle container holds. All take turns in each
round. Ours has an overlay, limits, log pipes and users of its own; the peers get the same config.json with a plain
root directory and the host's users, so what they leave out counts for them. Peers pay for the start of a program, as
they do under every engine.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import platform
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from bench import namespace
from bench.command_lines import IDLE, Runtime, peers, plain_root
from bench.launched import Ours, Remove, Start
from engine.config import EngineConfig
from engine.containers.spec import ContainerSpec
from engine.facade import Engine

BURST, AT_A_TIME = 50, 8


class Starter(Protocol):
    name: str

    def prepare(self) -> Start:
        """Everything that comes before a start: directories, config.json, the record."""

    def close(self) -> None: ...


class Whole:
    """The engine's own start of a created container, with bridge, record and journal."""

    name = "engine, with bridge"

    def __init__(self, scratch: Path) -> None:
        self.engine = Engine(EngineConfig(home=scratch / "whole"))
        self.engine.config.run.mkdir(parents=True, exist_ok=True)
        self.worker = (self.engine.config.run / "worker.lock").open("w")  # while a worker lives, so does the keeper
        fcntl.flock(self.worker, fcntl.LOCK_EX)
        self.engine.reconcile()
        self.engine.images.create_starter("bench")

    def prepare(self) -> Start:
        identity = secrets.token_hex(32)
        self.engine.container_create(ContainerSpec(id=identity, name=f"b{identity[:12]}", image="bench", command=IDLE))

        def start() -> Remove:
            self.engine.container_start(identity)
            return lambda: self.engine.container_remove(identity, force=True)

        return start

    def close(self) -> None:
        self.worker.close()
        self.engine.stop_launcher()
        self.engine.network.teardown()
        self.engine.cgroups.remove_parent()


class Peer:
    """A runtime of others, by its command line: `run --detach`."""

    def __init__(self, commands: Runtime) -> None:
        self.name, self.commands = commands.name, commands

    def prepare(self) -> Start:
        prepared = self.commands.bundle(*IDLE)

        def start() -> Remove:
            self.commands.start_at_once(prepared)
            return lambda: self.commands.remove(prepared)

        return start

    def close(self) -> None:
        self.commands.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.engine_starts")
    parser.add_argument("--rounds", type=int, default=30, help="rounds of single starts (default 30)")
    parser.add_argument("--bursts", type=int, default=3, help="rounds of 50 starts, 8 at a time (default 3)")
    options = parser.parse_args()
    namespace.enter("bench.engine_starts")
    scratch = Path(tempfile.mkdtemp(prefix="pse-"))
    image = plain_root(scratch / "image")
    pooled = Ours("pool", scratch, image, pool=8)
    starters: list[Starter] = [pooled, Ours("scratch", scratch, image, pool=0), Whole(scratch)]
    starters += [Peer(commands) for commands in peers(scratch, image)]
    try:
        singles: dict[str, list[float]] = {starter.name: [] for starter in starters}
        bursts: dict[str, list[float]] = {starter.name: [] for starter in starters}
        for number in range(options.rounds + 1):
            for starter in starters:
                taken = single(starter)
                singles[starter.name] += [taken] if number else []  # the first finds nothing ready
        for _ in range(options.bursts):
            for starter in starters:
                bursts[starter.name].append(burst(starter))
        memory = pooled.memory()
    finally:
        for starter in starters:
            starter.close()
        shutil.rmtree(scratch, ignore_errors=True)
    report(singles, bursts, memory)
    return 0


def single(starter: Starter) -> float:
    """Seconds of one start; what comes before, its removal and a moment of quiet don't count."""
    start = starter.prepare()
    began = time.perf_counter()
    remove = start()
    taken = time.perf_counter() - began
    remove()
    time.sleep(0.05)
    return taken


def burst(starter: Starter) -> float:
    """Seconds for all, each with what comes before it."""
    began = time.perf_counter()
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        removers = list(threads.map(lambda _: starter.prepare()(), range(BURST)))
    taken = time.perf_counter() - began
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        list(threads.map(lambda remove: remove(), removers))
    time.sleep(3)  # the kernel takes network namespaces down later, and new ones wait for it
    return taken


def report(singles: dict[str, list[float]], bursts: dict[str, list[float]], memory: dict[str, float]) -> None:
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; crun = 1.00\n")
    base = statistics.median(singles.get("crun") or singles["pool"])
    whole = statistics.median(bursts.get("crun") or bursts["pool"])
    print(
        f"{'start to exec':24} {'min ms':>8} {'median':>8} {'ratio':>6} {f'{BURST} at {AT_A_TIME}, s':>12} {'ratio':>6}"
    )
    for name, taken in singles.items():
        middle, together = statistics.median(taken), statistics.median(bursts[name])
        print(
            f"{name:24} {min(taken) * 1000:8.1f} {middle * 1000:8.1f} {middle / base:6.2f} "
            f"{together:12.2f} {together / whole:6.2f}"
        )
    print()
    for name, kib in memory.items():
        print(f"private memory of {name}: {kib:.0f} KiB")


if __name__ == "__main__":
    sys.exit(main())
