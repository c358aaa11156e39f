"""Archives between Portside and others: theirs are read here, ours are read there, by id and by name.

Skopeo (containers/image) always, podman and buildah where they are installed, docker where PORTSIDE_BESIDE_DOCKER=1
asks for it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.images.image import Image
from tests.engine.images.archive.conftest import loaded, saved
from tests.engine.images.conftest import Host
from tests.support.dockerd import Docker, running_docker
from tests.support.oci_layout import Layout, tar_of

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]
Second = Callable[[], Host]
FILES: dict[str, bytes | None] = {"etc/": None, "etc/one": b"1" * 5000}


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def skopeo(*words: str) -> str:
    return run("skopeo", "--insecure-policy", *words)


@pytest.fixture
def image(host: Host, push: Push) -> Image:
    """Of two layers, the upper one hides a file."""
    return host.images.pull(push(FILES, {"etc/.wh.one": b"", "etc/two": b"2"}, name="peers:1", config={"Cmd": ["x"]}))


@pytest.mark.parametrize("format", ["docker", "oci"])
def test_skopeo_reads_ours(host: Host, image: Image, tmp_path: Path, format: str) -> None:
    host.images.tag(image.id, "docker.io/made/it:2")
    archive, target = tmp_path / "ours.tar", tmp_path / "target"
    archive.write_bytes(saved(host, "made/it:2", format=format))
    name = "docker.io/made/it:2"
    skopeo("copy", "--quiet", f"{format}-archive:{archive}:{name}", f"oci:{target}:copied")
    found = json.loads(skopeo("inspect", "--config", "--raw", f"oci:{target}:copied"))
    assert found["rootfs"]["diff_ids"] == list(image.diff_ids)
    assert found["config"]["Cmd"] == ["x"]


@pytest.mark.parametrize(
    ("kind", "compression"), [("docker", "gzip"), ("docker", "none"), ("oci", "gzip"), ("oci", "none"), ("oci", "zstd")]
)
def test_skopeos_are_read(second: Second, tmp_path: Path, kind: str, compression: str) -> None:
    layout = Layout(tmp_path / "layout")
    layers = [layout.layer(tar_of(files), compression=compression) for files in (FILES, {"etc/.wh.one": b""})]
    layout.image(layers, config={"Cmd": ["x"]})
    archive = tmp_path / "theirs.tar"
    skopeo("copy", "--quiet", f"oci:{layout.directory}", f"{kind}-archive:{archive}:docker.io/made/theirs:3")
    host = second()
    (found,) = loaded(host, archive.read_bytes())
    assert found.tags == ("made/theirs:3",)
    assert found.config.cmd == ("x",)
    assert (host.tree(found.chain_id)[1] / "etc/one").read_bytes() == FILES["etc/one"]


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[Callable[..., str]]:
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    with tempfile.TemporaryDirectory(prefix="portside-podman-") as directory:
        own = ["--root", f"{directory}/root", "--runroot", f"{directory}/run", "--storage-driver", "vfs"]
        yield lambda *words: run("podman", *own, "--events-backend", "none", *words)
        subprocess.run(["umount", "-l", f"{directory}/root/vfs"], capture_output=True, check=False)


@pytest.mark.parametrize("format", ["docker", "oci"])
def test_podman_and_back(
    host: Host, image: Image, second: Second, podman: Callable[..., str], tmp_path: Path, format: str
) -> None:
    archive = tmp_path / "ours.tar"
    archive.write_bytes(saved(host, image.tags[0], format=format))
    podman("load", "--quiet", "--input", str(archive))
    assert podman("image", "inspect", "--format", "{{.Id}}", image.tags[0]).strip() == image.id[7:]
    back = tmp_path / "theirs.tar"
    podman("save", "--quiet", "--format", f"{format}-archive", "--output", str(back), image.tags[0])
    other = second()
    (found,) = loaded(other, back.read_bytes())
    assert found.tags == image.tags
    assert found.diff_ids == image.diff_ids
    assert (other.tree(found.chain_id)[0] / "etc/two").read_bytes() == b"2"


def test_buildahs_are_read(second: Second, tmp_path: Path) -> None:
    if shutil.which("buildah") is None:
        pytest.skip("buildah is not installed")
    with tempfile.TemporaryDirectory(prefix="portside-buildah-") as directory:
        own = ["buildah", "--root", f"{directory}/root", "--runroot", f"{directory}/run", "--storage-driver", "vfs"]
        (tmp_path / "file").write_bytes(b"built")
        made = run(*own, "from", "scratch").strip()
        run(*own, "copy", made, str(tmp_path / "file"), "/file")
        run(*own, "config", "--cmd", "/file", made)
        run(*own, "commit", "--quiet", made, "built:1")
        for kind in ("docker", "oci"):
            archive = tmp_path / f"{kind}.tar"
            run(*own, "push", "--quiet", "built:1", f"{kind}-archive:{archive}:localhost/built:1")
            host = second()
            (found,) = loaded(host, archive.read_bytes())
            assert found.tags == ("localhost/built:1",)
            assert (host.tree(found.chain_id)[0] / "file").read_bytes() == b"built"
        subprocess.run(["umount", "-l", f"{directory}/root/vfs"], capture_output=True, check=False)


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    if not os.environ.get("PORTSIDE_BESIDE_DOCKER"):
        pytest.skip("PORTSIDE_BESIDE_DOCKER=1 asks for it")
    with running_docker(Path(tempfile.mkdtemp(prefix="portside-docker-"))) as running:
        yield running


def test_docker_and_back(host: Host, image: Image, push: Push, second: Second, docker: Docker, tmp_path: Path) -> None:
    other = host.images.pull(push(FILES, name="second:1"))
    archive = tmp_path / "ours.tar"
    archive.write_bytes(saved(host, image.tags[0], other.tags[0]))
    docker.call("load", "--quiet", "--input", str(archive))
    for each in (image, other):
        assert docker.call("image", "inspect", "--format", "{{.Id}}", each.tags[0]).strip() == each.id
    back = tmp_path / "theirs.tar"
    docker.call("save", "--output", str(back), image.tags[0], other.tags[0])
    found = loaded(second(), back.read_bytes())
    assert {each.id for each in found} == {image.id, other.id}
    assert {each.tags for each in found} == {image.tags, other.tags}
    imported = tmp_path / "root.tar"
    imported.write_bytes(tar_of(FILES))
    docker.call("import", str(imported), "made/by-docker:1")
    docker.call("save", "--output", str(back), "made/by-docker:1")
    (found_one,) = loaded(second(), back.read_bytes())
    assert found_one.tags == ("made/by-docker:1",)
