"""An exec's process, from the host into a container (J) and to its program (E); exec_birth.py draws who is who.

    J:  groups of version 1 → limits → namespaces → root of the user namespace → user lookup → terminal or
        /dev/null → working directory → privileges → find the program → clone E
    E:  session, controlling terminal → filter → "go" → exec

J's order is the safe one: what needs the host's files comes before setns, and nothing of the host is open after it
but the directory of J's own descriptors, through which a file that proved regular is opened again. J is no process
of the container's /proc.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import termios

from engine.runtime import identity, kernel, mounts, privileges, program, terminal, wire
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    class Ready(NamedTuple):
        path: str
        arguments: list[str]
        environment: list[str]
        filter: bytes | None
else:
    from collections import namedtuple

    Ready = namedtuple("Ready", "path arguments environment filter")

NAMESPACES = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWCGROUP
)
GO_BYTES = 16


def run(request: dict[str, Any], first: int, pidfd: int, stdio: list[int], channel: socket.socket) -> None:
    """J. `first`, `pidfd`: the container's first process; `stdio`: see exec_birth. Ends in os._exit."""
    try:
        given: list[int] = request["given"]
        for number, descriptor in zip(given, stdio, strict=True):
            os.dup2(descriptor, number)
        kernel.close_all_but([pidfd, channel.fileno()])
        own = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        process: dict[str, Any] = request["process"]
        seccomp = _prepare(request, process)
        _join(first, pidfd)
        os.close(pidfd)
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        who = _person(root, request, own)
        os.close(own)
        descriptors = _stdio(root, request, who, given)
        _working_directory(root, process.get("cwd") or "/")
        _spawn(_ready(process, who, root, seccomp), who, root, channel, descriptors)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller must be told
        wire.send(channel, wire.failure_of(error, "starting the process").as_message())
        os._exit(255)
    os._exit(0)


def _prepare(request: dict[str, Any], process: dict[str, Any]) -> bytes | None:
    """What is done with the host's /proc and files; returns the filter."""
    for path in request["tasks"]:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, b"0")
        os.close(fd)
    privileges.set_limits(process)
    kernel.new_session_keyring()
    if not request["seccomp"]:
        return None
    with open(request["seccomp"], "rb") as file:
        return file.read()


def _join(first: int, pidfd: int) -> None:
    """Every namespace of the container's; that of processes is entered by those who are born from here on."""
    wanted = NAMESPACES
    if os.path.exists("/proc/self/ns/time"):
        wanted |= kernel.CLONE_NEWTIME
    stays = os.stat(f"/proc/{first}/ns/user").st_ino == os.stat("/proc/self/ns/user").st_ino
    kernel.setns(pidfd, wanted if stays else wanted | kernel.CLONE_NEWUSER)  # one's own can't be entered again
    if not stays:
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    kernel.prctl("dumpable", kernel.PR_SET_DUMPABLE, 0)


def _person(root: int, request: dict[str, Any], own: int) -> identity.Identity:
    user = request["process"].get("user") or {}
    who = identity.look_up(root, request["user"], own)
    extra = user.get("additionalGids") or []
    return identity.Identity(who.uid, who.gid, sorted({*who.groups, *extra}), who.home)


def _stdio(root: int, request: dict[str, Any], who: identity.Identity, given: list[int]) -> list[int]:
    """0, 1 and 2 are complete afterwards; returns the terminal's master if one was asked for."""
    if request["terminal"]:
        size = request["size"]
        master, slave = terminal.make(root, (size[0], size[1]) if size else None, who.uid, who.gid)
        for number in range(3):
            os.dup2(slave, number)
        os.close(slave)
        return [master]
    if len(given) < 3:  # the container's own: never the host's null, whose inode root could change
        null = kernel.openat2(root, "dev/null", os.O_RDWR | os.O_NOCTTY, mounts.STRICT)
        for number in {0, 1, 2} - set(given):
            os.dup2(null, number)
        os.close(null)
    return []


def _working_directory(root: int, path: str) -> None:
    """Opened inside the root, so the process can't stand outside (CVE-2024-21626)."""
    try:
        directory = kernel.openat2(root, path, os.O_PATH | os.O_DIRECTORY, mounts.IN_ROOT)
    except FileNotFoundError:
        raise Failure("invalid_argument", f"the working directory {path} does not exist", program.NOT_FOUND) from None
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise Failure("invalid_argument", f"the working directory {path}: {why}", program.NOT_EXECUTABLE) from None
    os.fchdir(directory)
    os.close(directory)


def _ready(process: dict[str, Any], who: identity.Identity, root: int, seccomp: bytes | None) -> Ready:
    """Take on what the container's processes are, and find the program."""
    environment: list[str] = list(process.get("env") or [])
    if not any(entry.startswith("HOME=") for entry in environment):
        environment.append(f"HOME={who.home}")
    os.umask((process.get("user") or {}).get("umask", 0o022))
    # With no_new_privs the filter can wait for E, so that it need not let J's last steps pass.
    late = seccomp if process.get("noNewPrivileges") else None
    privileges.drop(process, who, None if late else seccomp)
    kernel.prctl("dumpable", kernel.PR_SET_DUMPABLE, 0)  # a change of user has set it anew
    search_path = next((entry[5:] for entry in reversed(environment) if entry.startswith("PATH=")), "")
    path = program.find(root, process["args"][0], search_path or program.DEFAULT_PATH)
    return Ready(path, process["args"], environment, late)


def _spawn(ready: Ready, who: identity.Identity, root: int, channel: socket.socket, master: list[int]) -> None:
    """Give birth to E, and tell M of it."""
    kernel.close_range(3, on_exec=True)
    pid = kernel.clone_sibling()
    if pid == 0:
        try:
            for descriptor in (root, *master):
                os.close(descriptor)
            _become(ready, channel.fileno(), bool(master))
        finally:
            os._exit(255)
    wire.send(channel, {"pid": pid, "uid": who.uid, "gid": who.gid}, master)


def _become(ready: Ready, channel: int, has_terminal: bool) -> None:
    """E. By plain read and write, which every filter lets pass."""
    try:
        os.setsid()
        if has_terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        kernel.free_signals()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # the interpreter ignores them, and exec would pass that on
            signal.signal(number, signal.SIG_DFL)
        if ready.filter is not None:
            kernel.load_filter(ready.filter)
        if not os.read(channel, GO_BYTES):
            os._exit(255)  # M died, or thought better of it
        program.execute(ready.path, ready.arguments, ready.environment)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller must be told
        failure = wire.failure_of(error, "starting the process")
        os.write(channel, wire.encode(failure.as_message()))
        os._exit(failure.exit_code or 255)
