"""One build at work: what it holds open, and the solving of its plan, once for each of its platforms."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.build import cache_records, checks, planning, ssh_keys
from engine.build.bases import Bases
from engine.build.cache import Cache
from engine.build.cache_import import ImportedCache, open_cache
from engine.build.cache_mounts import CacheMounts
from engine.build.context import Context
from engine.build.draft import Draft
from engine.build.events import CACHED, CANCELLED, DONE, Progress, Reporter
from engine.build.git.fetching import Servers
from engine.build.git.request import Credential
from engine.build.keys import CachePlace, Found
from engine.build.known_files import KnownFiles
from engine.build.language import model
from engine.build.layering import Layering
from engine.build.outline import Line, outline
from engine.build.reach import Reach
from engine.build.sandbox import Kernel
from engine.build.slots import Slots
from engine.build.solving import Solving
from engine.build.spec import UNCONSUMED, BuildSpec, BuildWarning
from engine.build.ssh_keys import Identity
from engine.build.stage import Build
from engine.build.travelling_mounts import TravellingMounts
from engine.build.workplace import Workplace
from engine.config import EngineConfig
from engine.content.leases import Lease
from engine.errors import Cancelled, EngineError, InvalidArgument
from engine.images.pull import Stop, host_platform
from engine.images.service import Images
from engine.images.shelf import Shelf
from engine.oci.digest import Digest
from engine.oci.platform import Platform
from engine.oci.reference import Reference
from engine.registry.access import Access

_MOST = max(4, 2 * (os.cpu_count() or 2))
_slots = Slots(_MOST, _MOST - _MOST // 4)
"""Steps at work at once, of all builds of this process: twice the processors, since many a step waits for a network."""


FAILED_STEP, FAILED_STEP_SECONDS = "failed-step", 1800.0
"""The repository of images of failed steps, and for how long they are kept."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What of a home all builds work with."""

    config: EngineConfig
    images: Images
    shelf: Shelf
    cache: Cache
    mounts: CacheMounts
    host: Kernel

    def servers(self, credentials: Mapping[str, Credential], cancelled: Callable[[], bool]) -> Servers:
        """What may be asked for files and repositories, and as whom (by a server's name)."""
        reach = Reach(self.host.network.subnets, self.config.near_sources)
        return Servers(reach, self.shelf.snapshots, credentials, cancelled)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one build was asked for; see `Builder.build`. `text`: the Dockerfile's; `at`: Unix time."""

    at: float
    spec: BuildSpec
    text: bytes
    dockerfile: model.Dockerfile
    context: Context
    contexts: Mapping[str, Context]
    access: Mapping[str, Access] | None
    progress: Progress | None
    cancel: threading.Event | None
    planned: Callable[[tuple[Line, ...]], None] | None = None


@dataclass(frozen=True, slots=True)
class Solved:
    """What the target has become for one platform; `last`: ids of the steps that it ends with;
    `steps`: those of the cache; `materials`: base images by name, with their digests."""

    platform: Platform
    draft: Draft
    config: bytes
    last: tuple[str, ...]
    steps: tuple[Found, ...]
    materials: Mapping[str, str]


@dataclass(slots=True)
class Running:
    """Of one build, by one thread; what it holds is closed with `held`."""

    tools: Tools
    asked: Asked
    held: contextlib.ExitStack
    lease: Lease = field(init=False)
    place: Workplace = field(init=False)
    identities: Mapping[str, Sequence[Identity]] = field(init=False)
    warnings: tuple[BuildWarning, ...] = ()
    layerings: list[Layering] = field(default_factory=list)
    mounts: list[TravellingMounts] = field(default_factory=list)
    _reporters: list[Reporter] = field(default_factory=list)

    def platforms(self) -> tuple[Platform, ...]:
        """Raises `InvalidArgument`."""
        spec = self.asked.spec
        texts = spec.platforms or ((spec.platform,) if spec.platform else ())
        return tuple(dict.fromkeys(Platform.parse(text) for text in texts)) or (host_platform(),)

    def run(self) -> list[Solved]:
        """The target for each platform, one after the other. Raises what `Builder.build` does."""
        platforms, host = self.platforms(), host_platform()
        asked, spec = self.asked, self.asked.spec
        plans = []
        for platform in platforms:
            plan = planning.make(
                asked.dockerfile, target=spec.target, given=spec.build_args, platform=platform, host=host
            )
            plans.append((platform, plan, epoch_of(spec, plan)))
        platform, plan, _ = plans[0]
        if asked.planned is not None and len(plans) == 1:
            asked.planned(outline(plan))
        self.warnings = checks.warnings(
            asked.dockerfile, spec.build_args, platform=platform, host=host, stages=plan.wanted,
            bases=checks.bases_here(plan, self.tools.shelf.records),
        )  # fmt: skip
        self.identities = {name: ssh_keys.read(text, name, is_checked=True) for name, text in spec.ssh.items()}
        self.lease = self.held.enter_context(self.tools.shelf.leases.hold_here("build"))
        self.place = Workplace(self.tools.config.builds / "work", has_secrets=bool(spec.secrets or spec.ssh))
        self.held.callback(self.place.close)
        known = KnownFiles(self.tools.config.builds / "files")
        self.held.callback(known.save)
        solved = [self._solve(*one, known, is_one_of_several=len(plans) > 1) for one in plans]
        self._warn_of(checks.unconsumed(asked.dockerfile, spec.build_args, plan, self.tools.shelf.records))
        return solved

    def _warn_of(self, unconsumed: Sequence[str]) -> None:
        """In the result, and for who looks on as a step of its own, as BuildKit does."""
        if unconsumed:
            message = f"One or more build-args [{' '.join(unconsumed)}] were not consumed"
            self.warnings += (BuildWarning(rule=UNCONSUMED, message=message, line=0),)
            step = self._reporters[-1].step("arguments", f"[Warning] {message}", "")
            step.start()
            step.end(DONE)

    def _solve(
        self,
        platform: Platform,
        plan: planning.Plan,
        epoch: int | None,
        known: KnownFiles,
        *,
        is_one_of_several: bool,
    ) -> Solved:
        asked, tools, spec = self.asked, self.tools, self.asked.spec
        stop = Stop(asked.cancel)
        shown = str(platform) if is_one_of_several else ""
        reporter = Reporter(asked.progress, shown)
        self._reporters.append(reporter)
        bases = Bases(
            tools.config, tools.images, tools.shelf.records, self.lease, asked.access, spec.pull, platform, stop,
            allowed=spec.allowed_images, signed_by=spec.signed_by,
        )  # fmt: skip
        layering = Layering(
            tools.shelf.records.store, tools.shelf.snapshots, tools.cache, self.lease, self._locks(), _slots,
            spec.team, epoch, stop,
        )  # fmt: skip
        layering.keeps_failed = bool(spec.keep_failed)
        self.layerings.append(layering)
        far = self._far(platform, shown, stop)
        layering.far = far
        mounts = TravellingMounts(tools.config.builds / "caches", far)
        self.mounts.append(mounts)
        with contextlib.ExitStack() as opened:
            tree = asked.context.tree(spec.dockerfile if spec.dockerfile_text is None else None)
            opened.callback(tree.close)
            named = {name: one.tree() for name, one in asked.contexts.items()}
            for one in named.values():
                opened.callback(one.close)
            solving = Solving(plan, tree, named, bases, reporter, stop, platform)
            solving.build = Build(
                spec=spec, plan=plan, layering=layering, place=self.place, host=tools.host, caches=mounts,
                tree_of=solving.tree_of, known=lambda one: None if one.lendable or one.owner is None else known,
                servers=tools.servers(spec.git, stop.is_set), identities=self.identities,
                keep=self._keep,
            )  # fmt: skip
            draft = solving.run()
            return self._solved(draft, solving, layering, epoch)

    def _solved(self, draft: Draft, solving: Solving, layering: Layering, epoch: int | None) -> Solved:
        config = draft.finished(self.asked.spec.labels, epoch)
        if self.asked.spec.cache_inline:
            config = cache_records.with_inline(config, layering.found, epoch)
        return Solved(
            solving.platform, draft, config, tuple(solving.last()), tuple(layering.found), dict(solving.bases.used)
        )

    def _keep(self, draft: Draft) -> str:
        """An image of a failed step; of several that fail at once the last has the name."""
        shelf, name = self.tools.shelf, Reference.parse(f"{FAILED_STEP}:{self.asked.spec.keep_failed}")
        config = draft.finished({}, None)
        digest = Digest.of(config)
        self.lease.add([digest])
        shelf.content.put(config, is_durable=False)
        return shelf.publish(config, [name], [digest, *draft.blobs], action="tag").id

    def _far(self, platform: Platform, shown: str, stop: Stop) -> list[ImportedCache]:
        """The caches of registries, a step each. One that can't be read is done without, as BuildKit does."""
        asked, found, reporter = self.asked, [], Reporter(self.asked.progress, shown)
        for number, text in enumerate(() if asked.spec.no_cache else asked.spec.cache_from):
            name = Reference.parse(text)
            step = reporter.step(f"cache.{number}", f"[internal] look into the cache {name.familiar}", "")
            step.start()
            place = CachePlace(name, (asked.access or {}).get(name.registry), stop)
            try:
                cache = open_cache(self.tools.shelf, self.lease, place, platform)
            except Cancelled:
                step.end(CANCELLED)
                raise
            except EngineError as error:
                step.log(f"it is not used: {error.message}\n".encode())
            else:
                self.held.callback(cache.close)
                found.append(cache)
                step.log(f"it has {len(cache.steps)} steps\n".encode())
            step.end(DONE)
        return found

    def _locks(self) -> Path:
        locks = self.tools.config.builds / "locks"
        locks.mkdir(parents=True, exist_ok=True, mode=0o700)
        return locks

    def count(self, *states: str) -> int:
        """Steps that ended so."""
        return sum(reporter.count(*states) for reporter in self._reporters)

    def note_uses(self) -> None:
        """Once for a build, what of the cache was of use to it."""
        self.tools.cache.used(number for layering in self.layerings for number in layering.used)

    @property
    def steps(self) -> int:
        return self.count(CACHED, DONE)

    @property
    def cached(self) -> int:
        return self.count(CACHED)


def epoch_of(spec: BuildSpec, plan: planning.Plan) -> int | None:
    """SOURCE_DATE_EPOCH: of the request, or as a build argument or ARG above the first FROM."""
    if spec.source_date_epoch is not None:
        return spec.source_date_epoch
    text = spec.build_args.get("SOURCE_DATE_EPOCH") or plan.arguments.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise InvalidArgument(f"SOURCE_DATE_EPOCH is Unix time in seconds, not {text[:40]!r}", {"field": "build_args"})
    return int(text)
