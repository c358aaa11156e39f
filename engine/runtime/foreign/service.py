"""Foreign: the client's side of other runtimes. What is asked of a container lies in its directory, as with our own.

runtime         which was chosen, and for which devices; without this file the container is ours
foreign/        the bundle that the runtime got; there as long as the runtime may know of the container
birth           locked while the runtime may be making it (under_way.py)
foreign.log     what the runtime said
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from engine.cgroups import Cgroups, Resources
from engine.cgroups.files import read
from engine.config import EngineConfig
from engine.errors import EngineError, InvalidArgument, NotFound, Unavailable
from engine.runtime import record
from engine.runtime.foreign import limits
from engine.runtime.foreign.installed import OWN, Installed, InstalledRuntimes
from engine.runtime.foreign.maker import BUNDLE
from engine.runtime.foreign.words import last_error

log = logging.getLogger(__name__)

CHOICE_FILE = "runtime"
PREFIXES = (".removed-",)  # a directory keeps its container's id behind such a prefix
COMMAND_SECONDS = 30.0


def choose(directory: Path, name: str, resources: Resources) -> None:
    """Note in a container's directory that this runtime shall make it. Nothing is noted for our own."""
    if name != OWN:
        chosen = {"name": name, "devices": list(resources.device_rules), "all_devices": resources.all_devices}
        (directory / CHOICE_FILE).write_text(json.dumps(chosen))


def choice(container_dir: Path) -> dict[str, Any] | None:
    """What `choose` noted; None for our own runtime."""
    try:
        with open(f"{container_dir}/{CHOICE_FILE}", "rb") as file:
            noted: dict[str, Any] = json.loads(file.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return noted


def chosen(container_dir: Path) -> str:
    """The other runtime's name; empty for ours."""
    return str((choice(container_dir) or {}).get("name", ""))


class Foreign:
    """The other runtimes of one home. Safe for threads and processes; what it does may be repeated.

    `patience_seconds`: how long a call may take; less than the launcher's clients wait.
    """

    patience_seconds = 25.0

    def __init__(self, config: EngineConfig, cgroups: Cgroups, installed: InstalledRuntimes) -> None:
        self._roots = config.run / "oci"
        self._cgroups = cgroups
        self._installed = installed

    def request(self, container_dir: Path) -> dict[str, Any] | None:
        """What the launcher needs to have the container made; None if it is ours. InvalidArgument if it can't be."""
        noted = choice(container_dir)
        if noted is None:
            return None
        name = noted["name"]
        runtime = self._installed.get(name)
        root = self._roots / name
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        return {
            "name": name,
            "program": runtime.path,
            "root": str(root),
            "id": container_dir.name,
            "patience_seconds": self.patience_seconds,
            "group": f"{self._cgroups.parent}/{container_dir.name}",
            "resources": limits.of_group(self._cgroups, container_dir.name, noted),
            "users": runtime.is_plain,
            **self._for_mixed(runtime, container_dir.name),
        }

    def _for_mixed(self, runtime: Installed, container_id: str) -> dict[str, list[str]]:
        """What gets crun over machines where both versions' trees have controllers, which it declines.

        "hides": mount points that it shall not see; "joins": what it is put into before, since it can't do so then.
        """
        tree = self._cgroups.hierarchy.unified
        mixed = self._cgroups.version == "hybrid" and tree is not None and read(tree / "cgroup.controllers")
        if runtime.family != "crun" or not mixed:
            return {"hides": [], "joins": []}
        return {"hides": [str(tree)], "joins": [f"{self._cgroups.directories(container_id)['unified']}/cgroup.procs"]}

    def settle(self, container_dir: Path, found: dict[str, Any]) -> bool:
        """Whether the created container `found` in run.json has been started, though that isn't written there.

        Whoever was starting it is ended first, so that the answer holds; if it runs, run.json says so afterwards.
        """
        _end_helper(found)
        if self._status(container_dir) in (None, "creating", "created"):
            return False
        fd = os.open(container_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            record.mark_started(fd)
        finally:
            os.close(fd)
        return True

    def signal(self, container_dir: Path, found: dict[str, Any] | None, signum: int) -> bool:
        """Have the runtime send it, where its process is no program of the container's; False if ours can be sent."""
        if found is None or "runtime" not in found or signum in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT):
            return False
        runtime = self._runtime(found["runtime"])
        if runtime is None or runtime.is_plain:
            return False
        frozen = self._cgroups.is_frozen(container_dir.name)
        if frozen:  # a frozen sandbox would not hear of it
            self._cgroups.thaw(container_dir.name)
        try:
            done = self._run(runtime, "kill", _id(container_dir), str(signum))
        finally:
            if frozen:
                self._cgroups.freeze(container_dir.name)
        if done.returncode == 0:
            return True
        if record.start_ticks(found["pid"]) != found["start_ticks"]:
            raise NotFound("the container is not running")
        raise Unavailable(f"{runtime.name} kill: {last_error(done.stderr)}")

    def delete(self, container_dir: Path) -> None:
        """Let the runtime forget a container whose process has ended, whatever state it is in. Idempotent."""
        if not (container_dir / BUNDLE).exists():
            return
        name = chosen(container_dir)
        runtime = self._runtime(name)
        found = record.read_run(str(container_dir))
        if found is not None:
            _end_helper(found)
        if runtime is not None:
            with contextlib.suppress(EngineError):
                done = self._run(runtime, "delete", "--force", _id(container_dir))
                if done.returncode != 0:
                    log.info("%s delete of %s: %s", name, _id(container_dir)[:12], last_error(done.stderr))
        for left in (self._roots / name).glob(f"{_id(container_dir)}*"):  # a directory, or files beside one another
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
        shutil.rmtree(container_dir / BUNDLE, ignore_errors=True)

    def _status(self, container_dir: Path) -> str | None:
        runtime = self._runtime(chosen(container_dir))
        if runtime is None:
            return None
        done = self._run(runtime, "state", _id(container_dir))
        try:
            return str(json.loads(done.stdout)["status"])
        except (ValueError, KeyError, TypeError):
            return None

    def _runtime(self, name: str) -> Installed | None:
        """None if it isn't installed any more; what it left is removed without it then."""
        try:
            return self._installed.get(name)
        except InvalidArgument as error:
            log.warning("%s", error.message)
            return None

    def _run(self, runtime: Installed, *words: str) -> subprocess.CompletedProcess[str]:
        command = [runtime.path, "--root", str(self._roots / runtime.name), *words]
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable(f"{runtime.name} {words[0]}: {error}") from error


def _id(container_dir: Path) -> str:
    name = container_dir.name
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _end_helper(found: dict[str, Any]) -> None:
    """Kill the helper that would start the container, and with it the runtime that it may be calling."""
    pid, ticks = found.get("helper_pid"), found.get("helper_ticks")
    if not pid or ticks is None:
        return
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if record.start_ticks(pid) == ticks:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            deadline = time.monotonic() + 2
            while record.start_ticks(pid) == ticks and time.monotonic() < deadline:
                time.sleep(0.0005)
    except ProcessLookupError:
        pass
    finally:
        os.close(pidfd)
