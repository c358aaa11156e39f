"""What is known of a container on disk, <root>/<id>/state.json, and the status that disk and kernel give together.

creating  its creator is at work        created  its first process waits in init.sock
running   the program has been executed  paused   its groups are frozen, whether it is executed or not
stopped   the first process is gone
"""

from __future__ import annotations

import fcntl
import os
import time

from engine.bare import contextlib, json
from engine.runtime import record
from engine.runtime.oci.groups.tree import Tree
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATE_FILE = "state.json"
VERSION = "1.2.0"
_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")


def check_id(container_id: str) -> str:
    """It becomes a directory's name beside .seccomp, where compiled filters are; Failure if it can't."""
    unknown = "".join(sorted(set(container_id) - _ALLOWED))
    if unknown:
        why = f"invalid character {unknown[0]!r} in container ID; letters, digits and _ + - . are known"
        raise Failure("invalid_argument", f"invalid container ID format: {container_id!r}: {why}")
    if not container_id or container_id.startswith(".") or len(container_id) > 255:
        why = "it begins with no full stop and has from 1 to 255 characters"
        raise Failure("invalid_argument", f"invalid container ID format: {container_id!r}: {why}")
    return container_id


class Container:
    """One container's directory. `content`: what state.json holds. `claim`: see Tree.claim; while it is created."""

    def __init__(self, root: str, container_id: str, content: dict[str, Any]) -> None:
        self.root, self.id, self.content = root, container_id, content
        self.directory = os.path.join(root, container_id)
        self.lock = self.claim = -1

    @classmethod
    def reserve(cls, root: str, container_id: str) -> Container:
        """Make the directory; Failure if the id is taken."""
        made = cls(root, check_id(container_id), {})
        try:
            os.makedirs(root, mode=0o711, exist_ok=True)
            os.mkdir(made.directory, 0o711)
        except FileExistsError:
            raise Failure("already_exists", f"container {container_id!r} already exists") from None
        except OSError as error:
            raise Failure("permission_denied", f"--root: {root}: {error.strerror}; choose another directory") from None
        return made

    @classmethod
    def load(cls, root: str, container_id: str) -> Container:
        path = os.path.join(root, check_id(container_id), STATE_FILE)
        try:
            with open(path) as file:
                return cls(root, container_id, json.load(file))
        except (FileNotFoundError, NotADirectoryError):
            raise Failure("not_found", f"container {container_id!r} does not exist") from None
        except ValueError:
            raise Failure("data_corrupt", f"{path} is not JSON; delete the container with --force") from None

    def save(self, **changes: Any) -> None:
        self.content.update(changes)
        temporary = os.path.join(self.directory, f"{STATE_FILE}.{os.getpid()}")
        with open(temporary, "w") as file:
            json.dump(self.content, file, separators=(",", ":"))
        os.rename(temporary, os.path.join(self.directory, STATE_FILE))

    @contextlib.contextmanager
    def locked(self, *, patient: bool = False) -> Any:
        """One verb at a time, with what the one before has written; a container that was deleted is not found.

        The lock lives as long as any copy of its descriptor, `self.lock`: who is forked meanwhile must close it first.
        `patient`: wait for a creator, too. Others are refused: who asks may be a hook that the creator waits for.
        """
        try:
            fd = self.lock = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise Failure("not_found", f"container {self.id!r} does not exist") from None
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not patient and self.content and self.load(self.root, self.id).status() == "creating":
                    raise Failure("conflict", f"container {self.id} is creating; its create has not ended") from None
                fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink == 0:
                raise Failure("not_found", f"container {self.id!r} does not exist")
            if self.content:
                with contextlib.suppress(Failure):
                    self.content = self.load(self.root, self.id).content
            yield
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)  # whatever copies there are
            os.close(fd)

    @property
    def pid(self) -> int:
        return int(self.content.get("pid") or 0)

    def is_being_deleted(self) -> bool:
        """Whether a delete is at it that has only poststop hooks left to run, which takes no lock."""
        return _is_alive(self.content.get("deleter"))

    def open_pidfd(self) -> int | None:
        """A descriptor of the first process and of no other; None if it has ended."""
        if not self.pid:
            return None
        return record.open_pidfd({"pid": self.pid, "start_ticks": self.content.get("start_ticks")})

    def status(self) -> str:
        if self.content.get("status") == "creating":
            return "creating" if _is_alive(self.content.get("creator")) else "stopped"
        if not self.pid or record.start_ticks(self.pid) != self.content.get("start_ticks"):
            return "stopped"
        if self.groups().is_frozen():  # also one that waits for start: whoever speaks to it would wait for ever
            return "paused"
        return "running" if record.has_executed(self.pid) else "created"

    def groups(self) -> Tree:
        stored = self.content.get("groups") or {}
        return Tree(dict(stored.get("v1") or {}), stored.get("unified"))

    def has_lost_groups(self) -> bool:
        """Whether its groups are another container's now, which can be once nobody of its own lives there."""
        return self.groups().is_others(self.content.get("groups_mark"))

    def has_hooks(self, kind: str) -> bool:
        """Whether its config.json names hooks of this kind: "poststart"; without reading that."""
        return kind in (self.content.get("hooks") or ())

    def as_oci(self, status: str | None = None) -> dict[str, Any]:
        """The state of the specification (runtime.md "State"); hooks get exactly this."""
        found = status or self.status()
        return {
            "ociVersion": VERSION,
            "id": self.id,
            "status": found,
            "pid": 0 if found == "stopped" else self.pid,
            "bundle": self.content.get("bundle", ""),
            "annotations": self.content.get("annotations") or {},
        }

    def as_listed(self) -> dict[str, Any]:
        """What `state` and `list` print: the specification's and what runc adds to it."""
        return {
            **self.as_oci(),
            "rootfs": self.content.get("rootfs", ""),
            "created": self.content.get("created", ""),
            "owner": self.content.get("owner", ""),
        }

    def forget(self) -> None:
        """Remove the directory, which holds files alone (shutil's import would take longer than all of delete)."""
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.directory):
                os.unlink(os.path.join(self.directory, name))
            os.rmdir(self.directory)


def myself() -> dict[str, int | None]:
    """This process, as state.json names one that is at work."""
    return {"pid": os.getpid(), "start_ticks": record.start_ticks(os.getpid())}


def _is_alive(worker: dict[str, Any] | None) -> bool:
    return worker is not None and record.start_ticks(int(worker.get("pid") or 0)) == worker.get("start_ticks")


def now() -> str:
    """RFC 3339 with nanoseconds, in UTC."""
    nanoseconds = time.time_ns()
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // 1_000_000_000))
    return f"{whole}.{nanoseconds % 1_000_000_000:09d}Z"


def write_pid_file(path: str, pid: int) -> None:
    """Complete or not there: its reader may be waiting for it.

    By way of a file that is new and has a name that nobody knows: where others may write, as in /tmp, one that is there
    already may be a link to what they want overwritten.
    """
    temporary = os.path.join(os.path.dirname(path), f".pid-{os.getpid()}-{os.urandom(8).hex()}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            with open(fd, "w") as file:
                file.write(str(pid))
            os.rename(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise Failure("invalid_argument", f"--pid-file: {path}: {error.strerror}") from None
