"""What a process that waits does with its time: the same as later, to no effect.

A fork shares every page with its parent until it touches it, and each first touch costs a microsecond or two. Running
the code once, on what the kernel refuses at the first step or what comes to nothing, has those pages ready before
anybody waits for it. Nothing here matters but speed: whatever fails, fails here too, and is forgotten.
"""

from __future__ import annotations

import os

from engine.bare import contextlib
from engine.runtime import capabilities, identity, kernel, mounts, program, record, rootfs, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NOWHERE = "/proc/portside/nowhere"
_LAYERS = {"lowerdirs": [_NOWHERE], "upperdir": f"{_NOWHERE}/upper", "workdir": f"{_NOWHERE}/work"}


def monitor(wanted: list[dict[str, Any]], owners: int | None) -> None:
    """In P: see birth.py. `wanted`: the mounts of a usual container; `owners`: its user namespace."""
    bind = {"destination": "/", "source": _NOWHERE, "options": ["bind", "ro"]}
    _try(
        lambda: _converse(wanted),
        lambda: kernel.act_as_owner(0),
        lambda: None if owners is None else rootfs.overlay(_LAYERS, owners),  # without, an old kernel's way is long
        lambda: rootfs.mapped(_NOWHERE, owners or 0),
        lambda: mounts.open_source(bind, owners),
        lambda: wire.listen(-1, "nobody"),
        lambda: record.write_run(-1, 0, os.getpid()),
    )


def first_process(wanted: list[dict[str, Any]]) -> None:
    """In C, whose root is almost empty, for what it bears in its own memory: see init.py."""
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    _try(
        lambda: _converse(wanted),
        lambda: mounts.attach(-1, -1, "/dev/pts", strict=True),
        lambda: mounts.mask(root, ["/nowhere"]),
        lambda: mounts.make_read_only(root, ["/nowhere"]),
        lambda: identity.look_up(root, "0:0"),
        lambda: program.find(root, "nowhere", program.DEFAULT_PATH),
        lambda: capabilities.mask(capabilities.DEFAULT),
        lambda: os.close(root),
    )


def _converse(wanted: list[dict[str, Any]]) -> None:
    wire.decode(wire.encode({"verb": "create", "spec": {"mounts": wanted, "process": {"env": ["A=1"] * 40}}}))


def _try(*acts: Callable[[], Any]) -> None:
    for act in acts:
        with contextlib.suppress(Exception):
            act()
