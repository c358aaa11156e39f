"""Portside as a script meets it: REST for the request, a WebSocket for the answer; and its engine alone."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

from websockets.sync.client import connect

from bench.contender import STAMP, CannotStart, Start
from tests.support.home import Home
from tests.support.portside import ROOT, Portside
from tests.support.processes import eventually

ENGINE_PULL = """
import sys, time
from engine.config import EngineConfig
from engine.facade import Engine
engine = Engine(EngineConfig.from_environment())
begin = time.monotonic()
engine.images.pull(sys.argv[1])
print(time.monotonic() - begin)
"""


class Ours:
    name = "portside"

    def __init__(self) -> None:
        self.home = Home()
        self.portside = Portside(self.home)

    def open(self) -> None:
        try:
            self.portside.start()
        except AssertionError as error:
            self.close()
            raise CannotStart(str(error)[-2000:]) from None
        self.rest = self.portside.rest

    def pull(self, reference: str) -> float:
        begin = time.monotonic()
        answer = self.rest.post("/api/v1/images/pull/", {"reference": reference})
        job = self._follow(answer.json["job"]["id"])
        seconds = time.monotonic() - begin
        if job["status"] != "succeeded":
            raise CannotStart(f"portside pull: {job['error']}")
        return seconds

    def _follow(self, job_id: str) -> dict[str, object]:
        """The job at its end, by its WebSocket: asking again and again would cost the machine what is measured."""
        headers = {"Authorization": f"Bearer {self.rest.token}"}
        with connect(f"ws://{self.portside.address}/ws/jobs/{job_id}/", additional_headers=headers) as socket:
            while True:
                job: dict[str, object] = json.loads(socket.recv(timeout=300))["job"]
                if job["status"] in ("succeeded", "failed", "cancelled"):
                    return job

    def forget(self, reference: str) -> None:
        for image in self.rest.rows("/api/v1/images/"):
            if reference in image["tags"]:
                self.rest.succeed(self.rest.delete(f"/api/v1/images/{image['id']}/?force=true"), seconds=300)

    def start(self, reference: str) -> Start:
        headers = {"Authorization": f"Bearer {self.rest.token}"}
        with connect(f"ws://{self.portside.address}/ws/events/", additional_headers=headers) as socket:
            socket.recv(timeout=10)  # hello
            asked_at, begin = time.time(), time.monotonic()
            answer = self.rest.create(reference, *STAMP)
            if answer.status != 202:
                raise CannotStart(f"portside create: {answer}")
            container = answer.json["container"]["id"]
            told = self._told(socket, container, begin)
        stamp = str(eventually(lambda: self.rest.logs(container), what="the container's time stamp"))
        self.rest.remove(container)
        return Start(float(stamp.split(maxsplit=1)[0]) - asked_at, told)

    def _told(self, socket: object, container: str, begin: float) -> float:
        while True:
            message = json.loads(socket.recv(timeout=30))  # type: ignore[attr-defined]
            state = message.get("object") or {}
            if message.get("kind") == "job" and state.get("status") == "failed":
                raise CannotStart(f"portside create: {state['error']}")
            if message.get("kind") == "container" and state.get("id") == container and state["status"] == "running":
                return time.monotonic() - begin

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.portside.interrupt()
        self.home.destroy()


def engine_pull(reference: str) -> float:
    """Seconds that the engine alone takes for a pull into an empty store, its imports not counted."""
    home = Home()
    try:
        done = subprocess.run(
            [sys.executable, "-c", ENGINE_PULL, reference], env=home.environment(), cwd=ROOT, check=False,
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        if done.returncode != 0:
            raise CannotStart(f"engine alone: {done.stderr[-600:]}")
        return float(done.stdout.split()[-1])
    finally:
        home.destroy()


def unpack_floor(layers: list[Path], directory: Path) -> float:
    """Seconds that gzip and GNU tar alone take for these layers, two at a time and each into a directory of its own."""
    directory.mkdir(parents=True)
    script = 'mkdir "$2" && gzip -dc "$1" | tar -x -C "$2" -f -'
    jobs = [[f"{layer}", f"{directory}/{number}"] for number, layer in enumerate(layers)]
    begin = time.monotonic()
    subprocess.run(
        ["xargs", "-P", "2", "-n", "2", "sh", "-c", script, "sh"], check=True,
        input=" ".join(part for job in jobs for part in job), text=True,
    )  # fmt: skip
    return time.monotonic() - begin
