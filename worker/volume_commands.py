"""From the contract's commands about volumes to calls of the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from worker.context import Context
from worker.contract import commands as c
from worker.contract import volumes as v
from worker.contract.wire import to_wire


def _create_volume(command: c.CreateVolume, context: Context) -> dict[str, Any]:
    from engine.volumes.volume import VolumeSpec

    spec = VolumeSpec(name=command.name, driver=command.driver, driver_opts=command.driver_opts, labels=command.labels)
    return {"name": context.engine.volumes.create(spec).name}


def _remove_volume(command: c.RemoveVolume, context: Context) -> dict[str, Any]:
    context.engine.volumes.remove(command.name, force=command.force or context.attempt > 1)
    return {}


def _prune_volumes(command: c.PruneVolumes, context: Context) -> dict[str, Any]:
    from engine.volumes.service import PruneRules

    found: dict[str, Any] = to_wire(context.engine.volumes.prune(PruneRules(all=command.all, labels=command.labels)))
    return found


def _measure(command: v.MeasureVolume, context: Context) -> dict[str, Any]:
    volume = context.engine.volumes.measure(command.name)
    return {"size_bytes": volume.size_bytes, "files": volume.files}


def _limit(command: v.LimitVolume, context: Context) -> dict[str, Any]:
    volume = context.engine.volumes.limit(command.name, command.limit_bytes)
    return {"limit_bytes": volume.limit_bytes, "quota": volume.quota, "is_over": volume.is_over}


FUNCTIONS: dict[type, Callable[[Any, Context], dict[str, Any]]] = {
    c.CreateVolume: _create_volume,
    c.RemoveVolume: _remove_volume,
    c.PruneVolumes: _prune_volumes,
    v.MeasureVolume: _measure,
    v.LimitVolume: _limit,
}
