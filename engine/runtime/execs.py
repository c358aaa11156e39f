"""Execs: more processes in a container that runs, by its launcher.

Each has a directory `<container>/exec/<id>/` with the same two files that a container has for its first process:
run.json (who it is) and exit.<run> (how it ended; the number is the run of the container that it belongs to). So
any process finds an exec's end, whoever started it, until `remove` or `sweep`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import select
import shutil
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from engine.cgroups import Cgroups
from engine.errors import Conflict, InvalidArgument, NotFound, Unavailable, Unsupported
from engine.runtime import capabilities, record
from engine.runtime import exec_spare as spare
from engine.runtime.apparmor.profile import REQUIRED_ANNOTATION
from engine.runtime.exec_spare import NOTE_FILE
from engine.runtime.foreign.installed import InstalledRuntimes
from engine.runtime.init import GROUPS_ANNOTATION, TERM_ANNOTATION, USER_ANNOTATION
from engine.runtime.launcher_link import LauncherLink, raise_error
from engine.runtime.seccomp.profile import default_profile

KEEP_SECONDS = 600.0
"""How long an ended exec that nobody has removed can be asked how it ended."""
UNBORN_SECONDS = 60.0
"""After this, a directory without run.json belongs to nobody: its client died before anything ran."""
_ID = re.compile(r"[0-9a-f]{64}")
_SETTLE_SECONDS = 2.0
_REMEMBERED = 256
_WRITERS = 4
"""How often a directory is emptied: the launcher may just be writing there how one ended whose parent was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecSpec:
    """What shall run. `args`: the command; `env`: "NAME=value", added to the container's, a later one counting;
    `unset`: names of the container's variables that it doesn't get.

    `user`: "[name|uid][:[group|gid]]", None for the container's own; `cwd`: absolute, None for the container's own.
    `tty`: a terminal of the container's, `size` (rows, columns). `privileged`: every capability, its own
    no_new_privileges and list of system calls notwithstanding; within the container's user namespace and AppArmor
    profile.
    `id`: 64 hex digits that the caller chooses, so as to find it again whatever happens; None for a new one.
    `note`: kept with it from before its birth until it is removed, for whoever finds it after a death of ours.
    """

    args: Sequence[str]
    env: Sequence[str] = ()
    unset: Sequence[str] = ()
    user: str | None = None
    cwd: str | None = None
    tty: bool = False
    size: tuple[int, int] | None = None
    privileged: bool = False
    id: str | None = None
    note: Mapping[str, Any] | None = None

    def check(self) -> None:
        """Raise InvalidArgument, with detail["field"], for what could never run."""
        if not self.args:
            raise InvalidArgument("no command was given", {"field": "command"})
        for name, values in (("command", self.args), ("env", self.env), ("unset", self.unset),
                             ("user", [self.user or ""]), ("working_dir", [self.cwd or ""])):  # fmt: skip
            if any("\0" in value for value in values):
                raise InvalidArgument(f"{name} must not contain a zero byte", {"field": name})
        for entry in self.env:
            if not entry.partition("=")[0] or "=" not in entry:
                raise InvalidArgument(f"the variable {entry!r} must have the form NAME=value", {"field": "env"})
        for name in self.unset:
            if not name or "=" in name:
                raise InvalidArgument(f"the variable {name!r} can't be unset: give a NAME", {"field": "unset"})
        if self.cwd and not self.cwd.startswith("/"):
            raise InvalidArgument(f"the working directory {self.cwd!r} must be absolute", {"field": "working_dir"})
        if self.size is not None and not all(0 <= number <= 0xFFFF for number in self.size):
            raise InvalidArgument("a terminal has from 0 to 65535 rows and columns", {"field": "size"})


class Stdio(NamedTuple):
    """Open descriptors for 0, 1 and 2 of the process; None: the container's /dev/null. They stay open here.

    Pipes among them become the container's user's, so that it can open /dev/stdout anew.
    """

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None


@dataclass(frozen=True, slots=True)
class Exec:
    """One that has become its program. `pid`: the host's number; `master`: of its terminal, the caller's to close."""

    id: str
    pid: int
    master: int | None = None


class Bundle(NamedTuple):
    """What of a container's config.json an exec needs.

    `filter`: the compiled seccomp filter, None for none. `requires_apparmor`: nothing runs without its profile.
    `process` has no TERM that nobody asked for: an exec has a terminal of its own, or none.
    """

    process: dict[str, Any]
    user: str
    groups: list[str]
    filter: Path | None
    requires_apparmor: bool


class Execs:
    """The execs of one home's containers. `compiled` turns a seccomp profile into its filter's file.

    `confined` says which AppArmor profile is applied of one that is wished, and required or not.
    """

    def __init__(
        self,
        cgroups: Cgroups,
        launcher: LauncherLink,
        installed: InstalledRuntimes,
        compiled: Callable[[dict[str, Any]], Path],
        monitor: Callable[[], str | None],
        *,
        confined: Callable[[str, bool], str],
    ) -> None:
        self._cgroups, self._launcher, self._installed = cgroups, launcher, installed
        self._compiled, self._monitor, self._confined = compiled, monitor, confined
        self._bundles: dict[Path, tuple[tuple[int, int], Bundle]] = {}
        self._streams: dict[Path, socket.socket] = {}  # of those that this process has started

    def start(self, container_dir: Path, spec: ExecSpec, stdio: Stdio) -> Exec:
        """See `Runtime.exec`."""
        spec.check()
        found = record.read_run(str(container_dir))
        if found is None:
            raise Conflict("the container is not running; start it first")
        runtime = found.get("runtime")
        if runtime is not None and not self._installed.get(runtime).is_plain:
            raise Unsupported(f"a container that {runtime} has made can't be joined: its processes are out of reach")
        given = {} if spec.tty else {number: fd for number, fd in enumerate(stdio) if fd is not None}
        for _ in range(5):
            directory = self._make(container_dir, spec.id)
            if spec.note is not None:
                (directory / NOTE_FILE).write_text(json.dumps(spec.note))
            request = self._request(container_dir, directory, found["run"], spec, sorted(given))
            try:
                answer, descriptors, stream = self._launcher.hand(request, [given[number] for number in sorted(given)])
                if stream is not None:
                    self._keep(directory, stream)
                if answer is None:
                    answer = _find_out(directory, found["pid"])
                if answer is not None:
                    raise_error(answer)
                    return Exec(directory.name, int(answer["pid"]), descriptors[0] if descriptors else None)
            except BaseException:
                self.remove(container_dir, directory.name)
                raise
            self.remove(container_dir, directory.name)
        raise Unavailable("the launcher dies again and again; see launcher.log in the home's run directory")

    def directory(self, container_dir: Path, exec_id: str) -> Path:
        """Where it is. NotFound if there is no such exec (any more)."""
        directory = f"{container_dir}/{record.EXECS}/{exec_id}"
        if not _ID.fullmatch(exec_id) or not os.path.exists(f"{directory}/{record.RUN_FILE}"):
            raise NotFound(f"no exec {exec_id[:12]} in this container", {"id": exec_id})
        return Path(directory)

    def note(self, container_dir: Path, exec_id: str) -> dict[str, Any] | None:
        """What its starter noted; None if nothing, or if it is gone."""
        try:
            found: dict[str, Any] = json.loads((container_dir / record.EXECS / exec_id / NOTE_FILE).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return found

    def run(self, directory: Path) -> int:
        """The run of the container that it belongs to."""
        found = record.read_run(str(directory))
        if found is None:
            raise NotFound(f"no exec {directory.name[:12]} in this container", {"id": directory.name})
        return int(found["run"])

    def ids(self, container_dir: Path) -> list[str]:
        """The ids of those that run or whose end can still be asked for."""
        return sorted(os.path.basename(path) for path in record.exec_directories(str(container_dir)))

    def remove(self, container_dir: Path, exec_id: str) -> None:
        """Its directory, at once for everybody who looks."""
        directory = f"{container_dir}/{record.EXECS}/{exec_id}"
        self._drop(Path(directory))
        if spare.is_given(container_dir, directory):
            return
        for _ in range(_WRITERS):
            shutil.rmtree(directory, ignore_errors=True)
            if not os.path.exists(directory):
                break

    def await_end(self, directory: Path, timeout: float | None) -> bool:
        """Until its exit code is there, or is nobody's to write; False when `timeout`, in seconds, is over first.

        Told by the end of the stream to its parent; one that another process has started is seen to end by the kernel,
        a moment before.
        """
        stream = self._streams.pop(directory, None)
        if stream is None:
            return record.await_end(str(directory), timeout)
        poll = select.poll()
        poll.register(stream, select.POLLIN)
        ended = poll.poll(None if timeout is None else min(max(0, timeout * 1000), record.LONGEST_MILLISECONDS))
        if ended:
            stream.close()
        else:
            self._keep(directory, stream)
        return bool(ended)

    def _keep(self, directory: Path, stream: socket.socket) -> None:
        while len(self._streams) >= _REMEMBERED:
            self._drop(next(iter(self._streams)))
        self._streams[directory] = stream

    def _drop(self, directory: Path) -> None:
        stream = self._streams.pop(directory, None)
        if stream is not None:
            stream.close()

    def sweep(self, container_dir: Path, has_ended: Callable[[Path], float | None]) -> list[str]:
        """Remove what nobody will ask for; returns the ids. `has_ended`: when, in Unix seconds, None if it runs."""
        swept, now = [], time.time()
        for name in self.ids(container_dir):
            directory = container_dir / record.EXECS / name
            with contextlib.suppress(OSError, NotFound):
                if (directory / record.RUN_FILE).exists():
                    ended, keep = has_ended(directory), KEEP_SECONDS
                else:
                    ended, keep = directory.stat().st_mtime, UNBORN_SECONDS
                if ended is not None and now - ended > keep:
                    shutil.rmtree(directory, ignore_errors=True)
                    swept.append(name)
        return swept

    def _make(self, container_dir: Path, exec_id: str | None) -> Path:
        directory = Path(f"{container_dir}/{record.EXECS}/{exec_id or secrets.token_hex(32)}")
        for _ in range(2):
            try:
                if not spare.is_taken(container_dir, str(directory)):
                    directory.mkdir(0o700)
            except FileExistsError:
                raise Conflict(f"exec {directory.name[:12]} is there already; remove it first") from None
            except FileNotFoundError:
                with contextlib.suppress(FileNotFoundError, FileExistsError):
                    directory.parent.mkdir(0o700)
            else:
                return directory
        raise NotFound("the container was removed")

    def _request(
        self, container_dir: Path, directory: Path, run: int, spec: ExecSpec, given: Sequence[int]
    ) -> dict[str, Any]:
        bundle = self._bundle(container_dir)
        process = _process(bundle.process, spec)
        process["apparmorProfile"] = self._confined(process.get("apparmorProfile") or "", bundle.requires_apparmor)
        entrance = self._cgroups.entrance(container_dir.name)
        return {
            "verb": "exec",
            "container": str(container_dir),
            "directory": str(directory),
            "run": run,
            "name": f"portside-monitor {container_dir.name[:12]} exec {directory.name[:12]}",
            "tasks": entrance.tasks,
            "unified": entrance.unified,
            "monitor": self._monitor(),
            "traces": "CAP_SYS_PTRACE" in (bundle.process.get("capabilities") or {}).get("bounding", ()),
            "privileged": spec.privileged,
            "seccomp": self._filter(bundle, spec),
            "process": process,
            "groups": bundle.groups,
            "user": bundle.user if spec.user is None else spec.user,
            "terminal": spec.tty,
            "size": spec.size,
            "given": given,
        }

    def _filter(self, bundle: Bundle, spec: ExecSpec) -> str | None:
        if bundle.filter is not None and spec.privileged:
            return str(self._compiled(default_profile(_all_capabilities())))
        return None if bundle.filter is None else str(bundle.filter)

    def _bundle(self, container_dir: Path) -> Bundle:
        """Read once, since most of it is the seccomp profile."""
        path = f"{container_dir}/bundle/config.json"
        try:
            found = os.stat(path)
            version = (found.st_ino, found.st_mtime_ns)
            known = self._bundles.get(container_dir)
            if known is not None and known[0] == version and (known[1].filter is None or known[1].filter.exists()):
                return known[1]
            with open(path, "rb") as file:
                config = json.loads(file.read())
        except FileNotFoundError:
            raise NotFound("the container was removed") from None
        process = config["process"]
        seccomp = (config.get("linux") or {}).get("seccomp")
        user = process.get("user") or {}
        numbers = f"{user.get('uid', 0)}:{user.get('gid', 0)}"
        annotations: dict[str, str] = config.get("annotations") or {}
        if TERM_ANNOTATION in annotations:
            process["env"] = [entry for entry in process.get("env") or () if not entry.startswith("TERM=")]
        bundle = Bundle(
            process,
            annotations.get(USER_ANNOTATION, numbers),
            annotations.get(GROUPS_ANNOTATION, "").split(),
            self._compiled(seccomp) if seccomp else None,
            REQUIRED_ANNOTATION in annotations,
        )
        while len(self._bundles) >= _REMEMBERED:
            self._bundles.pop(next(iter(self._bundles)), None)
        self._bundles[container_dir] = (version, bundle)
        return bundle


def _all_capabilities() -> list[str]:
    """Those that the engine has itself; it can't give others."""
    return [name for name, number in capabilities.NUMBERS.items() if capabilities.held() >> number & 1]


def _process(container: dict[str, Any], spec: ExecSpec) -> dict[str, Any]:
    """The container's own `process`, changed as the exec wants it."""
    process = {**container, "args": list(spec.args), "env": _environment(container.get("env") or [], spec)}
    if spec.cwd:
        process["cwd"] = spec.cwd
    if spec.privileged:
        names = _all_capabilities()
        process["capabilities"] = {"bounding": names, "effective": names, "permitted": names}
        process["noNewPrivileges"] = False  # the AppArmor profile stays the container's, as with Docker
    return process


def _environment(container: Sequence[str], spec: ExecSpec) -> list[str]:
    variables = {"TERM": "xterm"} if spec.tty else {}
    variables |= _pairs(container)
    for name in spec.unset:
        variables.pop(name, None)
    variables |= _pairs(spec.env)
    return [f"{name}={value}" for name, value in variables.items()]


def _pairs(entries: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def _find_out(directory: Path, first: int) -> dict[str, Any] | None:
    """Who should have answered is dead: what has become of the exec? None if it never ran and can be tried again.

    `first`: the container's process. An exec that ends before it is its program takes along who bears it.
    """
    deadline = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < deadline:
        found = record.read_run(str(directory))
        if found is None:
            return None
        executed = record.has_executed(found["pid"])  # said of who is gone, too
        if record.start_ticks(found["pid"]) != found["start_ticks"]:
            break
        if executed:
            return {"pid": found["pid"]}
        time.sleep(0.001)  # without M it ends by itself
    if record.is_ending(first):
        raise Conflict("the container ended while the process was started")
    raise Unavailable("the process or its parent was killed while it was started; it may have run: look first")
