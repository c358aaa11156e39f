"""The loop's side of memory limits: the kernel rings when it kills for one, and the hands tell of it while all goes on.

What kills the container itself is told by its reaper, with the end.
"""

from __future__ import annotations

import logging
import os
import select
from collections.abc import Callable
from functools import partial

from engine.cgroups import Cgroups
from engine.cgroups.oom import Alarm, alarm
from engine.config import EngineConfig
from engine.keeper.dispatch import Hands
from engine.keeper.watched import RUNNING, Watched

log = logging.getLogger(__name__)

OOM = "oom"
LOOKS_SECONDS = (0.0, 0.1, 1.0)
"""Version 1 rings before it kills, so what was counted is looked at some times more."""


class MemoryAlarms:
    def __init__(
        self,
        config: EngineConfig,
        hands: Hands,
        register: Callable[[int, Callable[[int], None], int], None],
        unregister: Callable[[int], None],
        after: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self._config, self._hands = config, hands
        self._register, self._unregister, self._after = register, unregister, after
        self._groups: Cgroups | None = None
        self._alarms: dict[str, Alarm] = {}

    def begin(self, watched: Watched) -> None:
        """Whenever a run is taken up."""
        self.end(watched)
        try:
            self._groups = self._groups or Cgroups(self._config)
            found = alarm(self._groups.directories(watched.id)["memory"], v2=self._groups.version == "v2")
        except (OSError, KeyError) as error:  # its end tells of it nevertheless
            log.warning("nobody rings when container %s is out of memory: %s", watched.id[:12], error)
            return
        self._alarms[watched.id] = found
        self._register(found.descriptor, partial(self._rings, watched, watched.run), found.events)

    def end(self, watched: Watched) -> None:
        """Its process has ended, or nobody looks after it any more."""
        found = self._alarms.pop(watched.id, None)
        if found is not None:
            self._unregister(found.descriptor)
            os.close(found.descriptor)

    def _rings(self, watched: Watched, run: int, _: int) -> None:
        self._alarms[watched.id].hush()
        for seconds in LOOKS_SECONDS:
            self._after(seconds, partial(self._look, watched, run))

    def _look(self, watched: Watched, run: int) -> None:
        """The end of a group rings too, and is the reaper's."""
        if watched.run == run and watched.phase == RUNNING and not _has_ended(watched):
            self._hands.ask(OOM, watched.id, run)


def _has_ended(watched: Watched) -> bool:
    if watched.pidfd is None:
        return True
    poll = select.poll()
    poll.register(watched.pidfd, select.POLLIN)
    return bool(poll.poll(0))
