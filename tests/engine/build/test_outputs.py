"""What a build ends with besides an image here: pushes, indexes of several platforms."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from engine.build.emulation import require_runnable
from engine.build.events import BuildEvent
from engine.errors import EngineError, InvalidArgument, Unsupported
from engine.images.pull import host_platform
from engine.oci.platform import Platform
from tests.support.builds import Workbench
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
    assert (ids["linux-s390x.0.1"], ids["index"], ids["push.0"]) == ("done", "done", "done")
    called = {event.vertex.id: event.vertex for event in built.events}
    assert called["linux-s390x.0.1"].name.startswith("[linux/s390x ")
    assert set(called["index"].inputs) == {"linux-s390x.0.1", f"{OWN.replace('/', '-')}.0.1"}
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
