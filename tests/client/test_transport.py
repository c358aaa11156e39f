"""Requests: what is sent again and what never, errors by family, TLS, and a token that nobody sees."""

from __future__ import annotations

import json
import pickle
import re
import socket
import threading
import traceback
from pathlib import Path

import pytest

from client import (
    Conflict,
    ConnectionFailed,
    InvalidArgument,
    NotFound,
    Portside,
    PortsideError,
    Unauthenticated,
    Unavailable,
)
from client.transport import TRIES, encoded
from tests.client.conftest import TOKEN
from tests.client.fake_site import FakeSite, Said, running
from tests.support.certificates import self_signed

BUSY = Said(503, {"detail": "try again", "family": "unavailable"}, {"Retry-After": "0"})


def test_who_asks_is_said_by_the_token(fake_site: FakeSite, site: Portside) -> None:
    fake_site.on("GET", "/api/v1/hosts/h/", {"id": "h"})
    assert site.hosts.read("h") == {"id": "h"}
    assert fake_site.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_list_is_read_page_by_page(fake_site: FakeSite, site: Portside) -> None:
    pages = [
        {"results": [{"id": 1}, {"id": 2}], "next": "/api/v1/jobs/?status=failed&page=2"},
        {"results": [{"id": 3}], "next": None},
    ]
    fake_site.on("GET", "/api/v1/jobs/", *pages)
    assert [job["id"] for job in site.jobs.list(status="failed")] == [1, 2, 3]
    assert fake_site.asked[0].query == {"status": ["failed"], "page_size": ["1000"]}
    assert fake_site.asked[1].query == {"status": ["failed"], "page": ["2"]}


def test_what_reads_is_tried_again_and_what_writes_is_not(fake_site: FakeSite, site: Portside) -> None:
    fake_site.on("GET", "/api/v1/jobs/1/", BUSY, BUSY, {"id": "1"})
    assert site.jobs.read("1") == {"id": "1"}
    fake_site.on("POST", "/api/v1/containers/", BUSY)
    with pytest.raises(Unavailable):
        site.containers.create(image="x")
    assert fake_site.times("POST", "/api/v1/containers/") == 1


def answer(status: int, body: object, *, connection: bytes = b"close") -> bytes:
    text = json.dumps(body).encode()
    head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n" % (status, len(text), connection)
    return head + text


def test_a_change_whose_answer_was_lost_is_sent_again_by_its_key() -> None:
    """The first connection breaks before the answer, the second finds the first try under way."""
    under_way = {"detail": "The first request with this Idempotency-Key is under way.", "family": "conflict"}
    answers = [b"", answer(409, under_way), answer(202, {"job": 1}), answer(202, {"job": 2}), b""]
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for text in answers:
                connection, _ = server.accept()
                with connection:
                    request = b""
                    while not request.endswith((b"}", b"0\r\n\r\n")):
                        request += connection.recv(1 << 16)
                    heard.append(request)
                    connection.sendall(text)

        threading.Thread(target=serve, daemon=True).start()
        site = Portside(f"http://127.0.0.1:{server.getsockname()[1]}", TOKEN)
        assert site.containers.create(image="x") == {"job": 1}
        assert site.containers.create(image="x") == {"job": 2}
        with pytest.raises(ConnectionFailed, match="broke"):
            site.containers.archive_put("c", iter([b"x"]), path="/")
    keys = [re.findall(rb"Idempotency-Key: (\w+)", request) for request in heard]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert keys[4:] == [[]]  # a stream is sent once


def test_every_try_reaches_the_site() -> None:
    """None is spent on a connection whose last answer was not read; here all of it is in the client's buffer."""
    connections: list[int] = []
    left = [*[answer(503, BUSY.body, connection=b"keep-alive")] * (TRIES - 1), answer(200, {"id": "1"})]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while left:
                connection, _ = server.accept()
                connections.append(1)
                with connection:
                    while left and connection.recv(1 << 16):
                        connection.sendall(left.pop(0))

        threading.Thread(target=serve, daemon=True).start()
        site = Portside(f"http://127.0.0.1:{server.getsockname()[1]}", TOKEN)
        assert site.jobs.read("1") == {"id": "1"}
    assert len(connections) == 1


def test_nobody_there_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(ConnectionFailed, match=r"nobody answers there"):
        Portside(f"http://127.0.0.1:{port}", TOKEN).containers.create(image="x")


def test_an_answer_that_does_not_come_is_not_waited_for_twice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        site = Portside(f"http://127.0.0.1:{silent.getsockname()[1]}", TOKEN, timeout=0.2)
        with pytest.raises(ConnectionFailed, match="no answer in time"):
            site.containers.create(image="x")


def test_problems_become_errors_of_their_family(fake_site: FakeSite, site: Portside) -> None:
    body = {"detail": "Some fields are wrong: see errors.", "family": "invalid_argument", "errors": {"ports.0": ["no"]}}
    fake_site.on("POST", "/api/v1/containers/", Said(400, body))
    with pytest.raises(InvalidArgument) as raised:
        site.containers.create(image="")
    assert raised.value.fields == {"ports.0": ["no"]}
    assert raised.value.status == 400
    for status, family, kind in ((401, "unauthenticated", Unauthenticated), (409, "conflict", Conflict)):
        fake_site.on("GET", "/api/v1/jobs/1/", Said(status, {"detail": "so it is", "family": family}))
        with pytest.raises(kind, match="so it is"):
            site.jobs.read("1")
    with pytest.raises(NotFound):
        site.jobs.read("2")
    fake_site.on("GET", "/api/v1/jobs/1/", Said(418, {"detail": "new", "family": "of tomorrow"}))
    with pytest.raises(PortsideError, match="new"):
        site.jobs.read("1")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (Said(200, b"<html>"), ConnectionFailed),
        (Said(404, b"<html>"), ConnectionFailed),
        (Said(403, b"<html>"), PortsideError),
        (Said(302, b"", {"Location": "https://elsewhere.example/x?token=1"}), ConnectionFailed),
    ],
)
def test_what_is_no_site_of_portside_is_said(
    fake_site: FakeSite, site: Portside, said: Said, kind: type[Exception]
) -> None:
    fake_site.on("GET", "/api/v1/jobs/1/", said)
    with pytest.raises(kind):
        site.jobs.read("1")
    assert len(fake_site.asked) == 1


def test_the_token_is_in_nothing_that_is_shown(fake_site: FakeSite, site: Portside) -> None:
    fake_site.on("GET", "/api/v1/jobs/1/", Said(500, {"detail": "broke", "family": "internal"}))
    with pytest.raises(PortsideError) as raised:
        site.jobs.read("1")
    shown = "".join(traceback.format_exception(raised.value)) + repr(site) + repr(site.transport) + str(vars(site))
    assert TOKEN not in shown
    with pytest.raises(TypeError):
        pickle.dumps(site.transport)
    for odd in ("two words", "new\nline", ""):
        with pytest.raises(InvalidArgument) as refused:
            Portside(fake_site.url, odd)
        assert "new" not in str(refused.value)


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://user:secret@x", "http://x/?a=1", "https://x#y"])
def test_odd_addresses_are_refused(url: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        Portside(url, TOKEN)
    assert "secret" not in str(raised.value)


def test_a_site_may_lie_below_a_path(fake_site: FakeSite) -> None:
    fake_site.on("GET", "/below/api/v1/jobs/", {"results": [{"id": 1}], "next": "/below/api/v1/jobs/?page=2"})
    site = Portside(fake_site.url + "/below/", TOKEN)
    rows = site.jobs.list()
    assert [next(rows)["id"], next(rows)["id"]] == [1, 1]
    assert {one.path for one in fake_site.asked} == {"/below/api/v1/jobs/"}


def test_certificates_are_looked_at(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with running((certificate, key)) as fake:
        fake.on("GET", "/api/v1/hosts/h/", {"id": "h"})
        with pytest.raises(ConnectionFailed, match="not trusted"):
            Portside(fake.url, TOKEN).hosts.read("h")
        assert fake.asked == []
        assert Portside(fake.url, TOKEN, ca=str(certificate)).hosts.read("h") == {"id": "h"}
        assert Portside(fake.url, TOKEN, verify=False).hosts.read("h") == {"id": "h"}
    with pytest.raises(InvalidArgument, match="PEM"):
        Portside("https://127.0.0.1", TOKEN, ca=str(key) + "x")


def test_parameters_are_written_as_the_site_reads_them() -> None:
    assert (
        encoded({"a": None, "b": True, "c": ["x", "y&z"], "d": 1.5, "e": False}) == "b=true&c=x&c=y%26z&d=1.5&e=false"
    )


def test_bodies_go_as_they_are_and_answers_come_as_they_are(fake_site: FakeSite, site: Portside) -> None:
    fake_site.on("PUT", "/api/v1/containers/c/archive/", {"entries": 2})
    given = (bytes([number]) * 100_000 for number in range(3))
    assert site.containers.archive_put("c", given, path="/srv") == {"entries": 2}
    assert fake_site.asked[0].body == b"".join(bytes([number]) * 100_000 for number in range(3))
    assert fake_site.asked[0].headers["content-type"] == "application/x-tar"
    fake_site.on("GET", "/api/v1/containers/c/export/", Said(parts=[b"a" * 70_000, b"b"]))
    with site.containers.export("c") as answer:
        assert b"".join(answer) == b"a" * 70_000 + b"b"
