"""/api/v1/volumes/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.volumes_bodies import (
    Move,
    NewBackup,
    NewClone,
    NewDirectory,
    NewLimit,
    NewName,
    NewPlan,
    NewSnapshot,
    NewVolume,
    PatchedOwn,
    PruneVolumes,
    RevertWish,
)
from client.transport import Answer, Body, located


class Volumes(Resource):
    def list(
        self,
        *,
        anonymous: bool | str | None = None,
        cursor: str | None = None,
        driver: str | None = None,
        host: str | None = None,
        name: str | None = None,
        ordering: Literal["-created_at", "-name", "created_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
    ) -> Iterator[Json]:
        """List volumes, the newest first."""
        return self._rows(
            "/api/v1/volumes/",
            {
                "anonymous": anonymous,
                "cursor": cursor,
                "driver": driver,
                "host": host,
                "name": name,
                "ordering": ordering,
                "page": page,
                "page_size": page_size,
                "search": search,
            },
        )

    def create(self, **body: Unpack[NewVolume]) -> Json:
        """Create a volume, which is listed once its host has made it."""
        return self._ask("POST", "/api/v1/volumes/", body=body)

    def read(self, volume_id: int) -> Json:
        """Read a volume."""
        return self._ask("GET", located("/api/v1/volumes/{}/", volume_id))

    def remove(self, volume_id: int, *, force: bool | str | None = None) -> Json:
        """Remove a volume that no container has, with all that is in it."""
        return self._ask("DELETE", located("/api/v1/volumes/{}/", volume_id), {"force": force})

    def tar(self, volume_id: int) -> Answer:
        """Read all files of a volume as a tar."""
        return self._open("GET", located("/api/v1/volumes/{}/archive/", volume_id))

    def tar_restore(self, volume_id: int, data: Body, *, stop: bool | None = None) -> Json:
        """Have in a volume what a tar (plain, gzip or zstd) holds, and nothing else, once all of it has come."""
        return self._give(
            "PUT", located("/api/v1/volumes/{}/archive/", volume_id), {"stop": stop}, data, "application/x-tar"
        )

    def backups(
        self,
        volume_id: int,
        *,
        cursor: str | None = None,
        ordering: Literal["-started_at", "started_at"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List a volume's backups, the newest first, with those of a removed one of its name."""
        return self._rows(
            located("/api/v1/volumes/{}/backups/", volume_id),
            {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size},
        )

    def back_up(self, volume_id: int, **body: Unpack[NewBackup]) -> Json:
        """Back a volume up; the backup's job tells how far it is, and can be cancelled."""
        return self._ask("POST", located("/api/v1/volumes/{}/backups/", volume_id), body=body)

    def clone(self, volume_id: int, **body: Unpack[NewClone]) -> Json:
        """Make another volume with the same files."""
        return self._ask("POST", located("/api/v1/volumes/{}/clone/", volume_id), body=body)

    def files_list(
        self,
        volume_id: int,
        *,
        limit: int | None = None,
        offset: int | None = None,
        order: Literal["asc", "desc"] | None = None,
        path: str | None = None,
        sort: Literal["mode", "modified", "name", "owner", "size"] | None = None,
    ) -> Json:
        """What is at a path, and if it is a directory, what is in it: a part of it at a time."""
        return self._ask(
            "GET",
            located("/api/v1/volumes/{}/files/", volume_id),
            {"limit": limit, "offset": offset, "order": order, "path": path, "sort": sort},
        )

    def files_own(self, volume_id: int, *, path: str | None = None, **body: Unpack[PatchedOwn]) -> Json:
        """Give a file another owner, group or mode, or a directory with all that is in it another owner and group."""
        return self._ask("PATCH", located("/api/v1/volumes/{}/files/", volume_id), {"path": path}, body=body)

    def files_remove(self, volume_id: int, *, path: str | None = None, recursive: bool | None = None) -> None:
        """Remove a file, or a directory; the answer comes when all of it is gone."""
        self._ask("DELETE", located("/api/v1/volumes/{}/files/", volume_id), {"path": path, "recursive": recursive})

    def files_archive(self, volume_id: int, *, path: str | None = None) -> Answer:
        """Read a directory with all that is below it as a tar, links as links."""
        return self._open("GET", located("/api/v1/volumes/{}/files/archive/", volume_id), {"path": path})

    def files_read(self, volume_id: int, *, path: str | None = None) -> Answer:
        """Read a file, or a part of it (Range, If-Range); always an attachment, which no browser takes for a page."""
        return self._open("GET", located("/api/v1/volumes/{}/files/content/", volume_id), {"path": path})

    def files_write(self, volume_id: int, data: Body, *, parents: bool | None = None, path: str | None = None) -> Json:
        """Write a whole file: it is there when all of it has come, or nothing has changed."""
        return self._give(
            "PUT",
            located("/api/v1/volumes/{}/files/content/", volume_id),
            {"parents": parents, "path": path},
            data,
            "application/octet-stream",
        )

    def files_make_directory(self, volume_id: int, *, path: str | None = None, **body: Unpack[NewDirectory]) -> Json:
        """Make a directory; it belongs to the owner of the one that it is in."""
        return self._ask("POST", located("/api/v1/volumes/{}/files/directory/", volume_id), {"path": path}, body=body)

    def files_move(self, volume_id: int, *, path: str | None = None, **body: Unpack[Move]) -> Json:
        """Give something another name or place."""
        return self._ask("POST", located("/api/v1/volumes/{}/files/move/", volume_id), {"path": path}, body=body)

    def limit(self, volume_id: int, **body: Unpack[NewLimit]) -> Json:
        """Let a volume hold so many bytes, or as many as there are."""
        return self._ask("POST", located("/api/v1/volumes/{}/limit/", volume_id), body=body)

    def measure(self, volume_id: int) -> Json:
        """Look now how much is in a volume."""
        return self._ask("POST", located("/api/v1/volumes/{}/measure/", volume_id), body={})

    def plans(self, volume_id: int) -> Json:
        """List the plans that back a volume up."""
        return self._ask("GET", located("/api/v1/volumes/{}/plans/", volume_id))

    def plan(self, volume_id: int, **body: Unpack[NewPlan]) -> Json:
        """Back a volume up on a schedule, and keep its last backups."""
        return self._ask("POST", located("/api/v1/volumes/{}/plans/", volume_id), body=body)

    def rename(self, volume_id: int, **body: Unpack[NewName]) -> Json:
        """Call a volume that no container has otherwise."""
        return self._ask("POST", located("/api/v1/volumes/{}/rename/", volume_id), body=body)

    def sizes(self, volume_id: int) -> Json:
        """Read how much was in a volume over time."""
        return self._ask("GET", located("/api/v1/volumes/{}/sizes/", volume_id))

    def snapshot(self, volume_id: int, **body: Unpack[NewSnapshot]) -> Json:
        """Keep a volume's files as they are now."""
        return self._ask("POST", located("/api/v1/volumes/{}/snapshots/", volume_id), body=body)

    def snapshot_remove(self, volume_id: int, snapshot: str) -> Json:
        """Remove a snapshot."""
        return self._ask("DELETE", located("/api/v1/volumes/{}/snapshots/{}/", volume_id, snapshot))

    def revert(self, volume_id: int, snapshot: str, **body: Unpack[RevertWish]) -> Json:
        """Have a volume's files as they were in a snapshot, and no others."""
        return self._ask("POST", located("/api/v1/volumes/{}/snapshots/{}/revert/", volume_id, snapshot), body=body)

    def prune(self, **body: Unpack[PruneVolumes]) -> Json:
        """Remove a host's volumes that no container has, or tell which ones those are."""
        return self._ask("POST", "/api/v1/volumes/prune/", body=body)
