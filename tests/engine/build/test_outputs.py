"""What a build ends with besides an image here: pushes, indexes of several platforms, files and archives."""

from __future__ import annotations

import json
import os
import secrets
import tarfile
from pathlib import Path
from typing import Any

import pytest

from engine.build.emulation import require_runnable
from engine.build.events import BuildEvent
from engine.build.outputs import Output
from engine.errors import EngineError, InvalidArgument, Unsupported
from engine.images.pull import host_platform
from engine.oci.platform import Platform
from tests.support.builds import Workbench, files_below
from tests.support.engine import Host
from tests.support.home import throwaway_home
from tests.support.registry import Registry

pytestmark = pytest.mark.root

OWN = str(host_platform())
OTHER = "linux/s390x"
FOREIGN = "FROM scratch\nARG TARGETPLATFORM\nLABEL made-for=$TARGETPLATFORM\nCOPY f /d/\n"


def name_at(registry: Registry) -> str:
    return f"{registry.address}/out-{secrets.token_hex(4)}:latest"


def manifest(registry: Registry, name: str, identifier: str = "latest") -> dict[str, Any]:
    found: dict[str, Any] = registry.manifest(name.partition("/")[2].rpartition(":")[0], identifier)
    return found


def test_what_was_asked_to_be_pushed_is_pushed_as_a_step(bench: Workbench, registry: Registry) -> None:
    names = (name_at(registry), name_at(registry))
    built = bench.build("FROM tiny\nRUN echo x > /x\n", tags=names, push=True, team="push")
    steps = {event.vertex.id: event.vertex for event in built.events}
    assert (built.states()["push.0"], built.states()["push.1"]) == ("done", "done")
    assert steps["push.0"].inputs == ("0.1",)
    assert steps["push.0"].name == f"push {names[0]}"
    assert any(event.total_bytes for event in built.events if event.vertex.id == "push.0")
    assert set(built.result.pushed) == set(names)
    assert built.result.digest.removeprefix("sha256:") in built.log()
    assert built.result.steps == 2
    with throwaway_home() as other:
        assert Host(other, names[1]).engine.images.get(names[1]).id == built.result.image_id


def test_a_push_that_fails_leaves_the_image(bench: Workbench) -> None:
    events: list[BuildEvent] = []
    with pytest.raises(EngineError, match="was built, but it could not be pushed as 127"):
        bench.build("FROM scratch\n", tags=("127.0.0.1:1/gone:1",), push=True, events=events)
    assert [event.state for event in events if event.vertex.id == "push.0"][-1] == "failed"
    assert bench.engine.images.get("127.0.0.1:1/gone:1").id


def test_a_push_needs_a_name(bench: Workbench) -> None:
    with pytest.raises(InvalidArgument, match="where to push"):
        bench.build("FROM scratch\n", push=True)


def test_several_platforms_become_an_index(bench: Workbench, registry: Registry) -> None:
    name = name_at(registry)
    built = bench.build(FOREIGN, {"f": "F"}, tags=(name,), platforms=(OTHER, OWN), push=True, team="index")
    index = manifest(registry, name)
    shown = [f"{entry['platform']['os']}/{entry['platform']['architecture']}" for entry in index["manifests"]]
    assert shown == [OTHER, OWN]
    assert bench.config(built)["config"]["Labels"] == {"made-for": OWN}
    ids = built.states()
    assert (ids["linux-s390x.0.1"], ids["pack"], ids["push.0"]) == ("done", "done", "done")
    called = {event.vertex.id: event.vertex for event in built.events}
    assert called["linux-s390x.0.1"].name.startswith("[linux/s390x ")
    assert set(called["pack"].inputs) == {"linux-s390x.0.1", f"{OWN.replace('/', '-')}.0.1"}
    for platform in (OWN, OTHER):
        with throwaway_home() as home:
            image = Host(home, bench.image).engine.images.pull(name, platform=platform)
            assert image.config.labels["made-for"] == platform
    again = bench.build(FOREIGN, {"f": "F"}, tags=(name,), platforms=(OTHER, OWN), push=True, team="index")
    assert again.result.digest == built.result.digest


def test_an_index_stays_whole_until_it_is_removed(bench: Workbench, registry: Registry) -> None:
    """The other platform's blobs belong to the image, whatever is pruned meanwhile."""
    name = name_at(registry)
    bench.build(FOREIGN, {"f": "for later"}, tags=(name,), platforms=(OTHER, OWN), team="whole index")
    bench.engine.builder.prune()
    bench.engine.image_prune()
    bench.engine.images.push(name, all_platforms=True)
    assert len(manifest(registry, name)["manifests"]) == 2


def test_a_base_for_another_machine_leaves_the_name_alone(bench: Workbench, registry: Registry) -> None:
    base = name_at(registry)
    bench.build(FOREIGN, {"f": "F"}, tags=(base,), platforms=(OTHER, OWN), push=True, team="bases")
    with throwaway_home() as home:
        there = Workbench(Host(home, base).engine, base)
        own = there.engine.images.get(base).id
        built = there.build("FROM tiny\nCOPY g /\n", {"g": "G"}, platform=OTHER)
        assert there.config(built)["config"]["Labels"] == {"made-for": OTHER}
        assert set(there.files(built)) == {"d", "d/f", "g"}
        assert there.engine.images.get(base).id == own
        with pytest.raises(Unsupported, match="RUN needs a machine of linux/s390x"):
            there.build("FROM tiny\nRUN true\n", platform=OTHER)


def test_an_emulator_counts_if_it_is_found_in_containers(tmp_path: Path) -> None:
    host, other = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
    require_runnable(host, host, tmp_path)
    require_runnable(Platform.parse("linux/386"), host, tmp_path)
    (tmp_path / "status").write_text("enabled\n")
    entry = tmp_path / "qemu-aarch64"
    for text, is_enough in (
        ("enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: POCF\noffset 0\n", True),
        ("enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OC\noffset 0\n", False),
        ("disabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: F\noffset 0\n", False),
    ):
        entry.write_text(text)
        if is_enough:
            require_runnable(other, host, tmp_path)
        else:
            with pytest.raises(Unsupported, match="qemu-aarch64"):
                require_runnable(other, host, tmp_path)


TREE = (
    "FROM tiny AS base\nRUN touch /gone && ln /etc/passwd /etc/linked\n"
    "FROM base\nRUN rm /gone && chown 7:8 /home && ln -s /etc/passwd /absolute && chmod 4711 /bin/busybox\nCOPY f /d/\n"
)


def test_files_are_written_as_a_tar(bench: Workbench, tmp_path: Path) -> None:
    place = tmp_path / "out.tar"
    built = bench.build(TREE, {"f": "F"}, outputs=(Output("tar", str(place)),), team="tar")
    assert built.states()["output.0"] == "done"
    with tarfile.open(place) as archive:
        members = {member.name: member for member in archive}
        files = bench.files(built)
        assert set(members) == set(files)
        assert (members["home"].uid, members["home"].gid) == (7, 8)
        assert members["bin/busybox"].mode == 0o4711
        assert members["etc/passwd"].islnk()
        assert members["absolute"].linkname == "/etc/passwd"
    assert list(tmp_path.iterdir()) == [place]
    with bench.engine.builder.save_files(built.result.image_id) as saving:
        assert saving.stream is not None
        with os.fdopen(os.dup(saving.stream), "rb") as stream:
            assert stream.read() == place.read_bytes()
        saving.wait()


def test_files_are_written_to_a_directory_and_lead_nowhere_else(bench: Workbench, tmp_path: Path) -> None:
    outside, place = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    (place / "d").mkdir(parents=True)
    (place / "d" / "before").write_text("stays")
    (place / "d" / "f").symlink_to(outside / "f")
    built = bench.build(TREE, {"f": "F"}, outputs=(Output("local", str(place)),), team="local")
    mine = files_below(str(place))
    assert mine.pop("d/before").content == b"stays"
    theirs = bench.files(built)
    assert {name: (one.kind, one.content) for name, one in mine.items()} == {
        name: (one.kind, one.content) for name, one in theirs.items()
    }
    assert (mine["home"].uid, mine["bin/busybox"].mode & 0o777) == (os.getuid(), 0o711)
    assert list(outside.iterdir()) == []
    bench.build(FOREIGN, {"f": "F"}, outputs=(Output("local", str(tmp_path / "two")),), platforms=(OTHER, OWN))
    assert (tmp_path / "two" / "linux_s390x" / "d" / "f").read_text() == "F"


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_an_archive_of_the_image_is_written(bench: Workbench, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "image.tar"
    name = f"archived:{kind}"
    built = bench.build(TREE, {"f": "F"}, tags=(name,), outputs=(Output(kind, str(place)),), team=kind)
    with throwaway_home() as home:
        engine = Host(home, bench.image).engine
        with place.open("rb") as archive:
            (image,) = engine.images.load(archive.fileno())
        assert (image.id, image.tags) == (built.result.image_id, (name,))


def test_an_archive_of_several_platforms(bench: Workbench, tmp_path: Path, registry: Registry) -> None:
    place, layout = tmp_path / "index.tar", tmp_path / "layout"
    outputs = (Output("oci", str(place)),)
    built = bench.build(FOREIGN, {"f": "F"}, tags=("several:1",), platforms=(OTHER, OWN), outputs=outputs, team="oci")
    with tarfile.open(place) as archive:
        archive.extractall(layout, filter="data")
    listed = json.loads((layout / "index.json").read_text())["manifests"]
    assert [entry["digest"] for entry in listed] == [built.result.digest]
    name = f"several-{secrets.token_hex(4)}:latest"
    registry.push(layout, name)  # skopeo reads all of it
    assert len(manifest(registry, f"x/{name}")["manifests"]) == 2
    with pytest.raises(InvalidArgument, match="one platform"):
        bench.build(FOREIGN, platforms=(OTHER, OWN), outputs=(Output("docker", str(place)),))


def test_what_can_not_be_written_is_said(bench: Workbench, tmp_path: Path) -> None:
    for output in (Output("tar", "/nowhere/out.tar"), Output("local", "/dev/null/out")):
        with pytest.raises(InvalidArgument, match="can't be"):
            bench.build("FROM scratch\nCOPY f /\n", {"f": "F"}, outputs=(output,))
    for wrong in (Output("zip", "x"), Output("local"), Output("tar")):
        with pytest.raises(InvalidArgument):
            bench.build("FROM scratch\n", outputs=(wrong,))
