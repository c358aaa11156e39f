"""create, in the caller: from a bundle to a container whose first process waits for start.

Whatever fails undoes all; init.py draws the conversation with the first process.
"""

from __future__ import annotations

import os
import pwd

from engine.bare import contextlib, signal, socket
from engine.runtime import capabilities, record, users, wire
from engine.runtime.oci import (
    attributes,
    devices,
    ending,
    feasible,
    filesystem,
    idmap,
    init,
    namespaces,
    rights,
)
from engine.runtime.oci import bundle as bundles
from engine.runtime.oci.filters import filter_program
from engine.runtime.oci.groups.tree import Tree, release
from engine.runtime.oci.starting import START_SOCKET, raise_error
from engine.runtime.oci.state import Container, myself, now, write_pid_file
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NamedTuple

    from engine.oci.runtime_spec import Spec
    from engine.runtime.oci.preserved import Preserved

    class Request(NamedTuple):
        root: str
        id: str
        bundle: str
        spec: Spec
        document: dict[str, Any]
        console_socket: str
        pid_file: str
        preserved: Preserved
else:
    from engine.bare import namedtuple

    Request = namedtuple("Request", "root id bundle spec document console_socket pid_file preserved")


def create(request: Request, terminal: socket.socket | None = None) -> Container:
    """Returns once the first process waits. `terminal`: takes the master where there is no console socket."""
    spec = request.spec
    wants_terminal = spec.process is not None and spec.process.terminal
    if wants_terminal and not (request.console_socket or terminal):
        raise Failure("invalid_argument", "process.terminal: needs --console-socket, to hand the terminal to")
    if request.console_socket and not wants_terminal:
        raise Failure("invalid_argument", "--console-socket: process.terminal is not set, so there is no terminal")
    rights.check(spec)
    feasible.check(spec)
    container = Container.reserve(request.root, request.id)
    last: Callable[[], object] = list
    try:
        with container.locked():
            try:
                _create(container, request, terminal)
            except BaseException:
                last = _undo(container, spec)
                raise
            finally:
                if container.claim >= 0:
                    release(container.claim)
    except BaseException:
        last()  # poststop hooks, which may call verbs on their own container
        raise
    return container


def _create(container: Container, request: Request, terminal: socket.socket | None) -> None:
    spec, document = request.spec, request.document
    bundle = os.path.abspath(request.bundle)
    tree = Tree.of(spec.linux.cgroups_path or container.id)
    rights.check_groups(tree)
    tree.refuse_frozen()
    container.save(
        id=container.id, bundle=bundle, status="creating", annotations=spec.annotations, creator=myself(),
        created=now(), owner=_owner(), rootfs=os.path.realpath(os.path.join(bundle, spec.root.path)),
        groups={"v1": tree.v1, "unified": tree.unified}, groups_made=False,
        hooks=[kind for kind, found in vars(spec.hooks).items() if found],
    )  # fmt: skip
    bundles.keep(document, container.directory)
    try:  # known on disk before: whoever is killed in between leaves nothing that delete can't find
        container.claim = tree.claim()
    except Failure:
        del container.content["groups"]  # somebody was faster, and these are theirs, though nobody lives there yet
        raise
    tree.make()
    mark = os.urandom(16).hex()
    container.save(groups_made=True, groups_mark=mark if tree.mark(mark) else None)
    if tree.is_v2 and tree.unified:
        from engine.runtime.oci.groups import v2

        v2.delegate(tree.unified)
    limit(tree, spec)
    plan = _plan(container, request, tree)
    plan.terminal = terminal
    if request.console_socket:
        from engine.runtime.oci import console

        plan.terminal = console.connect(request.console_socket)
    ours, plan.channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    plan.callers_end, plan.locks = ours, (container.lock, container.claim)
    joined = namespaces.open_paths(spec.linux)
    capabilities.last_capability()  # now: the container may have no /proc
    if spec.process is not None:
        attributes.raise_limits(spec.process)
    if container.content["hooks"]:
        from engine.runtime.oci import hooks

        assert hooks  # loaded for the first process, which can't
    group = tree.open_group()
    pid = namespaces.spawn(spec.linux, joined, lambda inside: init.run(plan, inside), group)
    if group is not None:
        os.close(group)
    container.content.update(pid=pid, start_ticks=record.start_ticks(pid))
    plan.channel.close()
    plan.listener.close()
    if terminal is not None:
        terminal.close()
    _converse(ours, container, spec, tree)
    if request.pid_file:
        write_pid_file(request.pid_file, pid)
    wire.send(ours, {"recorded": True})
    ours.close()


def _owner() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _plan(container: Container, request: Request, tree: Tree) -> init.Plan:
    plan = init.Plan()
    plan.spec = spec = request.spec
    plan.state = container.as_oci("creating")
    plan.gathered = filesystem.gather(spec, request.bundle, tree)
    in_user_namespace = any(namespace.type == "user" for namespace in spec.linux.namespaces)
    plan.nodes = devices.gather(spec, plan.gathered.dev, bind=in_user_namespace)
    plan.doors = tree.doors()
    plan.preserved = request.preserved
    seccomp = (request.document.get("linux") or {}).get("seccomp")
    plan.filter = filter_program(request.root, seccomp) if seccomp else None
    directory = os.open(container.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    plan.listener = wire.listen(directory, START_SOCKET, 4)
    os.close(directory)
    return plan


def limit(tree: Tree, spec: Spec) -> None:
    """linux.resources without the list of devices, which would stand in the way of making them."""
    resources = spec.linux.resources
    if tree.is_v2:
        assert tree.unified is not None
        from engine.runtime.oci.groups import v2

        v2.apply(tree.unified, resources, None)
    else:
        from engine.runtime.oci.groups import v1

        v1.apply(tree, resources, None)


def _restrict_devices(tree: Tree, spec: Spec) -> None:
    if rights.is_guest():  # whose file systems have no devices, and who may make no list of them
        return
    from engine.oci.runtime_resources import Resources

    rules = devices.rules(spec)
    if tree.is_v2:
        assert tree.unified is not None
        from engine.runtime.oci.groups import v2

        v2.apply(tree.unified, Resources(), rules)
    else:
        from engine.runtime.oci.groups import v1

        v1.apply(tree, Resources(), rules)


def _converse(channel: socket.socket, container: Container, spec: Spec, tree: Tree) -> None:
    pid, linux = container.pid, spec.linux
    if namespaces.is_new(linux, "user"):
        idmap.write_maps(pid, linux.uid_mappings, linux.gid_mappings, "linux")
        if namespaces.is_new(linux, "ipc") and any(mount.type == "mqueue" for mount in spec.mounts):
            with contextlib.suppress(OSError):  # without the host's rights it stays nobody's
                owner = idmap.outside(linux.uid_mappings, 0), idmap.outside(linux.gid_mappings, 0)
                users.own_queues(pid, *owner)
    if spec.process is not None and spec.process.oom_score_adj is not None:
        attributes.set_oom_score(spec.process.oom_score_adj, pid)
    if linux.net_devices:
        from engine.runtime.oci import net_devices

        net_devices.move(linux.net_devices, pid)
    if any(container.has_hooks(kind) for kind in ("prestart", "create_runtime", "create_container")):
        container.save()  # they may ask for the container's state
    wire.send(channel, {"mapped": True})
    _answer(channel, spec, tree)
    _restrict_devices(tree, spec)
    _run_hooks(container, spec)
    wire.send(channel, {"hooked": True, "pid": pid})
    _answer(channel, spec, tree)
    container.save(status="created")


def _run_hooks(container: Container, spec: Spec) -> None:
    """Those of the caller's namespaces, as long as there is a first process: `delete --force` waits for nobody's."""
    if not (spec.hooks.prestart or spec.hooks.create_runtime):
        return
    from engine.runtime.oci import hooks

    state = container.as_oci("creating")
    first = os.pidfd_open(container.pid)
    try:
        hooks.run(spec.hooks.prestart, "prestart", state, watched=first)
        hooks.run(spec.hooks.create_runtime, "createRuntime", state, watched=first)
    finally:
        os.close(first)


def _answer(channel: socket.socket, spec: Spec, tree: Tree) -> None:
    answer = wire.receive(channel)
    if answer is None:
        died = "the container's first process died while it was being set up"
        from engine.runtime.oci import usage

        if not usage.oom_kills(tree):
            raise Failure("unavailable", died)
        memory = spec.linux.resources.memory
        limit = None if memory is None else memory.limit
        why = "out of memory" if limit is None else f"linux.resources.memory.limit: {limit} bytes are not enough"
        raise Failure("resource_exhausted", f"{why}: {died}, killed by the kernel for want of memory")
    raise_error(answer)


def _undo(container: Container, spec: Spec) -> Callable[[], object]:
    """After a failure: nothing stays, and poststop hooks are told if there was a process (runtime.md "Lifecycle").

    Returns what is to be called without the lock: see ending.remove.
    """
    pid = container.pid
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    return ending.remove(container, spec.hooks.poststop if pid else ())
