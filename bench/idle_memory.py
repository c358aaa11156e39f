"""What one more idle container keeps in memory beside its own process.

Ours: the monitor, and what the launcher grows by. The command-line runtimes leave nothing behind, so they are measured
under conmon, as podman has them. Figures are PSS, where a page that several processes share counts in parts: the
sum with many containers less the sum with few, by the number between.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bench.command_lines import IDLE, Runtime
from bench.launched import Ours

FEW, MANY = 2, 12
Started = tuple[set[int], Callable[[], None]]
"""The processes that hold a container, and its end."""


def kib(start: Callable[[], Started], always: int | None = None) -> float:
    """KiB of PSS for each container more. `always`: a process that serves them all."""
    running: list[Started] = []
    sums: list[float] = []
    try:
        for target in (FEW, MANY):
            while len(running) < target:
                running.append(start())
            time.sleep(0.3)
            holders = {pid for pids, _ in running for pid in pids} | ({always} if always else set())
            sums.append(sum(pss_kib(pid) for pid in holders))
    finally:
        for _, end in running:
            end()
    return (sums[1] - sums[0]) / (MANY - FEW)


def of_engine(engine: Ours) -> float:
    def start() -> Started:
        directory = engine.bundle(*IDLE)
        engine.start(directory)
        monitor = json.loads((directory / "run.json").read_text())["monitor_pid"]
        return {monitor}, lambda: engine.remove(directory)

    return kib(start, engine.runtime.ensure_launcher())


def under_conmon(runtime: Runtime) -> float:
    def start() -> Started:
        prepared = runtime.bundle(*IDLE)
        conmon = _create_under_conmon(runtime, *prepared)
        runtime.do("start", prepared[1])
        return {conmon}, lambda: runtime.remove(prepared)

    return kib(start)


def _create_under_conmon(runtime: Runtime, bundle: str, identity: str) -> int:
    """create, with conmon as the container's parent and keeper of its output, as podman calls it; conmon's pid."""
    conmon = shutil.which("conmon")
    if conmon is None:
        raise RuntimeError("conmon is not installed")
    pid_file, own = Path(bundle, "pid"), Path(bundle, "conmon.pid")
    program = Path(bundle, "runtime")  # conmon takes a path, not a command line
    program.write_text(f'#!/bin/sh\nexec {shlex.join(runtime.command)} "$@"\n')
    program.chmod(0o755)
    subprocess.run(
        [conmon, "--api-version", "1", "-c", identity, "-u", identity, "-n", identity, "-r", str(program), "-b", bundle,
         "-p", str(pid_file), "--conmon-pidfile", str(own), "-l", f"k8s-file:{bundle}/log", "--exit-dir", bundle,
         "--full-attach"],
        check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while not (pid_file.exists() and pid_file.read_text() and own.exists() and own.read_text()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{runtime.name} under conmon makes no container")
        time.sleep(0.01)
    time.sleep(0.1)  # the runtime's create still has to end
    return int(own.read_text())


def pss_kib(pid: int) -> float:
    """What a process keeps in memory, shared pages in parts (proc_pid_smaps(5)); raises OSError once it is gone."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("Pss:")))
