"""What a process that waits does with its time: the same as later, to no effect.

A fork shares every page with its parent until it touches it, and each first touch costs two microseconds. Running
the code once, on what the kernel refuses at the first step or what comes to nothing, has those pages ready before
anybody waits for it; so has touching the code that comes after. Nothing here matters but speed: whatever fails, fails
here too, and is forgotten.
"""

from __future__ import annotations

import os
import signal
import sys

from engine.bare import contextlib, socket
from engine.runtime import (
    ahead,
    capabilities,
    identity,
    kernel,
    mounts,
    privileges,
    procfs,
    program,
    record,
    rootfs,
    wire,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

_NOWHERE = "/proc/portside/nowhere"
_NAMESPACES = [{"type": kind} for kind in ("mount", "uts", "ipc", "pid", "network", "cgroup", "user")]
_LAYERS = {"lowerdirs": [_NOWHERE], "upperdir": f"{_NOWHERE}/upper", "workdir": f"{_NOWHERE}/work"}

OF_LAUNCHER = ("launcher", "pool", "wire")
OF_MONITOR = ("birth", "handover", "kernel", "midwife", "monitor", "mounts", "record", "rootfs", "wire")
OF_FIRST_PROCESS = ("ahead", "handover", "identity", "init", "kernel", "mounts", "privileges", "program", "wire")
"""Modules of this package, most of which each runs when it is asked for. Others would take more memory than time."""


def launcher(wanted: list[dict[str, Any]]) -> None:
    """In the launcher, which each fork leaves with pages to be copied anew: hand a request over."""
    _try(lambda: _converse(wanted), lambda: touch(*OF_LAUNCHER))


def monitor(wanted: list[dict[str, Any]], owners: int | None) -> None:
    """In P: see birth.py. `wanted`: the mounts of a usual container; `owners`: its user namespace."""
    bind = {"destination": "/", "source": _NOWHERE, "options": ["bind", "ro"]}
    _try(
        lambda: _converse(wanted),
        lambda: ahead.suits({"mounts": wanted, "linux": {"namespaces": _NAMESPACES}}, wanted, {}, users=True),
        lambda: kernel.act_as_owner(0),
        lambda: None if owners is None else rootfs.overlay(_LAYERS, owners),  # without, an old kernel's way is long
        lambda: rootfs.mapped(_NOWHERE, owners or 0),
        lambda: mounts.open_source(bind, owners),
        lambda: wire.listen(-1, "nobody"),
        lambda: privileges.set_limits({"rlimits": [{"type": "nothing"}]}),
        lambda: procfs.write("nowhere", ""),
        lambda: record.write_run(-1, 0, os.getpid()),
        lambda: set(signal.Signals) - {signal.SIGKILL},
        lambda: touch(*OF_MONITOR),
    )


def first_process(wanted: list[dict[str, Any]], bear: Callable[[], Any]) -> None:
    """In C, whose root is almost empty, for what it bears in its own memory: see init.py. `bear`: bear nobody."""
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    _try(
        lambda: _converse(wanted),
        bear,
        lambda: mounts.attach(-1, -1, "/dev/pts", strict=True),
        lambda: mounts.mask(root, ["/nowhere"]),
        lambda: mounts.make_read_only(root, ["/nowhere"]),
        lambda: identity.look_up(root, "0:0"),
        lambda: program.find(root, "nowhere", program.DEFAULT_PATH),
        _be_asked,
        kernel.free_signals,
        lambda: [capabilities.mask(capabilities.DEFAULT) for _ in range(5)],
        lambda: kernel.prctl("nothing", kernel.PR_CAPBSET_DROP, 255),
        lambda: kernel.load_filter(b""),
        lambda: os.close(root),
        lambda: touch(*OF_FIRST_PROCESS),
    )


def touch(*modules: str) -> None:
    """The pages of these modules' functions are written to when they are called, which counts references and calls."""
    seen: set[int] = set()
    for name in modules:
        module = sys.modules[f"engine.runtime.{name}"]
        for value in vars(module).values():
            own = vars(value).values() if isinstance(value, type) and value.__module__ == module.__name__ else (value,)
            for one in own:
                if isinstance(one, _Function):
                    _touch_code(one.__code__, seen)


def _touch_code(code: CodeType, seen: set[int]) -> None:
    if id(code) not in seen:
        seen.add(id(code))
        kernel.populate_memory(id(code), code.__sizeof__())
        for constant in code.co_consts:
            if isinstance(constant, _Code):
                _touch_code(constant, seen)


_Function, _Code = type(touch), type(touch.__code__)


def _converse(wanted: list[dict[str, Any]]) -> None:
    """A request as long as most."""
    process = {"env": ["A=1"] * 40, "capabilities": {str(number): capabilities.DEFAULT for number in range(5)}}
    request = {"verb": "create", "groups": [["name", _NOWHERE]] * 8, "spec": {"mounts": wanted, "process": process}}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        wire.send_descriptors(ours, wire.encode(request), [ours.fileno()])
        data, descriptors = wire.take(theirs, 250)
        with socket.socket(fileno=descriptors[0]):
            wire.head(data)
            wire.decode(data)


def _be_asked() -> None:
    """By an abstract name, which is the network namespace's own."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind("")
        listener.listen(1)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
            asking.connect(listener.getsockname())
            wire.send(asking, {"verb": "start"})
            connection, _ = listener.accept()
            with connection:
                wire.receive(connection)


def _try(*acts: Callable[[], Any]) -> None:
    for act in acts:
        with contextlib.suppress(Exception):
            act()
