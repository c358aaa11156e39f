"""The list of devices where control groups are of version 2: a program in the kernel (runtime/oci/groups)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.cgroups.v1.devices import ALLOWED
from engine.errors import Unsupported
from engine.oci.runtime_resources import DeviceRule
from engine.options import devices
from engine.runtime.oci.groups import device_filter
from engine.runtime.wire import Failure


def restrict(group: Path, more: Sequence[str]) -> None:
    """Allow what every container has and `more` alone ("c 10:229 rwm"). Raises Unsupported."""
    try:
        device_filter.attach(str(group), (DeviceRule(allow=False), *map(_rule, (*ALLOWED, *more))))
    except Failure as error:
        raise Unsupported(f"devices: {error}", {"field": "devices"}) from None


def _rule(text: str) -> DeviceRule:
    rule = devices.rule(text)
    major, minor = (-1 if number is None else number for number in (rule.major, rule.minor))
    return DeviceRule(allow=True, type=rule.kind, major=major, minor=minor, access=rule.permissions)
