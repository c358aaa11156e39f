"""`python -m bench.engine_exec`: one more process in a running container, beside `crun exec` and `runc exec`.

From the call to the process's exit being known: `sleep 0`, the default isolation, no terminal, no output. All take
turns in each round, on one container each with the same config.json; ours through its launcher, as the worker calls
it, the peers as every engine calls them, by starting a program.
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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from bench import namespace
from bench.command_lines import Runtime, plain_root
from bench.launched import Ours as Launched

BURST, AT_A_TIME = 50, 8


class Contender(Protocol):
    name: str

    def exec(self) -> None:
        """Returns when the process's end is known."""

    def close(self) -> None: ...


class Ours:
    name = "engine"

    def __init__(self, scratch: Path, image: Path) -> None:
        self.starter = Launched("exec", scratch, image, pool=0)
        self.remove = self.starter.prepare()()
        (self.container,) = self.starter.config.containers.iterdir()

    def exec(self) -> None:
        self.starter.exec(self.container)

    def close(self) -> None:
        self.remove()
        self.starter.close()


class Peer:
    def __init__(self, name: str, scratch: Path, image: Path) -> None:
        self.name = name
        self.commands = Runtime(name, [name], scratch, image)
        directory, self.identity = self.commands.bundle("/bin/sleep", "1000")
        self.commands.do("run", "--detach", "--bundle", directory, self.identity)

    def exec(self) -> None:
        self.commands.exec(("", self.identity))

    def close(self) -> None:
        self.commands.do("delete", "--force", self.identity)
        for group in Path("/sys/fs/cgroup").glob("*/portside-bench"):
            with contextlib.suppress(OSError):
                group.rmdir()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.engine_exec")
    parser.add_argument("--rounds", type=int, default=100, help="rounds of single execs (default 100)")
    parser.add_argument("--bursts", type=int, default=3, help=f"rounds of {BURST} execs, {AT_A_TIME} at a time")
    options = parser.parse_args()
    namespace.enter("bench.engine_exec")
    scratch = Path(tempfile.mkdtemp(prefix="psx-"))
    image = plain_root(scratch / "image")
    contenders: list[Contender] = [Ours(scratch, image)]
    contenders += [Peer(name, scratch, image) for name in ("crun", "runc") if shutil.which(name)]
    singles: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    bursts: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    try:
        for number in range(options.rounds + 1):
            for contender in contenders:
                taken = timed(contender.exec)
                singles[contender.name] += [taken] if number else []
        for _ in range(options.bursts):
            for contender in contenders:
                bursts[contender.name].append(timed(lambda one=contender: burst(one)))  # type: ignore[misc]
    finally:
        for contender in contenders:
            contender.close()
        shutil.rmtree(scratch, ignore_errors=True)
    report(singles, bursts)
    return 0


def timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def burst(contender: Contender) -> None:
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        for done in [threads.submit(contender.exec) for _ in range(BURST)]:
            done.result()


def report(singles: dict[str, list[float]], bursts: dict[str, list[float]]) -> None:
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print(f"{'exec to its exit':18}   min ms   median  ours ÷ {f'{BURST} at {AT_A_TIME}, s':>12}  ours ÷")
    ours, together = (statistics.median(figures["engine"]) for figures in (singles, bursts))
    for name, taken in singles.items():
        middle, burst_middle = statistics.median(taken), statistics.median(bursts[name])
        print(
            f"{name:18} {min(taken) * 1000:8.1f} {middle * 1000:8.1f} {ours / middle:7.2f} "
            f"{burst_middle:12.2f} {together / burst_middle:7.2f}"
        )


if __name__ == "__main__":
    sys.exit(main())
