"""The containers of one host: each verb of a container's life, by id."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from engine.archives.request import PathStat
from engine.archives.transfer import Transfer
from engine.containers import (
    archiving,
    attaching,
    changes,
    checks,
    committing,
    creation,
    events,
    execs,
    joining,
    memory,
    reaping,
    recovery,
    recreation,
    removal,
    renaming,
    starting,
    states,
    stopping,
    updating,
)
from engine.containers.attaching import Attachment
from engine.containers.committing import CommitSpec
from engine.containers.durability import Durability
from engine.containers.parts import ExitStatus, Image, Parts, Progress
from engine.containers.processes import Processes
from engine.containers.record import ContainerRecord
from engine.containers.spec import ID, ContainerSpec
from engine.containers.troubles import freeing, told
from engine.errors import NotFound
from engine.images.uses import Use
from engine.oci import signals
from engine.options.admission import Admission
from engine.options.networks import Joining
from engine.runtime.execs import Exec, ExecSpec, Stdio


class Containers:
    """Thin: every verb is a module of its own. `parts` is the engine that it works on.

    Every verb takes an id, a name or a unique beginning of an id, and raises `NotFound` for none.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._processes = Processes(parts)
        self._durability = Durability(parts)

    @told
    def create(
        self,
        spec: ContainerSpec,
        *,
        access: Any = None,
        admission: Admission | None = None,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> ContainerRecord:
        return creation.create(self._parts, spec, access=access, admission=admission, progress=progress, cancel=cancel)

    @told
    def recreate(
        self,
        name: str,
        spec: ContainerSpec,
        *,
        start: bool = True,
        renew_volumes: bool = False,
        request: str = "",
        access: Any = None,
        admission: Admission | None = None,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> ContainerRecord:
        """See `recreation.recreate`. One that is gone is found by its id alone: it may have been recreated."""
        try:
            name = self._id(name)
        except NotFound:
            if not ID.fullmatch(name):
                raise
        return recreation.recreate(
            self._parts, name, spec, start=start, renew_volumes=renew_volumes, request=request,
            access=access, admission=admission, progress=progress, cancel=cancel,
        )  # fmt: skip

    @told
    def start(
        self,
        name: str,
        request: str = "",
        admission: Admission | None = None,
        cancel: threading.Event | None = None,
    ) -> ContainerRecord:
        return starting.start(self._parts, self._id(name), request, admission=admission, cancel=cancel)

    @told
    @freeing
    def stop(self, name: str, timeout_seconds: float | None = None, signal_name: str | None = None) -> ContainerRecord:
        """See `stopping.stop`. One that was made with `auto_remove` is gone afterwards, if nobody reads it still."""
        ended = stopping.stop(self._parts, self._id(name), timeout_seconds, signal_name)
        return removal.follow_end(self._parts, ended)

    @told
    @freeing
    def kill(self, name: str, signal_name: str = "SIGKILL") -> ContainerRecord:
        """See `stopping.kill`. One that SIGKILL has ended is gone afterwards, as after a stop."""
        return removal.follow_end(self._parts, stopping.kill(self._parts, self._id(name), signal_name))

    @told
    def restart(
        self,
        name: str,
        timeout_seconds: float | None = None,
        request: str = "",
        admission: Admission | None = None,
        cancel: threading.Event | None = None,
    ) -> ContainerRecord:
        """Stop what runs, then start; a container that doesn't run is just started. The rest as for `start`.

        What may not start again is not stopped, and what was stopped is started: `cancel` holds until then.
        """
        container_id = self._id(name)
        record = self._parts.catalog.get(container_id)
        if starting.is_done(record, request):
            return record
        states.require("restart", record.status, record.name)
        starting.admit(self._parts, container_id, admission, cancel)
        stopping.stop(self._parts, container_id, timeout_seconds)
        return starting.start(self._parts, container_id, request, again=True, admission=admission)

    @told
    def pause(self, name: str) -> ContainerRecord:
        return stopping.pause(self._parts, self._id(name))

    @told
    def unpause(self, name: str) -> ContainerRecord:
        return stopping.unpause(self._parts, self._id(name))

    @told
    def exec(self, name: str, spec: ExecSpec, stdio: Stdio) -> Exec:
        return execs.start(self._parts, self._id(name), spec, stdio)

    def exec_status(self, name: str, exec_id: str) -> ExitStatus | None:
        return execs.status(self._parts, self._id(name), exec_id)

    def exec_wait(
        self, name: str, exec_id: str, timeout_seconds: float | None = None, *, is_told: bool = True
    ) -> ExitStatus | None:
        return execs.wait(self._parts, self._id(name), exec_id, timeout_seconds, is_told=is_told)

    def exec_signal(self, name: str, exec_id: str, signal_name: str) -> None:
        execs.signal(self._parts, self._id(name), exec_id, signals.parse(signal_name))

    @told
    def exec_kill(self, name: str, exec_id: str) -> None:
        execs.kill(self._parts, self._id(name), exec_id)

    @told
    def execs_running(self, name: str) -> list[dict[str, Any]]:
        return execs.running(self._parts, self._id(name))

    def exec_remove(self, name: str, exec_id: str) -> None:
        execs.remove(self._parts, self._id(name), exec_id)

    @told
    def attach(self, name: str, *, ahead: bool = False) -> Attachment:
        return attaching.attach(self._parts, self._id(name), ahead=ahead)

    @told
    @freeing
    def remove(
        self,
        name: str,
        *,
        force: bool = False,
        volumes: bool = False,
        stop: bool = False,
        grace: float | None = None,
    ) -> None:
        removal.remove(self._parts, self._id(name), force=force, volumes=volumes, stop=stop, grace=grace)

    @told
    @freeing
    def remove_ended(self, container_id: str) -> None:
        """What `auto_remove` asks for. Raises `Busy` while somebody is attached who may not have read all."""
        removal.remove_ended(self._parts, container_id)

    def rename(self, name: str, new_name: str) -> ContainerRecord:
        return renaming.rename(self._parts, self._id(name), new_name)

    @told
    def update(self, name: str, changes: Mapping[str, Any]) -> ContainerRecord:
        return updating.update(self._parts, self._id(name), changes)

    @told
    def connect(self, name: str, wish: Joining) -> ContainerRecord:
        return joining.connect(self._parts, self._id(name), wish)

    @told
    def connect_default(self, name: str) -> ContainerRecord:
        return joining.connect_default(self._parts, self._id(name))

    @told
    def disconnect_default(self, name: str) -> ContainerRecord:
        return joining.disconnect_default(self._parts, self._id(name))

    @told
    def disconnect(self, name: str, network: str, called: str = "") -> ContainerRecord:
        return joining.disconnect(self._parts, self._id(name), network, called)

    def rest_on_networks(self, container_id: str) -> None:
        """See `joining.rest`."""
        joining.rest(self._parts, container_id)

    def follow_networks(self, container_id: str) -> None:
        """See `joining.follow`."""
        joining.follow(self._parts, container_id)

    def top(self, name: str, *, tell: bool = False) -> dict[str, Any]:
        found = self._processes.top(self._id(name))
        if tell:
            self._tell(name, "top")
        return found

    def signal_process(self, name: str, host_pid: int, started_at: float, signal_name: str) -> None:
        self._processes.signal(self._id(name), host_pid, started_at, signals.parse(signal_name))

    def changes(self, name: str) -> dict[str, Any]:
        return changes.changes(self._parts, self._id(name))

    def path_stat(self, name: str, path: str) -> PathStat:
        return archiving.path_stat(self._parts, self._id(name), path)

    def copy_out(self, name: str, path: str) -> Transfer:
        return self._told_of(archiving.copy_out(self._parts, self._id(name), path), name, "archive-path", path=path)

    def copy_in(self, name: str, path: str, *, keep_kinds: bool = False, as_user: bool = False) -> Transfer:
        transfer = archiving.copy_in(self._parts, self._id(name), path, keep_kinds=keep_kinds, as_user=as_user)
        return self._told_of(transfer, name, "extract-to-dir", path=path)

    def export(self, name: str) -> Transfer:
        return self._told_of(archiving.export(self._parts, self._id(name)), name, "export")

    def commit(self, name: str, spec: CommitSpec, *, cancel: threading.Event | None = None) -> Image:
        return committing.commit(self._parts, self._id(name), spec, cancel=cancel)

    def get(self, name: str) -> ContainerRecord:
        return self._parts.catalog.get(self._id(name))

    def wait(self, name: str, timeout_seconds: float | None = None) -> ContainerRecord | None:
        return stopping.wait(self._parts, self._id(name), timeout_seconds)

    @freeing
    def reap(self, container_id: str, run: int, *, wait: bool = True) -> ContainerRecord:
        return reaping.reap(self._parts, container_id, run, wait=wait)

    def restart_by_policy(self, container_id: str, run: int) -> ContainerRecord:
        return starting.restart_by_policy(self._parts, container_id, run)

    def check(self, container_id: str, run: int) -> checks.Turn:
        """Do the health check of a run, if it is due, and say what follows."""
        return checks.check(self._parts, container_id, run)

    def restart_unhealthy(self, container_id: str, run: int) -> None:
        """End a run that is unhealthy, so that its reaper starts the next one."""
        checks.restart_unhealthy(self._parts, container_id, run)

    def tell_oom(self, container_id: str, run: int) -> None:
        """Tell of what the kernel has killed for the memory limit of a run that goes on."""
        memory.look(self._parts, container_id, run)

    def forget_mark(self, container_id: str) -> None:
        """Nothing is left of this container: the keeper needs no mark of it."""
        if not self._parts.catalog.directory(container_id).exists():
            self._parts.catalog.unmark_live(container_id)

    def make_durable(self, container_ids: Iterable[str]) -> None:
        self._durability.make_durable(container_ids)

    def make_ahead(self) -> None:
        """From now on have ready what creates begin with; for a process that lives long, once it has recovered."""
        parts = self._parts
        parts.catalog.spares.keep_up(lambda: parts.snapshots.make_ahead(changes.MARK))

    def recover(self, others: Callable[[], Collection[str]] = tuple) -> list[str]:
        return recovery.recover(self._parts, others)

    def using_images(self) -> Callable[[str], list[Use]]:
        """Tells the containers of an image id, also those that mount it, as they are when it is asked first."""
        known: dict[str, list[Use]] | None = None

        def using(image_id: str) -> list[Use]:
            nonlocal known
            if known is None:
                known = {}
                for record in self._parts.catalog.list():
                    for used, _ in record.images:
                        known.setdefault(used, []).append(_use(record))
            return known.get(image_id, [])

        return using

    def uses(self) -> dict[str, Use]:
        """Every container by its id."""
        return {record.id: _use(record) for record in self._parts.catalog.list()}

    def _tell(self, name: str, action: str, **attributes: Any) -> None:
        """What was done and changed no state, in Docker's words."""
        events.news(self._parts.journal, action, self.get(name), **attributes)

    def _told_of(self, transfer: Transfer, name: str, action: str, **attributes: Any) -> Transfer:
        """Tell before a byte is moved: who dies in between has moved none, and its child ends with it."""
        try:
            self._tell(name, action, **attributes)
        except BaseException:
            transfer.close()
            raise
        return transfer

    def _id(self, name: str) -> str:
        return self._parts.catalog.resolve(name)

    def list(self) -> list[ContainerRecord]:
        return self._parts.catalog.list()


def _use(record: ContainerRecord) -> Use:
    return Use(record.name, record.status in states.ALIVE or record.status == states.RESTARTING)
