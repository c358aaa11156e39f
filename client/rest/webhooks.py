"""/api/v1/webhooks/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.webhooks_bodies import NewWebhook, PatchedWebhookChanges
from client.transport import located


class Webhooks(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-name", "created_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
    ) -> Iterator[Json]:
        """List webhooks of the teams that you manage."""
        return self._rows(
            "/api/v1/webhooks/",
            {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size, "search": search},
        )

    def create(self, **body: Unpack[NewWebhook]) -> Json:
        """Make a webhook. Its secret is in this answer and nowhere else."""
        return self._ask("POST", "/api/v1/webhooks/", body=body)

    def read(self, webhook_id: str) -> Json:
        """Read a webhook."""
        return self._ask("GET", located("/api/v1/webhooks/{}/", webhook_id))

    def update(self, webhook_id: str, **body: Unpack[PatchedWebhookChanges]) -> Json:
        """Change a webhook, or switch it on and off."""
        return self._ask("PATCH", located("/api/v1/webhooks/{}/", webhook_id), body=body)

    def delete(self, webhook_id: str) -> None:
        """Remove a webhook with its log."""
        self._ask("DELETE", located("/api/v1/webhooks/{}/", webhook_id))

    def deliveries_list(
        self,
        webhook_id: str,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "created_at"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        status: Literal["delivered", "failed", "waiting"] | None = None,
    ) -> Iterator[Json]:
        """List what was sent, the newest first; it is kept for a week."""
        return self._rows(
            located("/api/v1/webhooks/{}/deliveries/", webhook_id),
            {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size, "status": status},
        )

    def deliveries_again(self, webhook_id: str, message_id: str) -> Json:
        """Send a message once more."""
        return self._ask("POST", located("/api/v1/webhooks/{}/deliveries/{}/again/", webhook_id, message_id), body={})

    def new_secret(self, webhook_id: str) -> Json:
        """Make another secret; what is sent from now on is signed with it."""
        return self._ask("POST", located("/api/v1/webhooks/{}/secret/", webhook_id), body={})

    def test(self, webhook_id: str) -> Json:
        """Send a ping; its delivery tells what came of it."""
        return self._ask("POST", located("/api/v1/webhooks/{}/test/", webhook_id), body={})
