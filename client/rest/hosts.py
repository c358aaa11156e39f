"""/api/v1/hosts/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.hosts_bodies import HostMoving
from client.transport import located


class Hosts(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        ordering: Literal["-name", "-registered_at", "name", "registered_at"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
    ) -> Iterator[Json]:
        """List hosts."""
        return self._rows(
            "/api/v1/hosts/",
            {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size, "search": search},
        )

    def read(self, host_id: str) -> Json:
        """Read a host."""
        return self._ask("GET", located("/api/v1/hosts/{}/", host_id))

    def forget(self, host_id: str, *, force: bool | str | None = None) -> None:
        """Forget a host that is away for good, with all that is known of it. What runs on the machine runs on."""
        self._ask("DELETE", located("/api/v1/hosts/{}/", host_id), {"force": force})

    def disk_usage(self, host_id: str) -> Json:
        """What images, containers and logs take on a host's disk."""
        return self._ask("GET", located("/api/v1/hosts/{}/disk-usage/", host_id))

    def move(self, host_id: str, **body: Unpack[HostMoving]) -> Json:
        """Give a host with all that is on it to another team. You manage the hosts of both."""
        return self._ask("POST", located("/api/v1/hosts/{}/move/", host_id), body=body)
