"""Directories of the host that a policy lets containers bind, and no link that a container puts there."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import Conflict, EngineError, PermissionDenied
from tests.support.engine import Host

pytestmark = [pytest.mark.root, pytest.mark.registry]


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    """A root that everybody may write to, with `data/file`; `secret/file` lies beside it."""
    (tmp_path / "allowed/data").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "allowed/data/file").write_text("allowed\n")
    (tmp_path / "secret/file").write_text("secret\n")
    return tmp_path / "allowed"


def said(host: Host, script: str, **options: object) -> str:
    record = host.run("sh", "-c", f"exec 2>&1; {script}", **options)
    host.ended(record.id)
    return host.log(record.id).decode()


def test_what_lies_in_a_root_is_mounted_and_made(tidy_host: Host, allowed: Path) -> None:
    asked = {"bind_roots": ("/somewhere/else", str(allowed))}
    assert said(tidy_host, "cat /d/file", volumes=(f"{allowed}/data:/d",), **asked) == "allowed\n"
    assert said(tidy_host, "echo here > /d/x; cat /d/x", volumes=(f"{allowed}/new/one:/d",), **asked) == "here\n"
    assert (allowed / "new/one").is_dir()


@pytest.mark.parametrize("path", ["{beside}/secret", "{root}/../secret", "{root}/link", "{root}/link/new", "{root}er"])
def test_what_does_not_is_refused_and_nothing_is_made(tidy_host: Host, allowed: Path, path: str) -> None:
    (allowed / "link").symlink_to(allowed.parent / "secret")
    source = path.format(root=allowed, beside=allowed.parent)
    with pytest.raises(PermissionDenied, match=str(allowed)) as caught:
        tidy_host.run("true", volumes=(f"{source}:/d",), bind_roots=(str(allowed),))
    assert caught.value.detail["field"] == "volumes"
    assert sorted(entry.name for entry in allowed.parent.iterdir()) == ["allowed", "secret"]
    assert [entry.name for entry in (allowed.parent / "secret").iterdir()] == ["file"]


def test_a_link_that_comes_before_a_later_start_is_not_followed(tidy_host: Host, allowed: Path) -> None:
    asked = {"volumes": (f"{allowed}/data:/d",), "bind_roots": (str(allowed),)}
    record = tidy_host.run("cat", "/d/file", **asked)
    tidy_host.ended(record.id)
    (allowed / "data").rename(allowed / "aside")
    (allowed / "data").symlink_to(allowed.parent / "secret")
    with pytest.raises(EngineError, match=str(allowed)):
        tidy_host.engine.container_start(record.id)
    with pytest.raises(EngineError):  # those who take its mounts keep the rule, whatever they may themselves
        tidy_host.run("cat", "/d/file", volumes_from=(record.id,))
    assert b"secret" not in tidy_host.log(record.id)


def test_mounts_of_others_have_to_lie_there_too(tidy_host: Host, allowed: Path) -> None:
    free = tidy_host.run("true", volumes=(f"{allowed.parent}/secret:/d",))
    with pytest.raises(PermissionDenied, match="volumes_from"):
        tidy_host.run("cat", "/d/file", volumes_from=(free.id,), bind_roots=(str(allowed),))


def test_a_volume_that_is_a_directory_of_the_host_keeps_the_rule_for_all(tidy_host: Host, allowed: Path) -> None:
    def wish(device: Path, name: str) -> tuple[str, ...]:
        options = f"volume-opt=type=none,volume-opt=o=bind,volume-opt=device={device}"
        return (f"type=volume,source={name},target=/d,{options}",)

    roots = (str(allowed),)
    with pytest.raises(PermissionDenied, match=str(allowed)):
        tidy_host.run("true", mounts=wish(allowed.parent / "secret", "other"), bind_roots=roots)
    assert said(tidy_host, "cat /d/file", mounts=wish(allowed / "data", "rooted"), bind_roots=roots) == "allowed\n"
    assert said(tidy_host, "cat /d/file", volumes=("rooted:/d",)) == "allowed\n"
    with tidy_host.engine.volumes.files.tree("rooted"):
        pass
    (allowed / "data").rename(allowed / "aside")
    (allowed / "data").symlink_to(allowed.parent / "secret")
    with pytest.raises(EngineError, match=str(allowed)):
        said(tidy_host, "cat /d/file", volumes=("rooted:/d",))
    for read in (tidy_host.engine.volumes.files.tree, tidy_host.engine.volumes.backups.pack):
        with pytest.raises((PermissionDenied, Conflict), match=str(allowed)):
            read("rooted")
