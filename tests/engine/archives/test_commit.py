"""Commit on the real kernel: a container becomes an image that runs as the container would, and can be pushed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.containers.committing import CommitSpec
from engine.errors import Conflict, InvalidArgument
from tests.engine.archives.copying import copy_in, member, members, tar
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

WORK = """
echo added > /added; chown 1000:50 /added; chmod 4750 /added; ln /added /again; rm /etc/group
rm -r /home; mkdir /home; echo new > /home/new; mkdir -p /fresh/dir; ln -s /added /fresh/link
echo changed >> /etc/passwd; mkfifo /pipe; touch /.wh.etc
"""


def test_a_committed_image_has_the_containers_files_and_words(host: Host) -> None:
    record = host.run(
        "sh", "-ec", f"{WORK}\necho ready; exec sleep 1000", env={"A": "1"}, labels={"l": "1"}, tmpfs=("/mnt/scratch",)
    )
    host.says(record.id, b"ready", seconds=60)
    before = len(layers(host))
    spec = CommitSpec(
        reference="local/made:1",
        author="Ann",
        comment="why",
        changes=('CMD ["cat", "/home/new"]', "ENV B='2 3' C=4", "EXPOSE 80 53/udp", "WORKDIR /fresh", "LABEL m=2"),
        created_at="2024-05-06T07:08:09Z",
    )
    image = host.engine.container_commit(record.id, spec)
    assert host.engine.container_get(record.id).status == "running"
    assert host.engine.container_commit(record.id, spec).id == image.id, "the same again is done already"
    assert len(layers(host)) == before + 1 and image.tags == ("local/made:1",)
    config = image.config
    assert config.cmd == ("cat", "/home/new") and set(config.env) >= {"A=1", "B=2 3", "C=4"}
    assert (config.working_dir, config.labels, config.exposed_ports) == (
        "/fresh", {"l": "1", "m": "2"}, ("53/udp", "80/tcp"),
    )  # fmt: skip
    made = host.spec(image="local/made:1")
    host.engine.container_create(made)
    host.engine.container_start(made.id)
    assert host.ended(made.id).exit_code == 0 and host.log(made.id) == b"new\n"
    found = members(host.engine, made.id, "/")
    assert (found["/added"].uid, found["/added"].gid, found["/added"].mode) == (1000, 50, 0o4750)
    assert found["/again"].linkname == "/added" and found["/pipe"].isfifo() and "/fresh/dir" in found
    assert not {"/etc/group", "/home/app", "/mnt/scratch", "/.wh.etc"} & set(found) and "/etc/passwd" in found
    assert host.engine.container_changes(made.id) == {"changes": [], "more": False}
    host.engine.container_remove(record.id, force=True)
    with pytest.raises(Conflict):
        host.engine.image_remove("local/made:1")
    host.engine.container_remove(made.id)
    host.engine.image_remove("local/made:1")
    assert len(layers(host)) == before


def layers(host: Host) -> list[str]:
    """The committed ones."""
    found = host.home.config.snapshots.iterdir()
    return [path.name for path in found if path.name.isdigit() and not (path / "work").exists()]


def test_a_container_that_rests_and_one_that_did_nothing(host: Host) -> None:
    name = host.run("true").id
    host.ended(name)
    plain = host.engine.container_commit(name, CommitSpec(reference="local/plain"))
    assert plain.diff_ids == host.engine.images.get(host.image).diff_ids and plain.tags == ("local/plain:latest",)
    copy_in(host.engine, name, "/home", tar(member("x", b"x", uid=9)))
    nameless = host.engine.container_commit(name, CommitSpec())
    assert not nameless.tags and len(nameless.diff_ids) == len(plain.diff_ids) + 1
    for changes in (("FROM x",), ("ENV",), ("EXPOSE x",), ("CMD",), ("ENV =x",)):
        with pytest.raises(InvalidArgument, match="changes"):
            host.engine.container_commit(name, CommitSpec(changes=changes))
    with pytest.raises(InvalidArgument):
        host.engine.container_commit(name, CommitSpec(reference="Not A Name"))
    host.engine.container_remove(name)


def test_an_image_that_was_committed_can_be_committed_again_and_pushed(host: Host, registry: object) -> None:
    """Its blobs are what its manifest says: what a push would send, and skopeo would take."""
    name = host.run("sh", "-c", "echo 1 > /one").id
    host.ended(name)
    first = host.engine.container_commit(name, CommitSpec(reference="local/one"))
    second = host.run("sh", "-c", "cat /one; echo 2 > /two", image="local/one:latest").id
    host.ended(second)
    image = host.engine.container_commit(second, CommitSpec(reference="local/two"))
    assert image.diff_ids[: len(first.diff_ids)] == first.diff_ids and host.log(second) == b"1\n"
    blobs = host.home.config.content / "blobs/sha256"
    manifests = [json.loads(path.read_bytes()) for path in blobs.iterdir() if path.read_bytes()[:1] == b"{"]
    (manifest,) = [m for m in manifests if m.get("config", {}).get("digest") == image.id]
    assert [len(manifest["layers"]), manifest["layers"][-1]["mediaType"][-9:]] == [
        len(image.diff_ids),
        ".tar+gzip",
    ] or (manifest["layers"][-1]["mediaType"].endswith("tar.gzip"))
    for layer in manifest["layers"]:
        blob = blobs / layer["digest"].removeprefix("sha256:")
        assert blob.stat().st_size == layer["size"]
        assert subprocess.run(["sha256sum", blob], capture_output=True, check=True).stdout.decode()[:64] == blob.name
    for made in (name, second):
        host.engine.container_remove(made)


KILLED = """
import sys
from pathlib import Path
from engine.config import EngineConfig
from engine.containers.committing import CommitSpec
from engine.facade import Engine
engine = Engine(EngineConfig(home=Path(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
engine.container_commit(sys.argv[2], CommitSpec(reference="local/killed"))
print("done", flush=True)
"""


def test_a_death_in_the_middle_leaves_no_half_image_and_nothing_frozen(host: Host) -> None:
    script = "head -c 60000000 /dev/urandom > /big; echo ready; while :; do sleep 0.1; echo tick >> /log; done"
    record = host.run("sh", "-c", script)
    host.says(record.id, b"ready", seconds=60)
    before = layers(host)
    for milliseconds in (0, 60, 150, 300, 600):
        arguments = [sys.executable, "-c", KILLED, str(host.home.path), record.id]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin and process.stdout
            assert process.stdout.readline() == b"ready\n"
            process.stdin.write(b"\n")
            process.stdin.flush()
            time.sleep(milliseconds / 1000)  # wherever that is: every moment has to be right
            process.kill()
            process.wait()
        host.engine.reconcile()
        assert not host.engine.cgroups.is_frozen(record.id)
        names = {tag for image in host.engine.images.list() for tag in image.tags}
        assert (len(layers(host)) > len(before)) == ("local/killed:latest" in names)
        assert os.listdir(host.home.config.snapshots / "staging") == []
        if "local/killed:latest" in names:
            host.engine.image_remove("local/killed")
    seen = members(host.engine, record.id, "/log")["log"].size
    eventually(lambda: members(host.engine, record.id, "/log")["log"].size > seen, seconds=30, what="another tick")
    image = host.engine.container_commit(record.id, CommitSpec(reference="local/killed", pause=False))
    assert image.size_bytes > 60_000_000
    assert Path(host.home.config.containers / record.id).exists()
    host.engine.container_remove(record.id, force=True)
