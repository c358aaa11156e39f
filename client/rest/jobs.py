"""/api/v1/jobs/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from client.resource import Json, Resource
from client.transport import located


class Jobs(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        host: str | None = None,
        kind: Literal[
            "backup.remove",
            "backup.try",
            "build.forget",
            "build.prune",
            "container.commit",
            "container.create",
            "container.kill",
            "container.pause",
            "container.recreate",
            "container.remove",
            "container.rename",
            "container.restart",
            "container.signal",
            "container.start",
            "container.stop",
            "container.unpause",
            "container.update",
            "image.build",
            "image.fsck",
            "image.import",
            "image.load",
            "image.lookup",
            "image.prune",
            "image.pull",
            "image.push",
            "image.remove",
            "image.starter",
            "image.tag",
            "network.connect",
            "network.create",
            "network.disconnect",
            "network.prune",
            "network.remove",
            "registry.try",
            "volume.backup",
            "volume.clone",
            "volume.create",
            "volume.limit",
            "volume.measure",
            "volume.prune",
            "volume.remove",
            "volume.rename",
            "volume.restore",
            "volume.revert",
            "volume.snapshot",
            "volume.snapshot_remove",
        ]
        | None = None,
        ordering: Literal[
            "-created_at",
            "-finished_at",
            "-kind",
            "-started_at",
            "-status",
            "created_at",
            "finished_at",
            "kind",
            "started_at",
            "status",
        ]
        | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
        status: Literal["cancelled", "failed", "queued", "running", "succeeded"] | None = None,
        subject: str | None = None,
    ) -> Iterator[Json]:
        """List jobs, the newest first."""
        return self._rows(
            "/api/v1/jobs/",
            {
                "cursor": cursor,
                "host": host,
                "kind": kind,
                "ordering": ordering,
                "page": page,
                "page_size": page_size,
                "search": search,
                "status": status,
                "subject": subject,
            },
        )

    def read(self, job_id: str, *, follow: bool | str | None = None) -> Json:
        """Read a job: `status`, `progress`, and at the end `result` or `error`."""
        return self._ask("GET", located("/api/v1/jobs/{}/", job_id), {"follow": follow})

    def cancel(self, job_id: str) -> Json:
        """Ask for the end of a job; it has ended when its status says so."""
        return self._ask("POST", located("/api/v1/jobs/{}/cancel/", job_id), body={})
