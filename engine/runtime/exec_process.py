"""An exec's process, from the host into a container and to its program; exec_birth.py draws who is who.

    groups of version 1 → limits → namespaces → root of the user namespace → user lookup → terminal or /dev/null →
    working directory → privileges → find the program (→ guarded: E is born) → session, controlling terminal →
    filter → "go", or a look whether it is still wanted → exec

The order is the safe one: what needs the host's files comes before setns, and nothing of the host is open after it
but the directory of the process's own descriptors, through which a file that proved regular is opened again.
"""

from __future__ import annotations

import fcntl
import os
import termios

from engine.bare import contextlib, signal, socket
from engine.runtime import identity, kernel, mounts, privileges, program, room, terminal, wire
from engine.runtime.exec_parts import is_apart
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NamedTuple

    class Ready(NamedTuple):
        path: str
        arguments: list[str]
        environment: list[str]
        filter: bytes | None
else:
    from engine.bare import namedtuple

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
FILTER_BYTES = 4096 * 8
"""BPF_MAXINSNS instructions: the kernel takes no more."""


def run(request: dict[str, Any], first: int, pidfd: int, stdio: list[int], channel: socket.socket) -> None:
    """In a fork. `first`, `pidfd`: the container's first process; `stdio`: see exec_birth. Ends in exec or os._exit."""
    try:
        arrange(request, stdio, [pidfd, channel.fileno()])
        who, ready, master = enter(request, first, pidfd)
        pid = kernel.clone_sibling() if request["guarded"] else 0
        if pid or not request["guarded"]:
            wire.send(channel, {"pid": pid, "uid": who.uid, "gid": who.gid}, master)
        if pid:
            os._exit(0)
        for descriptor in master:
            os.close(descriptor)
        settle(ready, bool(master))
        if not os.read(channel.fileno(), GO_BYTES):
            os._exit(255)  # M died, or thought better of it
        program.execute(ready.path, ready.arguments, ready.environment)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller must be told
        failure = wire.failure_of(error, "starting the process")
        os.write(channel.fileno(), wire.encode(failure.as_message()))
        os._exit(failure.exit_code or 255)


def arrange(request: dict[str, Any], stdio: list[int], kept: list[int]) -> None:
    """The caller's descriptors for 0, 1 and 2 in their places, and none but these and `kept`."""
    for descriptor, number in zip(stdio, request["given"], strict=True):
        os.dup2(descriptor, number)
    kernel.close_all_but(kept)


def enter(
    request: dict[str, Any], first: int, pidfd: int, pipes: Sequence[int] = ()
) -> tuple[identity.Identity, Ready, list[int]]:
    """From the host into the container, to the last step but `settle`; who it is, and its terminal's master, if any.

    `pipes`: of those for 0, 1 and 2, which belong to the container's root; it hands them on to its user.
    """
    own = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    process: dict[str, Any] = request["process"]
    seccomp = _prepare(request, process)
    _join(first, pidfd)
    os.close(pidfd)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    who = _person(root, request, own)
    os.close(own)
    for pipe in pipes if who.uid or who.gid else ():
        with contextlib.suppress(OSError):  # an id that the container hasn't: the next steps say so
            os.fchown(pipe, who.uid, who.gid)
    master = _stdio(root, request, who, request["given"])
    _working_directory(root, process.get("cwd") or "/")
    ready = _ready(process, who, root, seccomp)
    kernel.close_range(3, on_exec=True)
    os.close(root)
    return who, ready, master


def _prepare(request: dict[str, Any], process: dict[str, Any]) -> bytes | None:
    """What is done with the host's /proc and files; returns the filter."""
    for path in request["tasks"]:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, b"0")
        os.close(fd)
        if "pids" in path:
            room.refuse_crowd(room.open_count(os.path.dirname(path)))
    privileges.set_limits(process)
    profile = process.pop("apparmorProfile", None)
    if profile:
        privileges.confine(profile)  # by the host's /proc; who is born later inherits it
    kernel.new_session_keyring()
    if not request["seccomp"]:
        return None
    fd = os.open(request["seccomp"], os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, FILTER_BYTES)
    finally:
        os.close(fd)


def _join(first: int, pidfd: int) -> None:
    """Every namespace of the container's; that of processes is entered by those who are born from here on."""
    wanted = NAMESPACES
    if is_apart(first, "time"):  # asking for it would fail for a process that shares its memory
        wanted |= kernel.CLONE_NEWTIME
    apart = is_apart(first, "user")
    kernel.setns(pidfd, wanted | kernel.CLONE_NEWUSER if apart else wanted)  # one's own can't be entered again
    if apart:
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    kernel.prctl("dumpable", kernel.PR_SET_DUMPABLE, 0)


def _person(root: int, request: dict[str, Any], own: int) -> identity.Identity:
    user = request["process"].get("user") or {}
    who = identity.look_up(root, request["user"], own)
    extra = [*(user.get("additionalGids") or []), *(identity.find_group(root, name, own) for name in request["groups"])]
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
        raise Failure(
            "invalid_argument", f"the working directory {path} does not exist", program.NOT_EXECUTABLE
        ) from None
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
    # With no_new_privs the filter can wait, so that it need not let the steps between pass.
    late = seccomp if process.get("noNewPrivileges") else None
    privileges.drop(process, who, None if late else seccomp)
    kernel.prctl("dumpable", kernel.PR_SET_DUMPABLE, 0)  # a change of user has set it anew
    search_path = next((entry[5:] for entry in reversed(environment) if entry.startswith("PATH=")), "")
    path = program.find(root, process["args"][0], search_path or program.DEFAULT_PATH)
    privileges.set_few_files(process)
    return Ready(path, process["args"], environment, late)


def settle(ready: Ready, has_terminal: bool) -> None:
    """The last steps. From here on by plain read and write alone, which every filter lets pass."""
    os.setsid()
    if has_terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    kernel.free_signals()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # the interpreter ignores them, and exec would pass that on
        signal.signal(number, signal.SIG_DFL)
    if ready.filter is not None:
        kernel.load_filter(ready.filter)
