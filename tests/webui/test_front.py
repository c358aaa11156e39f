"""One port for all: health, readiness, metrics, and what the bridge to Django does with bodies and streams."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.http import HttpResponse, StreamingHttpResponse

from tests.support.valkey import Valkey
from tests.webui.cast import container, job, owner, teammate  # noqa: F401
from tests.webui.site_broker import host, site_broker, team  # noqa: F401
from webui.asgi import application
from webui.bridge import BODY_MAXIMUM, Bridge
from webui.live.loop import in_thread
from worker.contract import keys

pytestmark = pytest.mark.django_db(transaction=True)


async def request(
    path: str,
    *,
    method: str = "GET",
    body: Any = (b"",),
    app: Any = application,
    client: str = "127.0.0.1",
    **headers: str,
) -> tuple[int, dict[str, str], bytes]:
    """One request to the ASGI application; `body` in as many messages as it has parts."""
    where, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": where,
        "query_string": query.encode(),
        "scheme": "http",
        "headers": [(b"host", b"testserver")]
        + [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()],
        "client": (client, 1),
        "server": ("testserver", 80),
    }
    communicator = ApplicationCommunicator(app, scope)
    parts = list(body)
    for index, part in enumerate(parts):
        await communicator.send_input({"type": "http.request", "body": part, "more_body": index < len(parts) - 1})
    start = await communicator.receive_output(60)
    content = b""
    more = True
    while more:
        message = await communicator.receive_output(60)
        content += message.get("body", b"")
        more = message.get("more_body", False)
    await communicator.wait(60)
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, content


async def test_the_process_is_alive(db: None) -> None:
    assert (await request("/healthz"))[0] == 200


async def test_it_is_ready_when_database_broker_and_inbox_are(site_broker: Valkey) -> None:  # noqa: F811
    status, _, body = await request("/readyz")
    assert (status, json.loads(body)["checks"]["inbox"]) == (503, "has not been heard of for 15 seconds")
    site_broker.client().set(keys.INBOX_ALIVE, "1", ex=15)
    status, _, body = await request("/readyz")
    assert (status, json.loads(body)) == (
        200,
        {"status": "ready", "checks": {"database": "ok", "broker": "ok", "inbox": "ok"}},
    )
    site_broker.kill()
    status, _, body = await request("/readyz")
    assert (status, json.loads(body)["checks"]["broker"]) == (503, "does not answer")


async def test_metrics_are_numbers_for_this_machine(container: Any, job: Any) -> None:  # noqa: F811
    await request("/api/v1/hosts/")
    status, headers, body = await request("/metrics")
    text = body.decode()
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'portside_hosts{state="online"} 1.0' in text
    assert 'portside_containers{status="running"} 1.0' in text
    assert 'portside_jobs{status="queued"} 1.0' in text
    assert 'portside_request_seconds_count{door="api",method="GET"}' in text
    assert 'portside_responses_total{door="api",status="4xx"}' in text
    assert "pier" not in text and "web" not in text


async def test_metrics_are_closed_to_other_machines_and_proxies(owner: Any) -> None:  # noqa: F811
    assert (await request("/metrics", client="192.0.2.1"))[0] == 403
    assert (await request("/metrics", x_forwarded_for="192.0.2.1"))[0] == 403
    assert (await request("/metrics", client="192.0.2.1", **owner.headers))[0] == 403
    await in_thread(type(owner.user).objects.update, is_superuser=True)
    assert (await request("/metrics", client="192.0.2.1", **owner.headers))[0] == 200


async def test_a_chunked_body_is_read_whole(teammate: Any, host: Any, site_broker: Valkey) -> None:  # noqa: F811
    parts = [b'{"na', b'me": ', b'"ci"}']
    headers = {**teammate.headers, "transfer_encoding": "chunked", "content_type": "application/json"}
    status, _, body = await request("/api/v1/tokens/", method="POST", body=parts, **headers)
    assert (status, json.loads(body)["name"]) == (201, "ci")


@pytest.mark.parametrize("headers", [{}, {"content_length": str(BODY_MAXIMUM + 1)}, {"content_length": "-1"}])
async def test_a_body_beyond_the_limit_is_refused(headers: dict[str, str], db: None) -> None:
    parts = [b"x" * (1 << 20)] * 5
    status, _, body = await request("/api/v1/tokens/", method="POST", body=parts, **headers)
    assert (status, json.loads(body)["status"]) == (413, 413)


async def test_headers_with_underscores_do_not_pass_for_others() -> None:
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> HttpResponse:
        seen.update(environ)
        start_response("200 OK", [])
        return HttpResponse(b"")

    communicator_headers = {"x-real": "1", "cookie": "a=1"}
    await request("/é?x=ü", app=Bridge(app), **communicator_headers)
    assert seen["HTTP_X_REAL"] == "1"
    assert seen["PATH_INFO"].encode("latin-1").decode() == "/é"
    assert "HTTP_CONTENT_LENGTH" not in seen


async def test_a_streaming_answer_is_pulled_at_the_clients_pace_and_closed_when_it_goes() -> None:
    closed = threading.Event()
    made = 0

    def chunks() -> Iterator[bytes]:
        nonlocal made
        try:
            while True:
                made += 1
                yield b"x" * 1000
        finally:
            closed.set()

    def app(environ: dict[str, Any], start_response: Any) -> StreamingHttpResponse:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return StreamingHttpResponse(chunks())

    sent = asyncio.Semaphore(0)
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not gone.is_set() and not receiving:
            receiving.append(True)
            return {"type": "http.request", "body": b""}
        await gone.wait()
        return {"type": "http.disconnect"}

    receiving: list[bool] = []

    async def send(message: dict[str, Any]) -> None:
        await sent.acquire()

    scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    task = asyncio.create_task(Bridge(app)(scope, receive, send))
    for _ in range(6):
        sent.release()
    await asyncio.sleep(0.1)
    assert made <= 7
    gone.set()
    sent.release()
    await asyncio.wait_for(task, 60)
    assert closed.is_set()


async def test_a_page_keeps_its_security_headers_through_the_bridge(db: None) -> None:
    status, headers, body = await request("/login/")
    assert status == 200
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"].split("style-src")[0]
    assert b"csrfmiddlewaretoken" in body
