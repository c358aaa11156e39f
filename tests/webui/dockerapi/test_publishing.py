"""What is to be published where there is no network of the container's own: Docker discards it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.errors import InvalidArgument
from webui.containers.request import ContainerRequest, request_check
from webui.dockerapi.call import Call
from webui.dockerapi.containers import creating
from webui.hosts.models import Host

CALL = cast(Call, SimpleNamespace(version=(1, 43), text=lambda name: ""))
PUBLISHED = {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}
DISCARDED = ["Published ports are discarded when using host network mode"]


def body(mode: str, **host_config: Any) -> dict[str, Any]:
    exposed = {"80/tcp": {}, "90/tcp": {}}
    return {"Image": "alpine", "ExposedPorts": exposed, "HostConfig": {"NetworkMode": mode, **host_config}}


@pytest.mark.parametrize(("mode", "warnings"), [("host", DISCARDED), ("none", [])])
def test_ports_are_discarded_where_the_network_is_the_hosts_or_none(mode: str, warnings: list[str]) -> None:
    asked = body(mode, PortBindings=PUBLISHED)
    found = creating.wishes_of(CALL, asked)
    assert ("ports" in found, found["expose"]) == (False, ["80/tcp", "90/tcp"])
    request_check(ContainerRequest(image="alpine", **found))
    assert creating._warnings(asked, Host()) == warnings
    every = creating.wishes_of(CALL, body(mode, PublishAllPorts=True))
    assert "publish_all" not in every
    request_check(ContainerRequest(image="alpine", **every))
    assert creating._warnings(body(mode, PublishAllPorts=True), Host()) == []


def test_what_can_not_be_read_is_refused_all_the_same() -> None:
    with pytest.raises(InvalidArgument, match="invalid port specification"):
        creating.wishes_of(CALL, body("host", PortBindings={"80/tcp": [{"HostPort": "x"}]}))


@pytest.mark.parametrize("wish", [{"PortBindings": PUBLISHED}, {"PublishAllPorts": True}])
def test_the_ports_of_another_container_are_not_published_by_who_joins_it(wish: dict[str, Any]) -> None:
    found = creating.wishes_of(CALL, body("container:web", **wish))
    with pytest.raises(InvalidArgument, match="The published ports are those of the container whose network"):
        request_check(ContainerRequest(image="alpine", **found))
    assert creating._warnings(body("container:web", **wish), Host()) == []


def test_a_network_of_ones_own_publishes() -> None:
    found = creating.wishes_of(CALL, body("bridge", PortBindings=PUBLISHED, PublishAllPorts=True))
    assert (found["publish_all"], found["expose"]) == (True, ["90/tcp"])
    assert found["ports"] == [{"container": 80, "protocol": "tcp", "host": 8080}]
