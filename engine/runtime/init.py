"""A container's first process, from its birth in new namespaces to the exec of the container's program.

It prepares everything that takes time at once, while the network is still being attached, and then waits for
"start". It is process 1 of a new pid namespace in which nobody else lives, it is not dumpable, and its
executable lies on a read-only mount (see launcher.py): nothing in a container ever holds the host's interpreter.

    prepare:  cgroups → cgroup namespace → private mounts → open sources → pivot_root → mounts → /dev → masks →
              host name, lo, sysctls → user lookup → pipes' owner → working directory → limits
    start:    privileges → find the program → "executing" → exec, which closes the connection
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket

from engine.runtime import identity, kernel, mounts, namespaces, privileges, program, rootfs, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from engine.runtime.ahead import Ahead

    class Prepared(NamedTuple):
        root: int
        who: identity.Identity
        environment: list[str]
        seccomp: bytes | None
else:
    from collections import namedtuple

    Prepared = namedtuple("Prepared", "root who environment seccomp")

USER_ANNOTATION = "portside.user"
GROUPS_ANNOTATION = "portside.groups"
INIT = "/dev/init"
"""Where a small process 1 is bound; its first argument is "--", the program's own follow."""
NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET


def run(
    request: dict[str, Any], tree: int, pipes: tuple[int, int], listener: socket.socket, made: Ahead | None
) -> None:
    """Never returns to its caller's work: ends in exec or in os._exit. A failure is told to whoever starts it.

    `tree`: the root's overlay; `made`: what was made ahead, in this process's namespaces.
    """
    failure: wire.Failure | None = None
    prepared = None
    try:
        kernel.prctl("dumpable", kernel.PR_SET_DUMPABLE, 0)
        kernel.new_session_keyring()
        prepared = prepare(request, tree, pipes, made)
    except Exception as error:  # noqa: BLE001 - whatever it is, the one who starts the container must be told
        failure = wire.failure_of(error, "setting up the container")
    connection = _await_start(listener)
    try:
        if failure is not None:
            raise failure  # noqa: TRY301 - told below, like what start raises
        assert prepared is not None
        start(request["spec"]["process"], prepared, connection)
    except Exception as error:  # noqa: BLE001 - as above
        failure = wire.failure_of(error, "starting the container")
        _tell(connection, failure.as_message())
        os._exit(failure.exit_code or 255)


def _await_start(listener: socket.socket) -> socket.socket:
    """The connection on which the start was asked for; who died before asking doesn't count."""
    while True:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError):
            if wire.receive(connection) is not None:
                return connection
        connection.close()


def _tell(connection: socket.socket, message: dict[str, Any]) -> None:
    """A start that was asked for is done to its end, whether or not the one who asked lives to hear of it."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        wire.send(connection, message)


def prepare(request: dict[str, Any], tree: int, pipes: tuple[int, int], made: Ahead | None) -> Prepared:
    spec = request["spec"]
    linux = spec.get("linux") or {}
    os.umask(0)
    _join(request["tasks"])
    os.setsid()  # not before: outside of a processor group, a new session gets one of its own for a moment
    kernel.unshare(kernel.CLONE_NEWCGROUP)
    if made is None:
        kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    seccomp = _read(request["seccomp"]) if request["seccomp"] else None
    groups = [(name, kernel.open_tree(kernel.AT_FDCWD, path)) for name, path in request["groups"]]
    sources = [mounts.open_source(m) if m.get("type", "bind") == "bind" else None for m in spec["mounts"]]
    root = made.enter_mounts(tree) if made else rootfs.enter(tree, request["mount_point"])
    for mount, source in zip(spec["mounts"], sources, strict=True):
        own = request["dev_tree"] if mount["destination"] == "/dev" else None
        mounts.place(root, mount, source, groups, made.tree(mount) if made and own is None else own)
    _stdio(root, pipes)
    _system(spec, linux, made)
    mounts.mask(root, linux.get("maskedPaths") or [])
    mounts.make_read_only(root, linux.get("readonlyPaths") or [])
    who, environment = _person(root, spec, pipes)
    _working_directory(root, spec["process"].get("cwd") or "/")
    if (spec.get("root") or {}).get("readonly"):
        kernel.mount_setattr(root, kernel.MOUNT_ATTR_RDONLY)
    privileges.set_limits(spec["process"])
    return Prepared(root, who, environment, seccomp)


def start(process: dict[str, Any], prepared: Prepared, connection: socket.socket) -> None:
    arguments: list[str] = process["args"]
    os.umask((process.get("user") or {}).get("umask", 0o022))
    kernel.close_range(3, on_exec=True)
    kernel.free_signals()
    privileges.drop(process, prepared.who, prepared.seccomp)
    search_path = next((e[5:] for e in prepared.environment if e.startswith("PATH=")), program.DEFAULT_PATH)
    path = program.find(prepared.root, arguments[0], search_path)
    if path == INIT:  # it would find the same, but could tell it to the log alone
        program.find(prepared.root, arguments[2], search_path)
    _tell(connection, {"executing": path})
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # the interpreter ignores them, and exec would pass that on
        signal.signal(number, signal.SIG_DFL)
    program.execute(path, arguments, prepared.environment)


def _join(tasks: list[str]) -> None:
    for path in tasks:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, b"0")
        os.close(fd)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _stdio(root: int, pipes: tuple[int, int]) -> None:
    """The container's own /dev/null and its pipes; never the host's null, whose inode root could change."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number, fd in enumerate((null, *pipes)):
        os.dup2(fd, number)
    os.close(null)


def _system(spec: dict[str, Any], linux: dict[str, Any], made: Ahead | None) -> None:
    if spec.get("hostname"):
        socket.sethostname(spec["hostname"])
    if spec.get("domainname"):
        kernel.set_domain_name(spec["domainname"].encode())
    sysctls: dict[str, str] = linux.get("sysctl") or {}
    if made is None:
        namespaces.loopback_up()
    else:
        sysctls = {name: value for name, value in sysctls.items() if name not in made.sysctls}
    namespaces.set_sysctls(sysctls)


def _person(root: int, spec: dict[str, Any], pipes: tuple[int, int]) -> tuple[identity.Identity, list[str]]:
    """Who the process is, and its environment with HOME; the pipes become the user's, so that it can reopen them."""
    user = spec["process"].get("user") or {}
    annotated = (spec.get("annotations") or {}).get(USER_ANNOTATION)
    if annotated is None:
        annotated = f"{user.get('uid', 0)}:{user.get('gid', 0)}"
    who = identity.look_up(root, annotated)
    named: str = (spec.get("annotations") or {}).get(GROUPS_ANNOTATION, "")
    extra = [*(user.get("additionalGids") or []), *(identity.find_group(root, name) for name in named.split())]
    who = identity.Identity(who.uid, who.gid, sorted({*who.groups, *extra}), who.home)
    for pipe in pipes:
        os.fchown(pipe, who.uid, who.gid)
        os.close(pipe)
    environment: list[str] = list(spec["process"].get("env") or [])
    if not any(entry.startswith("HOME=") for entry in environment):
        environment.append(f"HOME={who.home}")
    return who, environment


def _working_directory(root: int, path: str) -> None:
    """Made if it is missing; opened inside the root, so the process can't stand outside (CVE-2024-21626)."""
    try:
        directory = mounts.open_target(root, path, directory=True)
    except NotADirectoryError:
        raise wire.Failure("invalid_argument", f"the working directory {path} is not a directory") from None
    os.fchdir(directory)
    os.close(directory)
