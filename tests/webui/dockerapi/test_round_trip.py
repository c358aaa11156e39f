"""What create is asked for is what inspect shows: one table, both ways."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from engine.errors import EngineError, InvalidArgument, Unsupported
from engine.options import volume_options
from webui.containers.models import Container
from webui.containers.request import ContainerRequest, request_check
from webui.dockerapi.containers import config, hostconfig, mounts, networking
from webui.networks.models import Endpoint, Network
from worker.contract.commands import CreateContainer
from worker.contract.wire import to_wire

HOST_CONFIG: dict[str, Any] = {
    "AutoRemove": True,
    "Annotations": {"a": "b"},
    "CapAdd": ["NET_ADMIN"],
    "CapDrop": ["ALL"],
    "CgroupnsMode": "host",
    "Dns": ["9.9.9.9"],
    "DnsOptions": ["ndots:2"],
    "DnsSearch": ["example.org"],
    "ExtraHosts": ["db:10.0.0.2"],
    "GroupAdd": ["audio"],
    "IpcMode": "shareable",
    "OomScoreAdj": 100,
    "PidMode": "host",
    "Privileged": True,
    "PublishAllPorts": True,
    "ReadonlyRootfs": True,
    "Tmpfs": {"/run": "size=64m", "/tmp": ""},
    "UTSMode": "host",
    "UsernsMode": "host",
    "ShmSize": 1 << 20,
    "StorageOpt": {"size": "10G"},
    "Sysctls": {"net.core.somaxconn": "1024"},
    "Runtime": "crun",
    "VolumesFrom": ["other:ro"],
    "VolumeDriver": "local",
    "CpuShares": 512,
    "Memory": 64 << 20,
    "NanoCpus": 1_500_000_000,
    "BlkioWeight": 300,
    "BlkioWeightDevice": [{"Path": "/dev/sda", "Weight": 200}],
    "BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": 1048576}],
    "BlkioDeviceWriteBps": [{"Path": "/dev/sda", "Rate": 1048577}],
    "BlkioDeviceReadIOps": [{"Path": "/dev/sda", "Rate": 100}],
    "BlkioDeviceWriteIOps": [{"Path": "/dev/sda", "Rate": 101}],
    "CpuPeriod": 100_000,
    "CpuRealtimePeriod": 500_000,
    "CpuRealtimeRuntime": 5000,
    "CpuQuota": 50_000,
    "CpusetCpus": "0-1",
    "CpusetMems": "0",
    "Devices": [{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse2", "CgroupPermissions": "rw"}],
    "DeviceCgroupRules": ["c 10:229 rwm"],
    "MemoryReservation": 32 << 20,
    "MemorySwap": -1,
    "MemorySwappiness": 10,
    "OomKillDisable": True,
    "PidsLimit": 100,
    "Ulimits": [{"Name": "nofile", "Hard": 2048, "Soft": 1024}],
    "Init": True,
    "LogConfig": {"Type": "local", "Config": {"max-size": "10m"}},
    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
    "SecurityOpt": ["no-new-privileges"],
    "Binds": ["data:/data:ro", "/srv:/srv"],
    "Mounts": [
        {
            "Type": "volume", "Source": "cache", "Target": "/cache",
            "VolumeOptions": {"NoCopy": True, "Subpath": "a", "Labels": {"x": "y"}},
        },
        {"Type": "bind", "Source": "/etc", "Target": "/mnt", "ReadOnly": True,
         "BindOptions": {"Propagation": "rslave", "NonRecursive": True}},
        {"Type": "tmpfs", "Target": "/scratch", "TmpfsOptions": {"SizeBytes": 1048576, "Mode": 448}},
        {"Type": "image", "Source": "alpine:3", "Target": "/tools", "ImageOptions": {"Subpath": "usr/bin"}},
        {"Type": "image", "Source": "ghcr.io/we/app", "Target": "/app", "ReadOnly": True},
    ],
    "PortBindings": {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "53/udp": [{"HostIp": "", "HostPort": ""}],
        "90/tcp": [{"HostIp": "", "HostPort": "9000-9010"}],
    },
}  # fmt: skip
CONFIG: dict[str, Any] = {
    "Hostname": "web",
    "Domainname": "example.org",
    "User": "1000:1000",
    "Tty": True,
    "OpenStdin": True,
    "StdinOnce": True,
    "Env": ["A=1", "B=x=y"],
    "Cmd": ["echo", "hi"],
    "Entrypoint": ["/bin/sh", "-c"],
    "WorkingDir": "/srv",
    "Labels": {"com.docker.compose.project": "p"},
    "StopSignal": "SIGINT",
    "StopTimeout": 3,
    "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 2_000_000_000, "Retries": 2},
}
NETWORKING = {
    "EndpointsConfig": {
        "front": {"Aliases": ["www"], "IPAMConfig": {"IPv4Address": "10.20.0.9"}, "MacAddress": "02:42:ac:11:00:02"},
        "back": {"Aliases": ["db"]},
    }
}


def wishes(host_config: dict[str, Any], of_config: dict[str, Any], networks: dict[str, Any]) -> dict[str, Any]:
    return {
        **config.wishes(of_config),
        **hostconfig.wishes(host_config),
        **mounts.wishes(host_config, of_config, (1, 51)),
        **networking.wishes(host_config, of_config, networks),
    }


def spec_of(found: dict[str, Any]) -> dict[str, Any]:
    """The container's spec, as the site would keep it."""
    own = {field.name for field in fields(CreateContainer)}
    named = {("user" if name == "run_as" else name): value for name, value in found.items()}
    assert set(named) <= own, set(named) - own
    return dict(to_wire(CreateContainer(container_id="c0" * 32, name="web", image="alpine", **named)))


def test_every_field_comes_back() -> None:
    assert {field.docker for field in hostconfig.TABLE} <= set(HOST_CONFIG), "a field is not tried here"
    spec = spec_of(wishes({**HOST_CONFIG, "NetworkMode": "front"}, CONFIG, NETWORKING))
    shown = {**hostconfig.host_config(spec), **mounts.host_config(spec)}
    expected = {name: value for name, value in HOST_CONFIG.items() if name != "PortBindings"}
    assert {name: shown[name] for name in expected} == expected
    assert networking.mode_of(spec) == "front"
    bindings = networking.port_bindings(spec)
    assert bindings["80/tcp"] == HOST_CONFIG["PortBindings"]["80/tcp"]
    assert bindings["90/tcp"][0]["HostPort"] == "9000-9010"
    assert spec["networks"] == ["back:alias=db"]
    assert (spec["network_alias"], spec["ip"], spec["mac_address"]) == (["www"], "10.20.0.9", "02:42:ac:11:00:02")


def test_links_are_read_wherever_a_client_says_them_and_need_a_network_of_a_name() -> None:
    said = {"EndpointsConfig": {"front": {"Links": ["shop_db_1:db"]}, "back": {"Links": ["shop_db_1:db"]}}}
    found = networking.wishes({"NetworkMode": "front", "Links": ["/shop_db_1:/web/sql"]}, {}, said)
    assert found["link"] == ["/shop_db_1:/web/sql", "shop_db_1:db"]
    with pytest.raises(Unsupported, match=r"^Links: .*--network NAME"):
        networking.wishes({"Links": ["db"]}, {}, {})


def test_the_sites_own_check_takes_all_of_it() -> None:
    """Each field alone, so that no two of them get in one another's way."""
    apart = {
        "OomKillDisable": {"Memory": 64 << 20}, "MemorySwap": {"Memory": 64 << 20},
        "PublishAllPorts": {}, "Runtime": {}, "Memory": {},
    }  # fmt: skip
    for name, value in HOST_CONFIG.items():
        found = wishes({name: value, **apart.get(name, {})}, {}, {})
        request_check(ContainerRequest(image="alpine", **found))
    request_check(ContainerRequest(image="alpine", **wishes({"NetworkMode": "front"}, CONFIG, NETWORKING)))


def test_nothing_is_asked_for_by_an_empty_request() -> None:
    found = wishes({}, {}, {})
    assert found == {"network": "bridge", "networks": []}
    zeros = {
        "Binds": None, "Memory": 0, "ShmSize": 0, "PidsLimit": 0, "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
        "LogConfig": {"Type": "", "Config": {}}, "CapAdd": None, "MemorySwappiness": -1, "NetworkMode": "default",
        "Isolation": "", "CgroupParent": "", "Devices": [], "OomKillDisable": False, "Links": None, "MaskedPaths": None,
    }  # fmt: skip
    assert wishes(zeros, {"Cmd": None, "Entrypoint": None, "Env": [], "Image": "x", "Volumes": None}, {}) == found


@pytest.mark.parametrize(
    ("entrypoint", "kept"), [(None, None), ([], None), ([""], []), ("sh", ["sh"]), (["a", "b"], ["a", "b"])]
)
def test_an_entrypoint_may_be_taken_away(entrypoint: Any, kept: Any) -> None:
    assert config.wishes({"Entrypoint": entrypoint}).get("entrypoint") == kept


def test_what_the_client_says_of_system_paths() -> None:
    found = hostconfig.wishes({"MaskedPaths": [], "ReadonlyPaths": []})
    assert found["security_opt"] == ["systempaths=unconfined"]
    assert hostconfig.host_config(spec_of(found))["MaskedPaths"] is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CgroupParent", "/x"),
        ("DeviceRequests", [{"Count": -1}]), ("IOMaximumIOps", 5), ("Isolation", "hyperv"),
    ],
)  # fmt: skip
def test_what_portside_has_not_is_refused_with_the_reason(name: str, value: Any) -> None:
    with pytest.raises(Unsupported, match=f"^{name}: .{{30}}"):
        hostconfig.wishes({name: value})


@pytest.mark.parametrize(
    "body",
    [
        {"Binds": "data:/data"}, {"Memory": "64m"}, {"Privileged": 1}, {"Ulimits": [1]}, {"Tmpfs": {"/run": 1}},
        {"PortBindings": {"x": []}}, {"PortBindings": {"80/tcp": [{"HostPort": "99999"}]}}, {"PortBindings": []},
        {"Mounts": [{"Type": "bind", "Target": "/x", "TmpfsOptions": {"SizeBytes": 1}}]}, {"RestartPolicy": "always"},
        {"Mounts": [{"Type": "volume", "Source": "a", "Target": "/x", "ImageOptions": {"Subpath": "a"}}]},
        {"Mounts": [{"Type": "image", "Source": "a", "Target": "/x", "ImageOptions": {"Subpath": 1}}]},
        {"LogConfig": {"Type": 5}}, {"Devices": {}}, {"Memory": 1 << 70},
    ],
)  # fmt: skip
def test_values_of_another_kind_are_a_bad_request(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        wishes(body, {}, {})


def test_an_image_that_is_mounted_is_shown_as_docker_shows_it() -> None:
    seen = {
        "type": "image", "name": "alpine:3", "source": "sha256:" + "a" * 64, "destination": "/tools", "read_only": True,
        "propagation": "rprivate", "driver": "", "subpath": "usr/bin",
    }  # fmt: skip
    assert mounts.shown([seen], {}) == [
        {
            "Type": "image", "Name": "alpine:3", "Source": "sha256:" + "a" * 64, "Destination": "/tools", "Mode": "",
            "RW": False, "Propagation": "rprivate",
        }
    ]  # fmt: skip


def test_what_is_mounted_in_memory_is_shown_as_docker_shows_it() -> None:
    seen = {
        "type": "tmpfs", "name": "", "source": "", "destination": "/scratch", "read_only": True, "propagation": "",
        "driver": "", "subpath": "",
    }  # fmt: skip
    assert mounts.shown([seen], {"tmpfs": ["/run"]}) == [
        {"Type": "tmpfs", "Source": "", "Destination": "/scratch", "Mode": "", "RW": False, "Propagation": ""}
    ]


@pytest.mark.parametrize(
    ("spec", "mode"),
    [({"volumes": ["data:/x"]}, "z"), ({"volumes": ["data:/x:ro"]}, "ro"), ({"volumes": ["/x"]}, ""), ({}, ""),
     ({"mounts": ["type=volume,source=data,target=/x"]}, "z")],
)  # fmt: skip
def test_the_mode_of_a_volume_is_of_those_that_were_asked_for_by_name(spec: dict[str, Any], mode: str) -> None:
    (found,) = mounts.shown([{"type": "volume", "name": "data", "destination": "/x"}], spec)
    assert found["Mode"] == mode
    (found,) = mounts.shown([{"type": "bind", "source": "/h", "destination": "/x"}], {"volumes": ["/h:/x"]})
    assert found["Mode"] == ""


def test_the_beginning_of_an_images_id_becomes_the_id() -> None:
    texts = ["type=image,source=abc,target=/x", 'type=volume,source=abc,target=/y,"volume-label=a=b,c"']
    assert mounts.with_image_ids(texts, {"abc": "sha256:abcdef"}.__getitem__) == [
        "type=image,source=sha256:abcdef,target=/x", texts[1],
    ]  # fmt: skip


@pytest.mark.parametrize("source", ["a\nb", "a\rb", "a" * 140_000])
@pytest.mark.parametrize("kind", ["image", "volume"])
def test_what_is_no_line_is_left_to_who_refuses_it(kind: str, source: str) -> None:
    found = wishes({"Mounts": [{"Type": kind, "Source": source, "Target": "/x"}]}, {}, {})
    (text,) = mounts.with_image_ids(found["mounts"], lambda name: name)
    with pytest.raises(InvalidArgument):
        volume_options.mount(text)


def test_addresses_of_ones_own_are_those_of_a_network() -> None:
    endpoint = {"IPAMConfig": {"IPv4Address": "10.9.0.5", "LinkLocalIPs": ["169.254.1.5"]}}
    with pytest.raises(Unsupported, match=r"^LinkLocalIPs: .*choose one by ip or ip6"):
        networking.wishes({"NetworkMode": "front"}, {}, {"EndpointsConfig": {"front": endpoint}})
    assert networking.joining({"IPAMConfig": {"IPv4Address": "10.9.0.5", "LinkLocalIPs": []}}) == {"ip": "10.9.0.5"}


def test_every_error_says_a_sentence() -> None:
    with pytest.raises(EngineError, match="Env has to be a list of strings"):
        config.wishes({"Env": {"A": "1"}})


def test_a_name_alone_is_no_variable_unless_the_image_has_one() -> None:
    given = ["A=1", "EMPTY=", "GONE", "LANG", "A=2"]
    env = config.without_unset(config.environment(given), given, {"env": ["LANG=C", "PATH=/bin"]})
    assert env == {"A": "2", "EMPTY": "", "LANG": ""}
    both = ["A", "A=1", "B=1", "B"]
    assert config.without_unset(config.environment(both), both, {}) == {"A": "1"}, "the last counts"


@pytest.mark.parametrize("mode", ["", "default", "bridge"])
@pytest.mark.parametrize(
    ("endpoint", "of_config", "words"),
    [
        ({"IPAMConfig": {"IPv4Address": "172.17.0.9"}}, {}, "user specified IP address is supported on user defined"),
        ({"IPAMConfig": {"IPv6Address": "fd00::9"}}, {}, "user specified IP address is supported on user defined"),
        ({"Aliases": ["www"]}, {}, "alias is supported only for containers in user defined networks"),
        ({"MacAddress": "02:42:ac:11:00:09"}, {}, "put the container on a network of a name"),
        ({}, {"MacAddress": "02:42:ac:11:00:09"}, "put the container on a network of a name"),
    ],
)
def test_what_the_default_network_does_not_give_is_refused(
    mode: str, endpoint: dict[str, Any], of_config: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidArgument, match=words):
        networking.wishes({"NetworkMode": mode}, of_config, {"EndpointsConfig": {mode or "default": endpoint}})


def test_what_inspect_says_of_the_default_network_is_no_wish() -> None:
    endpoint = {"IPAMConfig": None, "Aliases": None, "MacAddress": "02:70:0A:df:40:0d", "IPAddress": "10.223.64.13"}
    found = networking.wishes({"NetworkMode": "bridge"}, {}, {"EndpointsConfig": {"bridge": endpoint}})
    assert (found["network"], found["networks"]) == ("bridge", [])
    assert not {"ip", "ip6", "mac_address", "network_alias"} & found.keys()


def test_addresses_that_were_asked_for_are_shown() -> None:
    one = Container(id="c0" * 32, name="web", host_id="h1")
    one.spec = {"network": "front", "ip": "10.20.0.9", "ip6": "fd00::9", "networks": ["back:ip=10.30.0.9", "far"]}
    shown = networking.settings_networks(one, (), is_alive=False)
    asked = {name: network["IPAMConfig"] for name, network in shown.items()}
    front = {"IPv4Address": "10.20.0.9", "IPv6Address": "fd00::9"}
    assert asked == {"front": front, "back": {"IPv4Address": "10.30.0.9"}, "far": None}
    one.spec = {"network": "bridge", "ip": "10.20.0.9", "networks": ["back:ip=10.30.0.9"]}
    endpoint = Endpoint(network=Network(network_id="e" * 64, name="back"), container=one, ip="10.30.0.9")
    shown = networking.settings_networks(one, [endpoint], is_alive=True)
    assert shown["back"]["IPAMConfig"] == {"IPv4Address": "10.30.0.9"}
    assert shown["bridge"]["IPAMConfig"] is None
