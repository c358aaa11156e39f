"""`Portside`: one site, as who the token says."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from client import logs
from client.build_context import ContextFiles
from client.errors import Cancelled, PortsideError, Unavailable, of_family
from client.resource import Json
from client.rest import Rest
from client.session import Session
from client.sockets import TRIES, Feed, pause
from client.transport import Answer, Body, Query, Transport, located

ENDED = frozenset({"succeeded", "failed", "cancelled"})
_POLL_SECONDS = 1.0
_STEADY_SECONDS = 5.0
"""An answer that went on for so long was no failure, even if it had nothing to tell."""


class Portside(Rest):
    """All operations by resource, and what takes longer than one answer: jobs, streams, terminals, builds.

    `url`: https://portside.example.com, or with a path where the site has one. `token`: of the page *Settings* or of
    `manage.py token`; without one, only what is open to all. `ca`: a file of certificates, for a site with an issuer
    of its own; verify=False trusts anybody. `timeout`: seconds in which an answer has to come. May be used by several
    threads. The token is shown by nothing of this: no repr, no error.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        ca: str | None = None,
        verify: bool = True,
        timeout: float = 60.0,
        connect_timeout: float = 10.0,
    ) -> None:
        self.transport = Transport(url, token, ca=ca, verify=verify, timeout=timeout, connect_timeout=connect_timeout)
        super().__init__(self.transport)

    @property
    def url(self) -> str:
        return self.transport.url

    def __repr__(self) -> str:
        return f"<Portside {self.url}>"

    def __enter__(self) -> Portside:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.transport.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        data: Body | None = None,
        content_type: str | None = None,
    ) -> Any:
        """Any request: what the answer's JSON is, None of an empty one. `path` begins with /api/v1/."""
        return self.transport.send(method, path, query=query, body=body, data=data, content_type=content_type).json()

    def pages(self, path: str, query: Query | None = None) -> Iterator[Json]:
        """The rows of any list, page by page."""
        return self.jobs._rows(path, query or {})

    def open(self, path: str, query: Query | None = None) -> Answer:
        """Any answer, to be read as it comes."""
        return self.transport.send("GET", path, query=query, accept="*/*")

    # --- jobs -------------------------------------------------------------------------------------------------------

    def wait(
        self, work: Json | str, *, progress: Callable[[Json], None] | None = None, timeout: float | None = None
    ) -> Json:
        """Wait for a job's end, and return it. `work`: its id, itself, or an answer that names it.

        `progress` is called with the job at each change. Raises what the job failed with, Cancelled, and Unavailable
        after `timeout` seconds.
        """
        job: Json | None = None
        for job in self.follow_job(work, timeout=timeout):
            if progress is not None:
                progress(job)
        if job is None or job["status"] not in ENDED:
            raise Unavailable("the job goes on, and nobody waits for it any more: ask for it by its id")
        if job["status"] == "cancelled":
            raise Cancelled("the job was cancelled")
        if job["status"] == "failed":
            error = job["error"] or {}
            raise of_family(error.get("family"), error.get("message", "the job failed"), error.get("detail"))
        return job

    def follow_job(self, work: Json | str, *, timeout: float | None = None) -> Iterator[Json]:
        """The job now and at each change, its end last; no further than `timeout` seconds."""
        job_id = id_of_job(work)
        until = None if timeout is None else time.monotonic() + timeout
        job = self.jobs.read(job_id)
        yield job
        if job["status"] in ENDED:
            return
        feed = Feed(self.transport, located("/ws/jobs/{}/", job_id), dict)
        for message in feed.messages(_POLL_SECONDS if until is not None else None):
            if message is not None and message.get("type") == "job":
                job = message["job"]
                yield job
                if job["status"] in ENDED:
                    feed.close()
                    return
            if until is not None and time.monotonic() > until:
                feed.close()
                return
        yield self.jobs.read(job_id)

    # --- streams ----------------------------------------------------------------------------------------------------

    def logs(
        self,
        container_id: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        until: float | None = None,
        stream: str | None = None,
    ) -> Iterator[Json]:
        """Pieces of a container's log, as {"stream", "at", "text"}; `follow`: until it runs no more.

        `tail`: only so many of the last lines; `since`, `until`: Unix seconds; `stream`: stdout or stderr alone.
        """
        wish = logs.Wish(tail=tail, since=since, until=until, stream=stream)
        return logs.followed(self, container_id, wish) if follow else logs.present(self, container_id, wish)

    def follow_events(self, **filters: Any) -> Iterator[Json]:
        """Events as they happen, for ever or to `until`, a broken connection or not; filters as of `events.list`."""
        if filters.get("since") is None and filters.get("after") is None:  # what "now" is has to outlive a break
            newest = next(self.events.list(ordering="-id", page_size=1), None)
            filters["after"] = 0 if newest is None else newest["id"]
        for event in self._followed("/api/v1/events/", lambda: {**filters, "follow": True}):
            filters["after"], filters["since"] = event["id"], None
            yield event

    def follow_stats(self, container_id: str | None = None) -> Iterator[Json]:
        """Figures of one container, or of all that run, each time that their hosts tell, for ever."""
        path = (
            "/api/v1/containers/stats/"
            if container_id is None
            else located("/api/v1/containers/{}/stats/", container_id)
        )
        return self._followed(path, lambda: {"stream": True})

    def _followed(self, path: str, query: Callable[[], Query]) -> Iterator[Json]:
        """The lines of an answer without end, asked for again when it breaks off; one with `until` has an end."""
        left = TRIES
        while True:
            asked, steady_at = query(), math.inf
            try:
                with self.transport.send("GET", path, query=asked, has_end=False) as answer:
                    steady_at = time.monotonic() + _STEADY_SECONDS
                    for row in answer.lines():
                        left = TRIES
                        yield row
                if asked.get("until") is not None:
                    return
                problem = Unavailable("the site ends what has no end: try again")
            except Unavailable as error:
                problem = error
            if time.monotonic() >= steady_at:
                left = TRIES
            if not left:
                raise problem from None
            left -= 1
            time.sleep(pause(TRIES - left))

    def follow_build(self, build_id: str, cursor: int = 0) -> Iterator[Json]:
        """The lines of a build's record, from a position on until its end."""
        position = {"cursor": cursor}
        feed = Feed(self.transport, located("/ws/builds/{}/", build_id), lambda: dict(position))
        for message in feed.messages():
            if message is None:
                continue
            if message["type"] == "record":
                position["cursor"] = message["cursor"]
                yield from message["lines"]
            elif message["type"] == "end":
                feed.close()
                return

    def feed(self, path: str, query: Query | None = None) -> Iterator[Json]:
        """The messages of any socket that only tells, such as /ws/events/ and /ws/containers/ID/top/."""
        fixed = dict(query or {})
        return (one for one in Feed(self.transport, path, lambda: fixed).messages() if one is not None)

    def await_container(self, container_id: str, *, condition: str | None = None, timeout: float | None = None) -> Json:
        """Wait until it is not-running, of the next-exit or removed: {"reached", "exit_code", "error"}."""
        found: Json = self.transport.send(
            "POST",
            located("/api/v1/containers/{}/wait/", container_id),
            query={"condition": condition, "timeout": timeout},
            has_end=False,
        ).json()
        return found

    # --- sessions ---------------------------------------------------------------------------------------------------

    def exec(self, container_id: str, command: list[str], **wishes: Any) -> Session:
        """A process in a running container, with its streams: see `client.session`.

        `wishes`: tty, stdin, rows, columns, user, workdir, env, privileged, record.
        """
        return Session(self.transport, container_id, "exec", {"command": command, **wishes})

    def attach(self, container_id: str, **wishes: Any) -> Session:
        """A container's own process, with its streams: see `client.session`.

        `wishes`: logs (last lines first), stdin, rows, columns, ahead (of a container's next run).
        """
        return Session(self.transport, container_id, "attach", wishes)

    # --- builds -----------------------------------------------------------------------------------------------------

    def send_context(self, directory: str | Path, *, host: str | None = None, dockerfile: str = "Dockerfile") -> Json:
        """Send a folder for builds to a host, without what .dockerignore leaves out: its `id` is for builds."""
        files = ContextFiles(Path(directory), dockerfile)
        return self.builds.send_context(files.tar(), host=host, name=files.name)


def id_of_job(work: Json | str) -> str:
    """The id of the job that an answer, a reference or a text means. Raises PortsideError if it names none."""
    if isinstance(work, str):
        return work
    found = work.get("job") or work
    if not isinstance(found, dict) or "id" not in found:
        raise PortsideError("there is no job to wait for: nothing had to be done")
    return str(found["id"])
