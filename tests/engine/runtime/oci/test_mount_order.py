"""Mounts that lie in others: a read-only /dev, and sources that an earlier mount brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.runtime.box import make_image
from tests.engine.runtime.oci.bundles import Bundle

pytestmark = pytest.mark.root

FIRST = 800_000


def with_users(bundle: Bundle) -> None:
    bundle.linux["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        bundle.linux[kind] = [{"containerID": 0, "hostID": FIRST, "size": 65536}]


def options_of(bundle: Bundle, destination: str) -> list[str]:
    entry: dict[str, Any] = next(each for each in bundle.config["mounts"] if each["destination"] == destination)
    options: list[str] = entry["options"]
    return options


@pytest.mark.parametrize("users", [False, True], ids=["the host's users", "users of its own"])
def test_a_read_only_dev_has_all_that_is_in_another(bundle: Bundle, users: bool) -> None:
    if users:
        with_users(bundle)
    options_of(bundle, "/dev").append("ro")
    out = bundle.sh(
        "grep ' /dev tmpfs ' /proc/mounts; echo x >/dev/null; ls /dev/shm /dev/pts >/dev/null; readlink /dev/fd; "
        "echo x >/dev/new 2>/dev/null || echo closed; echo x >/dev/shm/new && echo open"
    )
    mounted, link, *rest = out.splitlines()
    assert "ro" in mounted.split()[3].split(",")
    assert (link, rest) == ("/proc/self/fd", ["closed", "open"])


def test_the_devices_of_a_user_namespace_lie_in_one_mount_as_theirs(bundle: Bundle) -> None:
    with_users(bundle)
    bundle.linux["devices"] = [
        {"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 1000, "gid": 7}
    ]
    bundle.linux["resources"]["devices"] = [{"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rw"}]
    out = bundle.sh(
        "grep -c ' /dev/[a-z]*[mnz]' /proc/mounts || true; busybox stat -c '%u %g %a' /dev/mine /dev/null /dev; "
        "busybox head -c 2 /dev/mine | busybox wc -c; rm /dev/full && echo gone"
    )
    listed, *rest = out.splitlines()
    assert rest == ["1000 7 640", "0 0 666", "0 0 755", "2", "gone"]
    assert int(listed) <= 2, "shm and mqueue at most"


@pytest.mark.parametrize("users", [False, True], ids=["the host's users", "users of its own"])
@pytest.mark.parametrize("idmapped", [False, True], ids=["plain", "idmapped"])
def test_a_source_may_be_what_an_earlier_mount_brings(
    bundle: Bundle, tmp_path: Path, users: bool, idmapped: bool
) -> None:
    image = make_image(tmp_path / "image-of-its-own")
    bundle.config["root"] = {"path": str(image), "readonly": False}
    for path in ("mnt", "final"):
        (image / path).mkdir()
    for path in ("a/x", "b/y"):
        (tmp_path / "source" / path).mkdir(parents=True)
        (tmp_path / "source" / path / "file").write_text(path)
    if users:
        with_users(bundle)
    options = ["rbind", *(["idmap"] if idmapped else [])]
    last: dict[str, Any] = {"destination": "/final", "type": "bind", "source": str(image / "mnt"), "options": options}
    if idmapped:
        for kind in ("uidMappings", "gidMappings"):
            last[kind] = [{"containerID": 0, "hostID": FIRST, "size": 65536}]
    bundle.config["mounts"] += [
        {"destination": "/mnt", "type": "bind", "source": str(tmp_path / "source/a"), "options": ["rbind"]},
        {"destination": "/mnt/x", "type": "bind", "source": str(tmp_path / "source/b"), "options": ["rbind"]},
        last,
    ]
    if users and idmapped:
        assert "can't be mounted with other owners" in bundle.refusal()
        return
    out = bundle.sh("busybox cat /final/x/y/file; echo; busybox stat -c %u /final")
    assert out.split() == ["b/y", str(FIRST) if idmapped else "65534" if users else "0"]


def test_a_source_in_the_containers_proc_is_refused(bundle: Bundle) -> None:
    """Under another name it would be free of the masks."""
    source = f"{bundle.config['root']['path']}/proc/keys"
    bundle.config["mounts"].append({"destination": "/tmp/keys", "type": "bind", "source": source, "options": ["bind"]})
    assert "leads into /proc" in bundle.refusal()
