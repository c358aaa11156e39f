"""Which other OCI runtimes this machine has: the usual names on the path, and those that a setting names.

A container's specification holds a name and never a path: what is executed as root is chosen by who runs the host.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass
from typing import TypedDict

from engine.config import EngineConfig
from engine.errors import InvalidArgument

OWN = "portside"
USUAL = ("crun", "runc", "runsc", "kata-runtime")
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ANSWER_SECONDS = 60.0  # asked once, perhaps while a crowded machine starts everything

# Those that run the program itself as the process of --pid-file. A sandbox (gVisor, a virtual machine) runs it where
# no signal of ours reaches it, so it gets signals by its runtime's own command.
_PLAIN = ("crun", "runc", "youki", "portside-runtime")


@dataclass(frozen=True, slots=True)
class Installed:
    """`version` is the first line that `--version` answers; `problem` says why it can't be used, if it can't."""

    name: str
    path: str
    version: str = ""
    problem: str = ""

    @property
    def family(self) -> str:
        """Whose program it is, by its own words, whatever it is called here."""
        return self.version.split(" ", 1)[0]

    @property
    def is_plain(self) -> bool:
        """Whether the process that it leaves behind is the container's program, as the kernel sees it."""
        return self.family in _PLAIN


class RuntimeFacts(TypedDict):
    name: str
    version: str
    problem: str


class InstalledRuntimes:
    """The runtimes of this machine. Safe for threads; each program is asked for its version once."""

    def __init__(self, config: EngineConfig) -> None:
        self._named = dict(config.runtimes)
        self._known: dict[tuple[str, str, int, int], Installed] = {}
        self._lock = threading.Lock()

    def all(self) -> list[Installed]:
        """All that can be found, by name; what a setting names wins over the usual place."""
        return [self._look(name, path) for name, path in sorted(self._paths().items())]

    def get(self, name: str) -> Installed:
        """The runtime of that name. InvalidArgument with what there is, or with why it can't be used."""
        paths = self._paths()
        if name not in paths:
            raise InvalidArgument(
                f"runtime: {name!r} is not installed on this host, which has {', '.join([OWN, *sorted(paths)])}; "
                "install it, or name its program in PORTSIDE_RUNTIMES (name=/path) and start the worker again",
                {"field": "runtime"},
            )
        found = self._look(name, paths[name])
        if found.problem:
            raise InvalidArgument(f"runtime: {name} can't be used: {found.problem}", {"field": "runtime"})
        return found

    def require(self, name: str, *, terminal: bool) -> None:
        """InvalidArgument unless it makes containers, or such as have a terminal."""
        if not self.get(name).is_plain and terminal:
            raise InvalidArgument(
                f"tty: a container of {name} has no terminal here, since nothing answers on the one that a sandbox "
                "hands out; leave this out, or choose another runtime",
                {"field": "tty"},
            )

    def facts(self) -> list[RuntimeFacts]:
        """For the host's facts."""
        return [RuntimeFacts(name=each.name, version=each.version, problem=each.problem) for each in self.all()]

    def _paths(self) -> dict[str, str]:
        usual = {name: shutil.which(name, path=SEARCH_PATH) for name in USUAL}
        return {name: path for name, path in usual.items() if path is not None} | self._named

    def _look(self, name: str, path: str) -> Installed:
        try:
            state = os.stat(path)
        except OSError as error:
            return Installed(name, path, problem=f"{path}: {error.strerror}")
        key = (name, path, state.st_mtime_ns, state.st_ino)
        with self._lock:
            if key not in self._known:
                self._known[key] = _ask(name, path)
            return self._known[key]


def _ask(name: str, path: str) -> Installed:
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Installed(name, path, problem=f"{path} --version: {error}")
    if done.returncode != 0:
        return Installed(name, path, problem=f"{path} --version ended with {done.returncode}")
    version = " ".join((done.stdout.strip() or "of unknown version").splitlines()[0].replace(" :", "").split())[:100]
    return Installed(name, path, version, _problem(version))


def _problem(version: str) -> str:
    """Kata 2 and later speaks to containerd alone (a shim with a socket) and has no command to create a container."""
    kata = re.match(r"kata-runtime (\d+)\.", version)
    if kata and int(kata[1]) >= 2:
        return f"{version} has no OCI command line; only Kata 1 has one, later ones work for containerd alone"
    return ""
