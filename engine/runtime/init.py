"""A container's first process, from its birth in new namespaces to the exec of the container's program.

It prepares everything that takes time at once, while the network is still being attached, and then waits for
"start". It is process 1 of a new pid namespace in which nobody else lives, it is not dumpable, and its
executable lies on a read-only mount (see launcher.py): nothing in a container ever holds the host's interpreter.
Where the container has a user namespace, all of this happens with the rights of its root, which are none outside.

    born:     its user namespace's root → keyring → proc
    prepare:  cgroups → cgroup namespace → root → mounts → masks → host name, sysctls →
              user lookup → pipes' owner → terminal → working directory → privileges → find the program
    start:    filter → "executing" → exec, which closes the connection

A filter that is loaded with the host's rights goes before the other privileges: those wait for the start then.
"""

from __future__ import annotations

import fcntl
import os
import termios

from engine.bare import contextlib, signal, socket
from engine.runtime import identity, ids, kernel, mounts, namespaces, privileges, program, rootfs, terminal, wire
from engine.runtime.handover import Receiver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple, NoReturn

    from engine.runtime.ahead import Ahead
    from engine.runtime.handover import Request

    class Prepared(NamedTuple):
        """`who`: None once it is that; `path`: of the program, if it was found by then; `filter`: to be loaded yet."""

        root: int
        process: dict[str, Any]
        who: identity.Identity | None
        environment: list[str]
        filter: bytes | None
        path: str | None
else:
    from collections import namedtuple

    Prepared = namedtuple("Prepared", "root process who environment filter path")

USER_ANNOTATION = "portside.user"
GROUPS_ANNOTATION = "portside.groups"
TERM_ANNOTATION = "portside.usual-term"
"""There where nobody asked for the TERM in the environment: it is the terminal's, not the container's."""
INIT = "/dev/init"
"""Where a small process 1 is bound; its first argument is "--", the program's own follow."""


def run(channel: socket.socket, made: Ahead) -> NoReturn:
    """Ends in exec or in os._exit. A failure is told to whoever starts the container.

    `channel`: what M hands over comes here; `made`: what was made in this process's namespaces.
    """
    failure: wire.Failure | None = None
    prepared = None
    receiver = Receiver(channel)
    try:
        kernel.prctl("dumpable", kernel.PR_SET_DUMPABLE, 0)
        if made.users:
            _become_root()
        kernel.new_session_keyring()
        made.make_process_trees()
        prepared = prepare(receiver, made)
    except Exception as error:  # noqa: BLE001 - whatever it is, the one who starts the container must be told
        failure = wire.failure_of(error, "setting up the container")
        receiver.exit_code = 255
    listener = receiver.ends().listener
    receiver.close()
    connection = _await_start(listener)
    try:
        if failure is not None:
            raise failure  # noqa: TRY301 - told below, like what start raises
        assert prepared is not None
        start(prepared, connection)
    except Exception as error:  # noqa: BLE001 - as above
        failure = wire.failure_of(error, "starting the container")
        _tell(connection, failure.as_message())
    os._exit(failure.exit_code or 255 if failure else 255)


def _become_root() -> None:
    """In a new user namespace nobody is anybody until it says so, and what changes its user can be dumped again."""
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    kernel.prctl("dumpable", kernel.PR_SET_DUMPABLE, 0)


def _await_start(listener: socket.socket) -> socket.socket:
    """The connection on which the start was asked for; who died before asking doesn't count."""
    while True:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError):
            if connection.recv(1):  # whatever it says, it is the start
                return connection
        connection.close()


def _tell(connection: socket.socket, message: dict[str, Any]) -> None:
    """A start that was asked for is done to its end, whether or not the one who asked lives to hear of it."""
    with contextlib.suppress(OSError):
        connection.send(wire.encode(message), socket.MSG_NOSIGNAL)


def prepare(receiver: Receiver, made: Ahead) -> Prepared:
    request = receiver.request()
    spec = request.spec
    linux = spec.get("linux") or {}
    os.umask(0)
    seccomp = _join(request)
    made.make_group_trees(spec["mounts"], request.groups)
    root = rootfs.cover(receiver.root())
    rootfs.link_mount_table(root, spec)
    hung = made.hangs(spec["mounts"])
    for mount, source in zip(spec["mounts"], request.sources, strict=True):
        if mount not in hung:
            mounts.place(root, mount, source, request.groups, made.tree(mount))
    pipes = receiver.ends().pipes
    _stdio(root, pipes)
    _system(spec, linux, made)
    mounts.mask(root, linux.get("maskedPaths") or [])
    mounts.make_read_only(root, linux.get("readonlyPaths") or [])
    who, environment = _person(root, spec, pipes, users=made.users)
    if spec["process"].get("terminal"):
        _terminal(root, who, receiver)
    _working_directory(root, spec["process"].get("cwd") or "/")
    if (spec.get("root") or {}).get("readonly"):
        kernel.mount_setattr(root, kernel.MOUNT_ATTR_RDONLY)
    return _ready(Prepared(root, spec["process"], who, environment, seccomp, None))


def _ready(prepared: Prepared) -> Prepared:
    """Take on what the program is to be. What finds no program here looks once more when it starts."""
    os.umask((prepared.process.get("user") or {}).get("umask", 0o022))
    kernel.free_signals()
    if prepared.filter is not None and not prepared.process.get("noNewPrivileges"):
        return prepared  # it need not let a start be waited for
    assert prepared.who is not None
    privileges.drop(prepared.process, prepared.who, None)
    kernel.prctl("dumpable", kernel.PR_SET_DUMPABLE, 0)  # a change of user has set it anew
    path = None
    with contextlib.suppress(wire.Failure):
        path = _program(prepared)
    return prepared._replace(who=None, path=path)


def _join(request: Request) -> bytes | None:
    """The control groups and a namespace of them; returns the filter, if there is one."""
    for fd in request.tasks:
        os.write(fd, b"0")
        os.close(fd)
    os.setsid()  # not before: outside of a processor group, a new session gets one of its own for a moment
    if any(entry["type"] == "cgroup" for entry in (request.spec.get("linux") or {}).get("namespaces") or []):
        kernel.unshare(kernel.CLONE_NEWCGROUP)
    return None if request.seccomp is None else _read(request.seccomp)


def start(prepared: Prepared, connection: socket.socket) -> None:
    process = prepared.process
    kernel.close_range(3, on_exec=True)
    if prepared.who is not None:
        privileges.drop(process, prepared.who, prepared.filter)
    elif prepared.filter is not None:
        kernel.load_filter(prepared.filter)
    path = prepared.path or _program(prepared)
    _tell(connection, {"executing": path})
    privileges.set_few_files(process)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # the interpreter ignores them, and exec would pass that on
        signal.signal(number, signal.SIG_DFL)
    program.execute(path, process["args"], prepared.environment)


def _program(prepared: Prepared) -> str:
    arguments: list[str] = prepared.process["args"]
    search_path = next((e[5:] for e in prepared.environment if e.startswith("PATH=")), program.DEFAULT_PATH)
    path = program.find(prepared.root, arguments[0], search_path)
    if path == INIT:  # it would find the same, but could tell it to the log alone
        program.find(prepared.root, arguments[2], search_path)
    return path


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _stdio(root: int, pipes: list[int]) -> None:
    """The container's own /dev/null and its pipes; never the host's null, whose inode root could change."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number, fd in zip((1, 2, 0), (*pipes, null), strict=False):
        os.dup2(fd, number)
    os.close(null)


def _terminal(root: int, who: identity.Identity, receiver: Receiver) -> None:
    """A terminal of the container's for 0, 1 and 2, which its session has; M holds the other side before we go on."""
    master, slave = terminal.make(root, None, who.uid, who.gid)
    for number in range(3):
        os.dup2(slave, number)
    os.close(slave)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    receiver.give_terminal(master)
    os.close(master)


def _system(spec: dict[str, Any], linux: dict[str, Any], made: Ahead) -> None:
    if spec.get("hostname"):
        socket.sethostname(spec["hostname"])
    if spec.get("domainname"):
        kernel.set_domain_name(spec["domainname"].encode())
    sysctls: dict[str, str] = linux.get("sysctl") or {}
    namespaces.set_sysctls({name: value for name, value in sysctls.items() if name not in made.sysctls})


def _person(root: int, spec: dict[str, Any], pipes: list[int], *, users: bool) -> tuple[identity.Identity, list[str]]:
    """Who the process is, and its environment with HOME; the pipes become the user's, so that it can reopen them."""
    user = spec["process"].get("user") or {}
    annotated = (spec.get("annotations") or {}).get(USER_ANNOTATION)
    if annotated is None:
        annotated = f"{user.get('uid', 0)}:{user.get('gid', 0)}"
    who = identity.look_up(root, annotated)
    named: str = (spec.get("annotations") or {}).get(GROUPS_ANNOTATION, "")
    extra = [*(user.get("additionalGids") or []), *(identity.find_group(root, name) for name in named.split())]
    who = identity.Identity(who.uid, who.gid, sorted({*who.groups, *extra}), who.home)
    if users:
        ids.refuse_strangers(who)
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
