"""A container's first process: from its birth in new namespaces to the exec of its program.

    caller (creation.py)                         first process
       │ clone3 ──────────────────────────────────►│
       │ id mappings, network devices              │
       │ "mapped" ────────────────────────────────►│ root in its user namespace, groups, mounts, devices
       │◄──────────────────────────────── "mounted"│
       │ device list, prestart, createRuntime      │
       │ "hooked" ────────────────────────────────►│ createContainer, pivot_root, terminal, masks, settings
       │◄────────────────────────────────── "ready"│
       │ state.json: created                       │
       │ end of the conversation ─────────────────►│ waits on init.sock
     start ── "start" ────────────────────────────►│ startContainer
       │◄───────────────────────────── "starting" │ privileges, exec
       │◄─ {"error": …}, or the end of the stream ─┤

A message {"error": …} may stand in the place of any answer. The end of the conversation before "ready" means
that the caller died, and the process ends with it. Nothing may be imported from the fork on: the interpreter's files
are out of reach.
"""

from __future__ import annotations

import os

from engine.bare import signal, socket
from engine.runtime import kernel, mounts, procfs, program, wire
from engine.runtime.oci import attributes, becoming, devices, filesystem, namespaces
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.oci.runtime_spec import Hook, Spec
    from engine.runtime.oci.preserved import Preserved

    class Plan:
        """All that the caller opened and decided; the fork hands it over as it is."""

        spec: Spec
        state: dict[str, Any]
        gathered: filesystem.Gathered
        nodes: list[devices.Node] | None
        doors: list[int]
        terminal: socket.socket | None
        filter: bytes | None
        preserved: Preserved
        listener: socket.socket
        channel: socket.socket
        callers_end: socket.socket
        locks: tuple[int, ...]
else:

    class Plan:
        pass


def run(plan: Plan, inside: bool) -> None:
    """Never returns to its caller's work: ends in exec or in os._exit. `inside`: it was born in its version 2 group."""
    channel = plan.channel
    if inside:
        os.close(plan.doors.pop())
    for lock in plan.locks:
        os.close(lock)  # or a caller that is killed now would leave the container locked for ever
    plan.callers_end.close()  # or the caller's death would not end the conversation
    try:
        root = prepare(plan)
        wire.send(channel, {"ready": True})
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller must be told
        wire.send(channel, wire.failure_of(error, "setting up the container").as_message())
        os._exit(1)
    if wire.receive(channel) is None:
        os._exit(1)  # nobody has written down that this container exists
    channel.close()
    connection = _wait_for_start(plan.listener)
    try:
        start(plan, root, connection)
    except Exception as error:  # noqa: BLE001 - as above
        failure = wire.failure_of(error, "starting the container")
        wire.send(connection, failure.as_message())
        os._exit(failure.exit_code or 1)


def _expect(channel: socket.socket) -> dict[str, Any]:
    message = wire.receive(channel)
    if message is None:
        os._exit(1)
    return message


def prepare(plan: Plan) -> int:
    """Everything up to the wait for start; returns the root (O_PATH)."""
    spec, linux, channel = plan.spec, plan.spec.linux, plan.channel
    for number in signal.valid_signals():  # nohup's ignored SIGHUP is none of the container's
        if signal.getsignal(number) == signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
    kernel.free_signals()
    os.setsid()
    _expect(channel)
    kernel.prctl("dumpable", kernel.PR_SET_DUMPABLE, 0)
    os.umask(0)
    root = filesystem.attach_root(plan.gathered)
    if namespaces.is_new(linux, "user") or any(n.type == "user" for n in linux.namespaces):
        becoming.become_root()
    kernel.new_session_keyring()
    becoming.enter_groups(plan.doors)
    attributes.free_affinity()
    if namespaces.is_new(linux, "cgroup"):
        kernel.unshare(kernel.CLONE_NEWCGROUP)
    if namespaces.is_new(linux, "network"):
        namespaces.loopback_up()
    _names(spec)
    late = filesystem.furnish(root, plan.gathered)
    devices.make(root, plan.nodes)
    wire.send(channel, {"mounted": True})
    plan.state["pid"] = _expect(channel)["pid"]
    os.fchdir(root)  # where hooks are used to be (runc, crun)
    run_hooks(spec.hooks.create_container, "createContainer", plan.state, spec.process.env if spec.process else ())
    root = filesystem.enter(root, plan.gathered.root_path, linux.rootfs_propagation)
    _finish(plan, root, late)
    return root


def run_hooks(
    found: tuple[Hook, ...], kind: str, state: dict[str, Any], environment: tuple[str, ...] | None = None
) -> None:
    """hooks.run, whose module is loaded only for those who have some: before the fork."""
    if found:
        from engine.runtime.oci import hooks

        hooks.run(found, kind, state, environment)


def _names(spec: Spec) -> None:
    if spec.hostname:
        socket.sethostname(spec.hostname)
    if spec.domainname:
        kernel.set_domain_name(spec.domainname.encode())


def _finish(plan: Plan, root: int, late: list[int]) -> None:
    """What is done with the container's root in place: masks and settings, terminal, limits, working directory.

    `late`: see `filesystem.furnish`.
    """
    spec, linux = plan.spec, plan.spec.linux
    process = spec.process
    if process is not None and plan.terminal is not None:
        from engine.runtime.oci import console  # the caller has it loaded

        user = process.user
        console.open_terminal(root, process.console_size, plan.terminal, user.uid, user.gid, console=True)
        console.control()
    filesystem.close_to_writers(late)
    for name, value in linux.sysctl.items():
        try:
            procfs.write(f"sys/{name.replace('.', '/') if '/' not in name else name}", value)
        except OSError as error:
            raise Failure("invalid_argument", f"linux.sysctl[{name!r}]: {value}: {error.strerror}") from None
    mounts.mask(root, linux.masked_paths)
    mounts.make_read_only(root, linux.readonly_paths)
    if process is None:
        return
    becoming.working_directory(root, process.cwd)
    if spec.root.readonly:
        kernel.mount_setattr(root, kernel.MOUNT_ATTR_RDONLY)
    program.find(root, process.args[0], becoming.search_path(process))  # said at create, as the peers do


def _wait_for_start(listener: socket.socket) -> socket.socket:
    while True:
        connection, _ = listener.accept()
        if wire.receive(connection) is not None:
            listener.close()
            return connection
        connection.close()  # a `start` that died before it said so


def start(plan: Plan, root: int, connection: socket.socket) -> None:
    process, linux = plan.spec.process, plan.spec.linux
    if process is None:
        raise Failure("invalid_argument", "process: this bundle has none to start")
    state = {**plan.state, "status": "created"}
    if plan.spec.hooks.start_container:
        environment = tuple(becoming.environment_of(process, root))
        run_hooks(plan.spec.hooks.start_container, "startContainer", state, environment)
    wire.send(connection, {"starting": True})  # from here on the end of the stream is the proof of exec
    attributes.set_early(process, linux.personality)
    flags = attributes.filter_flags(linux.seccomp)
    becoming.execute(process, root, plan.filter, flags, plan.preserved)
