"""Where a bundle's groups are: one directory in each hierarchy of this machine.

`cgroupsPath` is taken from each hierarchy's root, whether it begins with a slash or not; without one it is the
container's id.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from engine.bare import contextlib, signal
from engine.runtime import room
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

V1_CONTROLLERS = (
    "cpuset", "cpu", "cpuacct", "blkio", "memory", "devices", "freezer", "net_cls", "perf_event", "net_prio",
    "hugetlb", "pids", "rdma",
)  # fmt: skip
SYSTEMD = "name=systemd"
"""A hierarchy of version 1 without a controller, where systemd keeps account of its units: also of a container's."""
REMOVE_SECONDS = 5.0
_MARKS = (
    "trusted.portside-runtime",
    "user.portside-runtime",
)  # the second, of Linux 5.7, for who has no rights outside


def hierarchies(mountinfo: str) -> tuple[dict[str, str], str | None]:
    """Version 1 controller, or SYSTEMD → mount point, and version 2's mount point: proc_pid_mountinfo(5)."""
    v1: dict[str, str] = {}
    unified = None
    for line in mountinfo.splitlines():
        if " - cgroup" not in line:
            continue
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if fields[3] != "/":
            continue  # part of a hierarchy that was bound elsewhere
        point = fields[4].replace("\\040", " ")
        if kind[0] == "cgroup2":
            unified = unified or point
        else:
            for option in kind[2].split(","):
                if option in V1_CONTROLLERS or option == SYSTEMD:
                    v1.setdefault(option, point)
    if list(v1) == [SYSTEMD] and unified:
        return {}, unified  # every controller is version 2's
    return v1, unified


class Tree:
    """A container's groups. `v1`: controller → directory; `unified`: the version 2 directory, or None."""

    def __init__(self, v1: dict[str, str], unified: str | None) -> None:
        self.v1, self.unified = v1, unified

    @classmethod
    def of(cls, path: str) -> Tree:
        """The groups at `path` in every hierarchy of this machine; nothing is made."""
        with open("/proc/self/mountinfo") as file:
            v1, unified = hierarchies(file.read())
        if not v1 and unified is None:
            raise Failure("unsupported", "linux.cgroupsPath: no control groups are mounted; mount them and try again")
        below = path.strip("/")
        return cls({name: f"{point}/{below}" for name, point in v1.items()}, unified and f"{unified}/{below}")

    @property
    def is_v2(self) -> bool:
        return not self.v1

    def directories(self) -> list[str]:
        """Each directory once (version 1 controllers may share one)."""
        found = list(dict.fromkeys(self.v1.values()))
        return [*found, self.unified] if self.unified else found

    def refuse_frozen(self) -> None:
        """The first process would never come to say that it is there."""
        if self.is_frozen():
            why = f"container's cgroup unexpectedly frozen: {self.directories()[-1]}; thaw it first"
            raise Failure("conflict", f"linux.cgroupsPath: {why}")

    def claim(self) -> int:
        """Make the last of them and hold it against other creators until it is released; Failure if one of those does.

        From the look whether somebody lives there to the moment when somebody does, two could find them free.
        """
        directory = self.directories()[-1]
        while True:
            _make(directory)
            try:
                fd = _hold(directory)
            except BlockingIOError:
                why = f"another container is being made in this control group: {directory}"
                raise Failure("conflict", f"linux.cgroupsPath: {why}") from None
            if fd is not None:
                return fd

    def mark(self, owner: str) -> bool:
        """Note, in the last of them, whose they are; False where the kernel keeps no such notes. By who holds them."""
        directory = self.directories()[-1]
        for name in _MARKS:
            with contextlib.suppress(OSError):
                os.setxattr(directory, name, owner.encode())
                return True
        return False

    def is_others(self, owner: str | None) -> bool:
        """Whether the last of them is there and not `owner`'s: a group that stood empty is another container's now.

        `owner`: None for one that could not be noted.
        """
        if owner is None or not os.path.isdir(directory := self.directories()[-1]):
            return False
        for name in _MARKS:
            with contextlib.suppress(OSError):
                return os.getxattr(directory, name) != owner.encode()
        return True

    def reclaim(self, owner: str | None) -> int | None:
        """Hold them against creators, as `claim` does, for who has marked them; None if they are gone or another's."""
        directory = self.directories()[-1]
        deadline = time.monotonic() + REMOVE_SECONDS
        while os.path.isdir(directory) and not self.is_others(owner):
            try:
                fd = _hold(directory)
            except BlockingIOError:  # a creator, who is about to mark them or to find that somebody lives there
                if time.monotonic() > deadline:
                    raise Failure("unavailable", f"{directory} is in use; try again") from None
                time.sleep(0.002)
                continue
            if fd is not None:
                if not self.is_others(owner):
                    return fd
                release(fd)
        return None

    def make(self) -> None:
        """Make what is missing. A group that somebody lives in already is refused: limits are not for sharing."""
        for directory in self.directories():
            if os.path.isdir(directory):
                if read(f"{directory}/cgroup.procs").strip():
                    raise Failure("conflict", f"linux.cgroupsPath: container's cgroup is not empty: {directory}")
                continue
            _make(directory)
        if "cpuset" in self.v1:
            self._inherit_cpuset(self.v1["cpuset"])

    def _inherit_cpuset(self, directory: str) -> None:
        """A new version 1 cpuset has no processors, and nobody may enter it until it has."""
        for name in ("cpuset.cpus", "cpuset.mems"):
            if read(f"{directory}/{name}").strip():
                continue
            above = os.path.dirname(directory)
            if not read(f"{above}/{name}").strip():
                self._inherit_cpuset(above)
            write(f"{directory}/{name}", read(f"{above}/{name}").strip(), "linux.cgroupsPath")

    def doors(self, below: Mapping[str, str] | None = None) -> list[int]:
        """Descriptors that a process writes "0" to, to enter: opened with our rights, used with the container's.

        `below`: controller → a group below the container's, under "" that in every hierarchy that has one of the name.
        Failure if there is no such controller or group.
        """
        chosen = dict.fromkeys(self.directories(), "")
        for controller, part in (below or {}).items():
            if controller:
                directory = self.unified if controller == "unified" else self.v1.get(controller)
                if directory is None:
                    raise Failure("invalid_argument", f"--cgroup: unknown controller {controller!r}")
                chosen[directory] = part
                continue
            having = [directory for directory in chosen if os.path.isdir(os.path.join(directory, part))]
            if not having:
                raise Failure("not_found", f"--cgroup: control group {part!r}: No such file or directory")
            chosen.update(dict.fromkeys(having, part))
        try:
            return [
                os.open(self._door(directory, part), os.O_WRONLY | os.O_CLOEXEC) for directory, part in chosen.items()
            ]
        except OSError as error:
            raise Failure("not_found", f"control group {error.filename}: {error.strerror}") from None

    def open_count(self, below: Mapping[str, str]) -> list[int]:
        """What room.refuse_crowd takes, for one who moves in: a move is held by no limit. `below`: as for `doors`."""
        directory = self.v1.get("pids")
        if directory is None and below:
            directory = self.unified
        part = below.get("pids", below.get("", ""))
        return room.open_count(os.path.join(directory, part)) if directory else []

    def _door(self, directory: str, part: str) -> str:
        """Threads move into a group of version 1 without the wait that its cgroup.procs costs."""
        return os.path.join(directory, part, "cgroup.procs" if directory == self.unified else "tasks")

    def open_group(self) -> int | None:
        """The version 2 group, for clone3 to start a process in, who needs the last of the doors no more."""
        return os.open(self.unified, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if self.unified else None

    def pids(self) -> list[int]:
        """Every process in the groups and those below them, as the host numbers them."""
        found: set[int] = set()
        start = self.v1.get("pids") or self.unified or next(iter(self.v1.values()), "")
        for directory, _, _ in os.walk(start):
            with contextlib.suppress(OSError):
                found.update(int(line) for line in read(f"{directory}/cgroup.procs").split())
        return sorted(found)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to every process; SIGKILL reaches frozen and forking ones as well."""
        if number == signal.SIGKILL and self.unified and os.path.exists(f"{self.unified}/cgroup.kill"):
            write(f"{self.unified}/cgroup.kill", "1", "kill")
            if "freezer" in self.v1:
                self._thaw_v1()
            return
        for _ in range(100):  # a process may fork while the list is read
            before = self.pids()
            for pid in before:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if number != signal.SIGKILL or not set(self.pids()) - set(before):
                break
        if number == signal.SIGKILL and "freezer" in self.v1:
            self._thaw_v1()

    def _thaw_v1(self) -> None:
        with contextlib.suppress(Failure, KeyError):
            write(f"{self.v1['freezer']}/freezer.state", "THAWED", "kill")

    def freeze(self, wanted: bool, timeout_seconds: float = 5.0) -> None:
        """Stop every process, or let them run on; returns once it is so."""
        if self.unified and os.path.exists(f"{self.unified}/cgroup.freeze"):
            write(f"{self.unified}/cgroup.freeze", "1" if wanted else "0", "pause")
            if not wanted:
                self._thaw_v1()  # somebody else's doing, but whoever is told to go on shall go on
        elif "freezer" in self.v1:
            write(f"{self.v1['freezer']}/freezer.state", "FROZEN" if wanted else "THAWED", "pause")
        else:
            raise Failure("unsupported", "this machine has no control group that can pause processes")
        deadline = time.monotonic() + timeout_seconds
        while self.is_frozen() != wanted:
            if time.monotonic() > deadline:
                if wanted:
                    self.freeze(False)
                raise Failure("unavailable", "the container's processes did not stop in time; try again")
            time.sleep(0.001)

    def is_frozen(self) -> bool:
        with contextlib.suppress(OSError):
            if self.unified and "frozen 1" in read(f"{self.unified}/cgroup.events"):
                return True
            if "freezer" in self.v1:
                return read(f"{self.v1['freezer']}/freezer.state").strip() == "FROZEN"
        return False

    def remove(self) -> None:
        """Kill what is left and remove the groups with those below; what is gone is fine.

        One after the other: who finds the last gone (`claim`) may make all of them anew.
        """
        deadline = time.monotonic() + REMOVE_SECONDS
        pause = 0.0005
        while busy := next((directory for directory in self.directories() if not _removed(directory)), None):
            if time.monotonic() > deadline:
                raise Failure("unavailable", f"{busy} is still in use; try again")
            with contextlib.suppress(OSError, Failure):
                self.kill()
            time.sleep(pause)
            pause = min(pause * 2, 0.05)

    def remove_unused(self, *, is_held: bool = False) -> None:
        """Remove what nobody lives in, and kill nobody: for groups that may be another container's.

        Those of a creator at work stay. `is_held`: that is the caller, by `claim`.
        """
        try:
            fd = None if is_held else _hold(self.directories()[-1])
        except BlockingIOError:
            return
        for directory in self.directories():
            with contextlib.suppress(OSError):
                os.rmdir(directory)
        if fd is not None:
            release(fd)

    def views(self) -> Iterator[tuple[str, str]]:
        """(name below the container's /sys/fs/cgroup, directory); the name is empty on version 2."""
        for directory in dict.fromkeys(self.v1.values()):
            controllers = ",".join(name.removeprefix("name=") for name, place in self.v1.items() if place == directory)
            yield controllers, directory
        if self.unified:
            yield ("" if self.is_v2 else "unified"), self.unified


def release(claim: int) -> None:
    """Give back what `Tree.claim` took, whatever copies of it there are."""
    fcntl.flock(claim, fcntl.LOCK_UN)
    os.close(claim)


def _hold(directory: str) -> int | None:
    """A lock of the directory; None if it is gone or another has taken its place. BlockingIOError if it is taken."""
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None  # the creator who has made it has undone it
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), os.stat(directory)):
            return fd
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _make(directory: str) -> None:
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        raise Failure("permission_denied", f"linux.cgroupsPath: {directory}: {error.strerror}") from None


def _removed(path: str) -> bool:
    try:
        for below, _, _ in os.walk(path, topdown=False):
            os.rmdir(below)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        raise
    return True


def read(path: str) -> str:
    """The content; empty if there is no such file."""
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def write(path: str, value: str, field: str) -> None:
    """One value by one system call; Failure names the specification's field, the file and the reason."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        why = "this kernel has no such file" if error.errno == errno.ENOENT else error.strerror
        raise Failure("unsupported", f"{field}: {path}: {why}") from None
    try:
        os.write(fd, value.encode())
    except OSError as error:
        family = "resource_exhausted" if error.errno in (errno.ENOSPC, errno.ENOMEM) else "invalid_argument"
        raise Failure(family, f"{field}: the kernel refuses {value!r} in {path}: {error.strerror}") from None
    finally:
        os.close(fd)
