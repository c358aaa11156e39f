"""From settings to config.json: safe defaults, and wrong values refused by name before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import InvalidArgument
from engine.runtime.spec import Bind, ProcessSettings, build


def test_the_defaults_are_podmans_capabilities_no_new_privileges_and_a_filter() -> None:
    spec = build(ProcessSettings(args=["true"]))
    process = spec["process"]
    assert spec["ociVersion"] == "1.2.0"
    assert len(process["capabilities"]["bounding"]) == 11
    assert process["capabilities"]["inheritable"] == process["capabilities"]["ambient"] == []
    assert process["noNewPrivileges"] is True
    assert spec["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert {n["type"] for n in spec["linux"]["namespaces"]} == {
        "user",
        "mount",
        "uts",
        "ipc",
        "pid",
        "network",
        "cgroup",
    }
    assert "/proc/kcore" in spec["linux"]["maskedPaths"]


def test_path_is_always_set_and_a_later_value_wins() -> None:
    assert build(ProcessSettings(args=["a"], env=["A=1", "A="]))["process"]["env"][1:] == ["A="]
    assert build(ProcessSettings(args=["a"], env=["PATH=/x"]))["process"]["env"] == ["PATH=/x"]


def test_outer_volumes_are_mounted_before_inner_ones() -> None:
    spec = build(ProcessSettings(args=["a"], binds=[Bind("/a", "/d/e/f"), Bind("/b", "/d")]))
    assert [m["destination"] for m in spec["mounts"] if m["type"] == "bind"] == ["/d", "/d/e/f"]


@pytest.mark.parametrize("hostname", ["my_host", "_a_", "web-1.example", "h" * 63])
def test_a_host_name_may_have_what_docker_takes(hostname: str) -> None:
    assert build(ProcessSettings(args=["true"], hostname=hostname))["hostname"] == hostname


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"args": []}, "command"),
        ({"args": ["a\0b"]}, "command"),
        ({"env": ["NOVALUE"]}, "env"),
        ({"env": ["=x"]}, "env"),
        ({"env": ["A=\0"]}, "env"),
        ({"cwd": "relative"}, "working_dir"),
        ({"hostname": "-bad"}, "hostname"),
        ({"hostname": "a" * 64}, "hostname"),
        ({"hostname": "a b"}, "hostname"),
        ({"hostname": "_a."}, "hostname"),
        ({"capabilities": ["CAP_NONSENSE"]}, "capabilities"),
        ({"sysctls": {"kernel.core_pattern": "|/x"}}, "sysctls"),
        ({"sysctls": {"vm.swappiness": "1"}}, "sysctls"),
        ({"sysctls": {"net.ipv4/../../kernel.core_pattern": "1"}}, "sysctls"),
        ({"binds": [Bind("/a", "relative")]}, "volumes"),
        ({"binds": [Bind("/a", "/proc/x")]}, "volumes"),
        ({"binds": [Bind("/a", "/x/../sys")]}, "volumes"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        build(ProcessSettings(**{"args": ["true"], **settings}))
    assert caught.value.detail["field"] == field
