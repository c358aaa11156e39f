"""What a container's control groups allow now, as `linux.resources` of the runtime specification.

Read from the kernel: what another runtime is told is then what holds, and writing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.cgroups import Cgroups
from engine.cgroups.files import read
from engine.cgroups.v1.devices import ALLOWED

_NO_LIMIT = 1 << 62  # version 1 tells the largest multiple of a page


def of_group(cgroups: Cgroups, container_id: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """memory, cpu, pids and devices, each only where something is limited.

    `wanted["devices"]` ("c 10:229 rwm") and `wanted["all_devices"]` count where the kernel has no list to read.
    """
    where = cgroups.directories(container_id)
    found = _version_2(where) if cgroups.version == "v2" else _version_1(where)
    pids = read(where["pids"] / "pids.max") or "max"
    if pids != "max":
        found["pids"] = {"limit": int(pids)}
    allowed = ["a *:* rwm"] if wanted["all_devices"] else [*ALLOWED, *wanted["devices"]]
    if "devices" in where:
        allowed = (read(where["devices"] / "devices.list") or "").splitlines()
    found["devices"] = [{"allow": False, "access": "rwm"}, *map(_rule, allowed)]
    return found


def _version_1(where: dict[str, Path]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    memory = int(read(where["memory"] / "memory.limit_in_bytes") or _NO_LIMIT)
    if memory < _NO_LIMIT:
        found["memory"] = {"limit": memory}
        with_swap = int(read(where["memory"] / "memory.memsw.limit_in_bytes") or _NO_LIMIT)
        if with_swap < _NO_LIMIT:
            found["memory"]["swap"] = with_swap
    quota = int(read(where["cpu"] / "cpu.cfs_quota_us") or -1)
    if quota > 0:
        found["cpu"] = {"quota": quota, "period": int(read(where["cpu"] / "cpu.cfs_period_us") or 100_000)}
    return found


def _version_2(where: dict[str, Path]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    memory = read(where["memory"] / "memory.max") or "max"
    if memory != "max":
        found["memory"] = {"limit": int(memory)}
        swap = read(where["memory"] / "memory.swap.max") or "max"
        if swap != "max":  # the specification counts swap on top of memory, the kernel alone
            found["memory"]["swap"] = int(memory) + int(swap)
    quota, _, period = (read(where["cpu"] / "cpu.max") or "max 100000").partition(" ")
    if quota != "max":
        found["cpu"] = {"quota": int(quota), "period": int(period)}
    return found


def _rule(line: str) -> dict[str, Any]:
    """A line of devices.list, "c 1:3 rwm" ("a *:* rwm" for all), as a rule that allows it."""
    kind, numbers, access = line.split()
    rule: dict[str, Any] = {"allow": True, "type": kind, "access": access}
    for name, number in zip(("major", "minor"), numbers.split(":"), strict=True):
        if number != "*":
            rule[name] = int(number)
    return rule
