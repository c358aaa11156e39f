"""Who may open a socket: origin, session or token, rights; every socket is walked as everybody."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.support.valkey import Valkey
from tests.webui.cast import BUILD_ID, CONTAINER_ID, Caller
from tests.webui.streams.fake_host import FakeHost, refused
from webui.accounts.models import Membership, Role, User
from webui.containers.models import Container
from webui.jobs.models import Job
from webui.links import stream
from webui.live.loop import in_thread
from webui.streams.routing import urlpatterns

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("build")]

OPEN = ("/ws/events/", "/ws/activity/", "/ws/containers/stats/")
"""For everybody who is signed in, as they show each only what is theirs."""


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some sockets ask the host at once, and there is none that answers."""
    monkeypatch.setattr(stream, "FIRST_SECONDS", 0.1)


def paths(job: Job) -> list[str]:
    """Every socket there is; a new one has to be named here before the tests pass again."""
    known = [
        "/ws/events/",
        "/ws/activity/",
        "/ws/containers/stats/",
        f"/ws/jobs/{job.pk}/",
        f"/ws/hosts/{job.host_id}/stats/",
        f"/ws/builds/{BUILD_ID}/",
    ]
    known += [f"/ws/containers/{CONTAINER_ID}/{name}/" for name in ("logs", "stats", "top", "exec", "attach")]
    assert len(known) == len(urlpatterns), "name the new socket here"
    return known


async def test_nobody_is_asked_to_sign_in_at_every_socket(fake_host: FakeHost, container: Container, job: Job) -> None:
    for path in paths(job):
        assert await refused(path, {}) == 401, path
        assert await refused(path, {"Authorization": "Bearer ps_wrong"}) == 401, path


async def test_an_outsider_gets_into_no_socket_of_an_object(
    fake_host: FakeHost, outsider: Caller, container: Container, job: Job
) -> None:
    for path in paths(job):
        assert await refused(path, outsider.headers) == (101 if path in OPEN else 404), path


async def test_a_teammate_gets_into_all(fake_host: FakeHost, teammate: Caller, container: Container, job: Job) -> None:
    for path in paths(job):
        assert await refused(path, teammate.headers) == 101, path


async def test_who_may_only_look_gets_no_process_in_a_container(
    fake_host: FakeHost, teammate: Caller, container: Container
) -> None:
    await in_thread(Membership.objects.filter(user=teammate.user).update, role=Role.VIEWER)
    for name, status in (("logs", 403), ("top", 101), ("exec", 403), ("attach", 403)):
        assert await refused(f"/ws/containers/{CONTAINER_ID}/{name}/", teammate.headers) == status


async def test_a_page_of_another_origin_is_refused_whatever_it_carries(
    fake_host: FakeHost, owner: Caller, container: Container, job: Job
) -> None:
    cookie = {"Cookie": await in_thread(session_cookie, owner.user)}
    for path in paths(job):
        for headers in (owner.headers, cookie):
            for origin in ("https://evil.example", "http://testserver.evil.example", "null", "http://testserver:81"):
                assert await refused(path, {**headers, "Origin": origin}) == 403, (path, origin)


async def test_a_session_cookie_opens_a_socket_for_the_sites_own_pages(fake_host: FakeHost, owner: Caller) -> None:
    cookie = await in_thread(session_cookie, owner.user)
    assert await refused("/ws/events/", {"Cookie": cookie, "Origin": "http://testserver"}) == 101


async def test_a_session_that_was_ended_opens_nothing(fake_host: FakeHost, owner: Caller) -> None:
    def ended() -> str:
        client = Client()
        client.force_login(owner.user)
        cookie = f"sessionid={client.cookies['sessionid'].value}"
        client.logout()
        return cookie

    assert await refused("/ws/events/", {"Cookie": await in_thread(ended)}) == 401
    assert await refused("/ws/events/", {"Cookie": "sessionid=" + "x" * 32}) == 401
    assert await refused("/ws/events/", {"Cookie": 'sessionid="\\"; a b=;;'}) == 401


async def test_a_person_who_was_locked_out_opens_nothing(fake_host: FakeHost, owner: Caller) -> None:
    cookie = await in_thread(session_cookie, owner.user)
    await in_thread(User.objects.update, is_active=False)
    assert await refused("/ws/events/", owner.headers) == 401
    assert await refused("/ws/events/", {"Cookie": cookie}) == 401


async def test_a_socket_that_is_not_there_is_refused(owner: Caller) -> None:
    assert await refused("/ws/nothing/", owner.headers) == 404
    assert await refused(f"/ws/containers/{CONTAINER_ID[:12]}/logs/", owner.headers) == 404


def session_cookie(user: User | None) -> str:
    client = Client()
    assert user is not None
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"


async def test_an_address_that_no_socket_has_is_not_found(site_broker: Valkey, teammate: Caller) -> None:
    for path in ("/ws/nope/", "/ws/events", "/nope/"):
        assert await refused(path, teammate.headers) == 404, path
    assert await refused("/ws/nope/", {}) == 401
