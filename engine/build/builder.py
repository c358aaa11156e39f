"""`Builder`: builds of one home. What `Engine.builder` is.

spec, context ─► Dockerfile read ─► plan ─► stages solved ─► image in the store, with its names
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from engine.build import checks, output, planning, workplace
from engine.build.bases import Bases
from engine.build.cache import Cache
from engine.build.cache_mounts import CacheMounts
from engine.build.context import Context
from engine.build.events import CACHED, DONE, Progress, Reporter
from engine.build.known_files import KnownFiles
from engine.build.language import parse
from engine.build.layering import Layering
from engine.build.pruning import BuildCacheUsage, PruneReport, PruneRules, Pruning
from engine.build.receiving import receive
from engine.build.sandbox import Kernel
from engine.build.solving import Solving
from engine.build.spec import BuildResult, BuildSpec
from engine.build.stage import Build
from engine.build.workplace import Workplace
from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.content.blobs import ContentStore
from engine.content.leases import Leases
from engine.errors import EngineError, InvalidArgument
from engine.images.garbage import wait_for_disk
from engine.images.pull import Stop, host_platform
from engine.images.records import Records
from engine.images.service import Images
from engine.images.shelf import Shelf
from engine.network.service import Network
from engine.oci.platform import Platform
from engine.registry.access import Access
from engine.runtime.client import Runtime
from engine.snapshots.service import Snapshots
from engine.store.database import Store
from engine.store.journal import Journal

_slots = threading.BoundedSemaphore(max(4, 2 * (os.cpu_count() or 2)))
"""Steps at work at once, of all builds of this process: twice the processors, since many a step waits for a network."""


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

    def receive(self, stream: IO[bytes] | int, cancel: threading.Event | None = None) -> Context:
        """A context that comes as a tar (plain, gzip, zstd), a zip, or a Dockerfile alone; close it after use.

        Raises `InvalidArgument` for what is none of these, `LayerRefused` for a hostile one, `ResourceExhausted`,
        `Cancelled`.
        """
        return receive(stream, self._snapshots, cancel)

    def build(
        self,
        spec: BuildSpec,
        context: Context,
        *,
        contexts: Mapping[str, Context] | None = None,
        access: Mapping[str, Access] | None = None,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> BuildResult:
        """Build, and give the image its names. `contexts`: those with a name, beside `spec.named_contexts`.

        `access`: how registries are spoken to, by their names (docker.io). `progress` is called from several threads,
        one at a time. Raises `DockerfileError`, `StepFailed`, `NotFound` for a file, stage or image that isn't there,
        `PermissionDenied`, what a pull raises, `ResourceExhausted`, `Cancelled`. Then no image is made, and what steps
        have made stays in the cache.
        """
        began = time.monotonic()
        spec.check()
        names = output.names(spec.tags)
        typed = spec.dockerfile_text
        text = context.dockerfile_text(spec.dockerfile) if typed is None else typed.encode("utf-8", "surrogateescape")
        dockerfile = parse(text, name=spec.dockerfile)
        host = host_platform()
        platform = Platform.parse(spec.platform) if spec.platform else host
        plan = planning.make(dockerfile, target=spec.target, given=spec.build_args, platform=platform, host=host)
        warnings = checks.warnings(dockerfile, spec.build_args, platform=platform, host=host, stages=plan.wanted)
        epoch = _epoch(spec, plan)
        reporter, stop = Reporter(progress), Stop(cancel)
        with contextlib.ExitStack() as held:
            lease = held.enter_context(self._leases.hold_here("build"))
            place = Workplace(self._parts.config.builds / "work", has_secrets=bool(spec.secrets))
            held.callback(place.close)
            known = KnownFiles(self._parts.config.builds / "files")
            held.callback(known.save)
            tree = context.tree(spec.dockerfile if spec.dockerfile_text is None else None)
            held.callback(tree.close)
            named = {name: one.tree() for name, one in (contexts or {}).items()}
            for one in named.values():
                held.callback(one.close)
            bases = Bases(self._parts.images, self._records, lease, access, spec.pull, platform, stop)
            locks = self._parts.config.builds / "locks"
            locks.mkdir(parents=True, exist_ok=True, mode=0o700)
            layering = Layering(
                self._parts.store, self._snapshots, self._cache, lease, locks, _slots, spec.team, epoch, stop
            )
            solving = Solving(plan, tree, named, bases, reporter, stop, platform)
            solving.build = Build(
                spec=spec, plan=plan, layering=layering, place=place, host=self._host, caches=self._caches,
                tree_of=solving.tree_of, known=lambda one: None if one.lendable or one.owner is None else known,
            )  # fmt: skip
            draft = solving.run()
            image = output.publish(self._shelf, draft.finished(spec.labels, epoch), draft, names, lease)
            self._cache.used(layering.used)
        self._sync_later()
        return BuildResult(
            image_id=image.id,
            tags=image.tags,
            size_bytes=image.size_bytes,
            steps=reporter.count(CACHED, DONE),
            cached=reporter.count(CACHED),
            seconds=time.monotonic() - began,
            warnings=warnings,
        )

    # -- the cache

    def disk_usage(self, team: str | None = None) -> BuildCacheUsage:
        """What the cache takes on the disk: layers that no image has, and cache mounts."""
        return self._pruning.usage(team)

    def prune(self, rules: PruneRules | None = None) -> PruneReport:
        """Delete what `rules` name of the cache, and what nothing needs any more."""
        return self._pruning.prune(rules or PruneRules())

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


def _epoch(spec: BuildSpec, plan: planning.Plan) -> int | None:
    """SOURCE_DATE_EPOCH: of the request, or as a build argument or ARG above the first FROM."""
    if spec.source_date_epoch is not None:
        return spec.source_date_epoch
    text = spec.build_args.get("SOURCE_DATE_EPOCH") or plan.arguments.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise InvalidArgument(f"SOURCE_DATE_EPOCH is Unix time in seconds, not {text[:40]!r}", {"field": "build_args"})
    return int(text)
