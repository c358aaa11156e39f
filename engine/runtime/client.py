"""Runtime: what the rest of the engine calls to make a prepared container directory run.

Safe for threads and for several processes: what is known about a container lies in its directory (run.json,
exit.<run>), and every question is answered from there and from the kernel.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.errors import Conflict, NotFound, Unavailable
from engine.runtime import capabilities, hiding, joins, monitor, probe, record, wire
from engine.runtime.apparmor import loading, profile
from engine.runtime.compile_monitor import monitor_program
from engine.runtime.configurations import Configurations
from engine.runtime.exec_verbs import ExecVerbs
from engine.runtime.execs import Execs
from engine.runtime.exit_status import ExitStatus
from engine.runtime.foreign import under_way
from engine.runtime.foreign.installed import OWN, InstalledRuntimes
from engine.runtime.foreign.service import Foreign
from engine.runtime.handover import START_SOCKET
from engine.runtime.launcher_link import LauncherLink, raise_error
from engine.runtime.layers import Images, Overlay
from engine.runtime.seccomp.cache import cached_filter
from engine.runtime.seccomp.profile import default_profile

START_SECONDS = 30.0
KEEPER_SECONDS = 0.5
"""How long the keeper may take to write down an end that it alone has seen."""
POOL_SIZE = 8


@dataclass(frozen=True, slots=True)
class Created:
    """`pid`: the container's first process, as the host numbers it; its namespaces exist.

    `pooled`: whether it came from the pool of prepared ones. `userns`: "auto" with users of its own, "host" without;
    `userns_problem`: why it had to do without. `apparmor_profile`: what confines it, "unconfined" for none, empty where
    the kernel has no AppArmor or the runtime makes no use of it.
    """

    pid: int
    pooled: bool = False
    userns: str = "host"
    userns_problem: str = ""
    apparmor_profile: str = ""


class Runtime(ExecVerbs):
    """The runtime of one home.

    `c_monitor=False` keeps to the Python monitor even where a compiler is. `pool` is how many containers-to-be its
    launcher holds ready, 0 for none; None asks `PORTSIDE_POOL` in the environment, and 8 without it.
    """

    def __init__(
        self,
        config: EngineConfig,
        cgroups: Cgroups | None = None,
        *,
        c_monitor: bool | None = None,
        pool: int | None = None,
    ) -> None:
        self._cgroups = cgroups or Cgroups(config)
        self._run, self._home = config.run, hiding.identity(config.home)
        if c_monitor is None:
            c_monitor = os.environ.get("PORTSIDE_MONITOR") != "python"
        self._c_monitor = c_monitor
        self.pool_size = pool if pool is not None else int(os.environ.get("PORTSIDE_POOL") or POOL_SIZE)
        self.installed = InstalledRuntimes(config)
        self._foreign = Foreign(config, self._cgroups, self.installed)
        self._program: Path | None = None
        self._program_known = False
        self._configurations = Configurations(self._run)
        self._launcher = LauncherLink(config, self.pool_size, self._get_ready)
        self._execs = Execs(
            self._cgroups,
            self._launcher,
            self.installed,
            self._configurations.filter,
            self._monitor,
            confined=self._confined,
        )

    # -- the launcher ---------------------------------------------------------------------------------------

    def ensure_launcher(self) -> int:
        """Its pid; started if there is none. Unavailable if it can't be."""
        return self._launcher.ensure()

    def stop_launcher(self) -> None:
        """Stop it if it runs. Containers and their monitors live on."""
        self._launcher.stop()

    def pooled(self) -> int:
        """How many prepared containers-to-be wait in the launcher, which is started if there is none."""
        answer = self._launcher.ask_surely({"verb": "ping"})
        return 0 if answer is None else int(answer.get("pooled", 0))

    def _get_ready(self) -> None:
        """Have what a first container would else wait for (a compiler takes 0.1 s)."""
        self._monitor()
        cached_filter(self._run, default_profile(capabilities.DEFAULT))

    def require(self, name: str, *, terminal: bool = False) -> None:
        """InvalidArgument unless containers, or ones with a terminal, can be made by the runtime of that name here."""
        if name != OWN:
            self.installed.require(name, terminal=terminal)

    # -- create and start -----------------------------------------------------------------------------------

    def create(self, container_dir: Path, run: int, overlay: Overlay, images: Images | None = None) -> Created:
        """Make the container's first process, which waits for `start`; run.json says who it is.

        The directory must hold bundle/config.json, bundle/rootfs and the FIFOs stdout and stderr; the cgroups of
        its name must exist. Raises the engine's families; nothing is left running then. What the first process
        meets after its birth (mounts, user lookup) is raised by `start`, so that the network can be attached in
        the meantime.
        """
        request = self._request(container_dir, run, overlay, images or {})
        for _ in range(6):
            with under_way.noted(container_dir) if request["foreign"] else contextlib.nullcontext(()) as noted:
                answer = self._launcher.ask_surely(request, noted)
            if answer is not None:
                raise_error(answer)
                return self._created(container_dir, request, answer)
            self._sweep(container_dir)
        raise Unavailable(f"the launcher dies again and again; see {self._run / 'launcher.log'}")

    def _created(self, container_dir: Path, request: dict[str, Any], answer: dict[str, Any]) -> Created:
        userns, problem = "host" if answer.get("first") is None else "auto", ""
        spec = request["spec"] or json.loads((container_dir / "bundle" / "config.json").read_bytes())
        if userns == "host" and joins.has(spec, "user"):
            problem = probe.known(str(self._run)) or "the launcher could not tell why"
            if request["joins"]:
                problem = "it shares namespaces of a container that has no user ids of its own"
            elif request["foreign"] and not request["foreign"]["users"]:
                problem = f"{request['foreign']['name']} keeps its sandbox among the host's users"
        return Created(int(answer["pid"]), bool(answer.get("pooled")), userns, problem, _shown_profile(request))

    def _sweep(self, container_dir: Path) -> None:
        """The launcher or its child was killed in the middle of a create: end what it may have made, to try again.

        Both hold the connection until they have answered or died, so nobody is at work any more when it ends.
        """
        self.abort(container_dir)
        deadline = time.monotonic() + 2
        while self._cgroups.pids(container_dir.name) and time.monotonic() < deadline:
            self._cgroups.kill(container_dir.name)
            time.sleep(0.001)

    def _request(self, container_dir: Path, run: int, overlay: Overlay, images: Images) -> dict[str, Any]:
        foreign = self._foreign.request(container_dir)
        spec, seccomp = self._configurations.read(container_dir)
        entrance = self._cgroups.entrance(container_dir.name)
        wants_users, whose = joins.has(spec, "user"), joins.resolve(container_dir, spec)
        process: dict[str, Any] = spec.get("process") or {}
        terminal = bool(process.get("terminal"))
        is_required = profile.REQUIRED_ANNOTATION in (spec.get("annotations") or {})
        process["apparmorProfile"] = self._confined(process.get("apparmorProfile") or "", is_required)
        if foreign:  # it gets the bundle itself, and nothing that was made ahead
            wants_users = wants_users and foreign["users"]
            foreign["apparmor_profile"] = process["apparmorProfile"]
            seccomp, spec = None, {}
        return {
            "verb": "create",
            "directory": str(container_dir),
            "mount_point": f"{container_dir}/bundle/rootfs",
            "run": run,
            "users": wants_users and not whose,
            "shares": joins.shares(spec),
            "inhabits": whose.first if wants_users else None,
            "joins": whose.processes,
            "name": f"portside-monitor {container_dir.name[:12]}",
            "overlay": {
                "lowerdirs": [str(path) for path in overlay.lowerdirs],
                "upperdir": str(overlay.upperdir),
                "workdir": str(overlay.workdir),
            },
            "images": {image: list(layers) for image, layers in images.items()},
            "home": self._home,
            "tasks": entrance.tasks,
            "unified": entrance.unified,
            "groups": entrance.mounts if joins.has(spec, "cgroup") or foreign else self._cgroups.whole(entrance),
            "monitor": self._monitor(),
            "seccomp": None if seccomp is None else str(seccomp),
            "foreign": foreign,
            "stdin": os.path.exists(f"{container_dir}/{monitor.STDIN}"),
            "terminal": terminal,
            "spec": spec,  # the last, since the launcher reads no further
        }

    def _confined(self, wanted: str, is_required: bool) -> str:
        return loading.applied(wanted, self._run, is_required=is_required)

    def _monitor(self) -> str | None:
        if not self._c_monitor:
            return None
        if not self._program_known:
            self._run.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._program, self._program_known = monitor_program(self._run), True
        return str(self._program) if self._program else None

    def start(self, container_dir: Path) -> None:
        """Let the created process become the container's program; it has when this returns.

        Raises InvalidArgument with detail["exit_code"] 127 (no such program) or 126 (not executable), or what the
        preparation met; nothing is left running then. NotFound if nothing was created.
        """
        try:
            answer = self._converse(container_dir)
        except FileNotFoundError:
            raise NotFound("there is no created container that could be started; create it first") from None
        except ConnectionRefusedError:  # its process is no more
            answer = None
        except TimeoutError:
            self.abort(container_dir)
            raise Unavailable("the container's first process did not get ready in time; try again") from None
        if answer == {}:
            return
        found = record.read_run(str(container_dir))
        if answer is None and found is not None and "runtime" in found and self.has_executed(container_dir):
            return
        ended = None if found is None else self.wait(container_dir, found["run"], 1.0)
        if answer is not None:  # its process exits by itself with the code that belongs to the error
            self.abort(container_dir)
            raise_error(answer)
        if ended is None and found is not None and "runtime" not in found:
            raise Conflict("the container was started by somebody else in the same moment")
        self.abort(container_dir)
        raise Unavailable("the container's first process died before it became the program; see its memory limit")

    def _converse(self, container_dir: Path) -> dict[str, Any] | None:
        """{} if the process became the program, its error if it said one, None if it ended without a word."""
        with wire.connect(str(container_dir), START_SOCKET, START_SECONDS) as connection:
            executing = False
            try:
                wire.send(connection, {"verb": "start"})
                wire.await_end(connection, START_SECONDS)
                answer = wire.receive(connection)
                if answer is not None and "executing" in answer:
                    executing = True
                    answer = wire.receive(connection)  # an error if exec failed, the end of the stream if not
            except (ConnectionResetError, BrokenPipeError):
                answer = None
        return {} if executing and answer is None else answer

    def abort(self, container_dir: Path) -> None:
        """Drop a container, most often one that was not started; returns when its process is gone. Idempotent."""
        under_way.await_end(container_dir)
        with contextlib.suppress(NotFound):
            self.signal(container_dir, signal.SIGKILL)
        found = record.read_run(str(container_dir))
        if found is not None:
            self.wait(container_dir, found["run"], 5)
        with contextlib.suppress(FileNotFoundError):
            (container_dir / START_SOCKET).unlink()
        self.release(container_dir)

    def release(self, container_dir: Path) -> None:
        """A run has ended: let another runtime forget the container, if one made it. Idempotent."""
        self._foreign.delete(container_dir)

    def has_executed(self, container_dir: Path) -> bool:
        """Whether the created process has become the container's program; True also once it has ended."""
        found = record.read_run(str(container_dir))
        if found is None or not self.is_alive(container_dir) or record.is_program(found):
            return True
        return "runtime" in found and self._foreign.settle(container_dir, found)

    def withdraw(self, container_dir: Path) -> bool:
        """Drop a created container whose starter died; False, and nothing is done, if it runs its program.

        It is held still while we look, so that it can't start in between.
        """
        found = record.read_run(str(container_dir))
        try:
            self.signal(container_dir, signal.SIGSTOP)
        except NotFound:
            self.abort(container_dir)
            return True
        assert found is not None
        deadline = time.monotonic() + 1
        while not record.is_stopped(found["pid"]) and time.monotonic() < deadline:
            time.sleep(0.0005)
        if record.is_program(found) and self.is_alive(container_dir):
            self.signal(container_dir, signal.SIGCONT)
            return False
        self.abort(container_dir)
        return True

    # -- questions and signals ------------------------------------------------------------------------------

    def is_alive(self, container_dir: Path) -> bool:
        """Whether the process that run.json names still runs (a zombie doesn't)."""
        found = record.read_run(str(container_dir))
        return found is not None and record.start_ticks(found["pid"]) == found["start_ticks"]

    def last_run(self, container_dir: Path) -> int:
        """The number of the last run that was begun; 0 before the first."""
        return int((record.read_run(str(container_dir)) or {"run": 0})["run"])

    def signal(self, container_dir: Path, signum: int) -> None:
        """Send a signal to the container's first process, and never to another; NotFound if it has ended."""
        found = record.read_run(str(container_dir))
        if self._foreign.signal(container_dir, found, signum):
            return
        pidfd = None if found is None else record.open_pidfd(found)
        if pidfd is None:
            raise NotFound("the container is not running")
        try:
            signal.pidfd_send_signal(pidfd, signum)
        except ProcessLookupError:
            raise NotFound("the container is not running") from None
        finally:
            os.close(pidfd)

    def exit_status(self, container_dir: Path, run: int) -> ExitStatus | None:
        """How that run ended; None while it has not. A run that nobody saw end is settled as lost."""
        found = record.read_exit(str(container_dir), run)
        if found is None and self._nobody_watches(container_dir, run):
            self._settle(container_dir, run)
            found = record.read_exit(str(container_dir), run)
        if found is None:
            return None
        status, at, lost = found
        return ExitStatus(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), at, lost)

    def wait(self, container_dir: Path, run: int, timeout: float | None) -> ExitStatus | None:
        """Wait for the end of that run, at most `timeout` seconds; None if it still runs then.

        NotFound if the container has been removed meanwhile.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if record.read_exit(str(container_dir), run) is None:
            record.await_end(str(container_dir), timeout, run)
        pause = 0.00005  # the process has ended: its monitor is writing the file
        while (status := self.exit_status(container_dir, run)) is None:
            if deadline is not None and time.monotonic() > deadline:
                return None
            if not container_dir.exists():
                raise NotFound("the container was removed")
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        return status

    def _nobody_watches(self, container_dir: Path, run: int) -> bool:
        found = record.read_run(str(container_dir))
        if found is None or found["run"] != run:
            return found is not None and found["run"] > run
        return all(record.start_ticks(found[f"{who}pid"]) != found[f"{who}start_ticks"] for who in ("", "monitor_"))

    def _is_told(self, container_dir: Path, run: int) -> bool:
        """Whether somebody has written the exit; the keeper may be about to, if it saw the end of a process of now."""
        found = record.read_run(str(container_dir))
        waits = found is not None and found["run"] == run and found.get("boot_id") == record.boot_id()
        deadline = time.monotonic() + (KEEPER_SECONDS if waits else 0)
        while record.read_exit(str(container_dir), run) is None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        return True

    def _settle(self, container_dir: Path, run: int) -> None:
        """Neither process nor monitor is left: the launcher writes what it saw, else the end counts as lost.

        NotFound if the container has been removed meanwhile.
        """
        with contextlib.suppress(OSError):
            self._launcher.ask({"verb": "settle"})
        if self._is_told(container_dir, run):
            return
        try:
            fd = os.open(container_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                record.write_exit(fd, run, record.LOST_STATUS, lost=True)
            finally:
                os.close(fd)
        except FileNotFoundError:
            raise NotFound("the container was removed") from None


def _shown_profile(request: dict[str, Any]) -> str:
    foreign = request["foreign"]
    if foreign:  # whose sandbox is another kernel's
        return loading.shown(foreign["apparmor_profile"]) if foreign["users"] else ""
    return loading.shown((request["spec"].get("process") or {}).get("apparmorProfile") or "")
