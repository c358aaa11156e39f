"""Kill -9 at any moment of pushes, two at a time, while their images are named, removed and pulled again.

After each: whatever the registry shows is whole there, to the last byte; what images refer to here is here; in the end
all space is given back on both sides. PORTSIDE_PUSH_KILLS says how often, PORTSIDE_FAULT_SEED repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.oci.digest import Digest
from tests.engine.images.conftest import Host, open_host
from tests.engine.images.deeds import unused
from tests.engine.images.test_kill import children_of_the_dead, kill
from tests.engine.images.test_random_kills import told, whole
from tests.support.oci_layout import Layer, Layout, tar_of
from tests.support.processes import eventually
from tests.support.registry import Registry

KILLS = int(os.environ.get("PORTSIDE_PUSH_KILLS", "3"))
pytestmark = [pytest.mark.root, pytest.mark.registry, pytest.mark.timeout(180 + 30 * KILLS)]
LONGEST_SECONDS = 1.2
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Registry]:
    """A registry that nobody else pushes to."""
    registry = Registry(tmp_path / "target")
    yield registry
    registry.close()


@pytest.fixture
def references(push: Callable[..., str], registry: Registry, tmp_path: Path) -> list[str]:
    """Two images with a layer in common, and an index of two."""
    chance = random.Random(7)
    common, *own = ({f"{n}/{m}": chance.randbytes(30_000) for m in range(40)} for n in range(3))
    layout = Layout(tmp_path / "index")
    layer: list[Layer] = [layout.layer(tar_of({"file": chance.randbytes(800_000)}))]
    layout.index([layout.manifest(layer, architecture=name) for name in ("amd64", "arm64")])
    return [
        push(common, own[0], name="pushed-0:1"),
        push(common, own[1], name="pushed-1:1"),
        registry.push(layout.directory, "pushed-index:1"),
    ]


def shown(registry: Registry) -> dict[str, Digest]:
    """Repository and tag → digest, from the registry's own files."""
    root = registry.data / "docker/registry/v2/repositories"
    return {
        f"{link.relative_to(root).parts[0]}:{link.parts[-3]}": Digest(link.read_text())
        for link in root.glob("*/_manifests/tags/*/current/link")
        if link.read_text()  # empty for as long as the registry writes it; it answers "unknown" then
    }


def check_whole(registry: Registry, repository: str, digest: Digest) -> set[str]:
    """A manifest or index that the registry shows: all of it is there, and is what its digest says. Returns that."""
    data = registry.blob_file(digest).read_bytes()
    assert Digest.of(data) == digest
    document = json.loads(data)
    found: set[str] = {digest}
    for part in document.get("manifests", []):
        found |= check_whole(registry, repository, Digest(part["digest"]))
    for blob in (document["config"], *document["layers"]) if "layers" in document else ():
        content = registry.blob_file(blob["digest"]).read_bytes()
        assert (Digest.of(content), len(content)) == (blob["digest"], blob["size"])
        links = registry.data / "docker/registry/v2/repositories" / repository / "_layers/sha256"
        assert (links / blob["digest"].removeprefix("sha256:") / "link").exists(), "the repository can't serve it"
        found.add(blob["digest"])
    return found


def check_registry(registry: Registry) -> set[str]:
    tags = shown(registry)
    return set().union(*(check_whole(registry, name.partition(":")[0], digest) for name, digest in tags.items()))


def collect_garbage(registry: Registry) -> set[str]:
    """The blobs that are left when the registry has thrown away what no tag needs."""
    registry.stop()
    command = ["docker-registry", "garbage-collect", "--delete-untagged", str(registry.directory / "config.json")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    root = registry.data / "docker/registry/v2/blobs/sha256"
    return {f"sha256:{data.parent.name}" for data in root.glob("*/*/data")}


def test_no_kill_leaves_half_an_image_at_the_registry(tmp_path: Path, references: list[str], target: Registry) -> None:
    seed = int(os.environ.get("PORTSIDE_FAULT_SEED") or random.randrange(1 << 30))
    print(f"PORTSIDE_FAULT_SEED={seed}")
    chance, home = random.Random(seed), tmp_path / "victim"
    seen = 0
    for number in range(KILLS):
        command = [sys.executable, "-m", "tests.engine.images.push_deeds", home, str(seed + number)]
        with subprocess.Popen(
            [*command, target.address, *references], cwd=REPOSITORY, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n", f"it failed by itself in round {number}"
            time.sleep(chance.uniform(0, LONGEST_SECONDS))
            kill(process)
        assert process.returncode == -9, f"it failed by itself in round {number}"
        eventually(lambda: children_of_the_dead(home) == [], what="the end of its children")
        check_registry(target)
        seen += len(shown(target))
        host = open_host(home)
        whole(host)
        host.images.recover()
        whole(host)
        assert told(host) == {image.id: image.tags for image in host.images.list()}
        assert host.leftovers()["staging"] == [] and not list((host.config.content / "trash").iterdir())
    print(f"{KILLS} kills, {seen} tags seen whole")
    go_on_and_clear_up(open_host(home), target, references)


def go_on_and_clear_up(host: Host, target: Registry, references: list[str]) -> None:
    """What was cut off goes through now; nothing of it is left over, there or here."""
    for number, reference in enumerate(references):
        image = host.images.pull(reference)
        again = f"{target.address}/k0:again-{number}"
        host.images.tag(image.id, again)
        digest = host.images.push(again, all_platforms=True).digest
        assert shown(target)[f"k0:again-{number}"] == digest
    needed = check_registry(target)
    for image in host.images.list():
        host.images.remove(image.id, force=True, uses=unused)
    with host.store.transaction() as connection:
        assert not connection.execute("SELECT name FROM lease WHERE name LIKE 'push%'").fetchall()
        connection.execute("UPDATE lease SET expires_at = 0")  # what killed pulls have kept for the next
    host.images.recover()
    assert host.is_empty, host.leftovers()
    assert collect_garbage(target) <= needed
