"""The site on one port: what does not need Django is answered here, sockets go to Channels, the rest to Django.

/healthz /readyz /metrics    here          /ws/…    Channels          everything else    Django by WSGI
/v1.43/… and Docker's other paths, and connections that become streams    `webui.dockerapi`

What of /api/ takes its time (events that are followed, waiting) is `webui.streams.rest`'s, in the loop.
"""

from __future__ import annotations

import ipaddress
import json
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webui.settings")

import django

django.setup(set_prefix=False)

from channels.db import database_sync_to_async  # noqa: E402  (models can be imported only after set-up)
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402

from webui import health, metrics  # noqa: E402
from webui.accounts.tokens import token_authenticate  # noqa: E402
from webui.api.streamed import has_streamed_body  # noqa: E402
from webui.bridge import Bridge, Receive, Scope, Send  # noqa: E402
from webui.dockerapi import door as docker  # noqa: E402
from webui.streams.endpoints import ENDPOINTS  # noqa: E402
from webui.streams.rest import route, serve  # noqa: E402
from webui.streams.routing import sockets  # noqa: E402

_django = Bridge(WSGIHandler(), leaves_body=has_streamed_body)
_JSON, _TEXT = b"application/json", b"text/plain; charset=utf-8"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """One connection or request, by its kind and path."""
    if scope["type"] == "http":
        await _http(scope, receive, send)
    elif scope["type"] == "websocket":
        await _websocket(scope, receive, send)
    elif scope["type"] == "hijack":
        await _observed(docker.application, scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)


async def _http(scope: Scope, receive: Receive, send: Send) -> None:
    own = _OWN.get(scope["path"])
    if own is not None:
        await own(scope, send)
        return
    if docker.wants(scope):
        await _observed(docker.application, scope, receive, send)
        return
    slow = route(ENDPOINTS, scope)
    if slow is not None:
        await serve(*slow, scope, receive, send)
        return
    await _observed(_django, scope, receive, send)


async def _observed(application: Any, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve, and note how long it took until the answer began: some go on for hours."""
    begin = time.perf_counter()

    async def noting(message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind in ("http.response.start", "hijack.head"):
            status = message["status"] if kind == "http.response.start" else int(message["data"][9:12])
            metrics.request_observed(scope["path"], scope["method"], status, time.perf_counter() - begin)
        await send(message)

    await application(scope, receive, noting)


async def _websocket(scope: Scope, receive: Receive, send: Send) -> None:
    metrics.sockets.inc()
    if docker.wants_socket(scope):
        await docker.socket(scope, receive, send)
        return
    await sockets(scope, receive, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _healthz(scope: Scope, send: Send) -> None:
    await _answer(send, 200, b'{"status":"ok"}', _JSON)


async def _readyz(scope: Scope, send: Send) -> None:
    is_ready, checks = await _in_thread(health.readiness)
    body = json.dumps({"status": "ready" if is_ready else "not ready", "checks": checks}).encode()
    await _answer(send, 200 if is_ready else 503, body, _JSON)


async def _metrics(scope: Scope, send: Send) -> None:
    """For this machine, or with an administrator's token: the numbers say how busy everybody is."""
    if not await _may_measure(scope):
        await _answer(send, 403, b"only from this machine, or with an administrator's token\n", _TEXT)
        return
    await _answer(send, 200, await _in_thread(metrics.exposition), metrics.CONTENT_TYPE.encode())


async def _may_measure(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    secret = headers.get(b"authorization", b"").decode("latin-1").partition(" ")[2]
    if secret:
        user = await _in_thread(token_authenticate, secret.strip())
        return user is not None and user.is_unlimited
    # Behind a proxy on this machine everybody would come from it.
    return b"x-forwarded-for" not in headers and b"forwarded" not in headers and _is_loopback(scope.get("client"))


def _is_loopback(client: tuple[str, int] | None) -> bool:
    try:
        return client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


async def _in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    return await database_sync_to_async(function, thread_sensitive=False)(*arguments)


async def _answer(send: Send, status: int, body: bytes, content_type: bytes) -> None:
    headers = [(b"content-type", content_type), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_OWN: dict[str, Callable[[Scope, Send], Awaitable[None]]] = {
    "/healthz": _healthz,
    "/readyz": _readyz,
    "/metrics": _metrics,
}
