"""Kill -9 while a build fetches a repository: the next worker begins anew, or says that it doesn't; nothing is left."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.git_server import LARGE_BYTES, GitServer, commit, serving
from tests.support.home import command_of
from tests.support.portside import Portside, running_portside
from tests.support.processes import eventually
from worker.executor import MAX_ATTEMPTS

pytestmark = [pytest.mark.root, pytest.mark.timeout(400)]

FETCHER = "engine.build.git.child"
REPOSITORY = "app.git"


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    root = tmp_path_factory.mktemp("repositories")
    commit(root / REPOSITORY, {"Dockerfile": "FROM scratch\nCOPY . /\n", "noise": os.urandom(4 * LARGE_BYTES)})
    with serving(root) as server:
        yield server
        server.stalls.clear()


@pytest.fixture(scope="module")
def near_forge(forge: GitServer) -> Iterator[Portside]:
    """A Portside that may ask this server, though it is near."""
    with running_portside(PORTSIDE_NEAR_SOURCES=f"127.0.0.1:{forge.port}") as portside:
        yield portside


def wishes(forge: GitServer) -> dict[str, dict[str, Any]]:
    """A repository as the context, and as a step's source."""
    address = f"{forge.url}/{REPOSITORY}"
    return {"context": {"git": address}, "ADD": {"dockerfile_text": f"FROM scratch\nADD {address} /\n"}}


def fetchers(portside: Portside) -> list[int]:
    """Processes that fetch, of this home: children of its workers, which have nothing of the home themselves."""
    workers = portside.pids("-m", "worker")
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and FETCHER in command_of(int(entry)):
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except FileNotFoundError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) in workers:
                found.append(int(entry))
    return found


def left(portside: Portside) -> list[str]:
    """What builds have in directories and mounts."""
    config = portside.home.config
    found = [str(path) for path in (config.builds / "work").glob("*")]
    found += [str(path) for path in (config.snapshots / "staging").glob("*") if not is_ahead(path)]
    return found + [mount for mount in portside.home.mounts() if "/builds/" in mount]


def is_ahead(staged: Path) -> bool:
    """Whether it is the beginning of a container's own layer, which a worker that lives has made ahead."""
    with contextlib.suppress(FileNotFoundError):
        directory = os.open(staged, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(directory, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return (staged / "work").is_dir()
        finally:
            os.close(directory)
    return False


def cached(portside: Portside) -> list[int]:
    """The rows of the build cache."""
    with sqlite3.connect(f"file:{portside.home.config.database}?mode=ro", uri=True) as database:
        return [number for (number,) in database.execute("SELECT rowid FROM build_step ORDER BY 1")]


def killed_in_the_fetch(portside: Portside, forge: GitServer, times: int) -> None:
    """Kill the worker in the middle of it; its fetcher ends with it, and the next one is up."""
    try:
        eventually(lambda: forge.stalled == times and len(fetchers(portside)) == 1, what=f"fetch {times} in its middle")
    except AssertionError as error:
        job, *_ = portside.rest.rows("/api/v1/jobs/")
        raise AssertionError(
            f"{error}; {forge.stalled} stalled, {fetchers(portside)}, {forge.asked[-6:]}, {job}"
        ) from None
    (fetcher,) = fetchers(portside)
    assert left(portside), "a fetch has a place to work in"
    portside.kill("-m", "worker")
    eventually(lambda: FETCHER not in command_of(fetcher), what="the end of who fetches")


def record(portside: Portside, build_id: str) -> list[dict[str, Any]]:
    path = portside.home.config.build_records / f"{build_id}.ndjson"
    return [json.loads(line) for line in path.read_text().splitlines() if line]


@pytest.mark.parametrize("kind", ["context", "ADD"])
def test_the_next_worker_begins_anew_and_clears_away(near_forge: Portside, forge: GitServer, kind: str) -> None:
    rest, rows = near_forge.rest, cached(near_forge)
    assert left(near_forge) == []
    forge.stalled = 0
    forge.stalls.set()
    answer = rest.post("/api/v1/builds/", wishes(forge)[kind])
    build_id = answer.json["build"]["id"]
    killed_in_the_fetch(near_forge, forge, 1)
    eventually(lambda: forge.stalled == 2, what="the next worker's fetch")
    assert cached(near_forge) == rows
    assert len(list((near_forge.home.config.builds / "work").iterdir())) == 1, "the first one's place is gone"
    forge.stalls.clear()
    assert rest.job(answer)["status"] == "succeeded"
    lines = record(near_forge, build_id)
    assert [line["type"] for line in lines if line["type"] in ("again", "end")] == ["again", "end"]
    eventually(lambda: not fetchers(near_forge) and left(near_forge) == [], what="nothing left")


def test_one_whose_worker_dies_every_time_is_told_as_failed(near_forge: Portside, forge: GitServer) -> None:
    rest, rows = near_forge.rest, cached(near_forge)
    assert left(near_forge) == []
    forge.stalled = 0
    forge.stalls.set()
    answer = rest.post("/api/v1/builds/", wishes(forge)["context"])
    build_id = answer.json["build"]["id"]
    for attempt in range(1, MAX_ATTEMPTS + 1):
        killed_in_the_fetch(near_forge, forge, attempt)
    job = rest.job(answer)
    assert (job["status"], f"died {MAX_ATTEMPTS} times" in job["error"]["message"]) == ("failed", True)
    build = rest.get(f"/api/v1/builds/{build_id}/").json
    assert (build["status"], build["error"]["message"]) == ("failed", job["error"]["message"])
    (step,) = rest.get(f"/api/v1/builds/{build_id}/steps/").json["steps"]
    assert (step["state"], "fetch" in step["name"]) == ("failed", True)
    *_, last, end = record(near_forge, build_id)
    assert (last["type"], last["state"], "died" in last["error"]) == ("step", "failed", True)
    assert (end["type"], end["status"]) == ("end", "failed")  # whoever follows it goes home
    forge.stalls.clear()
    eventually(lambda: left(near_forge) == [] and not fetchers(near_forge), what="nothing left")
    assert cached(near_forge) == rows
