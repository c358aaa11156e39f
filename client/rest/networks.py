"""/api/v1/networks/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.networks_bodies import Joining, NewNetwork, OfContainer, OnDefault, PruneNetworks
from client.transport import located


class Networks(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        host: str | None = None,
        name: str | None = None,
        ordering: Literal["-created_at", "-name", "created_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
    ) -> Iterator[Json]:
        """List networks, with the containers that are on them."""
        return self._rows(
            "/api/v1/networks/",
            {
                "cursor": cursor,
                "host": host,
                "name": name,
                "ordering": ordering,
                "page": page,
                "page_size": page_size,
                "search": search,
            },
        )

    def create(self, **body: Unpack[NewNetwork]) -> Json:
        """Make a network on a host. The job's `result` has its subnets and gateways."""
        return self._ask("POST", "/api/v1/networks/", body=body)

    def read(self, network_id: int) -> Json:
        """Read a network, and who is on it."""
        return self._ask("GET", located("/api/v1/networks/{}/", network_id))

    def remove(self, network_id: int) -> Json:
        """Remove a network that no container is on."""
        return self._ask("DELETE", located("/api/v1/networks/{}/", network_id))

    def connect(self, network_id: int, **body: Unpack[Joining]) -> Json:
        """Let a container join, at once if it runs, and for as long as it exists."""
        return self._ask("POST", located("/api/v1/networks/{}/connect/", network_id), body=body)

    def disconnect(self, network_id: int, **body: Unpack[OfContainer]) -> Json:
        """Let a container leave, at once if it runs."""
        return self._ask("POST", located("/api/v1/networks/{}/disconnect/", network_id), body=body)

    def names(self, network_id: int) -> Json:
        """Which names containers on it can ask for, and what is answered."""
        return self._ask("GET", located("/api/v1/networks/{}/names/", network_id))

    def connect_default(self, **body: Unpack[OnDefault]) -> Json:
        """Let a container join its host's default network, at once if it runs. Its address there is not chosen."""
        return self._ask("POST", "/api/v1/networks/bridge/connect/", body=body)

    def disconnect_default(self, **body: Unpack[OnDefault]) -> Json:
        """Let a container leave its host's default network, at once if it runs."""
        return self._ask("POST", "/api/v1/networks/bridge/disconnect/", body=body)

    def prune(self, **body: Unpack[PruneNetworks]) -> Json:
        """Remove the networks that no container is on, running or not."""
        return self._ask("POST", "/api/v1/networks/prune/", body=body)

    def topology(self, *, host: str | None = None) -> Json:
        """Read who is connected to what: hosts, networks, containers, published ports, as far as you may see them.

        Traffic is in the figures of each container: `GET /api/v1/containers/stats/`.
        """
        return self._ask("GET", "/api/v1/networks/topology/", {"host": host})
