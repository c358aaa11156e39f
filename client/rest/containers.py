"""/api/v1/containers/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.containers_bodies import (
    Commit,
    Kill,
    Leave,
    NewContainer,
    NewExec,
    Prune,
    Recreation,
    Rename,
    Restart,
    Signal,
    Stop,
    Update,
)
from client.transport import Answer, Body, located


class Containers(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        host: str | None = None,
        name: str | None = None,
        ordering: Literal[
            "-created_at", "-finished_at", "-name", "-started_at", "created_at", "finished_at", "name", "started_at"
        ]
        | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
        status: Literal["created", "creating", "paused", "pending", "restarting", "running", "stopped"] | None = None,
    ) -> Iterator[Json]:
        """List containers, the newest first."""
        return self._rows(
            "/api/v1/containers/",
            {
                "cursor": cursor,
                "host": host,
                "name": name,
                "ordering": ordering,
                "page": page,
                "page_size": page_size,
                "search": search,
                "status": status,
            },
        )

    def create(self, **body: Unpack[NewContainer]) -> Json:
        """Create a container and start it (unless `start` is false); a missing image is pulled first."""
        return self._ask("POST", "/api/v1/containers/", body=body)

    def read(self, container_id: str) -> Json:
        """Read a container."""
        return self._ask("GET", located("/api/v1/containers/{}/", container_id))

    def remove(
        self,
        container_id: str,
        *,
        force: bool | str | None = None,
        stop: bool | str | None = None,
        timeout_seconds: float | None = None,
        volumes: bool | str | None = None,
    ) -> Json:
        """Remove a container and its log."""
        return self._ask(
            "DELETE",
            located("/api/v1/containers/{}/", container_id),
            {"force": force, "stop": stop, "timeout_seconds": timeout_seconds, "volumes": volumes},
        )

    def archive_get(self, container_id: str, *, path: str) -> Answer:
        """Read a file or a directory of a container as a tar; `X-Docker-Container-Path-Stat` says what it is."""
        return self._open("GET", located("/api/v1/containers/{}/archive/", container_id), {"path": path})

    def archive_put(
        self,
        container_id: str,
        data: Body,
        *,
        copy_uidgid: bool | None = None,
        no_overwrite_dir_non_dir: bool | None = None,
        path: str,
    ) -> Json:
        """Unpack a tar (plain, gzip or zstd) into a directory of a container, which may be running."""
        return self._give(
            "PUT",
            located("/api/v1/containers/{}/archive/", container_id),
            {"copyUIDGID": copy_uidgid, "noOverwriteDirNonDir": no_overwrite_dir_non_dir, "path": path},
            data,
            "application/x-tar",
        )

    def changes(self, container_id: str) -> Json:
        """What a container has added, changed and deleted of its image's files."""
        return self._ask("GET", located("/api/v1/containers/{}/changes/", container_id))

    def commit(self, container_id: str, **body: Unpack[Commit]) -> Json:
        """Make an image of a container's changes and configuration."""
        return self._ask("POST", located("/api/v1/containers/{}/commit/", container_id), body=body)

    def exec(self, container_id: str, *, timeout: float | None = None, **body: Unpack[NewExec]) -> Json:
        """Run one more process in a running container, and wait for its end, or (`detach`) leave it alone.

        One that is waited for ends with its request: who hangs up has it killed. What takes longer is
        detached, or run by the WebSocket `/ws/containers/{id}/exec/`, which has terminals as well.
        """
        return self._ask("POST", located("/api/v1/containers/{}/exec/", container_id), {"timeout": timeout}, body=body)

    def execs(self, container_id: str) -> Json:
        """The last processes that were run in a container beside its own, by whichever door; the newest first."""
        return self._ask("GET", located("/api/v1/containers/{}/execs/", container_id))

    def execs_read(self, container_id: str, exec_id: str) -> Json:
        """Whether a process that was run in a container still runs, and how it ended."""
        return self._ask("GET", located("/api/v1/containers/{}/execs/{}/", container_id, exec_id))

    def export(self, container_id: str) -> Answer:
        """Read a container's whole root file system as a tar, without what is mounted into it."""
        return self._open("GET", located("/api/v1/containers/{}/export/", container_id))

    def health(self, container_id: str) -> Json:
        """How a container's health check stands, with the last fifty results. Its status is null without a check."""
        return self._ask("GET", located("/api/v1/containers/{}/health/", container_id))

    def kill(self, container_id: str, **body: Unpack[Kill]) -> Json:
        """Send a signal to a container's first process."""
        return self._ask("POST", located("/api/v1/containers/{}/kill/", container_id), body=body)

    def leave(self, container_id: str, **body: Unpack[Leave]) -> Json:
        """Leave a network, at once if it runs; also one that was removed meanwhile."""
        return self._ask("POST", located("/api/v1/containers/{}/leave/", container_id), body=body)

    def logs(
        self,
        container_id: str,
        *,
        cursor: int | None = None,
        details: bool | str | None = None,
        format: Literal["json", "txt"] | None = None,
        since: str | None = None,
        stream: Literal["stderr", "stdout"] | None = None,
        tail: int | None = None,
        timestamps: bool | str | None = None,
        until: str | None = None,
    ) -> Json:
        """Read a container's log as far as it goes now (with Accept: application/json at most 4 MiB)."""
        return self._ask(
            "GET",
            located("/api/v1/containers/{}/logs/", container_id),
            {
                "cursor": cursor,
                "details": details,
                "format": format,
                "since": since,
                "stream": stream,
                "tail": tail,
                "timestamps": timestamps,
                "until": until,
            },
        )

    def logs_histogram(self, container_id: str, *, buckets: int | None = None) -> Json:
        """Lines of a container's log by time and level; ask again while it is not complete."""
        return self._ask("GET", located("/api/v1/containers/{}/logs/histogram/", container_id), {"buckets": buckets})

    def logs_lines(
        self, container_id: str, *, at: str | None = None, from_: int | None = None, to: int | None = None
    ) -> Json:
        """Lines of a container's log, put together by stream: [cursor behind it, Unix time, stream, text]."""
        return self._ask(
            "GET", located("/api/v1/containers/{}/logs/lines/", container_id), {"at": at, "from": from_, "to": to}
        )

    def logs_moment(self, container_id: str, *, at: str) -> Json:
        """Where a container's log goes on at a moment; found without reading what lies before."""
        return self._ask("GET", located("/api/v1/containers/{}/logs/moment/", container_id), {"at": at})

    def logs_outline(self, container_id: str, *, from_: int | None = None, to: int | None = None) -> Json:
        """How many lines lie where in a container's log: blocks of 64 KiB as [cursor, newlines from there]."""
        return self._ask("GET", located("/api/v1/containers/{}/logs/outline/", container_id), {"from": from_, "to": to})

    def logs_search(
        self,
        container_id: str,
        *,
        backwards: bool | str | None = None,
        case: bool | str | None = None,
        expression: bool | str | None = None,
        from_: int | None = None,
        level: str | None = None,
        limit: int | None = None,
        q: str | None = None,
        stream: Literal["stderr", "stdout"] | None = None,
        to: int | None = None,
    ) -> Json:
        """Where matching lines end. A search takes half a second at most; go on from where it came to."""
        return self._ask(
            "GET",
            located("/api/v1/containers/{}/logs/search/", container_id),
            {
                "backwards": backwards,
                "case": case,
                "expression": expression,
                "from": from_,
                "level": level,
                "limit": limit,
                "q": q,
                "stream": stream,
                "to": to,
            },
        )

    def pause(self, container_id: str) -> Json:
        """Freeze all processes of a container."""
        return self._ask("POST", located("/api/v1/containers/{}/pause/", container_id), body={})

    def recreate(self, container_id: str, **body: Unpack[Recreation]) -> Json:
        """Make another container in the place of one: with its name, and with the addresses and ports that are asked.

        The image is pulled and the request looked at before the one that is there is stopped; it is removed
        when the new one is there, which goes on with its volumes. If anything fails, it is again as it was.
        `{"keep": true}` makes it as it is, and `{"keep": true, "pull": "always"}` from the newest image of
        its name.
        """
        return self._ask("POST", located("/api/v1/containers/{}/recreate/", container_id), body=body)

    def rename(self, container_id: str, **body: Unpack[Rename]) -> Json:
        """Give a container another name; it may run meanwhile."""
        return self._ask("POST", located("/api/v1/containers/{}/rename/", container_id), body=body)

    def restart(self, container_id: str, **body: Unpack[Restart]) -> Json:
        """Stop a container and start it again."""
        return self._ask("POST", located("/api/v1/containers/{}/restart/", container_id), body=body)

    def signal(self, container_id: str, **body: Unpack[Signal]) -> Json:
        """Send a signal to one of a container's processes."""
        return self._ask("POST", located("/api/v1/containers/{}/signal/", container_id), body=body)

    def start(self, container_id: str) -> Json:
        """Start a container that does not run."""
        return self._ask("POST", located("/api/v1/containers/{}/start/", container_id), body={})

    def stats(self, container_id: str, *, stream: bool | str | None = None) -> Json:
        """What a container uses now."""
        return self._ask("GET", located("/api/v1/containers/{}/stats/", container_id), {"stream": stream})

    def stop(self, container_id: str, **body: Unpack[Stop]) -> Json:
        """Stop a container: its stop signal, then SIGKILL after the grace."""
        return self._ask("POST", located("/api/v1/containers/{}/stop/", container_id), body=body)

    def top(self, container_id: str) -> Json:
        """The processes of a running container."""
        return self._ask("GET", located("/api/v1/containers/{}/top/", container_id))

    def unpause(self, container_id: str) -> Json:
        """Let a frozen container go on."""
        return self._ask("POST", located("/api/v1/containers/{}/unpause/", container_id), body={})

    def update(self, container_id: str, **body: Unpack[Update]) -> Json:
        """Change limits, policy, labels, ports; it may run."""
        return self._ask("POST", located("/api/v1/containers/{}/update/", container_id), body=body)

    def wait(
        self,
        container_id: str,
        *,
        condition: Literal["next-exit", "not-running", "removed"] | None = None,
        timeout: float | None = None,
    ) -> Json:
        """Wait until a container does not run, ends the next time, or is removed; answers its exit code.

        Blanks may come before the answer, lest the connection be taken for dead.
        """
        return self._ask(
            "POST", located("/api/v1/containers/{}/wait/", container_id), {"condition": condition, "timeout": timeout}
        )

    def prune(self, **body: Unpack[Prune]) -> Json:
        """Remove every container that has ended or never ran, of the teams in which you may remove."""
        return self._ask("POST", "/api/v1/containers/prune/", body=body)

    def removed(
        self,
        *,
        cursor: str | None = None,
        host: str | None = None,
        ordering: Literal["-name", "-removed_at", "name", "removed_at"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
    ) -> Iterator[Json]:
        """List removed containers whose logs are kept, the last one first; their logs are read as ever."""
        return self._rows(
            "/api/v1/containers/removed/",
            {
                "cursor": cursor,
                "host": host,
                "ordering": ordering,
                "page": page,
                "page_size": page_size,
                "search": search,
            },
        )

    def stats_all(self, *, stream: bool | str | None = None) -> Json:
        """What all containers that run use now."""
        return self._ask("GET", "/api/v1/containers/stats/", {"stream": stream})
