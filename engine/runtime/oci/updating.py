"""update: other limits for a container that exists; what isn't named stays as it is."""

from __future__ import annotations

import sys

from engine.bare import json
from engine.oci.runtime_spec import MAXIMUM_BYTES
from engine.runtime.oci import bundle as bundles
from engine.runtime.oci.groups import v1, v2
from engine.runtime.oci.groups.tree import read
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.runtime.oci.command_line import Options
    from engine.runtime.oci.groups.tree import Tree
    from engine.runtime.oci.state import Container

_NUMBERS = {
    "memory": ("memory", "limit"), "memory-reservation": ("memory", "reservation"), "memory-swap": ("memory", "swap"),
    "cpu-period": ("cpu", "period"), "cpu-quota": ("cpu", "quota"), "cpu-share": ("cpu", "shares"),
    "cpu-rt-period": ("cpu", "realtimePeriod"), "cpu-rt-runtime": ("cpu", "realtimeRuntime"),
    "cpu-burst": ("cpu", "burst"), "cpu-idle": ("cpu", "idle"), "pids-limit": ("pids", "limit"),
    "blkio-weight": ("blockIO", "weight"),
}  # fmt: skip
_TEXTS = {"cpuset-cpus": ("cpu", "cpus"), "cpuset-mems": ("cpu", "mems")}


def update(container: Container, options: Options) -> None:
    """Apply --resources (a file, or - for stdin) or the single options."""
    document = bundles.decode(_document(options), "--resources")
    with container.locked():
        if container.status() == "stopped":
            raise Failure("conflict", f"container {container.id} is stopped")
        tree = container.groups()
        resources = bundles.read_resources(document, _memory_limit(tree))
        if tree.is_v2:
            assert tree.unified is not None
            v2.apply(tree.unified, resources, resources.devices or None)
        else:
            v1.apply(tree, resources, resources.devices or None)


def _memory_limit(tree: Tree) -> int | None:
    """In bytes; None for none. Version 1 tells the largest multiple of a page for that."""
    if tree.is_v2:
        text = read(f"{tree.unified}/memory.max").strip()
    else:
        text = read(f"{tree.v1['memory']}/memory.limit_in_bytes").strip() if "memory" in tree.v1 else ""
    return int(text) if text.isdigit() and int(text) < 1 << 62 else None


def _number(text: str, *, in_bytes: bool) -> int:
    """Bytes may have a suffix, as with the peers: 50M, 1gb. ValueError for what is no number."""
    if not in_bytes:
        return int(text)
    digits = text.lower().removesuffix("b").removesuffix("i")
    power = "kmgt".find(digits[-1:]) + 1 if digits else 0
    return int(digits[:-1] if power else digits) << 10 * power


def _document(options: Options) -> bytes | str:
    path = options.get("resources")
    if path == "-":
        return sys.stdin.buffer.read(MAXIMUM_BYTES + 1)
    if path:
        try:
            with open(path, "rb") as file:
                return file.read(MAXIMUM_BYTES + 1)
        except OSError as error:
            raise Failure("not_found", f"--resources: {path}: {error.strerror}") from None
    document: dict[str, dict[str, Any]] = {}
    for option, (group, key) in _NUMBERS.items():
        if option in options:
            try:
                document.setdefault(group, {})[key] = _number(options[option], in_bytes=group == "memory")
            except ValueError:
                raise Failure("invalid_argument", f"--{option}: {options[option]!r} is not a number") from None
    for option, (group, key) in _TEXTS.items():
        if option in options:
            document.setdefault(group, {})[key] = options[option]
    return json.dumps(document)
