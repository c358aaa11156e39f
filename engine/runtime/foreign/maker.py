"""H: has another runtime create one container, and start it when that is asked for; birth.py draws who is who."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import stat

from engine.runtime import identity, ids, image_trees, kernel, monitor, privileges, record, rootfs, wire
from engine.runtime.foreign import config
from engine.runtime.foreign.call import Call
from engine.runtime.foreign.place import ROOT, Console, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, NamedTuple, NoReturn

    class Work(NamedTuple):
        """`owners`: a user namespace with the mapping of the container's, None for the host's; `first`: its root.

        `tree`: the root file system; `connection`: the create's, held as long as M might not have answered, as is
        `handed` (under_way.py).
        """

        request: dict[str, Any]
        directory: int
        tree: int
        owners: int | None
        first: int | None
        listener: socket.socket
        channel: socket.socket
        connection: socket.socket
        handed: list[int]
        parent: int
else:
    from collections import namedtuple

    Work = namedtuple("Work", "request directory tree owners first listener channel connection handed parent")

USER_ANNOTATION, GROUPS_ANNOTATION = "portside.user", "portside.groups"
BUNDLE = "foreign"
BECOMING_MILLISECONDS = 2000


def run(work: Work) -> NoReturn:
    """In a fork. Ends the process."""
    try:
        kernel.prctl("pdeathsig", kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != work.parent:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        call = Call(work.request["foreign"], work.request["directory"], work.handed)
        try:
            pid, master = _make(work, call)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who creates the container must be told
            failure = wire.failure_of(error, f"creating the container by {call.name}")
            with contextlib.suppress(Exception):
                _stdio(*[os.open("/dev/null", os.O_RDWR)] * 3)
                call.run("delete", "--force", call.id)
            wire.send(work.channel, failure.as_message())
            os._exit(1)
        _stdio(*[os.open("/dev/null", os.O_RDWR)] * 3)  # the container alone holds its output from here on
        pidfd = os.pidfd_open(pid)
        wire.send(work.channel, {"pid": pid}, [] if master is None else [master])
        if master is not None:
            os.close(master)
        if work.channel.recv(16) == b"recorded":
            work.connection.close()
            for descriptor in work.handed:
                os.close(descriptor)
            _serve(call, work, pid, pidfd)
    finally:
        os._exit(0)


def _make(work: Work, call: Call) -> tuple[int, int | None]:
    """Mount, write the bundle, let the runtime create: the container's process, and its terminal's master if any."""
    request, foreign = work.request, work.request["foreign"]
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_SLAVE)
    for hidden in foreign["hides"]:
        kernel.umount_detach(hidden)
    with open(f"{request['directory']}/bundle/config.json", "rb") as file:
        spec: dict[str, Any] = json.loads(file.read())
    privileges.give_room(spec["process"])
    if request.get("images"):
        image_trees.take_descriptors()
    kernel.act_as_owner(work.first or 0)
    rootfs.link_mount_table(work.tree, spec)
    kernel.act_as_owner(0)
    place = Place(work.tree, work.owners, work.first or 0, request.get("images") or {}, request.get("home"))
    who = _person(spec, users=work.first is not None)
    console = Console() if request["terminal"] else None
    stdio = _open_stdio(work, who, has_terminal=console is not None)
    bundle = f"{request['directory']}/{BUNDLE}"
    os.makedirs(bundle, 0o700, exist_ok=True)
    adapted = config.adapted(spec, ROOT, who, foreign["group"], foreign["resources"])
    config.put_in_place(adapted, place, work.first)
    config.confine(adapted, foreign["apparmor_profile"])
    with open(f"{bundle}/config.json", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(json.dumps(adapted))
    _stdio(*stdio)
    for descriptor in stdio:
        os.close(descriptor)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{bundle}/pid")
    terminal = () if console is None else ("--console-socket", console.path)
    call.must_run("create", "--bundle", bundle, *terminal, "--pid-file", f"{bundle}/pid", call.id)
    with open(f"{bundle}/pid") as file:
        pid = int(file.read())
    _join(request, pid)
    return pid, None if console is None else console.master(call.name, foreign["patience_seconds"])


def _person(spec: dict[str, Any], *, users: bool) -> identity.Identity:
    root = os.open(ROOT, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    user = spec["process"].get("user") or {}
    annotated = (spec.get("annotations") or {}).get(USER_ANNOTATION)
    who = identity.look_up(root, f"{user.get('uid', 0)}:{user.get('gid', 0)}" if annotated is None else annotated)
    named: str = (spec.get("annotations") or {}).get(GROUPS_ANNOTATION, "")
    groups = {*who.groups, *(identity.find_group(root, name) for name in named.split())}
    os.close(root)
    who = identity.Identity(who.uid, who.gid, sorted(groups), who.home)
    if users:
        ids.refuse_strangers(who)
    return who


def _open_stdio(work: Work, who: identity.Identity, *, has_terminal: bool) -> list[int]:
    """0, 1 and 2 for the program, its user's, who may reopen them; the runtime's own where there is a terminal."""
    if has_terminal:
        return [_null() for _ in range(3)]
    home = work.directory
    if work.owners is not None:
        home = rootfs.mapped(work.request["directory"], work.owners)
    pipes = [os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=home) for name in monitor.PIPES]
    stdin = _null()
    if work.request["stdin"]:
        stdin = os.open(monitor.STDIN, os.O_RDONLY | os.O_CLOEXEC, dir_fd=home)
        pipes.append(stdin)
    for pipe in pipes:
        os.fchown(pipe, (work.first or 0) + who.uid, (work.first or 0) + who.gid)
    return [stdin, *pipes[:2]]


def _stdio(*fds: int) -> None:
    for number, fd in enumerate(fds):
        os.dup2(fd, number)


def _null() -> int:
    """A /dev/null that is no file of the host's: a container's root could change the mode of what it was given."""
    tree = kernel.new_mount("tmpfs", [("size", "4k"), ("mode", "755")])
    umask = os.umask(0)
    os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3), dir_fd=tree)
    os.umask(umask)
    try:
        return os.open("null", os.O_RDWR | os.O_CLOEXEC, dir_fd=tree)
    finally:
        os.close(tree)


def _join(request: dict[str, Any], pid: int) -> None:
    """Be sure that the process is in our groups: not every runtime enters the version 2 tree of a hybrid machine."""
    with open(f"/proc/{pid}/cgroup") as file:
        places = [line.rstrip("\n").split(":", 2) for line in file]
    group = f"/{request['foreign']['group']}"
    inside = {name for _, names, path in places for name in names.split(",") if path == group}
    for tasks in request["tasks"]:
        tree = tasks[: -len(f"{group}/tasks")]
        if not inside.intersection(os.path.basename(tree).split(",")):
            _enter(f"{tree}{group}", pid)
    if request["unified"] and "" not in inside:
        _enter(request["unified"], pid)


def _enter(group: str, pid: int) -> None:
    with open(f"{group}/cgroup.procs", "w") as file:
        file.write(str(pid))


def _serve(call: Call, work: Work, pid: int, pidfd: int) -> None:
    """Wait for "start" and do it; done as well when the process is gone, or when the container runs."""
    poll = select.poll()
    poll.register(work.listener, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    while True:
        if any(fd == pidfd for fd, _ in poll.poll()):
            return
        connection, _ = work.listener.accept()
        with contextlib.suppress(OSError):
            if wire.receive(connection) is None:
                connection.close()
                continue
        message: dict[str, Any] = {"executing": True}
        before = _program(pid)
        try:
            call.must_run("start", call.id)
            if work.request["foreign"]["users"]:  # a sandbox' process stays what it is
                _await_other(before, pid, pidfd)
            record.mark_started(work.directory)
        except Exception as error:  # noqa: BLE001 - the one who starts the container must be told
            message = wire.failure_of(error, f"starting the container by {call.name}").as_message()
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        with contextlib.suppress(OSError):
            wire.send(connection, message)
        return


def _program(pid: int) -> tuple[int, int] | None:
    """Which file the process executes; None for one that has ended."""
    try:
        status = os.stat(f"/proc/{pid}/exe")
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _await_other(before: tuple[int, int] | None, pid: int, pidfd: int) -> None:
    """The runtimes end their start before the process has become the container's program: until it has, it can't be
    joined by an exec, and runc's ends with a code of its own at a signal. One that never does is left to itself.
    """
    ended = select.poll()
    ended.register(pidfd, select.POLLIN)
    for _ in range(BECOMING_MILLISECONDS):
        if _program(pid) != before or ended.poll(1):
            return
