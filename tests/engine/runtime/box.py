"""A container directory as the engine prepares one, around Debian's static busybox, for tests of the runtime alone."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import secrets
import shutil
import struct
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine.cgroups import Cgroups, Resources
from engine.config import EngineConfig
from engine.runtime.client import ExitStatus, Runtime
from engine.runtime.spec import Bind, ProcessSettings, build, standard_binds
from tests.support.processes import PATIENCE_SECONDS

BUSYBOX = Path("/bin/busybox")
PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home/nobody:/bin/sh\nann:x:1000:1000::/home/ann:\n"
)
GATE = "until [ -e /gate/open ]; do sleep 0.02; done"
GROUP = "root:x:0:\nann:x:1000:\nbin:x:2:ann,bob\nlate:x:77:ann\n"


def make_image(directory: Path) -> Path:
    """A root file system with /bin/busybox, /bin/sh and two files in /etc."""
    for name in ("bin", "etc", "tmp", "proc", "dev", "sys"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "tmp").chmod(0o1777)
    shutil.copy(BUSYBOX, directory / "bin" / "busybox")
    for name in ("sh", "sleep", "cat", "echo", "id"):
        (directory / "bin" / name).symlink_to("busybox")
    (directory / "etc" / "passwd").write_text(PASSWD)
    (directory / "etc" / "group").write_text(GROUP)
    return directory


class Box:
    """One container of a home. Its outputs are collected by threads, as the keeper would."""

    def __init__(self, config: EngineConfig, runtime: Runtime, cgroups: Cgroups, image: Path) -> None:
        self.config, self.runtime, self.cgroups, self.image = config, runtime, cgroups, image
        self.id = secrets.token_hex(32)
        self.directory = config.containers / self.id
        self.number = 0
        self.wants_pool = runtime.pool_size > 0
        self.was_pooled = False
        self.outputs: dict[str, bytes] = {}
        self._readers: list[threading.Thread] = []
        (self.directory / "bundle" / "rootfs").mkdir(parents=True)
        for name in ("upper", "work", "gate"):
            (self.directory / name).mkdir()
        (self.directory / "upper").chmod(0o755)
        for name in ("resolv.conf", "hosts", "hostname"):
            (self.directory / name).write_text(f"# {name}\n")
        for name in ("stdout", "stderr"):
            os.mkfifo(self.directory / name)
        self.layers = [str(image)]
        self.alter: Callable[[dict[str, Any]], None] | None = None  # what to change in config.json before a create

    def open_gate(self) -> None:
        """Let go on what waits in `GATE`."""
        (self.directory / "gate" / "open").touch()

    def create(self, *args: str, resources: Resources | None = None, collect: bool = True, **settings: Any) -> int:
        """Up to the waiting process; its pid."""
        wanted = ProcessSettings(
            args=args,
            hostname="box",
            binds=[
                *standard_binds(self.directory),
                Bind(str(self.directory / "gate"), "/gate"),
                *settings.pop("binds", []),
            ],
        )
        spec = build(dataclasses.replace(wanted, **settings))
        if self.alter is not None:
            self.alter(spec)
        (self.directory / "bundle" / "config.json").write_text(json.dumps(spec))
        self.cgroups.create(self.id, resources or Resources(pids_limit=2048))
        self.number += 1
        overlay = SimpleNamespace(
            lowerdirs=self.layers, upperdir=str(self.directory / "upper"), workdir=str(self.directory / "work")
        )
        if collect:
            self.collect()
        if self.wants_pool:
            until(lambda: self.runtime.pooled() > 0)
        self.created = self.runtime.create(self.directory, self.number, overlay)
        self.was_pooled = self.created.pooled
        return self.created.pid

    def run(self, *args: str, **settings: Any) -> int:
        """Create and start; the pid."""
        pid = self.create(*args, **settings)
        self.runtime.start(self.directory)
        return pid

    def result(self, *args: str, timeout: float = PATIENCE_SECONDS, **settings: Any) -> tuple[int, str, str]:
        """Run to the end: exit code, what it printed, what it complained about."""
        self.run(*args, **settings)
        status = self.wait(timeout)
        return status.code, *self.output()

    def sh(self, script: str, **settings: Any) -> str:
        """What a shell script prints; it must end well."""
        code, out, err = self.result("/bin/sh", "-ec", script, **settings)
        assert code == 0, (code, out, err)
        return out

    def wait(self, timeout: float = PATIENCE_SECONDS) -> ExitStatus:
        status = self.runtime.wait(self.directory, self.number, timeout)
        assert status is not None, "the container did not end in time"
        return status

    def collect(self) -> None:
        """Read both pipes to their end, each in a thread of its own."""
        self.outputs = {}
        self._readers = []
        for name in ("stdout", "stderr"):
            # read and write, so that it does not end before the container has opened its own end
            keep = os.open(self.directory / name, os.O_RDWR | os.O_NONBLOCK)
            fd = os.open(self.directory / name, os.O_RDONLY)
            thread = threading.Thread(target=self._read, args=(name, fd, keep), daemon=True)
            thread.start()
            self._readers.append(thread)

    def _read(self, name: str, fd: int, keep: int) -> None:
        collected = b""
        while not self.runtime.is_alive(self.directory) and not (self.directory / f"exit.{self.number}").exists():
            if not self.directory.exists():  # what never ran, or not for long, is removed: nobody shall look for ever,
                break  # since a raw clone(2) of this process hangs where another thread waits for the interpreter
            threading.Event().wait(0.001)
        os.close(keep)
        while data := os.read(fd, 1 << 16):
            collected += data
        os.close(fd)
        self.outputs[name] = collected

    def output(self) -> tuple[str, str]:
        for thread in self._readers:
            thread.join(PATIENCE_SECONDS)
        return self.outputs["stdout"].decode(), self.outputs["stderr"].decode()

    def record(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.directory / "run.json").read_text())
        return content

    def remove(self) -> None:
        self.runtime.abort(self.directory)
        self.cgroups.remove(self.id)
        shutil.rmtree(self.directory)


def until(
    happened: Callable[[], bool], seconds: float = PATIENCE_SECONDS, what: Callable[[], str] = lambda: "it"
) -> None:
    """Wait for it; fails the test with `what` when it does not happen in time."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{what()} did not happen in time"
        time.sleep(0.005)


def waiting_bytes(fd: int) -> int:
    waiting: int = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0]
    return waiting
