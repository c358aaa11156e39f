"""`Engine`: one host's container engine, put together. What the worker, the keeper's hands and the command line use.

Names follow `object_verb`; every container verb takes an id, a name or a unique beginning of an id. Errors are
the families of `engine.errors`.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.cgroups import Cgroups
from engine.cgroups.quota import HostLimits
from engine.config import EngineConfig
from engine.containers.catalog import Catalog
from engine.containers.events import LOG_REMOVED
from engine.containers.holding import Holding
from engine.containers.host_limits import HostQuota
from engine.containers.keeper_link import KeeperLink
from engine.containers.networking import Networks
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord
from engine.containers.service import Containers
from engine.containers.spec import ContainerSpec
from engine.errors import Conflict, NotFound, ResourceExhausted
from engine.exec_calls import ExecCalls
from engine.facts import HostFacts, host_facts
from engine.logs.clerk import LogClerk
from engine.logs.follower import LogWatcher
from engine.logs.kept import KeptLogs, Retention
from engine.logs.reader import LogReader
from engine.network.service import Network
from engine.options.admission import Admission
from engine.reserve import Reserve
from engine.runtime.client import Runtime
from engine.snapshots.service import Snapshots
from engine.store.database import Store
from engine.store.journal import Journal
from engine.volumes.service import Volumes

if TYPE_CHECKING:
    from engine.archives.request import PathStat
    from engine.archives.transfer import Transfer
    from engine.build.builder import Builder
    from engine.containers.attaching import Attachment
    from engine.containers.committing import CommitSpec
    from engine.containers.parts import Image
    from engine.disk_usage import DiskUsage
    from engine.images.removing import PruneReport
    from engine.images.service import Images
    from engine.registry.access import Access
    from engine.stats.sampler import Sampler
    from engine.stats.samples import ContainerSample, HostSample


T = TypeVar("T")


class Engine(ExecCalls):
    """The engine of one home. Safe for threads, and for several processes on the same home."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.store = Store(config.database)
        self.journal = Journal(self.store, config.run)
        self.cgroups = Cgroups(config)
        self.network = Network(config, self.store)
        self.runtime = Runtime(config, self.cgroups)
        self._reserve = Reserve(config.home)
        self._keeper = KeeperLink(config)
        self._log_clerk = LogClerk()
        self._kept_logs = KeptLogs(config)
        self._catalog = Catalog(config, self.store)
        self.host_quota = HostQuota(self.cgroups.quota, self._catalog)
        self.volumes = Volumes(config, self.store, self.journal, Holding(lambda: parts))
        parts = Parts(
            config=config,
            store=self.store,
            journal=self.journal,
            catalog=self._catalog,
            images=lambda: self.images,
            snapshots=Snapshots(config, self.store),
            cgroups=self.cgroups,
            network=self.network,
            volumes=self.volumes,
            runtime=self.runtime,
            keeper=self._keeper,
        )
        self.containers = Containers(parts)
        self.networks = Networks(self.network, self.journal, self._catalog, self.containers)

    # ---- containers

    def container_create(
        self,
        spec: ContainerSpec,
        *,
        access: Access | None = None,
        credentials: Any = None,
        admission: Admission | None = None,
        progress: Any = None,
        cancel: threading.Event | None = None,
    ) -> ContainerRecord:
        """Create it, pulling a missing image with `access`; creating the same again returns what is there.

        `credentials` is short for an access that has nothing else. Raises PermissionDenied for an image without
        `admission`; by default, all have it.
        """
        if access is None and credentials is not None:
            from engine.registry.access import Access

            access = Access(credentials)
        return self.containers.create(spec, access=access, admission=admission, progress=progress, cancel=cancel)

    def container_recreate(self, name: str, spec: ContainerSpec, **wishes: Any) -> ContainerRecord:
        """Make `spec` in the place of a container, with its name and addresses; if that fails, it is as it was.

        `wishes` as of `container_create`, `start` and `request` of a start; see `engine.containers.recreation`.
        """
        return self.containers.recreate(name, spec, **wishes)

    def container_start(
        self,
        name: str,
        request: str = "",
        admission: Admission | None = None,
        cancel: threading.Event | None = None,
    ) -> ContainerRecord:
        """Start it; a running one is left alone. `detail["exit_code"]` is 126 or 127 when its command can't run.

        `request` is the caller's name for what it asks: asked again, it starts nothing a second time. `admission` holds
        from now on, also when the host starts it again; None leaves what was said before. Once `cancel` is set no
        registry is asked any more who has signed the image: Cancelled.
        """
        return self.containers.start(name, request, admission, cancel)

    def container_stop(
        self, name: str, timeout_seconds: float | None = None, signal: str | None = None
    ) -> ContainerRecord:
        """Send the stop signal and, after the grace period (ten seconds), SIGKILL."""
        return self.containers.stop(name, timeout_seconds, signal)

    def container_kill(self, name: str, signal: str = "SIGKILL") -> ContainerRecord:
        return self.containers.kill(name, signal)

    def container_restart(
        self,
        name: str,
        timeout_seconds: float | None = None,
        request: str = "",
        admission: Admission | None = None,
        cancel: threading.Event | None = None,
    ) -> ContainerRecord:
        """Stop it and start it again; the rest as for a start. Once it is stopped, `cancel` does nothing more."""
        return self.containers.restart(name, timeout_seconds, request, admission, cancel)

    def container_pause(self, name: str) -> ContainerRecord:
        return self.containers.pause(name)

    def container_unpause(self, name: str) -> ContainerRecord:
        return self.containers.unpause(name)

    def container_attach(self, name: str, *, ahead: bool = False) -> Attachment:
        """Input for the process of a running container, and its terminal's size; its output is the log from now on.

        With `ahead` it is the next run's, and not a byte of it is missed. Conflict when the container doesn't run or is
        paused, and with `ahead` when it runs. Any number may be attached; `close` detaches.
        """
        return self.containers.attach(name, ahead=ahead)

    def container_remove(
        self, name: str, *, force: bool = False, volumes: bool = False, stop: bool = False, grace: float | None = None
    ) -> None:
        """Remove it with its files (its log may be kept); one that runs is stopped before (`stop`) or killed (`force`).

        `grace`: `container_stop`'s `timeout_seconds`. `volumes`: those without a name go too, if nobody else has them.
        """
        self.containers.remove(name, force=force, volumes=volumes, stop=stop, grace=grace)

    def container_rename(self, name: str, new_name: str) -> ContainerRecord:
        """Call it `new_name`. AlreadyExists when another container is called so."""
        return self.containers.rename(name, new_name)

    def container_update(self, name: str, changes: Mapping[str, Any]) -> ContainerRecord:
        """Change limits, restart policy, labels, ports (`engine.options.changing`; None: no limit), now and for later.

        InvalidArgument or Unsupported with the field's name, Conflict for a port in use; then nothing is changed.
        """
        return self.containers.update(name, changes)

    def container_top(self, name: str, *, tell: bool = False) -> dict[str, Any]:
        """{"at", "processes": [as `engine.containers.processes.Process`]}. Conflict for one that doesn't run.

        `tell`: an event says that somebody has looked, as Docker's do; who looks on and on tells of the first time.
        """
        return self.containers.top(name, tell=tell)

    def container_signal_process(self, name: str, host_pid: int, started_at: float, signal: str = "SIGTERM") -> None:
        """Send a signal to one of its processes, as `container_top` names it. NotFound when that has ended."""
        self.containers.signal_process(name, host_pid, started_at, signal)

    def container_changes(self, name: str) -> dict[str, Any]:
        """{"changes": [as `engine.containers.changes.Change`], "more"}: what differs from its image's files."""
        return self.containers.changes(name)

    def container_path_stat(self, name: str, path: str) -> PathStat:
        """What is at a path in the container. A link itself, unless the path ends with `/` or `/.`."""
        return self.containers.path_stat(name, path)

    def container_copy_out(self, name: str, path: str) -> Transfer:
        """A file or directory as a tar, to be read from `Transfer.stream`; then `wait` and `close`.

        Raises NotFound, PermissionDenied for the kernel's files. What a container does to its files meanwhile shows,
        but no link of its leads out of it.
        """
        return self.containers.copy_out(name, path)

    def container_copy_in(self, name: str, path: str, *, keep_kinds: bool = False, as_user: bool = False) -> Transfer:
        """Unpack a tar (plain, gzip or zstd) into a directory: write it to `Transfer.stream`, `close_stream`, `wait`.

        `keep_kinds`: Conflict instead of a directory in the place of another thing, or the reverse; `as_user`: all
        becomes the container's user's. A container that rests can't be started meanwhile.
        """
        return self.containers.copy_in(name, path, keep_kinds=keep_kinds, as_user=as_user)

    def container_export(self, name: str) -> Transfer:
        """The whole root file system as a tar, without what is mounted into it: as `container_copy_out`."""
        return self.containers.export(name)

    def container_commit(self, name: str, spec: CommitSpec, *, cancel: threading.Event | None = None) -> Image:
        """Make an image of what it has changed and how it runs; a running one stands still meanwhile, if `spec.pause`.

        The same `created_at` and reference again give what is there. Raises InvalidArgument for wrong changes.
        """
        return self.containers.commit(name, spec, cancel=cancel)

    def container_get(self, name: str) -> ContainerRecord:
        return self.containers.get(name)

    def container_list(self) -> list[ContainerRecord]:
        return self.containers.list()

    def container_logs(self, name: str) -> LogReader:
        """The log of all its runs."""
        return LogReader(self._log_directory(name))

    def log_watcher(self) -> LogWatcher | None:
        """What tells of logs that grow, for a loop that follows many; None where the kernel has none to give."""
        return LogWatcher.made()

    def _log_directory(self, name: str) -> Path:
        """A container's, or the one that was kept of a container with this id."""
        try:
            return self._catalog.directory(self._catalog.resolve(name)) / "log"
        except NotFound:
            kept = self._kept_logs.find(name)
            if kept is None:
                raise
            return kept

    def keep_logs(self, seconds: float, max_bytes: int) -> None:
        """From now on keep the logs of removed containers for so long, and so many bytes of them; 0 s: not at all."""
        self._kept_logs.set_retention(Retention(seconds, max_bytes))

    def tidy_kept_logs(self) -> list[str]:
        """Delete what was kept long enough, or is too much; `log.removed` tells of each. The ids of those."""
        return self._kept_logs.tidy(self._forget_log)

    def _forget_log(self, container_id: str) -> None:
        with self.store.transaction():
            self.journal.append(LOG_REMOVED, container_id, {})

    def container_log_ask(self, name: str, kind: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for a part of a long log (`engine.logs.answers`): an outline, lines, a search, a histogram, a moment."""
        return self._log_clerk.ask(self._log_directory(name), kind, parameters)

    def container_wait(self, name: str, timeout_seconds: float | None = None) -> ContainerRecord | None:
        """Wait until it neither runs nor waits for a restart; None when the time is over first."""
        return self.containers.wait(name, timeout_seconds)

    def make_durable(self, container_ids: Iterable[str]) -> None:
        """Return when all that is recorded of these containers, and every event so far, is on the disk.

        Before that a power cut may take back what a verb has done. Raises OSError when the disk doesn't take it.
        """
        self.containers.make_durable(container_ids)

    # ---- images

    @cached_property
    def images(self) -> Images:
        """Pull, look up, remove. Loaded when it is asked for: the keeper's hands, started for one death, never ask."""
        from engine.images.service import Images

        return Images(self.config, self.store, self.journal, self.containers.uses)

    def image_remove(self, name: str, force: bool = False) -> tuple[list[str], list[str]]:
        """Untag or delete by Docker's rules; (untagged references, deleted ids). Raises `Conflict`."""
        removed = self.images.remove(name, force=force, uses=self.containers.using_images())
        return list(removed.untagged), list(removed.deleted)

    def image_prune(
        self,
        *,
        all: bool = False,
        until: datetime.datetime | None = None,
        labels: Sequence[str] = (),
        not_labels: Sequence[str] = (),
    ) -> PruneReport:
        """Delete images without a tag, or with `all` every one that no container uses.

        `until`: only those made before; `labels`, `not_labels`: NAME or NAME=VALUE that they must have all of, or must
        not have all of.
        """
        from engine.images.removing import PruneRules

        rules = PruneRules(all=all, until=until, labels=tuple(labels), not_labels=tuple(not_labels))
        return self.images.prune(rules, uses=self.containers.using_images())

    # ---- builds

    @cached_property
    def builder(self) -> Builder:
        """Images out of Dockerfiles. Loaded when it is asked for, as images are."""
        from engine.build.builder import Builder
        from engine.build.builder import Parts as BuildParts

        return Builder(BuildParts(self.config, self.store, self.journal, self.images, self.network))

    # ---- the host

    def inventory(self) -> dict[str, Any]:
        """Everything there is, as events tell it. Read and append it in one `store.transaction()`, lest it be old."""
        return {
            "containers": [record.as_state() for record in self.container_list()],
            "images": [image.as_state() for image in self.images.list()],
            "volumes": [volume.as_state() for volume in self.volumes.list()],
            "networks": [lan.as_state() for lan in self.networks.all()],
        }

    def disk_usage(self) -> DiskUsage:
        """What images, containers, logs and the build cache take on the disk. It looks at every file of containers."""
        from engine.disk_usage import measure

        images, records = self.images.disk_usage(), self.container_list()
        snapshots, config = Snapshots(self.config, self.store), self.config
        cache = self.builder.disk_usage().bytes
        return measure(images, records, snapshots, config.containers, config.kept_logs, build_cache_bytes=cache)

    def limit_host(self, memory_bytes: int | None, cpus: float | None, pids: int | None) -> None:
        """What all containers and builds may have together from now on; None lifts it. Raises as `HostQuota.set`."""
        self.host_quota.set(HostLimits(memory_bytes=memory_bytes, cpus=cpus, pids=pids))

    def host_facts(self) -> HostFacts:
        """What this host is; cheap enough for a heartbeat."""
        running = sum(record.pid is not None for record in self.container_list())
        return host_facts(self.config, self.cgroups, running, self.runtime.installed.facts())

    def reconcile(self) -> list[str]:
        """At start: finish or undo whatever a crash left half done. Returns what was done, a line each."""
        done = self.with_room(self.builder.recover)  # before the directories go that its commands still write to
        self.images.recover()
        try:
            self.network.ensure()
        except (Conflict, ResourceExhausted) as error:  # another network took ours: starts fail, all else works
            done.append(f"containers can't be started: {error.message}")
        done += self.with_room(lambda: self.containers.recover(self.builder.runs))
        done += self.host_quota.recover()
        self.ensure_helpers()
        return done

    def with_room(self, work: Callable[[], T]) -> T:
        """Do what frees room, or what has to be done before: on a full disk with the home's reserve (`Reserve`)."""
        return self._reserve.with_room(work)

    def ensure_helpers(self) -> None:
        """Start launcher and keeper if they are not there, and see to the reserve. Cheap when all is well."""
        self._reserve.tend()
        self.runtime.ensure_launcher()
        self._keeper.ensure()

    def stop_launcher(self) -> None:
        """Containers live on; the launcher is started again by the next start."""
        self.runtime.stop_launcher()

    @cached_property
    def _sampler(self) -> Sampler:
        from engine.stats.sampler import Sampler

        return Sampler(self.config, self.cgroups)

    def sample(self) -> tuple[HostSample, dict[str, ContainerSample]]:
        """Figures of the host and of every running container, by id."""
        running = {record.id: record.pid for record in self.container_list() if record.pid is not None}
        return self._sampler.host(), self._sampler.sample(running)
