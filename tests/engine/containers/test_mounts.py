"""What is mounted into real containers, seen from inside and on the disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from engine.containers.committing import CommitSpec
from engine.errors import Conflict, EngineError, InvalidArgument, NotFound, PermissionDenied, Unsupported
from engine.volumes.service import PruneRules
from engine.volumes.volume import VolumeSpec
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


def said(host: Host, script: str, **options: Any) -> str:
    record = host.run("sh", "-c", f"exec 2>&1; {script}", **options)
    host.ended(record.id)
    return host.log(record.id).decode()


def data(host: Host, name: str) -> Path:
    return Path(host.engine.volumes.get(name).mountpoint)


def actions(host: Host, volume: str, container_id: str) -> list[str]:
    """What was told of a container's use of a volume, so far."""
    told = [entry.attributes for entry in host.engine.journal.read(0, limit=1000) if entry.subject == volume]
    return [str(said["action"]) for said in told if said.get("container") == container_id]


def test_a_named_volume_outlives_its_containers_and_shows_each_its_own_users(host: Host) -> None:
    asked = {"volumes": ("shared:/data",)}
    writer = host.run("sh", "-c", "echo one > /data/file; chown 1000:1001 /data/file; chmod 4750 /data/file", **asked)
    host.ended(writer.id)
    found = os.stat(data(host, "shared") / "file")
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1000, 1001, 0o4750), "as the container has it"
    for userns in ("auto", "host"):
        text = said(host, "stat -c '%u %g' /data/file; cat /data/file", userns=userns, **asked)
        assert text == "1000 1001\none\n", userns
    with pytest.raises(Conflict, match=writer.name):
        host.engine.volumes.remove("shared")
    assert host.engine.container_get(writer.id).as_state()["mounts"][0]["name"] == "shared"
    eventually(lambda: actions(host, "shared", writer.id) == ["mount", "unmount"], what="news of both")
    for record in host.engine.container_list():
        host.engine.container_remove(record.id, volumes=True)
    host.engine.volumes.remove("shared")
    assert os.listdir(host.home.config.volumes) == []


def test_an_image_fills_what_is_empty_with_owners_and_modes(host: Host) -> None:
    script = (
        "mkdir -p /srv/data/sub; echo seed > /srv/data/sub/seed; ln -s /etc/passwd /srv/data/link; "
        "chown -R 70:71 /srv/data; chmod 2750 /srv/data"
    )
    maker = host.run("sh", "-c", script)
    host.ended(maker.id)
    host.engine.container_commit(maker.id, CommitSpec(reference="seeded:1", changes=("VOLUME /srv/data",)))
    host.image = "seeded:1"
    assert said(host, "stat -c '%u %g %a' /srv/data; cat /srv/data/sub/seed; readlink /srv/data/link") == (
        "70 71 2750\nseed\n/etc/passwd\n"
    )
    (unnamed,) = [volume for volume in host.engine.volumes.list() if volume.is_anonymous]
    assert os.readlink(Path(unnamed.mountpoint) / "link") == "/etc/passwd"
    text = said(host, "cat /srv/data/sub/seed; echo more > /srv/data/sub/seed", volumes=("named:/srv/data",))
    assert text == "seed\n"
    assert said(host, "cat /srv/data/sub/seed", volumes=("named:/srv/data",)) == "more\n", "it is filled once"
    assert said(host, "ls /srv/data", volumes=("other:/srv/data:nocopy",)) == ""
    assert said(host, "ls /srv/data", tmpfs=("/srv/data",)) == "", "a tmpfs takes the place of the image's volume"
    assert len([volume for volume in host.engine.volumes.list() if volume.is_anonymous]) == 1


def test_volumes_without_a_name_go_with_their_container_if_asked(host: Host) -> None:
    kept, removed = (host.run("true", volumes=("/data",)) for _ in range(2))
    host.ended(kept.id), host.ended(removed.id)
    host.engine.container_remove(kept.id)
    host.engine.container_remove(removed.id, volumes=True)
    assert len(host.engine.volumes.list()) == 1
    gone = host.run("true", volumes=("/data", "named:/named"), auto_remove=True)

    def is_gone() -> bool:
        return gone.id not in [record.id for record in host.engine.container_list()]

    eventually(is_gone, what="the removal of what ends")
    eventually(lambda: len(host.engine.volumes.list()) == 2, what="the removal of its volume")
    assert len(host.engine.volumes.prune(PruneRules()).removed) == 1
    assert [volume.name for volume in host.engine.volumes.list()] == ["named"]


def test_every_way_to_mount_is_seen_from_inside(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the host\n")
    os.chown(tmp_path / "file", 1000, 1000)
    host.engine.volumes.create(VolumeSpec(name="sub"))
    (data(host, "sub") / "a").mkdir()
    (data(host, "sub") / "a" / "inner").write_text("inner\n")
    text = said(
        host,
        "cat /host/file; stat -c %u /host/file; echo x > /host/new; cat /sub/inner; echo x > /sub/new; "
        "df -k /scratch | tail -1 | awk '{print $2}'; stat -c %a /scratch; cat /etc/hosts",
        mounts=(
            f"type=bind,source={tmp_path},target=/host,readonly",
            "type=volume,source=sub,target=/sub,volume-subpath=a",
            "type=tmpfs,target=/scratch,tmpfs-size=1m,tmpfs-mode=700",
            f"type=bind,source={tmp_path}/file,target=/etc/hosts",
        ),
    )
    lines = text.splitlines()
    assert lines[:2] == ["of the host", "1000"]
    assert "Read-only file system" in lines[2]
    assert lines[3:] == ["inner", "1024", "700", "of the host"]
    assert (data(host, "sub") / "a" / "new").exists()
    assert not (tmp_path / "new").exists()


def test_mounts_of_others_are_taken_over_and_made_read_only(host: Host, tmp_path: Path) -> None:
    first = host.run("sh", "-c", "echo kept > /data/file", volumes=("/data", f"{tmp_path}:/host"))
    host.ended(first.id)
    text = said(host, "cat /data/file; touch /data/x /host/x || true; ls /host", volumes_from=(f"{first.name}:ro",))
    assert text.count("Read-only file system") == 2
    assert text.startswith("kept\n")
    host.engine.container_remove(first.id, volumes=True)
    assert len(host.engine.volumes.list()) == 1, "another container has it"
    with pytest.raises(InvalidArgument, match="no container nobody"):
        host.engine.container_create(host.spec("true", volumes_from=("nobody",)))


def test_a_missing_path_of_the_host_is_made_by_one_flag_and_refused_by_the_other(host: Host, tmp_path: Path) -> None:
    said(host, "echo x > /x/file", volumes=(f"{tmp_path}/made/deep:/x",))
    assert (tmp_path / "made" / "deep" / "file").exists()
    with pytest.raises(InvalidArgument, match="is not there on the host"):
        host.engine.container_create(host.spec("true", mounts=(f"type=bind,source={tmp_path}/no,target=/x",)))
    assert not (tmp_path / "no").exists()


def test_neither_the_home_nor_the_kernel_is_shown(host: Host, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(host.home.path)
    for source in (host.home.path, host.home.path / "volumes", tmp_path / "link", "/proc", "/sys/kernel", "/dev"):
        with pytest.raises(PermissionDenied):
            host.engine.container_create(host.spec("true", volumes=(f"{source}:/x",)))
    for source in (host.home.path, "/dev", "/dev/null"):
        with pytest.raises(PermissionDenied):
            host.engine.container_create(host.spec("true", volumes=(f"{source}:/x:ro",)))
    assert said(host, "cat /x/version | wc -l", volumes=("/proc:/x",), privileged=True, userns="host") == "1\n"


def test_no_link_leads_out_of_a_volume_or_of_the_root(host: Host, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret\n")
    host.engine.volumes.create(VolumeSpec(name="evil"))
    (data(host, "evil") / "out").symlink_to(tmp_path / "secret")
    (data(host, "evil") / "up").symlink_to("../../../../../../..")
    with pytest.raises(EngineError, match="not there"):
        host.run("true", mounts=("source=evil,target=/x,volume-subpath=out",))
    text = said(host, "ls /x", mounts=("source=evil,target=/x,volume-subpath=up",))
    assert set(text.split()) == {"out", "up"}, "the volume is the end of every way up"
    maker = host.run("sh", "-c", f"ln -s {tmp_path}/secret /door; ln -s /proc/1/root /gate")
    host.ended(maker.id)
    host.engine.container_commit(maker.id, CommitSpec(reference="hostile:1"))
    host.image = "hostile:1"
    said(host, "echo in > /door/inside", volumes=("safe:/door",))
    assert os.listdir(data(host, "safe")) == ["inside"]
    assert os.listdir(tmp_path / "secret") == ["key"]


def test_a_link_that_appears_in_the_way_is_not_followed(host: Host, tmp_path: Path) -> None:
    (tmp_path / "shown").mkdir()
    spec = host.spec("ls", "/x", volumes=(f"{tmp_path}/shown:/x",))
    host.engine.container_create(spec)
    (tmp_path / "shown").rmdir()
    with pytest.raises(NotFound, match="is not there"):
        host.engine.container_start(spec.id)
    (tmp_path / "shown").symlink_to("/etc")
    with pytest.raises(Conflict, match="leads elsewhere"):
        host.engine.container_start(spec.id)


def test_a_volume_in_memory_is_shared_while_it_is_there(host: Host) -> None:
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}
    host.engine.volumes.create(VolumeSpec(name="memory", driver_opts=options))
    writer = host.run("sh", "-c", "echo fast > /m/file", volumes=("memory:/m",))
    host.ended(writer.id)
    text = said(host, "cat /m/file; df -k /m | tail -1 | awk '{print $2}'", volumes=("memory:/m",))
    assert text == "fast\n1024\n"
    for record in host.engine.container_list():
        host.engine.container_remove(record.id)
    host.engine.volumes.remove("memory")
    assert host.home.mounts() == []


def test_a_driver_and_a_kind_of_mount_that_are_not_here_are_refused(host: Host) -> None:
    with pytest.raises(InvalidArgument, match="no volume driver"):
        host.engine.container_create(host.spec("true", volume_driver="rexray"))
    with pytest.raises((InvalidArgument, Unsupported), match="not supported"):
        host.engine.container_create(host.spec("true", mounts=("type=npipe,source=a,target=/x",)))


def test_another_runtime_mounts_the_same(host: Host, tmp_path: Path) -> None:
    installed = [fact["name"] for fact in host.engine.runtime.installed.facts() if not fact.get("problem")]
    if "crun" not in installed and "runc" not in installed:
        pytest.skip("neither crun nor runc is installed")
    runtime = "crun" if "crun" in installed else "runc"
    (tmp_path / "file").write_text("of the host\n")
    text = said(
        host, "cat /host/file; echo x > /data/file; stat -c %u /data/file",
        volumes=("foreign:/data", f"{tmp_path}:/host:ro"), runtime=runtime,
    )  # fmt: skip
    assert text == "of the host\n0\n"
    assert os.stat(data(host, "foreign") / "file").st_uid == 0
