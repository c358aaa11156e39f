"""The door itself: versions, who may come in, which host is meant, and what is nobody's."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from tests.support.processes import PATIENCE_SECONDS
from tests.webui.cast import Caller
from tests.webui.dockerapi.asked import ask, scope_of
from tests.webui.dockerapi.played import taken
from webui.accounts.models import Team, User
from webui.asgi import application
from webui.containers.models import Container
from webui.dockerapi import paths, routing, versions
from webui.hosts.models import Host
from webui.images.models import Image
from webui.live.loop import in_thread

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site_broker")]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/_ping"), ("HEAD", "/_ping"), ("HEAD", "/hosts/anything/v1.40/_ping")]
)
async def test_everybody_may_ask_which_version_is_spoken(method: str, path: str) -> None:
    answer = await ask(method, path)
    assert (answer.status, answer.body) == (200, b"OK" if method == "GET" else b"")
    assert answer.headers["api-version"] == versions.text(versions.NEWEST)
    assert answer.headers["ostype"] == "linux"
    assert answer.headers["swarm"] == "inactive"


async def test_all_else_needs_a_token(nobody: Caller) -> None:
    for path in ("/v1.43/version", "/v1.43/containers/json", "/containers/json", "/info"):
        answer = await ask("GET", path)
        assert answer.status == 401
        assert "HttpHeaders" in answer.message
    for wrong in ("Bearer ps_wrong", "Basic YWRtaW46cGFzc3dvcmQ=", "ps_wrong"):
        assert (await ask("GET", "/v1.43/version", None, Authorization=wrong)).status == 401


async def test_a_cookie_is_no_token(owner: Caller) -> None:
    await in_thread(owner.client.force_login, owner.user)
    cookie = owner.client.cookies["sessionid"].value
    assert (await ask("GET", "/v1.43/version", None, Cookie=f"sessionid={cookie}")).status == 401


async def test_versions_that_are_not_spoken(owner: Caller, host: Host) -> None:
    old = await ask("GET", "/v1.23/version", owner)
    assert (old.status, old.message) == (
        400,
        "client version 1.23 is too old. Minimum supported API version is 1.24, "
        "please upgrade your client to a newer version",
    )
    assert "too new" in (await ask("GET", "/v1.99/version", owner)).message
    assert (await ask("GET", "/v1.24/version", owner)).json["MinAPIVersion"] == "1.24"
    assert (await ask("GET", "/v1.x/version", owner)).status == 404
    assert (await ask("GET", "/v1.43/nothing/here", owner)).message == "page not found"
    assert (await ask("DELETE", "/v1.43/containers/json", owner)).status == 404


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [("GET", "containers/a/b/json", "container"), ("DELETE", "containers/a/b", "container"),
     ("POST", "containers/a/b/start", "container"), ("GET", "containers/a/b/logs?stdout=1", "container"),
     ("GET", "networks/a/b", "network"), ("GET", "volumes/a/b", "volume"), ("DELETE", "volumes/a/b", "volume")],
)  # fmt: skip
async def test_a_name_with_a_slash_is_nobodys(owner: Caller, host: Host, method: str, path: str, what: str) -> None:
    """People give an image's name where a container's belongs."""
    answer = await ask(method, f"/v1.43/{path}", owner)
    assert answer.status == 404
    assert what in answer.message and "a/b" in answer.message


async def test_root_at_the_socket_is_the_administrator(container: Container) -> None:
    await in_thread(User.objects.create_superuser, username="admin")
    listed = await ask("GET", "/v1.43/containers/json", state={"peer_uid": 0})
    assert [one["Id"] for one in listed.json] == [container.pk]
    refused = await ask("GET", "/v1.43/containers/json", state={"peer_uid": 1000})
    assert (refused.status, "root" in refused.message) == (403, True)
    assert (await ask("GET", "/containers/", state={"peer_uid": 0})).status == 404  # no page is served there


async def test_a_host_is_chosen_by_the_path(owner: Caller, container: Container, team: Team) -> None:
    await in_thread(Host.objects.create, pk="other", name="second machine", team=team)
    path = "/hosts/second%20machine/v1.43/containers/json"
    assert (await ask("GET", path, owner)).json == []
    named = await ask("GET", f"/hosts/{container.host.name}/v1.43/containers/json", owner)
    assert [one["Id"] for one in named.json] == [container.pk]
    missing = await ask("GET", "/hosts/third/v1.43/containers/json", owner)
    assert (missing.status, "no host third" in missing.message) == (404, True)


async def test_info_is_about_the_host_and_what_the_user_sees_there(owner: Caller, container: Container) -> None:
    await in_thread(Host.objects.update, cores=3, kernel="6.1")
    found = (await ask("GET", "/v1.43/info", owner)).json
    assert (found["Name"], found["NCPU"], found["KernelVersion"]) == (container.host.name, 3, "6.1")
    assert (found["Containers"], found["ContainersRunning"], found["ContainersStopped"]) == (1, 1, 0)
    assert found["Warnings"] is None
    await in_thread(Host.objects.update, heartbeat_at=None)
    (warning,) = (await ask("GET", "/v1.43/info", owner)).json["Warnings"]
    assert "does not answer" in warning


async def test_info_says_whether_the_host_has_apparmor_and_what_it_lacks(owner: Caller, container: Container) -> None:
    usual = ["name=seccomp,profile=builtin", "name=userns"]
    assert (await ask("GET", "/v1.43/info", owner)).json["SecurityOptions"] == usual
    await in_thread(Host.objects.update, apparmor_profile="portside-default")
    found = (await ask("GET", "/v1.43/info", owner)).json
    assert (found["SecurityOptions"], found["Warnings"]) == (["name=apparmor", *usual], None)
    await in_thread(Host.objects.update, apparmor_profile="", apparmor_problem="there is no apparmor_parser")
    found = (await ask("GET", "/v1.43/info", owner)).json
    assert found["SecurityOptions"] == usual
    assert found["Warnings"] == ["WARNING: containers are not confined by AppArmor: there is no apparmor_parser"]


async def test_an_outsider_has_no_host_and_no_container(outsider: Caller, container: Container) -> None:
    for path in ("/containers/json?all=1", f"/containers/{container.pk}/json", "/info"):
        assert (await ask("GET", f"/v1.43{path}", outsider)).status == 404
    named = await ask("GET", f"/hosts/{container.host.name}/v1.43/containers/{container.pk}/json", outsider)
    assert (named.status, "no host" in named.message) == (404, True)


async def test_pages_are_left_alone() -> None:
    assert not routing.is_ours("GET", "/containers/")
    assert not routing.is_ours("GET", "/containers/abc/")
    assert not routing.is_ours("GET", "/hosts/abc/")
    assert not routing.is_ours("GET", "/containers/json", "text/html,application/xhtml+xml")
    assert not routing.is_ours("GET", "/api/v1/containers/")
    assert routing.is_ours("GET", "/containers/json")
    assert routing.is_ours("GET", "/hosts/abc/_ping")
    assert routing.is_ours("GET", "/v1.43/whatever")


def test_paths() -> None:
    assert paths.read("/hosts/a%2Fb/v1.43/info") == paths.Asked("a/b", "1.43", "/info")
    assert paths.read("/info") == paths.Asked(None, None, "/info")
    assert paths.is_stream("/v1.43/containers/web/attach")
    assert paths.is_stream("/hosts/x/exec/abc/start")
    assert not paths.is_stream("/v1.43/containers/web/attach/ws")


BODIES: list[tuple[bytes, dict[str, str], int]] = [
    (b"{", {"content-type": "application/json"}, 400),
    (b"[]", {"content-type": "application/json"}, 400),
    (b"[" * 100_000, {"content-type": "application/json"}, 400),
    (b"{}", {"content-type": "text/plain"}, 400),
    (b'{"Image": 5}', {"content-type": "application/json"}, 400),
    (b'{"Image": "nothing", "Unknown": {"x": 1}}', {"content-type": "application/json"}, 404),
    (b" " * (5 << 20), {"content-type": "application/json"}, 413),
    (b'{"Image": "\xed\xa0\x80"}', {"content-type": "application/json"}, 400),
    (b'{"Image": "\\ud800"}', {"content-type": "application/json"}, 400),
    (b'{"Image": "alpine", "Labels": {"a\\u0000": ""}}', {"content-type": "application/json"}, 400),
    (b'{"Image": "nothing", "Labels": {"a": "\\ud83d\\ude00"}}', {"content-type": "application/json"}, 404),
]


async def test_bodies_that_can_not_be(owner: Caller, host: Host) -> None:
    for body, headers, status in BODIES:
        answer = await ask("POST", "/v1.43/containers/create", owner, body, **headers)
        assert (answer.status, bool(answer.message)) == (status, True), body[:40]


async def test_parameters_that_can_not_be(owner: Caller, container: Container) -> None:
    """Each is told, none is an error of the site's."""
    for method, path, body in (
        ("GET", "/events?since=999999999999", None),
        ("GET", "/events?until=-99999999999", None),
        ("POST", '/containers/prune?filters={"until":["99999999999999"]}', None),
        ("POST", '/containers/prune?filters={"until":["99999999999h"]}', None),
        ("POST", '/images/prune?filters={"until":["\\u0000"]}', None),
        ("GET", "/containers/json?filters=" + json.dumps({"name": ["a"] * 101}), None),
        ("POST", "/networks/create", {"Name": "x", "Options": {"com.docker.network.driver.mtu": "²"}}),
        ("POST", "/containers/web/resize?h=0000000000999999&w=1", None),
        ("POST", "/volumes/create", {"Name": "\ud800"}),
        ("GET", "/volumes/a%00b", None),
        ("GET", "/containers/json?limit=%00", None),
        ("GET", "/hosts/%00/v1.43/info", None),
    ):
        where = path if path.startswith("/hosts") else f"/v1.43{path}"
        answer = await ask(method, where, owner, body)
        assert (answer.status, bool(answer.message)) == (400, True), (path, answer.body)
    await in_thread(Host.objects.update, heartbeat_at=None)
    answer = await ask("GET", "/v1.43/containers/web/logs?stdout=1&tail=%C2%B2", owner)
    assert (answer.status, "does not answer" in answer.message) == (503, True), answer.body  # all of it, of nobody


@pytest.fixture
def slow_rate(settings: Any) -> None:
    """Three at once, and one for strangers."""
    settings.PORTSIDE = dataclasses.replace(settings.PORTSIDE, rate_limit=9)


async def test_who_asks_too_often_is_told_so_in_dockers_words(
    slow_rate: None, owner: Caller, teammate: Caller, host: Host
) -> None:
    answers = [await ask("GET", "/v1.43/version", owner) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert set(answers[3].json) == {"message"} and "9 a minute" in answers[3].message
    assert int(answers[3].headers["retry-after"]) >= 1
    assert (await ask("GET", "/v1.43/version", teammate)).status == 200
    assert (await in_thread(owner.get, "hosts/")).status_code == 429  # REST counts with it
    assert [(await ask("HEAD", "/_ping", owner)).status for _ in range(5)] == [200] * 5  # as each command begins
    async with taken("/v1.43/containers/web/attach?stream=1", owner) as client:
        head = await client.head()
    assert head.startswith("HTTP/1.1 429 ") and "Retry-After: " in head and '{"message":' in head


async def test_who_has_no_token_is_counted_by_the_address(slow_rate: None, owner: Caller, host: Host) -> None:
    wrong = [await ask("GET", "/v1.43/version", None, Authorization="Bearer ps_wrong") for _ in range(2)]
    assert [answer.status for answer in wrong] == [401, 429]
    assert (await ask("GET", "/v1.43/version", owner)).status == 200


async def test_root_of_this_machine_may_always_ask(slow_rate: None, host: Host) -> None:
    await in_thread(User.objects.create, username="root", is_superuser=True)
    answers = [await ask("GET", "/v1.43/version", state={"peer_uid": 0}) for _ in range(6)]
    assert {answer.status for answer in answers} == {200}


async def test_wrong_fields_are_named_as_options(owner: Caller, image: Image) -> None:
    wrong = {"Image": image.tags[0], "HostConfig": {"Memory": 4096, "CpuPeriod": 5, "RestartPolicy": {"Name": "bogus"}}}
    answer = await ask("POST", "/v1.43/containers/create", owner, wrong)
    assert answer.status == 400
    assert answer.message.startswith("the container can't be created: ")
    for said in ("memory: Give at least", "cpu-period: Give 1000", "restart: Choose one of"):
        assert said in answer.message
    ports = {"PortBindings": {"80/tcp": [{"HostIp": "::1", "HostPort": "1080"}]}}
    part = await ask("POST", "/v1.43/containers/create", owner, {"Image": image.tags[0], "HostConfig": ports})
    assert (part.status, ": publish: Ports can't be published on ::1" in part.message) == (400, True)
    mtu = {"Name": "front", "Options": {"com.docker.network.driver.mtu": "1"}}
    marked = await ask("POST", "/v1.43/networks/create", owner, mtu)
    assert (marked.status, "mtu: " in marked.message, "marked" in marked.message) == (400, True, False)


async def test_a_name_that_can_not_be_is_said_to_be_the_name(owner: Caller, container: Container) -> None:
    answer = await ask("POST", "/v1.43/containers/web/rename?name=bad%20name", owner)
    assert (answer.status, answer.message.startswith("name: Use 1 to 128 letters")) == (400, True)


async def test_nobody_without_a_host_is_told_to_start_one_beside_those_of_others(outsider: Caller, host: Host) -> None:
    answer = await ask("GET", "/v1.43/containers/json", outsider)
    assert (answer.status, "none is open to your team" in answer.message) == (404, True)
    await Host.objects.all().adelete()
    assert "no host has registered yet" in (await ask("GET", "/v1.43/containers/json", outsider)).message


async def test_a_refusal_comes_after_what_the_client_is_sending(owner: Caller, host: Host) -> None:
    scope = scope_of("PUT", "/v1.43/containers/missing/archive?path=/", {"host": "testserver", **owner.headers})
    communicator = ApplicationCommunicator(application, scope)
    for more in (True, True, False):
        await communicator.send_input({"type": "http.request", "body": b"x" * 1000, "more_body": more})
    start: Any = await communicator.receive_output(PATIENCE_SECONDS)
    assert (start["status"], communicator.input_queue.empty()) == (404, True)
    await communicator.receive_output(PATIENCE_SECONDS)
    await communicator.wait()
