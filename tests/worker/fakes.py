"""A strict stand-in for the engine: real store and journal, no kernel. Unknown calls and arguments fail.

What it did is in the file `calls` under the home, so that tests see it across processes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from engine.config import EngineConfig
from engine.errors import Cancelled, NotFound, PermissionDenied
from engine.network.lans import Lan
from engine.options.admission import Admission
from engine.options.networks import Joining, NetworkSpec
from engine.store.database import Store
from engine.store.journal import Journal
from tests.worker.image_fakes import FakeImage, FakeImages, FakePruned
from worker.cancellations import Cancellations


@dataclass(frozen=True)
class FakeHostSample:
    cpu_percent: float
    memory_used_bytes: int


@dataclass(frozen=True)
class FakeContainerSample:
    cpu_seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class FakeChunk:
    stream: str
    at: float
    cursor: int
    data: bytes

    @property
    def end(self) -> int:
        return self.cursor + len(self.data)


class FakeLog:
    """A log in memory: one chunk for each append."""

    def __init__(self) -> None:
        self.chunks: list[FakeChunk] = []
        self.reads = 0

    def append(self, data: bytes, stream: str = "stdout", at: float | None = None) -> None:
        self.chunks.append(FakeChunk(stream, time.time() if at is None else at, self.end(), data))

    def end(self) -> int:
        return self.chunks[-1].cursor + len(self.chunks[-1].data) if self.chunks else 0

    def read(self, cursor: int, max_bytes: int) -> list[FakeChunk]:
        self.reads += 1
        found: list[FakeChunk] = []
        size = 0
        for chunk in self.chunks:
            skip = cursor - chunk.cursor
            if skip >= len(chunk.data) or size >= max_bytes:
                continue
            data = chunk.data[max(0, skip) :][: max_bytes - size]
            found.append(FakeChunk(chunk.stream, chunk.at, chunk.cursor + max(0, skip), data))
            size += len(data)
        return found

    def cursor_at_tail(self, lines: int) -> int:
        data = b"".join(chunk.data for chunk in self.chunks)
        return len(data) - len(b"".join(data.splitlines(keepends=True)[-lines:])) if lines else len(data)

    def cursor_since(self, at: float) -> int:
        return next((chunk.cursor for chunk in self.chunks if chunk.at >= at), self.end())


class FakeNetworks:
    """Networks of a name, of which there are none."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note

    def create(self, spec: NetworkSpec) -> Lan:
        self._note(f"network create {spec.name}")
        return Lan(replace(spec, subnet=spec.subnet or "10.1.0.0/22", gateway=spec.gateway or "10.1.0.1"), 0, 1.0)

    def remove(self, name: str, *, from_stopped: bool = False) -> Lan:
        self._note(f"network remove {name} {from_stopped}")
        raise NotFound(f"There is no network {name}.")

    def prune(
        self, *, until: float | None = None, labels: Sequence[str] = (), not_labels: Sequence[str] = ()
    ) -> list[Lan]:
        self._note(f"network prune {until} {list(labels)} {list(not_labels)}")
        return []

    def connect(self, name: str, container: str, joining: Joining) -> None:
        self._note(f"network connect {name} {container} {joining.ip} {joining.ip6} {joining.mac} {joining.aliases}")

    def disconnect(self, name: str, container: str) -> None:
        self._note(f"network disconnect {name} {container}")


class FakeVolumes:
    """Of a host without volumes."""

    def measure_due(self) -> Sequence[str]:
        return ()


class FakeHostQuota:
    def tend(self) -> None:
        pass


class FakeEngine:
    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.store = Store(config.database)
        self.journal = Journal(self.store, config.run)
        self.images = FakeImages(self)
        self.networks = FakeNetworks(self.note)
        self.volumes = FakeVolumes()
        self.containers = SimpleNamespace(make_ahead=lambda: None)
        self.host_quota = FakeHostQuota()
        self.logs: dict[str, FakeLog] = {}
        self.step = -1  # how far the last slow pull came
        self._calls = config.home / "calls"

    def with_room(self, work: Callable[[], Any]) -> Any:
        return work()

    def note(self, what: str) -> None:
        with self._calls.open("a") as file:
            file.write(f"{what}\n")

    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    def container_create(self, spec: Any, access: Any = None, **_: Any) -> None:
        again = any(call.startswith(f"create {spec.id} ") for call in self.calls())
        self.note(f"create {spec.id} {access.credentials.username if access and access.credentials else 'nobody'}")
        if spec.name == "slow-once" and not again:
            time.sleep(60)

    def container_recreate(
        self, id: str, spec: Any, *, start: bool, renew_volumes: bool, request: str, access: Any = None, **_: Any
    ) -> None:
        self.note(f"recreate {id} as {spec.id} {spec.name} {start} {request}{' renewed' * renew_volumes}")

    def container_get(self, id: str) -> Any:
        starts = [call for call in self.calls() if call.startswith(f"start {id} ")]
        return SimpleNamespace(started_at=float(starts[-1].split()[-1]) if starts else None)

    def container_stop(self, id: str, timeout_seconds: float | None = None, signal: str | None = None) -> None:
        again = any(call.startswith(f"stop {id} ") for call in self.calls())
        self.note(f"stop {id} {timeout_seconds} {signal}")
        if id.startswith("stubborn") and not (again and id == "stubborn-once"):
            time.sleep(60)

    def container_start(
        self,
        id: str,
        request: str = "",
        admission: Admission | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        self.note(f"start {id} {time.time()}")

    def container_restart(
        self,
        id: str,
        timeout_seconds: float | None = None,
        request: str = "",
        admission: Admission | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        again = f"restart {id}" in self.calls()
        self.note(f"restart {id}")
        if id == "unseen-once" and not again and cancel is not None and cancel.wait(20):
            raise Cancelled("cancelled")
        if id == "unseen":
            detail = {"policy": "signed_images"}
            raise PermissionDenied("whether image x is signed can't be seen: no", detail)

    def container_remove(
        self, id: str, *, force: bool = False, volumes: bool = False, stop: bool = False, grace: float | None = None
    ) -> None:
        self.note(f"remove {id} {force}" + (f" after {grace} s" if stop else ""))

    def container_top(self, id: str, *, tell: bool = False) -> dict[str, object]:
        return {"processes": []}

    def container_signal_process(self, id: str, host_pid: int, started_at: float, signal: str = "SIGTERM") -> None:
        self.note(f"signal {id} {host_pid} {started_at} {signal}")

    def container_changes(self, id: str) -> dict[str, object]:
        return {"changes": [], "more": False}

    def image_prune(
        self,
        *,
        all: bool = False,
        until: datetime | None = None,
        labels: Sequence[str] = (),
        not_labels: Sequence[str] = (),
    ) -> FakePruned:
        self.note(f"prune {all} {until} {list(labels)}" + (f" {list(not_labels)}" if not_labels else ""))
        return FakePruned(("old:1",), ("sha256:feed",), 4096)

    def disk_usage(self) -> dict[str, Any]:
        return {"images": [], "layers_bytes": 7}

    def keep_logs(self, seconds: float, max_bytes: int) -> None:
        self.note(f"keep logs {seconds} {max_bytes}")

    def limit_host(self, memory_bytes: int | None, cpus: float | None, pids: int | None) -> None:
        self.note(f"limit host {memory_bytes} {cpus} {pids}")

    def tidy_kept_logs(self) -> list[str]:
        return []

    def container_log_ask(self, id: str, kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"kind": kind, "parameters": parameters}

    def container_path_stat(self, id: str, path: str) -> Any:
        raise NotFound(f"There is no {path} in container {id}.")

    def container_copy_out(self, id: str, path: str) -> Any:
        raise NotFound(f"There is no {path} in container {id}.")

    def container_copy_in(self, id: str, path: str, *, keep_kinds: bool = False, as_user: bool = False) -> Any:
        raise NotFound(f"There is no {path} in container {id}.")

    def container_export(self, id: str) -> Any:
        raise NotFound(f"There is no container {id}.")

    def container_commit(self, id: str, spec: Any, *, cancel: threading.Event | None = None) -> FakeImage:
        self.note(f"commit {id} {spec.reference} {spec.created_at}")
        return FakeImage("sha256:feed", (spec.reference,))

    def log_watcher(self) -> None:
        return None

    def container_logs(self, id: str) -> FakeLog:
        if id not in self.logs:
            raise NotFound(f"There is no container {id}.")
        return self.logs[id]

    def inventory(self) -> dict[str, Any]:
        return {"containers": [], "images": []}

    def host_facts(self) -> dict[str, Any]:
        return {
            "cores": 2,
            "memory_bytes": 1 << 30,
            "kernel": "6.1",
            "architecture": "x86_64",
            "operating_system": "Debian",
            "cgroup_version": "v2",
            "engine_version": "0.1.0",
            "newer": "than this worker",
        }

    def make_durable(self, ids: Iterable[str]) -> None:
        self.store.sync()

    def reconcile(self) -> list[str]:
        self.note("reconcile")
        return []

    def ensure_helpers(self) -> None:
        self.note("ensure_helpers")

    def stop_launcher(self) -> None:
        self.note("stop_launcher")

    def sample(self) -> tuple[FakeHostSample, dict[str, FakeContainerSample]]:
        return FakeHostSample(12.5, 1 << 29), {"c1": FakeContainerSample(time.monotonic() / 2, 4096)}


def main() -> int:
    """`python -m tests.worker.fakes`: the whole worker, with this engine in it."""
    import dataclasses
    import logging

    from worker.service import WorkerService
    from worker.settings import WorkerSettings

    logging.basicConfig(level=logging.INFO)
    settings = WorkerSettings.from_environment()
    settings = dataclasses.replace(settings, concurrency=4)
    settings.engine.run.mkdir(parents=True, exist_ok=True)
    return WorkerService(settings, FakeEngine(settings.engine)).run(threading.Event())


if __name__ == "__main__":
    raise SystemExit(main())


class KnownCancellations(Cancellations):
    """Of a worker that has read all marks; it asks no broker."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self._has_all = True
