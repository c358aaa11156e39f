"""`Builder`: builds of one home. What `Engine.builder` is.

spec, context ─► Dockerfile read ─► plan ─► stages solved ─► image in the store, with its names
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from engine.build import differing, exporting, publishing, workplace
from engine.build.cache import Cache
from engine.build.cache_mounts import CacheMounts
from engine.build.context import Context
from engine.build.differing import Differences
from engine.build.events import Progress
from engine.build.finishing import Finishing
from engine.build.git import fetching
from engine.build.git.fetching import Commit
from engine.build.git.request import Credential
from engine.build.language import parse
from engine.build.outline import Line
from engine.build.pruning import BuildCacheUsage, PruneReport, PruneRules, Pruning
from engine.build.receiving import receive
from engine.build.running import Asked, Running, Tools
from engine.build.sandbox import Kernel
from engine.build.spec import BuildResult, BuildSpec
from engine.build.workplace import Workplace
from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.content.blobs import ContentStore
from engine.content.leases import Leases
from engine.errors import EngineError, InvalidArgument
from engine.images.archive.saving import Saving
from engine.images.garbage import wait_for_disk
from engine.images.records import ACTION, Records
from engine.images.service import Images
from engine.images.shelf import Shelf
from engine.network.service import Network
from engine.registry.access import Access
from engine.runtime.client import Runtime
from engine.snapshots.service import Snapshots
from engine.store.database import Store
from engine.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Parts:
    """What of the engine builds stand on."""

    config: EngineConfig
    store: Store
    journal: Journal
    images: Images
    network: Network


class Builder:
    """Safe for threads, and for several processes on one home."""

    def __init__(self, parts: Parts) -> None:
        config, store = parts.config, parts.store
        self._parts = parts
        self._content = ContentStore(config.content)
        self._leases = Leases(store)
        self._snapshots = Snapshots(config, store)
        self._records = Records(store, parts.journal)
        self._shelf = Shelf(config, self._records, self._content, self._snapshots, self._leases)
        self._cache = Cache(store, self._snapshots)
        self._caches = CacheMounts(config.builds / "caches")
        cgroups = Cgroups(config, parent=config.build_cgroup)
        self._host = Kernel(config, Runtime(config, cgroups), cgroups, parts.network)
        self._tools = Tools(config, parts.images, self._shelf, self._cache, self._caches, self._host)

    def receive(self, stream: IO[bytes] | int, cancel: threading.Event | None = None) -> Context:
        """A context that comes as a tar (plain, gzip, zstd), a zip, or a Dockerfile alone; close it after use.

        Raises `InvalidArgument` for what is none of these, `LayerRefused` for a hostile one, `ResourceExhausted`,
        `Cancelled`.
        """
        return receive(stream, self._snapshots, cancel)

    @contextlib.contextmanager
    def repository(
        self,
        address: str,
        *,
        credentials: Mapping[str, Credential] | None = None,
        keeps: bool = False,
        log: Callable[[bytes], None] = lambda _: None,
        cancel: threading.Event | None = None,
    ) -> Iterator[tuple[Context, Commit]]:
        """A git repository as a context: `https://host/repo.git#ref:directory`, and the commit that it was.

        `credentials`: by the server's name; `keeps`: .git comes too; `log`: what the server says. Raises `NotFound`,
        `PermissionDenied`, `Unavailable`, `InvalidArgument`, `ResourceExhausted`, `DataCorrupt`, `Cancelled`.
        """
        source = fetching.parse(address)
        if source is None:
            raise InvalidArgument(f"{address[:200]!r} is no address of a git repository", {"field": "git"})
        place = Workplace(self._parts.config.builds / "work", has_secrets=False)
        try:
            servers = self._tools.servers(credentials or {}, (cancel or threading.Event()).is_set)
            workspace = place.new_directory("git")
            with fetching.fetch(source, None, workspace, servers, keeps=keeps, log=log) as found:
                yield found
        finally:
            place.close()

    def build(
        self,
        spec: BuildSpec,
        context: Context,
        *,
        contexts: Mapping[str, Context] | None = None,
        access: Mapping[str, Access] | None = None,
        progress: Progress | None = None,
        planned: Callable[[tuple[Line, ...]], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> BuildResult:
        """Build, and give the image its names. `contexts`: those with a name, beside `spec.named_contexts`.

        `access`: how registries are spoken to, by their names (docker.io). `progress` is called from several threads,
        one at a time; `planned` once, before it, if it is for one platform. Raises `DockerfileError`, `StepFailed`,
        `NotFound` for a file, stage or image that isn't there, `PermissionDenied`, what a pull raises,
        `ResourceExhausted`, `Cancelled`. Then no image is made, and what steps have made stays in the cache.
        """
        began = time.monotonic()
        spec.check()
        names = publishing.names(spec.tags)
        typed = spec.dockerfile_text
        text = context.dockerfile_text(spec.dockerfile) if typed is None else typed.encode("utf-8", "surrogateescape")
        dockerfile = parse(text, name=spec.dockerfile)
        with contextlib.ExitStack() as held:
            asked = Asked(
                time.time(), spec, text, dockerfile, context, contexts or {}, access, progress, cancel, planned
            )
            running = Running(self._tools, asked, held)
            finishing = Finishing(running, running.run())
            try:
                image = finishing.run(names)
            finally:
                running.note_uses()
        self._sync_later()
        return BuildResult(
            image_id=image.id,
            tags=image.tags,
            size_bytes=image.size_bytes,
            steps=running.steps,
            cached=running.cached,
            seconds=time.monotonic() - began,
            warnings=running.warnings,
            digest=finishing.digest,
            pushed=finishing.pushed,
        )

    def save_files(self, name: str, cancel: threading.Event | None = None) -> Saving:
        """Begin a tar of an image's files, by reference or id; to be read as what `Images.save` gives.

        Raises `ImageMissing`, `InvalidReference`.
        """
        return exporting.save_files(self._shelf, name, cancel)

    def differences(self, before: str, after: str, limit: int = 1000) -> Differences:
        """Which files differ between two images, by reference or id.

        Raises `ImageMissing`, `InvalidReference`, `Unavailable`.
        """
        return differing.differences(self._shelf, before, after, limit)

    # -- the cache

    def disk_usage(self, team: str | None = None) -> BuildCacheUsage:
        """What the cache takes on the disk: layers that no image has, and cache mounts."""
        return self._pruning.usage(team)

    def prune(self, rules: PruneRules | None = None) -> PruneReport:
        """Delete what `rules` name of the cache, and what nothing needs any more."""
        done = self._pruning.prune(rules or PruneRules())
        said = {"action": "prune", "type": "builder", "name": "", "reclaimed": done.reclaimed_bytes}
        self._parts.journal.append(ACTION, "", said)
        return done

    @property
    def _pruning(self) -> Pruning:
        return Pruning(self._cache, self._caches, self._records, self._snapshots, self._shelf)

    def runs(self) -> list[str]:
        """The RUNs of all builds of this home that have begun, as networks know them: from before their addresses."""
        return [path.name for path in (self._parts.config.builds / "work").glob("*/run/*")]

    def recover(self) -> list[str]:
        """At a start: end and clear away what builds have left whose process was killed. What was done, a line each."""
        done = workplace.recover(self._parts.config.builds / "work", self._host)
        for identifier in self._host.cgroups.list():
            if not list((self._parts.config.builds / "work").glob(f"*/run/{identifier}")):
                with contextlib.suppress(EngineError):  # the next start tries again
                    self._host.cgroups.remove(identifier)
        self._caches.recover()
        dropped = self._cache.recover()
        if dropped:
            done.append(f"dropped {dropped} steps of the build cache, whose layers are not here or not whole")
        return done

    def _sync_later(self) -> None:
        """Waiting for the disk would take longer than many a build; until it is through, rows are marked."""
        threading.Thread(target=self._sync, name="build-sync", daemon=True).start()

    def _sync(self) -> None:
        with contextlib.suppress(Exception):  # the next one does it
            waiting = self._cache.unsynced()
            if waiting and wait_for_disk(self._parts.config.home):
                self._cache.mark_synced(waiting)
