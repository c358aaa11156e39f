"""The images of the engine that `fakes` stands in for. The name of an image says how its pull goes: `slow/…` takes 20 s
unless cancelled, `missing/…` is not found, `bug/…` is a mistake of ours with a secret in its text.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from engine.errors import Cancelled, DataCorrupt, NotFound
from engine.images.remote import RemoteManifest
from engine.registry.searching import Repository

if TYPE_CHECKING:
    from tests.worker.fakes import FakeEngine


@dataclass(frozen=True)
class FakeImage:
    id: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class FakeLayer:
    id: str
    status: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class FakePushed:
    reference: str
    digest: str
    size_bytes: int
    mounted: int
    existed: int
    uploaded: int


@dataclass(frozen=True)
class FakeRateLimit:
    limit: int
    remaining: int
    window_seconds: int


@dataclass(frozen=True)
class FakeRemote:
    digest: str
    rate_limit: FakeRateLimit | None


@dataclass(frozen=True)
class FakeAnswer:
    ok: bool
    message: str
    user: str | None
    rate_limit: FakeRateLimit | None


@dataclass(frozen=True)
class FakeChecked:
    checked_blobs: int
    checked_layers: int
    damaged: tuple[str, ...]
    repaired: tuple[str, ...]
    unrepaired: tuple[str, ...]


@dataclass(frozen=True)
class FakePruned:
    untagged: tuple[str, ...]
    deleted: tuple[str, ...]
    reclaimed_bytes: int


@dataclass(frozen=True)
class FakeEntry:
    id: str
    created_at: str | None
    created_by: str
    size_bytes: int
    comment: str
    tags: tuple[str, ...]
    is_empty: bool
    digest: str | None


class FakeImages:
    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine

    def pull(
        self,
        reference: str,
        *,
        access: Any = None,
        platform: str | None = None,
        progress: Any = None,
        cancel: threading.Event | None = None,
        limit_told: Any = None,
        digest_told: Any = None,
    ) -> FakeImage:
        self._engine.note(f"begin pull {reference}")
        if reference.startswith("missing/"):
            raise NotFound(f"There is no image {reference}.", {"reference": reference})
        if reference.startswith("bug/"):
            raise RuntimeError("the password is hunter2")
        if reference.startswith("slow/"):
            for step in range(200):
                self._engine.step = step
                if progress is not None:
                    progress("pulling", (FakeLayer("layer1", "downloading", step, 200),))
                if cancel is not None and cancel.wait(0.1):
                    raise Cancelled("The pull was cancelled.")
        if reference.startswith("silent/") and cancel is not None:
            for step in range(2):
                self._engine.step = step
                progress("pulling", (FakeLayer("layer1", "downloading", step, 200),))
            cancel.wait()
            raise Cancelled("The pull was cancelled.")
        self._engine.note(f"end pull {reference}")
        if reference.startswith("limited/"):
            limit_told(FakeRateLimit(100, 76, 21600))
        if digest_told is not None:
            digest_told("sha256:" + "d" * 64)
        self._engine.journal.append("image.updated", "sha256:feed", {"id": "sha256:feed", "tags": [reference]})
        return FakeImage("sha256:feed", (reference,))

    def push(
        self,
        reference: str,
        *,
        access: Any = None,
        all_platforms: bool = False,
        progress: Any = None,
        cancel: threading.Event | None = None,
    ) -> FakePushed:
        self._engine.note(f"push {reference} {access} {all_platforms}")
        if progress is not None:
            progress("pushing", (FakeLayer("layer1", "uploading", 5, 10),))
        return FakePushed(reference, "sha256:" + "d" * 64, 10, 1, 2, 3)

    def tag(self, image: str, reference: str) -> FakeImage:
        self._engine.note(f"tag {image} {reference}")
        return FakeImage("sha256:feed", (reference,))

    def remote(self, reference: str, *, access: Any = None) -> FakeRemote:
        if reference.startswith("missing/"):
            raise NotFound(f"There is no image {reference}.")
        return FakeRemote("sha256:" + "d" * 64, FakeRateLimit(100, 99, 21600))

    def remote_tags(self, reference: str, *, access: Any = None) -> list[str]:
        if reference.startswith("missing/"):
            raise NotFound(f"There is no image {reference}.")
        self._engine.note(f"tags {reference} {access.credentials.username if access else None}")
        return [f"v{number}" for number in range(6000)]

    def search(self, term: str, *, access: Any = None, limit: int = 25) -> list[Repository]:
        self._engine.note(f"search {term} {limit}")
        return [Repository(name=term, stars=3)]

    def referrers(self, reference: str, *, access: Any = None, artifact_type: str = "") -> list[FakeRemote]:
        self._engine.note(f"referrers {reference} {artifact_type}")
        return [FakeRemote("sha256:" + "d" * 64, None)]

    def remote_manifest(self, reference: str, *, access: Any = None) -> RemoteManifest:
        platform = {"os": "linux", "architecture": "amd64", "variant": ""}
        return RemoteManifest(media_type="index", digest="sha256:" + "d" * 64, size=100, platforms=(platform,))

    def document(self, name: str) -> tuple[dict[str, Any], str]:
        return {"architecture": "amd64", "config": {"Cmd": [name]}}, "sha256:cafe"

    def try_registry(self, registry: str, access: Any) -> FakeAnswer:
        return FakeAnswer(access is not None, f"{registry} answered", None, None)

    def fsck(
        self,
        *,
        repair: bool = False,
        access: Any = None,
        progress: Any = None,
        cancel: threading.Event | None = None,
    ) -> FakeChecked:
        return FakeChecked(3, 2, (), (), ())

    def history(self, name: str) -> list[FakeEntry]:
        return [FakeEntry(name, None, "COPY . /", 5, "", ("a:1",), False, None)]

    def layer_files(self, name: str, layer: str, *, path: str = "/", limit: int = 100) -> dict[str, Any]:
        return {"layer": layer, "path": path, "limit": limit, "entries": [], "more": False}

    def waste(self, name: str) -> dict[str, Any]:
        return {"wasted_bytes": 0, "efficiency": 1.0, "files": [], "is_cut": False}

    def verify(
        self, name: str, keys: list[str], *, access: Any = None, asks_registries: bool = True
    ) -> list[dict[str, str]]:
        who = {registry: one.credentials.username for registry, one in (access or {}).items()}
        place = f"registries {who}" if asks_registries else "here"
        return [{"key_id": key, "digest": "sha256:1", "place": place} for key in keys]

    @property
    def attachments(self) -> Any:
        """One list of software."""
        one = {"digest": "sha256:1", "slot": "sbom:spdx"}
        return SimpleNamespace(of=lambda _: [one], read=lambda _, digest: b'{"of": "%s"}' % digest.encode())

    def save(self, names: list[str], *, format: str = "docker", cancel: threading.Event | None = None) -> Any:
        raise NotFound(f"There is no image {names[0]}.")

    def load(
        self, stream: int, *, progress: Any = None, named: Any = None, cancel: threading.Event | None = None
    ) -> list[FakeImage]:
        """What it reads is the tag; "bad" is no archive."""
        read = b""
        while data := os.read(stream, 65536):
            read += data
            if read.startswith(b"bad"):
                raise DataCorrupt("This is no archive of images.")
        if cancel is not None and cancel.is_set():
            raise Cancelled("The load was cancelled.")
        self._engine.note(f"load {len(read)}")
        if named is not None:
            named("sha256:feed", [read[:20].decode()])
        return [FakeImage("sha256:feed", (read[:20].decode(),))]

    def import_(
        self,
        stream: int,
        reference: str | None,
        *,
        changes: Sequence[str] = (),
        message: str = "",
        platform: str | None = None,
        cancel: threading.Event | None = None,
    ) -> FakeImage:
        self.load(stream, cancel=cancel)
        self._engine.note(f"import {reference} {list(changes)} {message} {platform}")
        return FakeImage("sha256:feed", (reference or "",))
