"""Runtimes that are driven by their command line: ours, crun and runc, on the same bundles."""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path

from engine.network.bridge import Bridge
from engine.runtime.spec import ProcessSettings, build

PROJECT = Path(__file__).parents[1]
CODE = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from engine.runtime.__main__ import main; main()"
OURS = [sys.executable, "-S", "-s", "-E", "-c", CODE]
SECONDS = 60
IDLE, NOTHING = ("/bin/sleep", "1000"), ("/bin/sleep", "0")


def plain_root(directory: Path) -> Path:
    """A root file system around the machine's static busybox."""
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (directory / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", directory / "bin" / "busybox")
    (directory / "bin" / "sleep").symlink_to("busybox")
    return directory


def call(command: list[str], log: Path) -> None:
    """Run a program to its end. Its output goes to a file: of a pipe, a container would hold the end.

    Waits on the process's descriptor: subprocess's own way with a time limit looks again after pauses that grow to
    50 ms, and every figure would be a sum of them.
    """
    with log.open("ab") as output:
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    ended = os.pidfd_open(program.pid)
    try:
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        if not poll.poll(SECONDS * 1000):
            program.kill()
    finally:
        os.close(ended)
    if program.wait():
        raise RuntimeError(f"{' '.join(command)}: {log.read_text()[-500:]}")


class Runtime:
    """One of them. `command`: how it is started; it keeps its state below `scratch`."""

    def __init__(self, name: str, command: list[str], scratch: Path, image: Path) -> None:
        self.name, self.root, self.image = name, scratch / f"{name}-state", image
        self.command = [*command, "--root", str(self.root)]
        self.bundles = scratch / f"{name}-bundles"
        self.bundles.mkdir()

    def bundle(self, *args: str) -> tuple[str, str]:
        """(directory, id) of a new bundle with Portside's default isolation."""
        identity = secrets.token_hex(8)
        directory = self.bundles / identity
        directory.mkdir()
        spec = build(ProcessSettings(args=args, cgroups_path=f"/portside-bench/{identity}", user_namespace=False))
        spec["ociVersion"] = "1.0.2"  # Debian's crun knows no later one
        spec["root"] = {"path": str(self.image), "readonly": False}
        spec["linux"]["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 2048}}
        (directory / "config.json").write_text(json.dumps(spec))
        return str(directory), identity

    def do(self, *arguments: str) -> None:
        call([*self.command, *arguments], self.bundles / "log")

    def create(self, prepared: tuple[str, str]) -> int:
        """create; the first process's pid."""
        directory, identity = prepared
        self.do("create", "--bundle", directory, "--pid-file", f"{directory}/pid", identity)
        return int(Path(directory, "pid").read_text())

    # What the bench measures: each takes what `bundle` made.

    def start(self, prepared: tuple[str, str]) -> None:
        self.do("create", "--bundle", prepared[0], prepared[1])
        self.do("start", prepared[1])

    def start_with_network(self, prepared: tuple[str, str], bridge: Bridge, address: IPv4Address) -> None:
        bridge.attach(address, self.create(prepared))
        self.do("start", prepared[1])

    def start_at_once(self, prepared: tuple[str, str]) -> None:
        self.do("run", "--detach", "--bundle", prepared[0], prepared[1])

    def run(self, prepared: tuple[str, str]) -> None:
        self.do("run", "--bundle", prepared[0], prepared[1])

    def exec(self, prepared: tuple[str, str]) -> None:
        self.do("exec", prepared[1], *NOTHING)

    def remove(self, prepared: tuple[str, str]) -> None:
        self.do("delete", "--force", prepared[1])

    def close(self) -> None:
        """It leaves nothing but its groups' parent."""
        for group in Path("/sys/fs/cgroup").glob("*/portside-bench"):
            if not any(entry.is_dir() for entry in group.iterdir()):
                group.rmdir()


def peers(scratch: Path, image: Path) -> list[Runtime]:
    """crun and runc, where they are installed."""
    return [Runtime(name, [name], scratch, image) for name in ("crun", "runc") if shutil.which(name)]
