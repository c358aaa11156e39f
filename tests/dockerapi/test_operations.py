"""Operations that no scene has with something to do: what each of them comes to, by docker-py."""

from __future__ import annotations

import bz2
import io
import tarfile
from ipaddress import ip_interface
from pathlib import Path

import docker
import docker.errors
import pytest

from tests.dockerapi.conftest import IMAGE
from tests.engine.archives.copying import member
from tests.engine.archives.copying import tar as tar_of
from tests.support.processes import eventually
from tests.support.registry import PASSWORD, USERNAME, Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]
DISK = next((path for path in ("/dev/vda", "/dev/sda", "/dev/nvme0n1") if Path(path).exists()), None)


def test_a_container_is_restarted_changed_exported_committed_and_pruned(api: docker.DockerClient) -> None:
    container = api.containers.run(IMAGE, ["sleep", "1000"], name="cmp-ops", labels={"cmp": "ops"}, detach=True)
    try:
        began = container.attrs["State"]["StartedAt"]
        assert container.exec_run(["sh", "-c", "echo kept > /kept"]).exit_code == 0
        assert container.put_archive("/", bz2.compress(tar_of(member("packed", b"in"))))
        # Not by exec_run: docker-py reads past what came in one packet with the answer's head.
        with tarfile.open(fileobj=io.BytesIO(b"".join(container.get_archive("/packed")[0]))) as archive:
            packed = archive.extractfile("packed")
            assert packed is not None and packed.read() == b"in"
        container.restart(timeout=0)
        container.update(mem_limit="64m")
        rates = [{"Path": DISK, "Rate": 1 << 20}] if DISK else []
        api.api._post_json(api.api._url("/containers/{0}/update", container.id), data={"BlkioDeviceReadBps": rates})
        container.reload()
        assert container.attrs["HostConfig"]["BlkioDeviceReadBps"] == rates
        assert (container.status, container.attrs["HostConfig"]["Memory"]) == ("running", 64 << 20)
        assert container.attrs["State"]["StartedAt"] > began
        with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as tar:
            kept = tar.extractfile("kept")
            assert kept is not None and kept.read() == b"kept\n"
        container.commit("cmp/committed", "1", changes='CMD ["cat", "/kept"]')
        assert api.containers.run("cmp/committed:1", remove=True) == b"kept\n"
        api.images.remove("cmp/committed:1")
        only_ours = {"label": ["cmp=ops"]}
        assert api.containers.prune(only_ours)["ContainersDeleted"] is None  # it runs
        container.kill()
        container.wait()
        assert api.containers.prune({**only_ours, "label!": ["cmp"]})["ContainersDeleted"] is None
        assert api.containers.prune({**only_ours, "label!": ["keep"]})["ContainersDeleted"] == [container.id]
    finally:
        for left in api.containers.list(all=True, filters={"name": "cmp-ops"}):
            left.remove(force=True)


def test_the_default_network_tells_of_those_that_are_on_it_as_they_see_it_themselves(api: docker.DockerClient) -> None:
    other = api.networks.create("cmp-other")
    script = "cat /sys/class/net/eth0/address; ip -4 -o addr show eth0; sleep 1000"
    on_it = api.containers.run(IMAGE, ["sh", "-c", script], name="cmp-on-it", detach=True)
    elsewhere = api.containers.run(IMAGE, ["sleep", "1000"], name="cmp-elsewhere", network="cmp-other", detach=True)
    try:
        lines = eventually(lambda: (found := on_it.logs().decode().split()) and len(found) > 4 and found)
        assert isinstance(lines, list)
        mac, address = lines[0], lines[4]
        on_it.reload()
        shown = on_it.attrs["NetworkSettings"]["Networks"]["bridge"]
        assert (shown["MacAddress"], f"{shown['IPAddress']}/{shown['IPPrefixLen']}") == (mac, address)
        assert on_it.attrs["NetworkSettings"]["MacAddress"] == mac
        bridge = api.networks.get("bridge").attrs
        assert elsewhere.id not in bridge["Containers"]
        member_of = bridge["Containers"][on_it.id]
        assert (member_of["MacAddress"], member_of["IPv4Address"]) == (mac, address)
        assert bridge["IPAM"]["Config"][0]["Subnet"] == str(ip_interface(address).network)
    finally:
        for container in (on_it, elsewhere):
            container.remove(force=True)
        other.remove()


def test_networks_are_pruned_but_those_that_have_a_label(api: docker.DockerClient) -> None:
    for name, stage in (("cmp-kept", "live"), ("cmp-gone", "test")):
        api.networks.create(name, labels={"cmp": "pruned", "stage": stage})
    filters = {"label": ["cmp=pruned"], "label!": ["stage=live"]}
    assert api.networks.prune(filters)["NetworksDeleted"] == ["cmp-gone"]
    assert api.networks.prune({**filters, "label!": ["stage=live", "other"]})["NetworksDeleted"] == ["cmp-kept"]


def test_volumes_are_pruned_but_those_that_have_a_label(api: docker.DockerClient) -> None:
    for name, stage in (("cmp-kept", "live"), ("cmp-gone", "test")):
        api.volumes.create(name, labels={"cmp": "pruned", "stage": stage})
    filters = {"all": ["true"], "label": ["cmp=pruned"], "label!": ["stage=live"]}
    assert api.volumes.prune(filters)["VolumesDeleted"] == ["cmp-gone"]
    assert api.volumes.prune({**filters, "label!": ["stage=live", "other"]})["VolumesDeleted"] == ["cmp-kept"]


def test_images_and_what_builds_have_kept_are_pruned(api: docker.DockerClient, folder: Path) -> None:
    image, _ = api.images.build(path=str(folder), tag="cmp/pruned:1", labels={"cmp": "pruned"})
    pruned = api.images.prune({"dangling": False, "label": "cmp=pruned"})
    assert {"Untagged": "cmp/pruned:1"} in pruned["ImagesDeleted"]
    assert {"Deleted": image.id} in pruned["ImagesDeleted"]
    with pytest.raises(docker.errors.ImageNotFound):
        api.images.get("cmp/pruned:1")
    assert api.images.get(IMAGE)
    assert api.api.prune_builds({"label!": ["cmp=kept"]})["SpaceReclaimed"] > 0  # its steps, which have no labels
    assert api.api.prune_builds()["SpaceReclaimed"] == 0


def test_who_has_logged_in_reads_and_pulls_what_is_private(api: docker.DockerClient, basic_registry: Registry) -> None:
    place = basic_registry.address
    with pytest.raises(docker.errors.APIError, match="login attempt"):
        api.login(USERNAME, "wrong", registry=place)
    with pytest.raises(docker.errors.APIError):
        api.images.get_registry_data(f"{place}/tiny")
    assert api.login(USERNAME, PASSWORD, registry=place)["Status"] == "Login Succeeded"
    found = api.images.get_registry_data(f"{place}/tiny:latest")
    assert found.id.startswith("sha256:")
    assert found.attrs["Platforms"][0]["os"] == "linux"
    (image,) = api.images.pull(f"{place}/tiny", all_tags=True)
    assert f"{place}/tiny:latest" in image.tags  # others may have pulled the same from elsewhere
    api.images.remove(f"{place}/tiny:latest")
