"""What can be changed of a container while it runs: its limits and its restart policy, as `docker update` has it, and
its labels and published ports, which Docker lets nobody change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.errors import InvalidArgument

RATES = ("device_read_bps", "device_write_bps", "device_read_iops", "device_write_iops")
LIMITS = (
    "memory_bytes",
    "memory_swap",
    "memory_reservation",
    "cpus",
    "cpu_shares",
    "cpu_quota",
    "cpu_period",
    "cpu_rt_runtime",
    "cpu_rt_period",
    "cpuset_cpus",
    "cpuset_mems",
    "pids_limit",
    "blkio_weight",
    *RATES,
)
CHANGEABLE = (*LIMITS, "restart", "restart_limit", "labels", "ports")
IN_PART = ("add_labels", "remove_labels", "add_ports", "remove_ports")
"""Changes that leave the rest of `labels` or `ports` as it is, whoever changes that at the same time."""
_PORT = {"container": None, "host": None, "protocol": "tcp", "address": "127.0.0.1", "host_last": None}

_FOLLOWS = {  # what makes no sense any more once the first is changed, unless it is changed too
    "cpus": ("cpu_quota", "cpu_period"),
    "cpu_quota": ("cpus",),
    "cpu_period": ("cpus",),
    "restart": ("restart_limit",),
}


def merged(present: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all of `CHANGEABLE` once `changes` (of `CHANGEABLE` and `IN_PART`) are made to `present`.

    A value of None is no limit; those of `RATES` are lists, and replace all that there are. Processor time is said by
    `cpus` or by quota and period: the one that is given replaces the other. A new restart policy begins without a limit
    of its own, and memory without a limit has none of swap. `labels` and `ports` (objects as in REST) replace all that
    there are; then comes `remove_…`, at last `add_…`. Whether the values can work is for the checks of a creation to
    say; raises InvalidArgument for what is no label or port at all.
    """
    values = {name: present.get(name) for name in CHANGEABLE}
    values |= {name: value for name, value in changes.items() if name in CHANGEABLE}
    for name in changes:
        for other in _FOLLOWS.get(name, ()):
            if other not in changes and changes[name] is not None:
                values[other] = None
    if values["memory_bytes"] is None and "memory_swap" not in changes:
        values["memory_swap"] = None
    values["restart"] = values["restart"] or "no"
    values |= {name: tuple(values[name] or ()) for name in RATES}
    values["labels"] = _labels(values["labels"] or {}, changes)
    values["ports"] = _ports(values["ports"] or (), changes)
    return values


def _labels(labels: Mapping[str, str], changes: Mapping[str, Any]) -> dict[str, str]:
    removed = set(changes.get("remove_labels") or ())
    found = {name: value for name, value in labels.items() if name not in removed}
    found.update(changes.get("add_labels") or {})
    if not all(isinstance(text, str) for pair in found.items() for text in pair):
        raise InvalidArgument("labels: give names with texts as their values", {"field": "labels"})
    return found


def _ports(ports: Iterable[Mapping[str, Any]], changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Without those that fit one of `remove_ports` in all that it names, with what of `add_ports` isn't there."""
    removed = [dict(port) for port in changes.get("remove_ports") or () if _read(port)]
    found = [
        port
        for port in (_read(port) for port in ports)
        if not any(all(port.get(name) == value for name, value in wish.items()) for wish in removed)
    ]
    for port in (_read(port) for port in changes.get("add_ports") or ()):
        if port not in found:
            found.append(port)
    return found


def _read(port: Mapping[str, Any]) -> dict[str, Any]:
    """All that a published port is: what was left out is as at a creation."""
    if not isinstance(port, Mapping) or not _PORT.keys() >= port.keys():
        raise InvalidArgument(f"ports: {str(port)[:60]} is no port; it has {', '.join(_PORT)}", {"field": "ports"})
    full = {**_PORT, **port}
    numbers = (full["container"], *(1 if full[name] is None else full[name] for name in ("host", "host_last")))
    texts = (full["protocol"], full["address"])
    if not all(type(number) is int for number in numbers) or not all(isinstance(text, str) for text in texts):
        raise InvalidArgument("ports: container and host are numbers, protocol and address texts", {"field": "ports"})
    return full
