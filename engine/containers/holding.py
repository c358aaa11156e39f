"""What volumes ask of containers (`engine.volumes.holders.Holders`): who runs, who writes, stand still, stop."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.containers import starting, states, stopping
from engine.errors import Conflict, EngineError, NotFound
from engine.options.mounts import VOLUME

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.containers.record import ContainerRecord


log = logging.getLogger(__name__)


class Holding:
    """`parts`: asked for when they are needed; they hold the volumes themselves."""

    def __init__(self, parts: Callable[[], Parts]) -> None:
        self._parts = parts

    def names(self) -> Mapping[str, str]:
        return self._parts().catalog.names()

    def running(self, container_ids: Sequence[str]) -> Sequence[str]:
        return [record.id for record in self._alive(container_ids)]

    def writers(self, volume: str, container_ids: Sequence[str]) -> Sequence[str]:
        return [
            record.id
            for record in self._alive(container_ids)
            if any(mount.type == VOLUME and mount.name == volume and not mount.read_only for mount in record.mounts)
        ]

    @contextlib.contextmanager
    def still(self, container_ids: Sequence[str]) -> Iterator[None]:
        """A death in here leaves them frozen until the next recovery, which lets them go on."""
        parts = self._parts()
        with contextlib.ExitStack() as stack:
            for container_id in sorted(container_ids):  # in one order, lest two wait for one another
                with contextlib.suppress(NotFound):
                    stack.enter_context(parts.catalog.locked(container_id))
                    if parts.catalog.get(container_id).status == states.RUNNING:
                        parts.cgroups.freeze(container_id)
                        stack.callback(parts.cgroups.thaw, container_id)
            yield

    def stop(self, container_ids: Sequence[str]) -> None:
        for container_id in container_ids:
            with contextlib.suppress(NotFound, Conflict):  # it has just ended
                stopping.stop(self._parts(), container_id)

    def start(self, container_ids: Sequence[str]) -> None:
        for container_id in container_ids:
            try:
                starting.start(self._parts(), container_id)
            except EngineError as error:
                log.warning("container %s can't be started again: %s", container_id[:12], error)

    def _alive(self, container_ids: Sequence[str]) -> Iterator[ContainerRecord]:
        for container_id in container_ids:
            with contextlib.suppress(EngineError):
                record = self._parts().catalog.get(container_id)
                if record.status in states.ALIVE:
                    yield record
