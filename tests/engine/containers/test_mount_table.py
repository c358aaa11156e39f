"""/etc/mtab leads to /proc/mounts where the image has none, is no change, and harms nobody's file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine.containers.committing import CommitSpec
from engine.snapshots.service import Snapshots
from tests.support.engine import Host
from tests.support.images import BUSYBOX, busybox_layer
from tests.support.oci_layout import Layer, Layout, directory, member, symlink, tar_of

pytestmark = [pytest.mark.root, pytest.mark.registry]

TABLE = "readlink /etc/mtab; grep -c ' /proc ' /etc/mtab"
USUAL = ["/proc/mounts", "1"]


@pytest.fixture
def image(host: Host, registry: Any, tmp_path: Path) -> Any:
    """An image of busybox and these layers, by name; busybox's has no /etc/mtab, and none of them need have an /etc."""

    def make(name: str, *tars: bytes, bare: bool = False) -> str:
        layout = Layout(tmp_path / name)
        first: list[Layer] = [] if bare else [busybox_layer(layout)]
        pushed = str(registry.push(layout.image([*first, *map(layout.layer, tars)]), f"table/{name}"))
        host.engine.images.pull(pushed)
        return pushed

    return make


def said(host: Host, script: str, **how: Any) -> list[str]:
    record = host.run("sh", "-c", script, **how)
    host.ended(record.id)
    return host.log(record.id).decode().split("\n")[:-1]


@pytest.mark.parametrize(
    ("runtime", "how"),
    [("portside", {}), ("portside", {"userns": "host"}), ("portside", {"read_only": True, "user": "1000"}),
     ("crun", {"read_only": True}), ("crun", {"userns": "host"}), ("runc", {"user": "1000"})],
)  # fmt: skip
def test_it_is_there(host: Host, runtime: str, how: dict[str, Any]) -> None:
    installed = [fact["name"] for fact in host.engine.runtime.installed.facts() if not fact.get("problem")]
    if runtime != "portside" and runtime not in installed:
        pytest.skip(f"{runtime} is not installed")
    record = host.run("sh", "-c", TABLE, runtime=runtime, **how)
    host.ended(record.id)
    assert host.log(record.id).decode().split() == USUAL
    assert host.engine.container_changes(record.id) == {"changes": [], "more": False}
    host.engine.container_start(record.id)  # which finds it there
    assert host.ended(record.id).exit_code == 0
    assert host.log(record.id).decode().split() == USUAL * 2


def test_an_image_without_etc_gets_both_and_neither_is_a_change(host: Host, image: Any) -> None:
    program = BUSYBOX.read_bytes()
    name = image("scratch", tar_of([member(name, program, mode=0o755) for name in ("sh", "busybox")]), bare=True)
    record = host.run("/sh", "-c", f"{TABLE}; ls -ld /etc; echo kept > /kept", image=name)
    host.ended(record.id)
    lines = host.log(record.id).decode().split("\n")
    assert lines[:2] == USUAL and lines[2].startswith("drwxr-xr-x ")
    assert [change["path"] for change in host.engine.container_changes(record.id)["changes"]] == ["/kept"]
    committed = host.engine.container_commit(record.id, CommitSpec())
    layer = Snapshots(host.engine.config, host.engine.store).layer_directory(committed.diff_ids[-1])
    assert os.listdir(layer) == ["kept"]


def test_what_the_image_has_stays(host: Host, image: Any) -> None:
    name = image("file", tar_of({"etc/mtab": b"the image's\n"}))
    assert said(host, "cat /etc/mtab", image=name) == ["the image's"]
    elsewhere = image("link", tar_of([directory("real"), symlink("etc", "/real")]))
    record = host.run("sh", "-c", "ls -A /real; readlink /etc", image=elsewhere)
    host.ended(record.id)
    assert "mtab" not in host.log(record.id).decode()


def test_what_the_container_puts_there_is_its_change_and_is_committed(host: Host) -> None:
    record = host.run("sh", "-c", "rm /etc/mtab; echo own > /etc/mtab")
    assert host.ended(record.id).exit_code == 0
    told = [(change["change"], change["path"]) for change in host.engine.container_changes(record.id)["changes"]]
    assert told == [("changed", "/etc"), ("added", "/etc/mtab")]
    committed = host.engine.container_commit(record.id, CommitSpec())
    layer = Snapshots(host.engine.config, host.engine.store).layer_directory(committed.diff_ids[-1])
    assert (layer / "etc/mtab").read_text() == "own\n"
    host.engine.container_start(record.id)
    assert host.ended(record.id).exit_code == 0


@pytest.mark.parametrize("what", ["touch", "mkdir", "mkfifo", "ln -s /elsewhere"])
def test_what_is_empty_there_is_a_change_as_well(host: Host, what: str) -> None:
    record = host.run("sh", "-c", f"rm /etc/mtab; {what} /etc/mtab")
    assert host.ended(record.id).exit_code == 0
    assert "/etc/mtab" in [change["path"] for change in host.engine.container_changes(record.id)["changes"]]
    committed = host.engine.container_commit(record.id, CommitSpec())
    layer = Snapshots(host.engine.config, host.engine.store).layer_directory(committed.diff_ids[-1])
    assert os.listdir(layer / "etc") == ["mtab"]


def test_an_etc_with_a_mode_of_its_own_is_a_change(host: Host, image: Any) -> None:
    name = image(
        "none", tar_of([member(name, BUSYBOX.read_bytes(), mode=0o755) for name in ("sh", "busybox")]), bare=True
    )
    record = host.run("/sh", "-c", "chmod 700 /etc", image=name)
    assert host.ended(record.id).exit_code == 0
    assert [change["path"] for change in host.engine.container_changes(record.id)["changes"]] == ["/etc"]
    committed = host.engine.container_commit(record.id, CommitSpec())
    layer = Snapshots(host.engine.config, host.engine.store).layer_directory(committed.diff_ids[-1])
    assert os.listdir(layer) == ["etc"]


def test_a_directory_of_the_host_gets_none_and_a_mount_has_its_place(host: Host, tmp_path: Path) -> None:
    etc, table = tmp_path / "etc", tmp_path / "table"
    etc.mkdir()
    table.write_text("mine\n")
    said(host, "true", mounts=(f"type=bind,source={etc},target=/etc",))
    assert not (etc / "mtab").is_symlink()
    record = host.run("cat", "/etc/mtab", mounts=(f"type=bind,source={table},target=/etc/mtab",))
    host.ended(record.id)
    assert host.log(record.id) == b"mine\n"
    assert host.engine.container_changes(record.id)["changes"] == []
