"""Who receives webhooks in tests: a server that notes what comes, a webhook to it, and what it is told of."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.utils import timezone

from tests.webui.cast import Caller, caller
from webui.accounts.models import Team, User
from webui.activity.models import Event
from webui.hosts.models import Host
from webui.webhooks.deliverer import due_claim
from webui.webhooks.models import Delivery, Webhook


class Receiver:
    """An HTTP server that notes what comes, and answers as it is told."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.status, self.answer = 200, b"thanks"
        self.headers: dict[str, str] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def admin(db: None) -> Caller:
    return caller(User.objects.create(username="root", is_superuser=True))


@pytest.fixture
def hook(admin: Caller, team: Team, receiver: Receiver) -> tuple[Webhook, str]:
    """One of Harbour's, to the receiver, and its secret."""
    made = admin.post("webhooks/", {"team": "Harbour", "name": "chat", "url": receiver.url, "reaches_local": True})
    assert made.status_code == 201, made.json()
    return Webhook.objects.get(), made.json()["secret"]


def happened(host: Host, verb: str = "die", seq: int = 1) -> Event:
    return Event.objects.create(
        host=host, team=host.team, seq=seq, at=timezone.now(), type="container", verb=verb, action=verb,
        actor_id="c" * 64, container_id="c" * 64, name="web", attributes={"exitCode": "1"},
    )  # fmt: skip


def due(hook: tuple[Webhook, str]) -> Delivery:
    found = due_claim(hook[0].pk)
    assert found is not None
    return found
