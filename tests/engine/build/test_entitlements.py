"""RUN --security and --device: what they give on the real kernel, and that nobody has them who may not."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from engine.build import cdi
from engine.build.cdi import Registry
from engine.build.entitlements import DEVICE, INSECURE
from engine.errors import InvalidArgument, NotFound, PermissionDenied, Unsupported
from tests.support.builds import Workbench

FACTS = "grep -E '^(CapEff|Seccomp):' /proc/self/status > /facts; cat /proc/self/uid_map >> /facts"

NODE = {"path": "/dev/crane", "hostPath": "/dev/full"}


def described(directory: Path, kind: str = "harbour.example/crane", **more: Any) -> None:
    document = {
        "cdiVersion": "0.6.0", "kind": kind, "containerEdits": {"env": ["CRANE=here"]},
        "devices": [
            {"name": "a", "containerEdits": {"env": ["A=1"], "deviceNodes": [NODE]}},
            {"name": "b", "containerEdits": {"env": ["B=1"]}, "annotations": {cdi.CLASS: "lifts"}},
        ],
    } | more  # fmt: skip
    (directory / f"{kind.replace('/', '-')}.json").write_text(json.dumps(document))


# -- what files say


def test_which_devices_a_name_means(tmp_path: Path) -> None:
    described(tmp_path)
    (tmp_path / "other.yaml").write_text(
        "cdiVersion: 0.6.0\nkind: quay.example/rope\ndevices:\n- name: r\n  containerEdits:\n    additionalGids: [50]\n"
    )
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "ignored.txt").write_text("x")
    registry = Registry.read([str(tmp_path), str(tmp_path / "none")])

    def env(name: str) -> tuple[str, ...] | None:
        edits = registry.edits(name)
        return None if edits is None else edits.env

    assert env("harbour.example/crane=b") == ("CRANE=here", "B=1")
    assert env("harbour.example/crane") == ("CRANE=here", "A=1")
    assert env("harbour.example/crane=*") == ("CRANE=here", "A=1", "B=1")
    assert env("lifts") == ("CRANE=here", "B=1")
    assert [env(name) for name in ("harbour.example/crane=c", "harbour.example/cran", "x", "")] == [None] * 4
    rope = registry.edits("quay.example/rope=r")
    assert rope is not None and rope.groups == ("50",)
    assert [problem.startswith(str(tmp_path / "broken.json")) for problem in registry.problems] == [True]


def test_a_later_directory_goes_before(tmp_path: Path) -> None:
    for name, value in (("one", "1"), ("two", "2")):
        (tmp_path / name).mkdir()
        described(tmp_path / name, containerEdits={"env": [f"FROM={value}"]})
    edits = Registry.read([str(tmp_path / "one"), str(tmp_path / "two")]).edits("harbour.example/crane=b")
    assert edits is not None and edits.env == ("FROM=2", "B=1")


def test_nodes_are_the_hosts_with_what_the_file_says_otherwise(tmp_path: Path) -> None:
    edits = {
        "deviceNodes": [
            {"path": "/dev/full"},
            {"path": "/dev/x", "type": "b", "major": 7, "minor": 9, "fileMode": 0o600, "permissions": "r", "gid": 6},
        ]
    }
    described(tmp_path, devices=[{"name": "a", "containerEdits": edits}], containerEdits={})
    found = Registry.read([str(tmp_path)]).edits("harbour.example/crane=a")
    assert found is not None and found.rules == ("c 1:7 rwm", "b 7:9 r")
    host = stat.S_IMODE(os.stat("/dev/full").st_mode)
    assert [(node.path, node.kind, node.mode, node.gid) for node in found.nodes] == [
        ("/dev/full", "c", host, 0),
        ("/dev/x", "b", 0o600, 6),
    ]


@pytest.mark.parametrize(
    ("edits", "error", "words"),
    [
        ({"hooks": [{"hookName": "createContainer", "path": "/bin/true"}]}, Unsupported, "needs hooks"),
        ({"netDevices": [{"hostInterfaceName": "x", "name": "y"}]}, Unsupported, "network interfaces"),
        ({"deviceNodes": [{"path": "/etc/passwd"}]}, InvalidArgument, "no device node"),
        ({"deviceNodes": [{"path": "/dev/../etc/passwd"}]}, InvalidArgument, "no device node"),
        ({"deviceNodes": [{"path": "/dev/x", "hostPath": "/proc/version"}]}, InvalidArgument, "no device of this host"),
        ({"deviceNodes": [{"path": "/dev/none-such"}]}, InvalidArgument, "No such file"),
        ({"mounts": [{"hostPath": "/none-such", "containerPath": "/x"}]}, InvalidArgument, "No such file"),
        (
            {"mounts": [{"hostPath": "tmpfs", "containerPath": "/x", "type": "tmpfs"}]},
            InvalidArgument,
            "none of a path",
        ),
        ({"mounts": "x"}, InvalidArgument, "a list"),
    ],
)
def test_what_a_step_can_not_have_is_said(tmp_path: Path, edits: Any, error: type[Exception], words: str) -> None:
    described(tmp_path, devices=[{"name": "a", "containerEdits": edits}])
    with pytest.raises(error, match=words) as caught:
        Registry.read([str(tmp_path)]).edits("harbour.example/crane=a")
    assert "harbour.example/crane=a" in str(caught.value)


# -- in a step


@pytest.fixture
def crane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with devices: tests may not write into /etc."""
    monkeypatch.setattr(cdi, "DIRECTORIES", (str(tmp_path),))
    described(tmp_path)
    return tmp_path


@pytest.mark.root
def test_insecure_is_as_a_privileged_container_and_only_with_the_right(bench: Workbench) -> None:
    text = (
        f"FROM tiny\nRUN mkdir /m\nRUN --security=insecure {FACTS}; ls /dev > /nodes; "
        "mount -t tmpfs none /m && touch /m/x && umount /m && echo yes > /did\n"
    )
    with pytest.raises(PermissionDenied, match=r"security\.insecure") as caught:
        bench.build(text, team="insecure")
    assert (caught.value.detail["line"], caught.value.detail["entitlement"]) == (3, INSECURE)
    files = bench.files(bench.build(text, entitlements=frozenset({INSECURE}), team="insecure"))
    facts = files["facts"].content.split()
    with open("/proc/self/status") as file:
        ours = next(line.split()[1] for line in file if line.startswith("CapPrm:"))
    assert (int(facts[1], 16), facts[3]) == (int(ours, 16), b"0")
    assert facts[4:7] == [b"0", b"0", b"4294967295"]
    assert files["did"].content == b"yes\n"
    assert b"kmsg" in files["nodes"].content or not os.path.exists("/dev/kmsg")
    assert not [name for name in files if name.startswith(("dev/", "m/"))]


@pytest.mark.root
def test_sandbox_is_the_usual_and_the_right_alone_loosens_nothing(bench: Workbench) -> None:
    usual = bench.build(f"FROM tiny\nRUN {FACTS}\n", team="sandbox")
    said = bench.build(
        f"FROM tiny\nRUN --security=sandbox {FACTS}\n", entitlements=frozenset({INSECURE}), team="sandbox"
    )
    assert said.states()["0.1"] == "cached"
    facts = bench.files(usual)["facts"].content.split()
    assert facts[3] == b"2"
    assert facts[6] != b"4294967295"
    again = bench.build(
        f"FROM tiny\nRUN --security=insecure {FACTS}\n", entitlements=frozenset({INSECURE}), team="sandbox"
    )
    assert again.states()["0.1"] == "done"  # another step, not the confined one's


@pytest.mark.root
def test_a_device_of_the_host(bench: Workbench, crane: Path) -> None:
    (crane / "file").write_text("of the host\n")
    described(
        crane, "harbour.example/shed", containerEdits={"mounts": [
            {"hostPath": str(crane / "file"), "containerPath": "/shed/file", "options": ["ro", "nosuid"]},
        ]},
    )  # fmt: skip
    text = (
        "FROM tiny\nRUN --device=harbour.example/crane=a,required --device=name=harbour.example/shed "
        "env > /env; stat -c '%F %t:%T' /dev/crane > /node; cp /shed/file /seen; "
        "echo x > /dev/crane || echo full > /full\n"
        "RUN ls /dev > /after; env > /envafter\n"
    )
    with pytest.raises(PermissionDenied, match="the right device") as caught:
        bench.build(text)
    assert caught.value.detail["line"] == 2
    built = bench.build(text, entitlements=frozenset({DEVICE}), team="device")
    files = bench.files(built)
    assert {b"CRANE=here", b"A=1"} <= set(files["env"].content.split())
    assert files["node"].content == b"character special file 1:7\n"
    assert (files["seen"].content, files["full"].content) == (b"of the host\n", b"full\n")
    assert b"crane" not in files["after"].content and b"CRANE" not in files["envafter"].content
    assert "shed" not in files
    assert not any(entry.startswith("CRANE") for entry in bench.config(built)["config"]["Env"])


@pytest.mark.root
def test_a_device_that_this_host_has_not(bench: Workbench, crane: Path) -> None:
    (crane / "broken.json").write_text("[]")
    rights = frozenset({DEVICE})
    built = bench.build("FROM tiny\nRUN --device=gpu.example/card=0 echo went on > /f\n", entitlements=rights)
    assert bench.files(built)["f"].content == b"went on\n"
    assert "this host has no device 'gpu.example/card=0'" in built.log()
    with pytest.raises(NotFound, match=r"broken\.json.*describe it there, or build without required") as caught:
        bench.build("FROM tiny\nRUN true\nRUN --device=gpu.example/card=0,required true\n", entitlements=rights)
    assert caught.value.detail["line"] == 3
