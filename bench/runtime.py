"""`python -m bench.runtime`: our OCI runtime's command line beside crun and runc, on the same bundle.

No network and no pool: each command is a process of its own, as podman and containerd start it. What ours spends
more, it spends on starting two Python interpreters (the second from a read-only mount); the engine's own starts
don't go this way (bench.engine_starts).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import namespace
from bench.engine_starts import plain_root
from engine.runtime.spec import ProcessSettings, build

PROJECT = Path(__file__).parents[1]
CODE = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from engine.runtime.__main__ import main; main()"
OURS = [sys.executable, "-S", "-s", "-E", "-c", CODE]
BURST, AT_A_TIME = 50, 8


class Runtime:
    """One contender. `command`: how it is started; it keeps its state below `scratch`."""

    def __init__(self, name: str, command: list[str], scratch: Path, image: Path) -> None:
        self.name, self.command, self.image = name, [*command, "--root", str(scratch / f"{name}-state")], image
        self.bundles = scratch / f"{name}-bundles"
        self.bundles.mkdir()

    def bundle(self, *args: str) -> tuple[str, str]:
        """(directory, id) of a new bundle with Portside's default isolation."""
        identity = secrets.token_hex(8)
        directory = self.bundles / identity
        directory.mkdir()
        spec = build(ProcessSettings(args=args, cgroups_path=f"/portside-bench/{identity}"))
        spec["ociVersion"] = "1.0.2"  # Debian's crun knows no later one
        spec["root"] = {"path": str(self.image), "readonly": False}
        spec["linux"]["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 2048}}
        (directory / "config.json").write_text(json.dumps(spec))
        return str(directory), identity

    def do(self, *arguments: str) -> None:
        with (self.bundles / "log").open("ab") as log:  # no pipe: the container would hold its end
            done = subprocess.run([*self.command, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  check=False, timeout=60)  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{self.name} {' '.join(arguments)}: {(self.bundles / 'log').read_text()[-500:]}")

    def create_and_start(self) -> float:
        directory, identity = self.bundle("/bin/sleep", "1000")
        began = time.perf_counter()
        self.do("create", "--bundle", directory, identity)
        self.do("start", identity)
        taken = time.perf_counter() - began
        self.do("delete", "--force", identity)
        return taken

    def run_to_exit(self) -> float:
        directory, identity = self.bundle("/bin/sleep", "0")
        began = time.perf_counter()
        self.do("run", "--bundle", directory, identity)
        return time.perf_counter() - began

    def exec(self) -> float:
        directory, identity = self.bundle("/bin/sleep", "1000")
        self.do("run", "--detach", "--bundle", directory, identity)
        began = time.perf_counter()
        self.do("exec", identity, "/bin/sleep", "0")
        taken = time.perf_counter() - began
        self.do("delete", "--force", identity)
        return taken

    def burst(self) -> float:
        made = [self.bundle("/bin/sleep", "1000") for _ in range(BURST)]
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            began = time.perf_counter()
            list(threads.map(lambda one: self.do("run", "--detach", "--bundle", one[0], one[1]), made))
            taken = time.perf_counter() - began
            list(threads.map(lambda one: self.do("delete", "--force", one[1]), made))
        return taken


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.runtime")
    parser.add_argument("--rounds", type=int, default=20, help="rounds of single commands (default 20)")
    parser.add_argument("--bursts", type=int, default=2, help=f"rounds of {BURST} containers (default 2)")
    options = parser.parse_args()
    namespace.enter("bench.runtime")
    scratch = Path(tempfile.mkdtemp(prefix="psr-"))
    image = plain_root(scratch / "image")
    runtimes = [Runtime("portside", OURS, scratch, image)]
    runtimes += [Runtime(name, [name], scratch, image) for name in ("crun", "runc") if shutil.which(name)]
    works: dict[str, tuple[int, Callable[[Runtime], float]]] = {
        "create + start, to exec": (options.rounds, Runtime.create_and_start),
        "run, to exit": (options.rounds, Runtime.run_to_exit),
        "exec, to exit": (options.rounds, Runtime.exec),
        f"{BURST} x run --detach, {AT_A_TIME} at a time": (options.bursts, Runtime.burst),
    }
    figures: dict[str, dict[str, list[float]]] = {}
    try:
        for work, (rounds, measure) in works.items():
            taken: dict[str, list[float]] = {runtime.name: [] for runtime in runtimes}
            for number in range(rounds + 1):
                for runtime in runtimes:  # in turns, so that whatever else the machine does falls on all alike
                    seconds = measure(runtime)
                    taken[runtime.name] += [seconds] if number else []
            figures[work] = taken
    finally:
        for group in Path("/sys/fs/cgroup").glob("*/portside-bench"):
            with contextlib.suppress(OSError):
                group.rmdir()
        shutil.rmtree(scratch, ignore_errors=True)
    report(figures)
    return 0


def report(figures: dict[str, dict[str, list[float]]]) -> None:
    print(
        f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians, minima in brackets\n"
    )
    for work, taken in figures.items():
        ours = statistics.median(taken["portside"])
        print(work)
        for name, seconds in taken.items():
            middle = statistics.median(seconds)
            ratio = "" if name == "portside" else f"   portside ÷ {name}: {ours / middle:.2f}"
            print(f"  {name:10} {middle * 1000:8.1f} ms ({min(seconds) * 1000:.1f}){ratio}")


if __name__ == "__main__":
    sys.exit(main())
