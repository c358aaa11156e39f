"""Images, networks and volumes as Docker's JSON: the keys, and what dockerd 20.10 (API 1.41) said of the like."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from webui.dockerapi.objects.images import image_history, image_inspect, image_summary, removal
from webui.dockerapi.objects.networks import endpoint_id, network_object, predefined_id, predefined_object
from webui.dockerapi.objects.volumes import volume_object, volume_usage
from webui.hosts.models import Host
from webui.images.models import Image
from webui.networks.models import Network
from webui.volumes.models import Volume

MADE = datetime(2026, 11, 26, 14, 7, 15, 817571, UTC)
NETWORK_ID = "a8e7" * 16
ID = "sha256:8dc2dbf5408760700b79f19c95ae91935f40c340e55d5ad633c0656203916da1"

SUMMARY = json.loads(
    '{"Containers":-1,"Created":1795702035,'
    '"Id":"sha256:8dc2dbf5408760700b79f19c95ae91935f40c340e55d5ad633c0656203916da1","Labels":{"a":"b"},'
    '"ParentId":"","RepoDigests":null,"RepoTags":["built:1","built:2"],"SharedSize":-1,"Size":1982437,'
    '"VirtualSize":1982437}'
)
VOLUME = json.loads(
    '{"CreatedAt":"2026-11-26T14:07:15Z","Driver":"local","Labels":{"a":"b"},"Mountpoint":"","Name":"v1",'
    '"Options":null,"Scope":"local"}'
)
NETWORK = json.loads(
    '{"Name":"n2","Id":"a8e7a8e7a8e7a8e7a8e7a8e7a8e7a8e7a8e7a8e7a8e7a8e7a8e7a8e7a8e7a8e7","Created":"2026-11-26T14:07:15.817571Z","Scope":"local","Driver":"bridge",'
    '"EnableIPv6":false,"IPAM":{"Driver":"default","Options":null,"Config":[{"Subnet":"10.99.0.0/24",'
    '"IPRange":"10.99.0.128/25","Gateway":"10.99.0.1"}]},"Internal":true,"Attachable":false,"Ingress":false,'
    '"ConfigFrom":{"Network":""},"ConfigOnly":false,"Containers":{},"Options":{'
    '"com.docker.network.bridge.enable_icc":"false","com.docker.network.driver.mtu":"1400"},"Labels":{"a":"b"}}'
)
INSPECTED = [
    "Id", "RepoTags", "RepoDigests", "Parent", "Comment", "Created", "Container", "ContainerConfig", "DockerVersion",
    "Author", "Config", "Architecture", "Os", "Size", "VirtualSize", "GraphDriver", "RootFS", "Metadata",
]  # fmt: skip
CONFIGURED = [
    "Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce",
    "Env", "Cmd", "Image", "Volumes", "WorkingDir", "Entrypoint", "OnBuild", "Labels",
]  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2026-11-26T14:07:15.817571672Z",
    "config": {"Cmd": ["sh"], "Env": ["A=1"], "Hostname": ""},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:30"]},
    "history": [{"comment": "first"}, {"comment": "last"}],
}


def image(**more: Any) -> Image:
    values = {"tags": ["built:1", "built:2"], "config": {"labels": {"a": "b"}}, "size_bytes": 1982437, **more}
    return Image(image_id=ID, built_at=MADE, **values)


def network(**more: Any) -> Network:
    values: dict[str, Any] = {"subnet": "10.99.0.0/24", "gateway": "10.99.0.1", "ip_range": "10.99.0.128/25", **more}
    return Network(network_id=NETWORK_ID, name="n2", created_at=MADE, labels={"a": "b"}, **values)


def test_a_summary_is_what_docker_says() -> None:
    assert image_summary(image(), (1, 41)) == SUMMARY


def test_what_has_no_name_is_called_none_for_older_clients_alone() -> None:
    bare = image(tags=[])
    assert image_summary(bare, (1, 42))["RepoTags"] == ["<none>:<none>"]
    assert image_summary(bare, (1, 42))["RepoDigests"] == ["<none>@<none>"]
    assert image_summary(bare, (1, 43))["RepoTags"] == []


def test_newer_clients_get_what_they_know() -> None:
    newest = image_summary(image(), (1, 51), containers=2, shared_bytes=5)
    assert "VirtualSize" not in newest and (newest["Containers"], newest["SharedSize"]) == (2, 5)
    assert image_summary(image(), (1, 50), containers=2)["Containers"] == -1


def test_an_image_has_dockers_keys() -> None:
    found = image_inspect(image(), DOCUMENT, "sha256:ca", (1, 41))
    assert sorted(found) == sorted(INSPECTED) and sorted(found["Config"]) == sorted(CONFIGURED)
    assert (found["Parent"], found["Comment"], found["RootFS"]["Layers"]) == ("sha256:ca", "last", ["sha256:30"])
    assert found["Created"] == DOCUMENT["created"]


@pytest.mark.parametrize(
    ("version", "missing"),
    [((1, 44), {"VirtualSize"}), ((1, 45), {"VirtualSize", "Container", "ContainerConfig"})],
)
def test_keys_go_with_the_versions(version: tuple[int, int], missing: set[str]) -> None:
    assert set(INSPECTED) - set(image_inspect(image(), DOCUMENT, "", version)) == missing


def test_a_configuration_loses_what_only_containers_have() -> None:
    assert "Hostname" not in image_inspect(image(), DOCUMENT, "", (1, 50))["Config"]
    assert image_inspect(image(), DOCUMENT, "", (1, 50))["Config"]["Volumes"] is None
    assert image_inspect(image(), DOCUMENT, "", (1, 52))["Config"] == {"Cmd": ["sh"], "Env": ["A=1"]}


def test_history_has_seconds_and_null_for_no_tags() -> None:
    entry = {"id": ID, "created_at": DOCUMENT["created"], "created_by": "CMD", "tags": ["built:1"], "size_bytes": 3}
    assert image_history([entry, {"id": "<missing>", "created_at": "nonsense"}]) == [
        {"Id": ID, "Created": 1795702035, "CreatedBy": "CMD", "Tags": ["built:1"], "Size": 3, "Comment": ""},
        {"Id": "<missing>", "Created": 0, "CreatedBy": "", "Tags": None, "Size": 0, "Comment": ""},
    ]


def test_a_removal_tells_names_first() -> None:
    assert removal(["a:1"], [ID]) == [{"Untagged": "a:1"}, {"Deleted": ID}]


def test_a_volume_is_what_docker_says() -> None:
    volume = Volume(name="v1", labels={"a": "b"}, created_at=MADE)
    assert volume_object(volume) == VOLUME
    assert volume_usage(volume, 2)["UsageData"] == {"Size": -1, "RefCount": 2}


def test_a_network_is_what_docker_says() -> None:
    assert network_object(network(internal=True, icc=False, mtu=1400), (1, 41)) == NETWORK
    assert network_object(network(), (1, 48))["EnableIPv4"] is True


def test_a_network_on_a_wire_tells_of_it_as_options() -> None:
    found = network_object(network(driver="macvlan", parent="eth0.7", mode="vepa"), (1, 41))
    assert found["Options"] == {"parent": "eth0.7", "macvlan_mode": "vepa"}


def test_both_families_are_pools() -> None:
    found = network_object(network(ipv6=True, subnet6="fd00::/64", gateway6="fd00::1"), (1, 41))
    assert found["EnableIPv6"] and found["IPAM"]["Config"][1] == {"Subnet": "fd00::/64", "Gateway": "fd00::1"}


def test_the_three_of_every_host_have_ids_that_stay() -> None:
    host = Host(id="h1", registered_at=MADE)
    found = [predefined_object(host, name, (1, 41)) for name in ("bridge", "host", "none")]
    assert [one["Driver"] for one in found] == ["bridge", "host", "null"]
    assert found[0]["Id"] == predefined_id("h1", "bridge") != predefined_id("h2", "bridge")
    assert all(sorted(one) == sorted(NETWORK) for one in found)
    assert len(endpoint_id("n", "c")) == 64
