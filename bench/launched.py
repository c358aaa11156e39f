"""The engine's own way to a container: its launcher, from the pool or from scratch."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import statistics
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace

from bench.command_lines import IDLE, NOTHING
from engine.cgroups import Cgroups, Resources
from engine.config import EngineConfig
from engine.network.bridge import Bridge
from engine.runtime.client import Runtime
from engine.runtime.execs import ExecSpec
from engine.runtime.spec import ProcessSettings, build

Remove = Callable[[], None]
Start = Callable[[], Remove]
"""Returns once the program of the prepared container has been executed."""


class Ours:
    """`pool`: how many containers-to-be the launcher holds ready."""

    def __init__(self, name: str, scratch: Path, image: Path, pool: int) -> None:
        self.name, self.image = name, image
        self.config = EngineConfig(home=scratch / name.replace(" ", "-"))
        self.cgroups = Cgroups(self.config)
        self.runtime = Runtime(self.config, self.cgroups, pool=pool)
        self.runtime.ensure_launcher()

    def bundle(self, *args: str) -> Path:
        """A new container's directory, with all that comes before a start."""
        directory = self.config.containers / secrets.token_hex(32)
        for name in ("bundle/rootfs", "upper", "work"):
            (directory / name).mkdir(parents=True)
        for name in ("stdout", "stderr"):
            os.mkfifo(directory / name)
        text = json.dumps(build(ProcessSettings(args=args)), separators=(",", ":"))  # as engine/containers/bundle.py
        (directory / "bundle" / "config.json").write_text(text)
        return directory

    def create(self, directory: Path) -> int:
        """Groups, limits, overlay, namespaces; the first process's pid."""
        self.cgroups.create(directory.name, Resources(memory_bytes=64 << 20, pids_limit=2048))
        layers = SimpleNamespace(
            lowerdirs=[str(self.image)], upperdir=str(directory / "upper"), workdir=str(directory / "work")
        )
        return self.runtime.create(directory, 1, layers).pid

    # What the bench measures: each takes what `bundle` made.

    def start(self, directory: Path) -> None:
        self.create(directory)
        self.runtime.start(directory)

    def start_with_network(self, directory: Path, bridge: Bridge, address: IPv4Address) -> None:
        bridge.attach(address, self.create(directory))
        self.runtime.start(directory)

    start_at_once = start

    def run(self, directory: Path) -> None:
        self.start(directory)
        if self.runtime.wait(directory, 1, 60) is None:
            raise RuntimeError("it does not end")
        self.remove(directory)

    def exec(self, directory: Path) -> None:
        made = self.runtime.exec(directory, ExecSpec(args=NOTHING))
        status = self.runtime.exec_wait(directory, made.id, 60)
        if status is None or status.code:
            raise RuntimeError(f"the process ended with {status}")
        self.runtime.exec_remove(directory, made.id)

    def remove(self, directory: Path) -> None:
        self.runtime.abort(directory)
        self.cgroups.remove(directory.name)
        shutil.rmtree(directory)

    def prepare(self) -> Start:
        directory = self.bundle(*IDLE)

        def start() -> Remove:
            self.start(directory)
            return lambda: self.remove(directory)

        return start

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


def private_kib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return float(sum(int(line.split()[1]) for line in lines if line.startswith("Private_")))
