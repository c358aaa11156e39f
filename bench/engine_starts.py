"""`python -m bench.engine_starts`: the engine alone, from the pool and from scratch, beside crun and runc.

No site, worker or broker: what a process start costs, and what an idle container holds. All take turns in each
round. Ours has an overlay, limits and log pipes; the peers get the same config.json with a plain root directory,
so what they leave out counts for them. Peers pay for the start of a program, as they do under every engine.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
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
from types import SimpleNamespace
from typing import Protocol

from bench import namespace
from engine.cgroups import Cgroups, Resources
from engine.config import EngineConfig
from engine.containers.spec import ContainerSpec
from engine.facade import Engine
from engine.runtime.client import Runtime
from engine.runtime.spec import ProcessSettings, build

IDLE = ("/bin/sleep", "600")
BURST, AT_A_TIME = 50, 8


Remove = Callable[[], None]
Start = Callable[[], Remove]
"""Returns once the program of the prepared idle container has been executed."""


class Starter(Protocol):
    name: str

    def prepare(self) -> Start:
        """Everything that comes before a start: directories, config.json, the record."""

    def close(self) -> None: ...


class Ours:
    """`pool`: how many containers-to-be the launcher holds ready."""

    def __init__(self, name: str, scratch: Path, image: Path, pool: int) -> None:
        self.name, self.image = name, image
        self.config = EngineConfig(home=scratch / name.replace(" ", "-"))
        self.cgroups = Cgroups(self.config)
        self.runtime = Runtime(self.config, self.cgroups, pool=pool)
        self.runtime.ensure_launcher()

    def prepare(self) -> Start:
        directory = self.config.containers / secrets.token_hex(32)
        for name in ("bundle/rootfs", "upper", "work"):
            (directory / name).mkdir(parents=True)
        for name in ("stdout", "stderr"):
            os.mkfifo(directory / name)
        (directory / "bundle" / "config.json").write_text(json.dumps(build(ProcessSettings(args=IDLE))))
        layers = SimpleNamespace(
            lowerdirs=[str(self.image)], upperdir=str(directory / "upper"), workdir=str(directory / "work")
        )

        def start() -> Remove:
            self.cgroups.create(directory.name, Resources(memory_bytes=64 << 20, pids_limit=2048))
            self.runtime.create(directory, 1, layers)
            self.runtime.start(directory)
            return lambda: self._remove(directory)

        return start

    def _remove(self, directory: Path) -> None:
        self.runtime.abort(directory)
        self.cgroups.remove(directory.name)
        shutil.rmtree(directory)

    def memory(self) -> dict[str, float]:
        """KiB of private memory: of one running container's monitor, of one pooled process."""
        done = self.prepare()()
        directory = next(self.config.containers.iterdir())
        watcher = json.loads((directory / "run.json").read_text())["monitor_pid"]
        time.sleep(0.2)
        launcher = self.runtime.ensure_launcher()
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
        pooled = [private_kib(int(pid)) for pid in children if int(pid) != watcher]
        found = {"a container's monitor": private_kib(watcher), "a pooled process": statistics.median(pooled or [0])}
        done()
        return found

    def close(self) -> None:
        self.runtime.stop_launcher()
        self.cgroups.remove_parent()


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

    def __init__(self, name: str, scratch: Path, image: Path) -> None:
        self.name, self.root, self.image = name, scratch / f"{name}-state", image
        self.bundles = scratch / f"{name}-bundles"

    def prepare(self) -> Start:
        identity = secrets.token_hex(8)
        bundle = self.bundles / identity
        bundle.mkdir(parents=True)
        spec = build(ProcessSettings(args=IDLE, cgroups_path=f"/portside-bench/{identity}"))
        spec["ociVersion"] = "1.0.2"  # Debian's crun knows no later one
        spec["root"] = {"path": str(self.image), "readonly": False}
        spec["linux"]["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 2048}}
        (bundle / "config.json").write_text(json.dumps(spec))

        def start() -> Remove:
            self._do("run", "--detach", "--bundle", str(bundle), identity)
            return lambda: self._do("delete", "--force", identity)

        return start

    def _do(self, *arguments: str) -> None:
        command = [self.name, "--root", str(self.root), *arguments]
        with (self.bundles / "log").open("ab") as log:  # no pipe: the container would hold its end
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, timeout=60
            ).returncode
        if code:
            raise RuntimeError(f"{' '.join(command)}: {(self.bundles / 'log').read_text().strip()}")

    def close(self) -> None:
        """It leaves nothing but its group."""
        for directory in Path("/sys/fs/cgroup").glob("*/portside-bench"):
            with contextlib.suppress(OSError):
                os.rmdir(directory)


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
    starters += [Peer(name, scratch, image) for name in ("crun", "runc") if shutil.which(name)]
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


def plain_root(directory: Path) -> Path:
    """A root file system around the machine's static busybox."""
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (directory / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", directory / "bin" / "busybox")
    (directory / "bin" / "sleep").symlink_to("busybox")
    return directory


def private_kib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return float(sum(int(line.split()[1]) for line in lines if line.startswith("Private_")))


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
