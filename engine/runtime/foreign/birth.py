"""One create by another runtime, in the process that will be the new container's parent.

    launcher         M (becomes the monitor)      H (helper)                    the runtime
      │ fork ────────────►│ pipes, overlay           │                              │
      │                   │ fork ───────────────────►│ mount namespace, root, user  │
      │                   │                          │ fork, exec ─────────────────►│ create
      │                   │◄── pid (or what failed) ─┤◄────────── exit code, pid file ─┘
      │                   │ run.json, answer, exec   │ waits on init.sock, as our own first process does
      │                   ⋮ monitor                  │ "start" ────────────────────►│ start
      │                                              │ run.json, "executing", end of the stream

The process that the runtime leaves behind becomes M's child, M being its nearest subreaper. H and what it calls die
with their parent, so a killed M never leaves a runtime at work. The root is mounted where H alone sees it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import stat

from engine.runtime import identity, kernel, monitor, record, rootfs, wire
from engine.runtime.foreign import config
from engine.runtime.foreign.call import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

START_SOCKET = "init.sock"
USER_ANNOTATION, GROUPS_ANNOTATION = "portside.user", "portside.groups"
BUNDLE = "foreign"
ANSWER_BYTES = 1 << 16


def create(request: dict[str, Any], connection: socket.socket) -> None:
    """In M, forked for this request and a session's leader: have the container made, answer, become its monitor.

    `request["foreign"]`: see `service.Foreign.request`.
    """
    directory = os.open(request["directory"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    readers = [os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory) for name in monitor.PIPES]
    pipes = [os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory) for name in monitor.PIPES]
    stdin = monitor.open_input(directory) if request["stdin"] else 0
    if stdin:
        pipes.append(os.open(monitor.STDIN, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory))
    tree = rootfs.overlay(request["overlay"])
    listener = wire.listen(directory, START_SOCKET, 4)
    kernel.prctl("subreaper", kernel.PR_SET_CHILD_SUBREAPER, 1)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    monitor_pid = os.getpid()
    helper = os.fork()
    if helper == 0:
        ours.close()
        _help(
            request,
            directory,
            pipes=pipes,
            tree=tree,
            listener=listener,
            channel=theirs,
            connection=connection,
            parent=monitor_pid,
        )
    for pipe in pipes:
        os.close(pipe)
    listener.close()
    theirs.close()
    answer = wire.decode(ours.recv(ANSWER_BYTES) or b"{}")
    if "pid" not in answer:
        if not answer:
            answer = wire.Failure("unavailable", f"{request['foreign']['name']}'s helper was killed").as_message()
        wire.send(connection, answer)
        os._exit(1)
    pid: int = answer["pid"]
    more = {"runtime": request["foreign"]["name"], "helper_pid": helper, "helper_ticks": record.start_ticks(helper)}
    record.reserve_exit(directory, request["run"])
    record.write_run(directory, request["run"], pid, more)
    with contextlib.suppress(OSError):
        ours.send(b"recorded")
    with contextlib.suppress(OSError):  # a client that died meanwhile finds the created container in run.json
        wire.send(connection, {"pid": pid})
    ours.close()
    connection.close()
    held = monitor.Held(pid, request["run"], directory, readers[0], readers[1], tree, stdin)
    monitor.become(held, request["monitor"], request["name"])


def _help(
    request: dict[str, Any],
    directory: int,
    *,
    pipes: list[int],
    tree: int,
    listener: socket.socket,
    channel: socket.socket,
    connection: socket.socket,
    parent: int,
) -> NoReturn:
    """In H. It holds the connection of the create as long as M might not have answered."""
    try:
        kernel.prctl("pdeathsig", kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        call = Call(request["foreign"], request["directory"])
        try:
            pid = _make(request, call, pipes, tree)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who creates the container must be told
            failure = wire.failure_of(error, f"creating the container by {call.name}")
            with contextlib.suppress(Exception):
                _stdio(*[os.open("/dev/null", os.O_RDWR)] * 3)
                call.run("delete", "--force", call.id)
            channel.send(json.dumps(failure.as_message()).encode())
            os._exit(1)
        _stdio(*[os.open("/dev/null", os.O_RDWR)] * 3)  # the container alone holds its output from here on
        for pipe in pipes:
            os.close(pipe)
        pidfd = os.pidfd_open(pid)
        channel.send(json.dumps({"pid": pid}).encode())
        if channel.recv(16) == b"recorded":
            connection.close()
            _serve(call, directory, listener, pidfd)
    finally:
        os._exit(0)


def _make(request: dict[str, Any], call: Call, pipes: list[int], tree: int) -> int:
    """Mount, write the bundle, let the runtime create: the container's process."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_SLAVE)
    for hidden in request["foreign"]["hides"]:
        kernel.umount_detach(hidden)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("0")
    place = os.open(request["mount_point"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    kernel.move_mount(tree, place)
    os.close(place)
    root = os.open(request["mount_point"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    with open(f"{request['directory']}/bundle/config.json", "rb") as file:
        spec: dict[str, Any] = json.loads(file.read())
    user = spec["process"].get("user") or {}
    annotated = (spec.get("annotations") or {}).get(USER_ANNOTATION)
    who = identity.look_up(root, f"{user.get('uid', 0)}:{user.get('gid', 0)}" if annotated is None else annotated)
    named: str = (spec.get("annotations") or {}).get(GROUPS_ANNOTATION, "")
    groups = {*who.groups, *(identity.find_group(root, name) for name in named.split())}
    who = identity.Identity(who.uid, who.gid, sorted(groups), who.home)
    os.close(root)
    for pipe in pipes:
        os.fchown(pipe, who.uid, who.gid)
    foreign = request["foreign"]
    bundle = f"{request['directory']}/{BUNDLE}"
    os.makedirs(bundle, 0o700, exist_ok=True)
    adapted = config.adapted(spec, request["mount_point"], who, foreign["group"], foreign["resources"])
    with open(f"{bundle}/config.json", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(json.dumps(adapted))
    _stdio(pipes[2] if request["stdin"] else _null(), *pipes[:2])
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{bundle}/pid")
    call.must_run("create", "--bundle", bundle, "--pid-file", f"{bundle}/pid", call.id)
    with open(f"{bundle}/pid") as file:
        pid = int(file.read())
    _join(request, pid)
    return pid


def _stdio(*fds: int) -> None:
    for number, fd in enumerate(fds):
        os.dup2(fd, number)


def _null() -> int:
    """A /dev/null that is no file of the host's: a container's root could change the mode of what it was given."""
    tree = kernel.new_mount("tmpfs", [("size", "4k"), ("mode", "755")])
    os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3), dir_fd=tree)
    return os.open("null", os.O_RDWR | os.O_CLOEXEC, dir_fd=tree)


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


def _serve(call: Call, directory: int, listener: socket.socket, pidfd: int) -> None:
    """Wait for "start" and do it; done as well when the process is gone, or when the container runs."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    while True:
        if any(fd == pidfd for fd, _ in poll.poll()):
            return
        connection, _ = listener.accept()
        with contextlib.suppress(OSError):
            if wire.receive(connection) is None:
                connection.close()
                continue
        message: dict[str, Any] = {"executing": True}
        try:
            call.must_run("start", call.id)
            record.mark_started(directory)
        except Exception as error:  # noqa: BLE001 - the one who starts the container must be told
            message = wire.failure_of(error, f"starting the container by {call.name}").as_message()
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        with contextlib.suppress(OSError):
            wire.send(connection, message)
        return
