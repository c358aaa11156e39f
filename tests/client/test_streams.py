"""What comes as it happens: jobs to their end, logs, events, builds; and connections that break in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from client import Cancelled, NotFound, Portside, PortsideError, Unavailable
from client.sockets import TRIES
from tests.client.fake_site import Asked, Connection, FakeSite, Said

ID = "c" * 64


def job(status: str, **more: Any) -> dict[str, Any]:
    return {"id": "7", "status": status, "error": None, "result": {}, "progress": {"phase": "", "items": []}, **more}


def test_a_job_is_followed_to_its_end(fake_site: FakeSite, site: Portside) -> None:
    fake_site.on("GET", "/api/v1/jobs/7/", job("queued"))

    async def told(connection: Connection) -> None:
        await connection.say(type="job", job=job("running"))
        await connection.say(type="job", job=job("succeeded", result={"x": 1}))
        await connection.hear()

    fake_site.sockets["/ws/jobs/7/"] = told
    seen: list[str] = []
    done = site.wait({"job": {"id": "7", "url": "/"}}, progress=lambda state: seen.append(state["status"]))
    assert seen == ["queued", "running", "succeeded"]
    assert done["result"] == {"x": 1}


def test_a_break_in_the_middle_is_no_end(fake_site: FakeSite, site: Portside) -> None:
    fake_site.on("GET", "/api/v1/jobs/7/", job("running"))
    calls: list[int] = []

    async def told(connection: Connection) -> None:
        calls.append(1)
        if len(calls) == 1:
            await connection.close(1013)
            return
        await connection.say(type="job", job=job("succeeded"))
        await connection.hear()

    fake_site.sockets["/ws/jobs/7/"] = told
    assert site.wait("7")["status"] == "succeeded"
    assert len(calls) == 2


def test_a_failed_job_raises_what_it_failed_with(fake_site: FakeSite, site: Portside) -> None:
    error = {"family": "not_found", "message": "no such image", "detail": {"reference": "x"}}
    fake_site.on("GET", "/api/v1/jobs/7/", job("failed", error=error))
    with pytest.raises(NotFound, match="no such image") as raised:
        site.wait("7")
    assert raised.value.detail == {"reference": "x"}
    fake_site.on("GET", "/api/v1/jobs/7/", job("cancelled"))
    with pytest.raises(Cancelled):
        site.wait("7")
    with pytest.raises(PortsideError, match="nothing had to be done"):
        site.wait({"job": None})


def test_nobody_waits_longer_than_he_wants(fake_site: FakeSite, site: Portside) -> None:
    fake_site.on("GET", "/api/v1/jobs/7/", job("running"))

    async def silent(connection: Connection) -> None:
        await connection.hear()

    fake_site.sockets["/ws/jobs/7/"] = silent
    with pytest.raises(Unavailable, match="goes on"):
        site.wait("7", timeout=0)


def page(cursor: int, *texts: str) -> dict[str, Any]:
    return {"cursor": cursor, "chunks": [{"stream": "stdout", "at": 1.0, "text": text} for text in texts]}


def test_a_log_is_read_to_where_it_ends_now(fake_site: FakeSite, site: Portside) -> None:
    path = f"/api/v1/containers/{ID}/logs/"
    fake_site.on("GET", path, page(3, "one"), page(6, "two"), page(6))
    assert [chunk["text"] for chunk in site.logs(ID, tail=5)] == ["one", "two"]
    assert [asked.query.get("tail") for asked in fake_site.asked] == [["5"], None, None]
    assert [asked.query.get("cursor") for asked in fake_site.asked] == [None, ["3"], ["6"]]


def test_a_followed_log_ends_with_the_run_and_all_of_it(fake_site: FakeSite, site: Portside) -> None:
    cursors: list[Any] = []

    async def log(connection: Connection) -> None:
        cursors.append(connection.query.get("cursor"))
        if len(cursors) == 1:
            await connection.say(type="log", **{"from": 0}, **page(3, "one"))
            await connection.close(1013)
            return
        await connection.say(type="log", **{"from": 3}, **page(6, "two"))
        await connection.hear()

    def wait(_: Asked) -> Said:
        return Said(body={"reached": True, "exit_code": 0, "error": None, "condition": "not-running"})

    fake_site.sockets[f"/ws/containers/{ID}/logs/"] = log
    fake_site.http["POST", f"/api/v1/containers/{ID}/wait/"] = wait
    fake_site.on("GET", f"/api/v1/containers/{ID}/logs/", page(9, "end"), page(9))
    texts = [chunk["text"] for chunk in site.logs(ID, follow=True)]
    assert texts[-1] == "end"
    assert texts[:-1] in (["one", "two"], ["one"], [])  # the end may be told at any moment; what is left comes by REST


def test_a_followed_log_ends_although_the_site_was_away_meanwhile(fake_site: FakeSite, site: Portside) -> None:
    async def log(connection: Connection) -> None:
        await connection.hear()

    ended = {"reached": True, "exit_code": 0, "error": None, "condition": "not-running"}
    away = Said(503, {"detail": "try again", "family": "unavailable"})
    fake_site.sockets[f"/ws/containers/{ID}/logs/"] = log
    fake_site.on("POST", f"/api/v1/containers/{ID}/wait/", away, ended)
    fake_site.on("GET", f"/api/v1/containers/{ID}/logs/", page(3, "all"), page(3))
    assert [chunk["text"] for chunk in site.logs(ID, follow=True)] == ["all"]


def test_a_host_that_stays_away_is_said(fake_site: FakeSite, site: Portside, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    async def log(connection: Connection) -> None:
        tries.append(1)
        error = {"family": "unavailable", "message": "the host one does not answer: see that its worker runs"}
        await connection.say(type="error", error=error)
        await connection.close(1011)

    monkeypatch.setattr("client.sockets.pause", lambda _: 0.01)
    fake_site.sockets[f"/ws/containers/{ID}/logs/"] = log
    with pytest.raises(Unavailable, match="the host one does not answer"):
        list(site.feed(f"/ws/containers/{ID}/logs/"))
    assert len(tries) == 1 + TRIES


def test_a_log_that_may_not_be_read_any_more_is_an_error(fake_site: FakeSite, site: Portside) -> None:
    async def log(connection: Connection) -> None:
        await connection.close(4401)

    fake_site.sockets[f"/ws/containers/{ID}/logs/"] = log
    with pytest.raises(PortsideError, match="sign in again"):
        list(site.logs(ID, follow=True))
    with pytest.raises(NotFound):
        list(site.logs("d" * 64, follow=True))


def test_events_go_on_after_the_last_one_that_was_seen(fake_site: FakeSite, site: Portside) -> None:
    def events(asked: Asked) -> Said:
        after = int(asked.query.get("after", ["0"])[0])
        return Said(parts=[f'{{"id": {after + 1}}}\n'.encode(), f'{{"id": {after + 2}}}\n'.encode()])

    fake_site.http["GET", "/api/v1/events/"] = events
    following = site.follow_events(since="0", type=["container"])
    assert [next(following)["id"] for _ in range(5)] == [1, 2, 3, 4, 5]
    assert fake_site.asked[0].query == {"since": ["0"], "type": ["container"], "follow": ["true"]}
    assert fake_site.asked[1].query == {"after": ["2"], "type": ["container"], "follow": ["true"]}


def test_events_from_now_on_lose_none_before_the_first_one(fake_site: FakeSite, site: Portside) -> None:
    """The first connection breaks in silence; what happens before the next one is told all the same."""
    followed: list[Any] = []

    def events(asked: Asked) -> Said:
        if "follow" not in asked.query:
            return Said(body={"results": [{"id": 7}], "next": "/api/v1/events/?before=7"})
        followed.append(asked.query["after"])
        return Said(parts=[b""] if len(followed) == 1 else [b'{"id": 8}\n'])

    fake_site.http["GET", "/api/v1/events/"] = events
    assert next(site.follow_events())["id"] == 8
    assert followed == [["7"], ["7"]]
    assert fake_site.asked[0].query == {"ordering": ["-id"], "page_size": ["1"]}


def test_events_are_followed_to_their_end(fake_site: FakeSite, site: Portside) -> None:
    fake_site.on("GET", "/api/v1/events/", Said(parts=[b'{"id": 1}\n']))
    assert [event["id"] for event in site.follow_events(since="0", until="9")] == [1]


@pytest.mark.parametrize("follow", [lambda site: site.follow_events(after=0), lambda site: site.follow_stats()])
def test_what_has_no_end_outlives_any_number_of_breaks(
    fake_site: FakeSite, site: Portside, monkeypatch: pytest.MonkeyPatch, follow: Callable[[Portside], Iterator[Any]]
) -> None:
    """Answers that go on for a while and tell nothing, as of a quiet site behind a proxy, are no failures."""
    monkeypatch.setattr("client.site.TRIES", 2)
    monkeypatch.setattr("client.site.pause", lambda _: 0)
    silent, told = Said(parts=[b""]), Said(parts=[b'{"id": 1}\n'])
    for path in ("/api/v1/events/", "/api/v1/containers/stats/"):
        fake_site.on("GET", path, *[silent] * 5, told, told, silent)
    monkeypatch.setattr("client.site._STEADY_SECONDS", 0)
    rows = follow(site)
    assert [next(rows)["id"], next(rows)["id"]] == [1, 1]
    monkeypatch.setattr("client.site._STEADY_SECONDS", 60)
    with pytest.raises(Unavailable, match="no end"):
        next(rows)
    assert len(fake_site.asked) == 5 + 2 + 2


def test_a_builds_record_goes_on_at_its_cursor(fake_site: FakeSite, site: Portside) -> None:
    cursors: list[str] = []

    async def record(connection: Connection) -> None:
        (cursor,) = connection.query["cursor"]
        cursors.append(cursor)
        line = {"type": "log", "id": "1", "text": cursor}
        await connection.say(type="record", **{"from": int(cursor)}, cursor=int(cursor) + 10, lines=[line])
        if len(cursors) < 3:
            await connection.close(1013)
        else:
            await connection.say(type="end")

    fake_site.sockets["/ws/builds/b/"] = record
    assert [line["text"] for line in site.follow_build("b")] == ["0", "10", "20"]
    assert cursors == ["0", "10", "20"]
