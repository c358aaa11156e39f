"""From the contract's commands about volumes to calls of the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import NotFound
from worker.context import Context
from worker.contract import commands as c
from worker.contract import volumes as v
from worker.contract.events import ProgressItem
from worker.contract.secrets import BackupSecrets
from worker.contract.wire import from_wire, to_wire


def _create_volume(command: c.CreateVolume, context: Context) -> dict[str, Any]:
    from engine.volumes.volume import VolumeSpec

    spec = VolumeSpec(
        name=command.name,
        driver=command.driver,
        driver_opts=command.driver_opts,
        labels=command.labels,
        is_anonymous=command.is_anonymous,
    )
    return {"name": context.engine.volumes.create(spec).name}


def _remove_volume(command: c.RemoveVolume, context: Context) -> dict[str, Any]:
    context.engine.volumes.remove(command.name, force=command.force or context.attempt > 1)
    return {}


def _prune_volumes(command: c.PruneVolumes, context: Context) -> dict[str, Any]:
    from engine.volumes.service import PruneRules

    rules = PruneRules(all=command.all, labels=command.labels, not_labels=command.not_labels)
    found: dict[str, Any] = to_wire(context.engine.volumes.prune(rules))
    return found


def _measure(command: v.MeasureVolume, context: Context) -> dict[str, Any]:
    volume = context.engine.volumes.measure(command.name)
    return {"size_bytes": volume.size_bytes, "files": volume.files}


def _limit(command: v.LimitVolume, context: Context) -> dict[str, Any]:
    volume = context.engine.volumes.limit(command.name, command.limit_bytes)
    return {"limit_bytes": volume.limit_bytes, "quota": volume.quota, "is_over": volume.is_over}


def _rename(command: v.RenameVolume, context: Context) -> dict[str, Any]:
    copies = context.engine.volumes.copies
    if not _is_done(context, command.new_name):
        copies.rename(command.name, command.new_name, by=context.job_id)
    return {"name": command.new_name}


def _clone(command: v.CloneVolume, context: Context) -> dict[str, Any]:
    volumes = context.engine.volumes
    if not _is_done(context, command.new_name):
        volumes.copies.clone(
            command.name, command.new_name, command.labels, pause=command.pause, by=context.job_id, **_told(context)
        )
    return {"name": command.new_name, "size_bytes": volumes.get(command.new_name).size_bytes}


def _snapshot(command: v.SnapshotVolume, context: Context) -> dict[str, Any]:
    copies = context.engine.volumes.copies
    if not _is_done(context, command.name, command.snapshot):
        copies.snapshot(command.name, command.snapshot, pause=command.pause, by=context.job_id, **_told(context))
    return {"name": command.name, "snapshot": command.snapshot}


def _is_done(context: Context, name: str, snapshot: str = "") -> bool:
    """By an earlier worker, which died before it could say so: not by somebody else who chose the same name."""
    return context.attempt > 1 and bool(context.engine.volumes.copies.was_done(context.job_id, name, snapshot))


def _revert(command: v.RevertVolume, context: Context) -> dict[str, Any]:
    context.engine.volumes.copies.revert(command.name, command.snapshot, stop=command.stop, **_told(context))
    return {"name": command.name, "snapshot": command.snapshot}


def _remove_snapshot(command: v.RemoveSnapshot, context: Context) -> dict[str, Any]:
    try:
        context.engine.volumes.copies.remove_snapshot(command.name, command.snapshot)
    except NotFound:
        if context.attempt == 1:
            raise
    return {}


def _backup(command: v.BackupVolume, context: Context) -> dict[str, Any]:
    written = context.engine.volumes.backups.write(
        command.name, _place(command.place, context), command.key, pause=command.pause, **_told_bytes(context)
    )
    found: dict[str, Any] = to_wire(written)
    return found


def _restore(command: v.RestoreVolume, context: Context) -> dict[str, Any]:
    volume = context.engine.volumes.backups.restore(
        command.name, _place(command.place, context), command.key, digest=command.digest, stop=command.stop,
        **_told_bytes(context),
    )  # fmt: skip
    return {"name": volume.name, "size_bytes": volume.size_bytes}


def _remove_backups(command: v.RemoveBackups, context: Context) -> dict[str, Any]:
    context.engine.volumes.backups.remove(_place(command.place, context), command.keys)
    return {"removed": list(command.keys)}


def _try_place(command: v.TryPlace, context: Context) -> dict[str, Any]:
    context.engine.volumes.backups.try_place(_place(command.place, context))
    return {}


def _place(place: v.BackupPlace, context: Context) -> Any:
    """The engine's form, with the keys that came beside the command."""
    from engine.volumes.backups.place import PlaceSpec

    keys = from_wire(BackupSecrets, context.secrets or {})
    return PlaceSpec(**to_wire(place), access_key=keys.access_key, secret_key=keys.secret_key)


def _told_bytes(context: Context) -> dict[str, Any]:
    def progress(done_bytes: int) -> None:
        context.progress("copying", (ProgressItem(id="files", status="copying", done_bytes=done_bytes),))

    return {"progress": progress, "cancel": context.cancel}


def _told(context: Context) -> dict[str, Any]:
    """Progress as a line of the job's, and its cancellation."""

    def progress(entries: int, done_bytes: int) -> None:
        line = ProgressItem(id=f"{entries} files", status="copying", done_bytes=done_bytes)
        context.progress("copying", (line,))

    return {"progress": progress, "cancel": context.cancel}


FUNCTIONS: dict[type, Callable[[Any, Context], dict[str, Any]]] = {
    c.CreateVolume: _create_volume,
    c.RemoveVolume: _remove_volume,
    c.PruneVolumes: _prune_volumes,
    v.MeasureVolume: _measure,
    v.LimitVolume: _limit,
    v.RenameVolume: _rename,
    v.CloneVolume: _clone,
    v.SnapshotVolume: _snapshot,
    v.RevertVolume: _revert,
    v.RemoveSnapshot: _remove_snapshot,
    v.BackupVolume: _backup,
    v.RestoreVolume: _restore,
    v.RemoveBackups: _remove_backups,
    v.TryPlace: _try_place,
}
