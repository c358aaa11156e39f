"""`python -m bench.runtime`: our runtime beside crun and runc, all in turns in one run; medians and ratios.

Contenders: the engine's own way (its launcher, from the pool), our command line (`python -m engine.runtime`), and
the peers by theirs, each with the same config.json and Portside's default isolation. A peer and our command line are
a program of their own for each command, as engines call them; the engine's launcher is asked over its socket.

What is counted
  start                 create and start, until the program has been executed; new but empty network namespace.
                        Ours through the launcher also mounts an overlay and has log pipes
  start with bridge     create; a veth pair on a bridge, address and route, made for all by the same netlink calls of
                        this process (no hook program, no CNI, no published port); start
  run to exit           create, start, wait for the end, delete
  exec to exit          one more process in a running container, until its end is known
  50 starts             run --detach of 50 prepared bundles, 8 at a time
  memory                idle_memory.py
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from bench import idle_memory, namespace, share
from bench.command_lines import IDLE, NOTHING, OURS, Runtime, peers, plain_root
from bench.launched import Ours
from engine.config import EngineConfig
from engine.network.bridge import Bridge

BURST, AT_A_TIME = 50, 8
SUBNET = IPv4Network("10.231.0.0/16")
Figures = dict[str, dict[str, list[float]]]
"""Work → contender → seconds."""


class Bench:
    """The contenders, and one method for each kind of work: it takes a contender and returns seconds."""

    def __init__(self, contenders: list[Any]) -> None:
        self.contenders = contenders
        self.bridge = Bridge("psbench-br0", SUBNET)
        self.bridge.ensure()
        self.addresses: Iterator[IPv4Address] = (a for a in SUBNET.hosts() if int(a) > int(SUBNET[1]))

    def start(self, one: Any) -> float:
        return self._timed(one, one.start)

    def start_with_network(self, one: Any) -> float:
        address = next(self.addresses)
        return self._timed(one, lambda made: one.start_with_network(made, self.bridge, address))

    def run(self, one: Any) -> float:
        made = one.bundle(*NOTHING)
        return timed(lambda: one.run(made))

    def exec(self, one: Any) -> float:
        made = one.bundle(*IDLE)
        one.start_at_once(made)
        try:
            return timed(lambda: one.exec(made))
        finally:
            one.remove(made)

    def burst(self, one: Any) -> float:
        made = [one.bundle(*IDLE) for _ in range(BURST)]
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            taken = timed(lambda: list(threads.map(one.start_at_once, made)))
            list(threads.map(one.remove, made))
        time.sleep(1)  # the kernel takes network namespaces down later, and new ones wait for it
        return taken

    def _timed(self, one: Any, work: Callable[[Any], None]) -> float:
        made = one.bundle(*IDLE)
        try:
            return timed(lambda: work(made))
        finally:
            one.remove(made)
            time.sleep(0.02)  # the pool fills itself in quiet moments


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(bench: Bench, rounds: int, bursts: int) -> Figures:
    works: dict[str, tuple[int, Callable[[Any], float]]] = {
        "start": (rounds, bench.start),
        "start with bridge": (rounds, bench.start_with_network),
        "run to exit": (rounds, bench.run),
        "exec to exit": (rounds, bench.exec),
        f"{BURST} starts, {AT_A_TIME} at a time": (bursts, bench.burst),
    }
    figures: Figures = {work: {one.name: [] for one in bench.contenders} for work in works}
    for work, (number, method) in works.items():
        for turn in range(number + 1):
            for one in bench.contenders:  # in turns, so that whatever else the machine does falls on all alike
                taken = method(one)
                if turn:  # the first finds nothing ready
                    figures[work][one.name].append(taken)
        print(f"{work}: done, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.runtime")
    parser.add_argument("--rounds", type=int, default=30, help="rounds of single commands (default 30)")
    parser.add_argument("--bursts", type=int, default=3, help=f"rounds of {BURST} containers (default 3)")
    parser.add_argument("--favoured", action="store_true", help="let the rest of a busy machine wait (share.py)")
    options = parser.parse_args()
    namespace.enter("bench.runtime")
    scratch = Path(tempfile.mkdtemp(prefix="psr-"))
    homes = [EngineConfig(home=scratch / name) for name in ("engine", "engine-without-pool")]
    with contextlib.ExitStack() as stack:
        if options.favoured:
            stack.enter_context(share.favoured(["portside-bench", *(home.cgroup_parent for home in homes)]))
        compare(scratch, options.rounds, options.bursts)
    return 0


def compare(scratch: Path, rounds: int, bursts: int) -> None:
    image = plain_root(scratch / "image")
    engine = Ours("engine", scratch, image, pool=8)
    lean = Ours("engine without pool", scratch, image, pool=0)
    runtimes = [Runtime("command line", OURS, scratch, image), *peers(scratch, image)]
    try:
        figures = measure(Bench([engine, *runtimes]), rounds, bursts)
        held = {engine.name: idle_memory.of_engine(lean)}  # pooled processes would share pages with the monitors
        if shutil.which("conmon"):
            held |= {one.name: idle_memory.under_conmon(one) for one in runtimes}
    finally:
        for one in (engine, lean, *runtimes):
            one.close()
        shutil.rmtree(scratch, ignore_errors=True)
    report(figures, held)


def report(figures: Figures, held: dict[str, float]) -> None:
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}; milliseconds, median (minimum); ours by crun's and runc's\n")
    table = {
        work: {name: [1000 * one for one in seconds] for name, seconds in taken.items()}
        for work, taken in figures.items()
    }
    table["memory per idle container, KiB"] = {name: [kib] for name, kib in held.items()}
    for work, taken in table.items():
        print(work)
        middles = {name: statistics.median(values) for name, values in taken.items() if values}
        for name, middle in middles.items():
            ours = name in ("engine", "command line")
            ratios = [f"÷ {peer} {middle / middles[peer]:.2f}" for peer in ("crun", "runc") if ours and peer in middles]
            print(f"  {name:14}{middle:9.1f} ({min(taken[name]):.1f})   {'   '.join(ratios)}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
