"""A REST client as a script would be: bearer token, JSON, jobs followed to their end."""

from __future__ import annotations

import json
import time
from typing import Any

import urllib3

from tests.support.processes import PATIENCE_SECONDS, eventually

ENDED = ("succeeded", "failed", "cancelled")


class Answer:
    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.data.decode(errors="replace")

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    def __repr__(self) -> str:
        return f"<{self.status} {self.text[:600]}>"


class Rest:
    """`base` is http://host:port; `token` the bearer's."""

    def __init__(self, base: str, token: str | None) -> None:
        self.base = base
        self.token = token
        self._pool = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(connect=PATIENCE_SECONDS, read=PATIENCE_SECONDS)
        )

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        url = path if path.startswith("http") else self.base + path
        return Answer(self._pool.request(method, url, body=data, headers=headers))

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: object = None) -> Answer:
        return self.call("POST", path, body if body is not None else {})

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def rows(self, path: str) -> list[dict[str, Any]]:
        """All rows of a list, page by page."""
        rows: list[dict[str, Any]] = []
        following: str | None = path
        while following:
            answer = self.get(following)
            assert answer.status == 200, answer
            rows += answer.json["results"]
            following = answer.json["next"]
        return rows

    def job(
        self, answer: Answer, *, seconds: float = 2 * PATIENCE_SECONDS, watch: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Follow the job of a 202 to its end; each state seen goes to `watch`."""
        assert answer.status == 202, answer
        end = time.monotonic() + seconds
        while True:
            state = self.get(f"/api/v1/jobs/{answer.json['job']['id']}/")
            assert state.status == 200, state
            job: dict[str, Any] = state.json
            if watch is not None and (not watch or watch[-1] != job):
                watch.append(job)
            if job["status"] in ENDED:
                return job
            assert time.monotonic() < end, f"the job did not end within {seconds:g} s: {job}"
            time.sleep(0.02)

    def succeed(self, answer: Answer, *, seconds: float = 2 * PATIENCE_SECONDS) -> dict[str, Any]:
        job = self.job(answer, seconds=seconds)
        assert job["status"] == "succeeded", job
        return job

    def fail(self, answer: Answer, *, seconds: float = 2 * PATIENCE_SECONDS) -> dict[str, Any]:
        """Follow the job to its failure; the error: family, message, detail."""
        job = self.job(answer, seconds=seconds)
        assert job["status"] == "failed", job
        error: dict[str, Any] = job["error"]
        assert error["message"], job
        return error

    def pull(self, reference: str, *, seconds: float = 2 * PATIENCE_SECONDS, **more: Any) -> dict[str, Any]:
        return self.succeed(self.post("/api/v1/images/pull/", {"reference": reference, **more}), seconds=seconds)

    def create(self, image: str, *command: str, **more: Any) -> Answer:
        return self.post("/api/v1/containers/", {"image": image, "command": list(command), **more})

    def run(self, image: str, *command: str, seconds: float = 2 * PATIENCE_SECONDS, **more: Any) -> dict[str, Any]:
        """Create and start; the container once its job has succeeded."""
        answer = self.create(image, *command, **more)
        self.succeed(answer, seconds=seconds)
        return self.container(answer.json["container"]["id"])

    def container(self, id: str) -> dict[str, Any]:
        answer = self.get(f"/api/v1/containers/{id}/")
        assert answer.status == 200, answer
        container: dict[str, Any] = answer.json
        return container

    def wait_status(self, id: str, *statuses: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            container = self.container(id)
            assert container["status"] in statuses, container
            return container

        container: dict[str, Any] = eventually(reached, seconds=seconds, what=f"status {' or '.join(statuses)}")  # type: ignore[assignment]
        return container

    def logs(self, id: str, query: str = "") -> str:
        answer = self.get(f"/api/v1/containers/{id}/logs/{query}")
        assert answer.status == 200, answer
        return answer.text

    def act(self, id: str, verb: str, **body: Any) -> dict[str, Any]:
        return self.succeed(self.post(f"/api/v1/containers/{id}/{verb}/", body))

    def remove(self, id: str, *, force: bool = True) -> None:
        self.succeed(self.delete(f"/api/v1/containers/{id}/" + ("?force=true" if force else "")))
        eventually(lambda: self.get(f"/api/v1/containers/{id}/").status == 404, what="the container's 404")
