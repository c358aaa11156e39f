"""events: what a container uses, as runc prints it, every few seconds or once; and that it ran out of memory."""

from __future__ import annotations

import sys
import time

from engine.bare import json
from engine.runtime.oci.groups.tree import Tree, read
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.runtime.oci.state import Container


def report(container: Container, *, once: bool, pause: str) -> int:
    """One JSON object per line on stdout. `pause`: "5", "5s" or "500ms" between two. Ends with the container."""
    seconds = _seconds(pause)
    status = container.status()
    if status == "stopped":
        raise Failure("conflict", f"container {container.id} is not running")
    tree = container.groups()
    kills = oom_kills(tree)
    while True:
        _print({"type": "stats", "id": container.id, "data": stats(tree)})
        if once:
            return 0
        time.sleep(seconds)
        if container.status() == "stopped":
            return 0
        now = oom_kills(tree)
        if now > kills:
            _print({"type": "oom", "id": container.id})
        kills = now


def _seconds(text: str) -> float:
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("", 1.0)):
        digits = text.removesuffix(unit) if unit else text
        plain = digits.isascii() and digits.replace(".", "", 1).isdigit() and len(digits) < 10
        if text.endswith(unit) and plain and float(digits) > 0:
            return float(digits) * factor
    raise Failure("invalid_argument", f"--interval: {text!r} is not a duration such as 5s")


def _print(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _flat(text: str) -> dict[str, int]:
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _number(path: str) -> int:
    text = read(path).strip()
    return int(text) if text.isdigit() else 0  # "max" is no limit


def oom_kills(tree: Tree) -> int:
    """How many processes the kernel has killed in these groups for want of memory."""
    if tree.is_v2:
        return _flat(read(f"{tree.unified}/memory.events")).get("oom_kill", 0)
    return _flat(read(f"{tree.v1.get('memory')}/memory.oom_control")).get("oom_kill", 0)


def stats(tree: Tree) -> dict[str, Any]:
    """Nanoseconds and bytes; runc's form of `events --stats`."""
    return _v2(tree.unified) if tree.is_v2 else _v1(tree.v1)


def _v2(at: str | None) -> dict[str, Any]:
    cpu, memory = _flat(read(f"{at}/cpu.stat")), _flat(read(f"{at}/memory.stat"))
    return {
        "cpu": {
            "usage": {
                "total": cpu.get("usage_usec", 0) * 1000,
                "kernel": cpu.get("system_usec", 0) * 1000,
                "user": cpu.get("user_usec", 0) * 1000,
            },
            "throttling": {"periods": cpu.get("nr_periods", 0), "throttledPeriods": cpu.get("nr_throttled", 0)},
        },
        "memory": {
            "usage": {"limit": _number(f"{at}/memory.max"), "usage": _number(f"{at}/memory.current"),
                      "max": _number(f"{at}/memory.peak")},
            "cache": memory.get("file", 0),
            "raw": memory,
        },
        "pids": {"current": _number(f"{at}/pids.current"), "limit": _number(f"{at}/pids.max")},
    }  # fmt: skip


def _v1(at: dict[str, str]) -> dict[str, Any]:
    cpu, memory = at.get("cpuacct", ""), at.get("memory", "")
    throttled, raw = _flat(read(f"{at.get('cpu')}/cpu.stat")), _flat(read(f"{memory}/memory.stat"))
    return {
        "cpu": {
            "usage": {
                "total": _number(f"{cpu}/cpuacct.usage"),
                "kernel": _number(f"{cpu}/cpuacct.usage_sys"),
                "user": _number(f"{cpu}/cpuacct.usage_user"),
            },
            "throttling": {
                "periods": throttled.get("nr_periods", 0), "throttledPeriods": throttled.get("nr_throttled", 0),
                "throttledTime": throttled.get("throttled_time", 0),
            },
        },
        "memory": {
            "usage": {"limit": _number(f"{memory}/memory.limit_in_bytes"),
                      "usage": _number(f"{memory}/memory.usage_in_bytes"),
                      "max": _number(f"{memory}/memory.max_usage_in_bytes"),
                      "failcnt": _number(f"{memory}/memory.failcnt")},
            "cache": raw.get("cache", 0),
            "raw": raw,
        },
        "pids": {"current": _number(f"{at.get('pids')}/pids.current"), "limit": _number(f"{at.get('pids')}/pids.max")},
    }  # fmt: skip
