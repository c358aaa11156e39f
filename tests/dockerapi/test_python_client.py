"""docker-py, the library that most Python tools speak to Docker by, against Portside."""

from __future__ import annotations

import io
from pathlib import Path

import docker
import docker.errors
import pytest

from tests.dockerapi.conftest import IMAGE

pytestmark = [pytest.mark.root, pytest.mark.registry]


def test_images_are_built_named_saved_and_removed(api: docker.DockerClient, folder: Path) -> None:
    image, told = api.images.build(path=str(folder), tag="cmp/py:1", buildargs={"WHO": "py"}, rm=True)
    said = list(told)
    assert any("Step 3/4" in line.get("stream", "") for line in said)
    assert image.tags == ["cmp/py:1"] and image.attrs["Config"]["Cmd"] == ["cat", "/who"]
    assert image.history()[0]["Id"] == image.id
    assert image.tag("cmp/py", "2")
    image.reload()
    assert sorted(image.tags) == ["cmp/py:1", "cmp/py:2"]
    tar = b"".join(image.save(named="cmp/py:1"))
    api.images.remove("cmp/py:1")
    api.images.remove("cmp/py:2")
    with pytest.raises(docker.errors.ImageNotFound):
        api.images.get("cmp/py:1")
    assert [one.tags for one in api.images.load(io.BytesIO(tar))] == [["cmp/py:1"]]
    api.images.remove("cmp/py:1")
    assert api.images.list("cmp/py") == []


def test_what_goes_wrong_in_a_build_is_an_error(api: docker.DockerClient) -> None:
    with pytest.raises(docker.errors.BuildError, match="non-zero code: 3"):
        api.images.build(fileobj=io.BytesIO(f"FROM {IMAGE}\nRUN exit 3\n".encode()))


def test_volumes_and_networks_are_made_used_and_removed(api: docker.DockerClient) -> None:
    volume = api.volumes.create("cmp-py", labels={"cmp": "1"})
    network = api.networks.create("cmp-py", labels={"cmp": "1"}, internal=True)
    other = api.networks.create("cmp-py-2")
    try:
        container = api.containers.run(
            IMAGE, ["sleep", "1000"], name="cmp-py", detach=True, network="cmp-py",
            volumes={"cmp-py": {"bind": "/data"}},
        )  # fmt: skip
        other.connect(container, aliases=["known-as"])
        other.reload()
        assert [one.name for one in other.containers] == ["cmp-py"]
        container.reload()
        settings = container.attrs["NetworkSettings"]["Networks"]
        assert set(settings) == {"cmp-py", "cmp-py-2"} and "known-as" in settings["cmp-py-2"]["Aliases"]
        with pytest.raises(docker.errors.APIError, match="volume is in use"):
            volume.remove()
        with pytest.raises(docker.errors.APIError, match="active endpoints"):
            network.remove()
        other.disconnect(container)
        with pytest.raises(docker.errors.APIError, match="is not connected"):
            other.disconnect(container)
        container.remove(force=True)
        assert [one.name for one in api.networks.list(filters={"label": "cmp=1"})] == ["cmp-py"]
        assert [one.name for one in api.volumes.list(filters={"label": "cmp=1"})] == ["cmp-py"]
    finally:
        network.remove()
        other.remove()
        volume.remove()
    with pytest.raises(docker.errors.NotFound):
        api.volumes.get("cmp-py")
