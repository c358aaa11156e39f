"""/api/v1/builds/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.builds_bodies import Again, NewBuild, PruneCache
from client.transport import Answer, Body, located


class Builds(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        host: str | None = None,
        ordering: Literal["-created_at", "-name", "created_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
        status: Literal["cancelled", "failed", "queued", "running", "succeeded"] | None = None,
    ) -> Iterator[Json]:
        """List builds, the newest first."""
        return self._rows(
            "/api/v1/builds/",
            {
                "cursor": cursor,
                "host": host,
                "ordering": ordering,
                "page": page,
                "page_size": page_size,
                "search": search,
                "status": status,
            },
        )

    def create(self, **body: Unpack[NewBuild]) -> Json:
        """Build an image from a Dockerfile, with or without a folder that was sent before."""
        return self._ask("POST", "/api/v1/builds/", body=body)

    def read(self, build_id: str) -> Json:
        """Read a build."""
        return self._ask("GET", located("/api/v1/builds/{}/", build_id))

    def forget(self, build_id: str) -> None:
        """Forget a build that has ended; its image stays."""
        self._ask("DELETE", located("/api/v1/builds/{}/", build_id))

    def again(self, build_id: str, **body: Unpack[Again]) -> Json:
        """Build the same once more, with what the body says otherwise."""
        return self._ask("POST", located("/api/v1/builds/{}/again/", build_id), body=body)

    def output(self, build_id: str, *, format: Literal["docker", "files", "oci"] | None = None) -> Answer:
        """Read what a build has made as a tar: its files, or the image as an archive."""
        return self._open("GET", located("/api/v1/builds/{}/output/", build_id), {"format": format})

    def steps(self, build_id: str) -> Json:
        """Read the steps of a build that has ended. While it goes on, /ws/builds/{id}/ tells them."""
        return self._ask("GET", located("/api/v1/builds/{}/steps/", build_id))

    def send_context(self, data: Body, *, host: str | None = None, name: str | None = None) -> Json:
        """Send a folder (tar, plain or gzip or zstd, or zip) to a host, for builds that name its id."""
        return self._give("POST", "/api/v1/builds/contexts/", {"host": host, "name": name}, data, "application/x-tar")

    def prune_cache(self, **body: Unpack[PruneCache]) -> Json:
        """Delete what builds have left on a host for later ones."""
        return self._ask("POST", "/api/v1/builds/prune/", body=body)
