"""Namespaces: new ones by clone3, others joined by path first, and the way back to the caller for the child's pid.

    nothing to join:   caller ──clone3(new)──────────────────────────► first process
    something to join: caller ──fork──► helper: setns … ──clone3(new | PARENT)──► first process, the caller's child

Paths are joined with the host's rights before a user namespace is, which may not own them; new namespaces are made
after it, so that it does.
"""

from __future__ import annotations

import fcntl
import os

from engine.bare import contextlib, signal, socket, struct
from engine.runtime import kernel
from engine.runtime.wire import Failure, failure_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.oci.runtime_linux import Linux

FLAGS = {
    "pid": kernel.CLONE_NEWPID,
    "network": kernel.CLONE_NEWNET,
    "mount": kernel.CLONE_NEWNS,
    "ipc": kernel.CLONE_NEWIPC,
    "uts": kernel.CLONE_NEWUTS,
    "user": kernel.CLONE_NEWUSER,
    "cgroup": kernel.CLONE_NEWCGROUP,
    "time": kernel.CLONE_NEWTIME,
}
_NS_GET_NSTYPE = 0xB703
FILES = {"pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts", "user": "user",
         "cgroup": "cgroup", "time": "time"}  # fmt: skip


def is_new(linux: Linux, kind: str) -> bool:
    return any(namespace.type == kind and not namespace.path for namespace in linux.namespaces)


def open_paths(linux: Linux) -> list[tuple[str, int]]:
    """(type, descriptor) of those to join, the user namespace last; Failure names one that is no such namespace."""
    found = []
    for index, namespace in enumerate(linux.namespaces):
        if not namespace.path:
            continue
        field = f"linux.namespaces[{index}].path"
        try:
            fd = os.open(namespace.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO has no writer to wait for
        except OSError as error:
            raise Failure("not_found", f"{field}: {namespace.path}: {error.strerror}") from None
        if _kind(fd) != FLAGS[namespace.type]:
            os.close(fd)
            raise Failure("invalid_argument", f"{field}: {namespace.path} is not a {namespace.type} namespace")
        found.append((namespace.type, fd))
    return sorted(found, key=lambda entry: entry[0] == "user")


def _kind(fd: int) -> int:
    """CLONE_NEW* of a namespace, 0 for what is none: ioctl_nsfs(2), NS_GET_NSTYPE. One that is bound somewhere, as in
    /run/netns, has that place for a name.
    """
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE)
    except OSError:
        return 0


def spawn(linux: Linux, joined: list[tuple[str, int]], child: Callable[[bool], None], group: int | None) -> int:
    """Start the container's first process in its namespaces; its pid. `child` runs in it and never returns.

    `group`: its open version 2 group; `child` is told whether it is in there already. To be born there costs nothing,
    to move there waits for an RCU grace period, 5 to 12 ms. The cgroup namespace is left to the child, which must be
    in its groups before it makes one.
    """
    new = 0
    for namespace in linux.namespaces:
        if not namespace.path and namespace.type not in ("cgroup", "time"):
            new |= FLAGS[namespace.type]
    with _time(linux):
        if not joined:
            return _clone(new | kernel.CLONE_CLEAR_SIGHAND, signal.SIGCHLD, child, group)
        return through_helper(
            lambda: _join(joined),
            lambda *_: _clone(new | kernel.CLONE_PARENT | kernel.CLONE_CLEAR_SIGHAND, 0, child, group),
        )


def _clone(flags: int, exit_signal: int, child: Callable[[bool], None], group: int | None) -> int:
    try:
        pid = kernel.clone3(flags, exit_signal, group)
    except OSError as error:
        if group is not None:  # a kernel before 5.7, or a caller who may only move into the group
            return _clone(flags, exit_signal, child, None)
        raise Failure("unsupported", f"linux.namespaces: the kernel refuses to make them: {error.strerror}") from None
    if pid == 0:
        try:
            if group is not None:
                os.close(group)
            child(group is not None)
        finally:
            os._exit(255)
    return pid


def through_helper(prepare: Callable[[], None], clone: Callable[[bool, int], int], group: int | None = None) -> int:
    """`prepare` and `clone` in a forked helper, since joining some namespaces can't be undone; the child's pid.

    `group`: an open version 2 group to start the helper in; `clone` is told whether that was possible, and which
    descriptor the helper answers by.
    """
    read, write = os.pipe2(os.O_CLOEXEC)
    before = _children()
    helper, inside = _fork(group)
    if helper == 0:
        try:
            os.close(read)
            prepare()
            os.write(write, f"{clone(inside, write)}".encode())
        except BaseException as error:  # noqa: BLE001 - told to the caller, who raises it
            failure = failure_of(error if isinstance(error, Exception) else RuntimeError(), "linux.namespaces")
            os.write(write, f"!{failure.family} {failure}".encode())
        finally:
            os._exit(0)
    os.close(write)
    answer = os.read(read, 4096).decode()
    os.close(read)
    os.waitpid(helper, 0)
    if not answer:
        for pid in _children() - before:  # born, but the helper was killed before it could say so
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    if answer.startswith("!") or not answer:
        family, _, message = answer[1:].partition(" ")
        raise Failure(family or "internal", message or "the process that joins namespaces was killed")
    return int(answer)


def _children() -> set[int]:
    """Zombies too; none where the kernel keeps no list of them (CONFIG_PROC_CHILDREN)."""
    with contextlib.suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children") as file:
        return {int(pid) for pid in file.read().split()}
    return set()


def _fork(group: int | None) -> tuple[int, bool]:
    """fork(2), if possible into `group`: (pid, whether it is in there)."""
    if group is not None:
        with contextlib.suppress(OSError):  # a kernel before 5.7, or a caller who may only move into the group
            return kernel.clone3(0, signal.SIGCHLD, group), True
    return kernel.clone3(0, signal.SIGCHLD), False


def _join(joined: list[tuple[str, int]]) -> None:
    for kind, fd in joined:
        try:
            kernel.setns(fd, FLAGS[kind])
        except OSError as error:
            raise Failure("permission_denied", f"linux.namespaces: {kind}: can't be joined: {error.strerror}") from None


@contextlib.contextmanager
def _time(linux: Linux) -> Iterator[None]:
    """A new time namespace is made for the caller's children, who enter it at birth: time_namespaces(7)."""
    if not is_new(linux, "time"):
        yield
        return
    home = os.open("/proc/self/ns/time_for_children", os.O_RDONLY | os.O_CLOEXEC)
    try:
        kernel.unshare(kernel.CLONE_NEWTIME)
    except OSError as error:
        raise Failure("unsupported", f"linux.namespaces: time: {error.strerror}") from None
    try:
        for clock, offset in linux.time_offsets.items():
            try:
                with open("/proc/self/timens_offsets", "w") as file:
                    file.write(f"{clock} {offset.secs} {offset.nanosecs}\n")
            except OSError as error:
                raise Failure("invalid_argument", f"linux.timeOffsets[{clock!r}]: {error.strerror}") from None
        yield
    finally:
        kernel.setns(home, kernel.CLONE_NEWTIME)
        os.close(home)


def loopback_up() -> None:
    """netdevice(7): SIOCSIFFLAGS, IFF_UP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", b"lo", 1))
