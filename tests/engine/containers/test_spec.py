"""A spec that can't work is refused with the field's name and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from engine.containers.spec import ContainerSpec, PortMapping, validate
from engine.errors import InvalidArgument
from tests.engine.containers.fakes import spec


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("id", {"id": "abc"}),
        ("name", {"name": ""}),
        ("name", {"name": "-x"}),
        ("name", {"name": "a b"}),
        ("name", {"name": "a/../b"}),
        ("name", {"name": "a\n"}),
        ("name", {"name": "x" * 129}),
        ("image", {"image": "UPPER/case"}),
        ("command", {"command": ("a\0b",)}),
        ("env", {"env": {"": "x"}}),
        ("env", {"env": {"A=B": "x"}}),
        ("env", {"env": {"A": "x\0"}}),
        ("workdir", {"workdir": "relative"}),
        ("user", {"user": "a:b:c"}),
        ("hostname", {"hostname": "-dashed"}),
        ("hostname", {"hostname": "h" * 64}),
        ("restart", {"restart": "sometimes"}),
        ("restart_limit", {"restart": "always", "restart_limit": 3}),
        ("restart_limit", {"restart": "on-failure", "restart_limit": -1}),
        ("memory_bytes", {"memory_bytes": (6 << 20) - 1}),
        ("memory_bytes", {"memory_bytes": 1 << 70}),
        ("pids_limit", {"pids_limit": 1 << 70}),
        ("hostname", {"hostname": "h" * 200_000 + "!"}),
        ("cpus", {"cpus": float("nan")}),
        ("cpus", {"cpus": 0.0}),
        ("cpus", {"cpus": 2.5}),
        ("pids_limit", {"pids_limit": 0}),
        ("ports", {"ports": (PortMapping(container=0),)}),
        ("ports", {"ports": (PortMapping(container=80, host=65536),)}),
        ("ports", {"ports": (PortMapping(container=80, protocol="icmp"),)}),
        ("ports", {"ports": (PortMapping(container=80, address="localhost"),)}),
        ("ports", {"ports": (PortMapping(container=80, host=8080), PortMapping(container=81, host=8080))}),
    ],
)
def test_a_wrong_field_is_named(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate(spec(**changes), host_cpus=2.0)
    assert caught.value.detail["field"] == field
    assert caught.value.message.startswith(field)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "a"},
        {"name": "Web_1.front-end"},
        {"memory_bytes": 6 << 20, "cpus": 2.0, "pids_limit": 1},
        {"restart": "on-failure", "restart_limit": 0},
        {"ports": (PortMapping(container=53, host=53), PortMapping(container=53, host=53, protocol="udp"))},
        {"hostname": "my_host"},
        {"hostname": "_my_host_", "user": ":app"},
        {"user": "app:"},
        {"hostname": "web.example.org", "user": "1000:1000", "workdir": "/srv"},
    ],
)
def test_a_good_spec_passes_and_survives_json(changes: dict[str, Any]) -> None:
    good = spec(**changes)
    validate(good, host_cpus=2.0)
    assert ContainerSpec.from_dict(good.as_dict()) == good
