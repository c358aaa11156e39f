"""What the site wants all containers and builds of this host to have together: handed on, and seen to."""

from __future__ import annotations

import logging
from typing import Any

from engine.errors import EngineError
from worker.contract.frames import HostSettings

logger = logging.getLogger(__name__)

TEND_SECONDS = 10.0
"""How long it may take until a limit that the kernel has refused, or somebody has changed by hand, is set again."""


class HostLimiter:
    """Trouble is told once when it begins, and once when it is over."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._trouble: tuple[str, object] | None = None

    def take(self, message: HostSettings) -> None:
        """At once. What can't be now is tried again by `tend`."""
        try:
            self._engine.limit_host(message.memory_bytes, message.cpus, message.pids)
        except EngineError as error:
            self._told(error)
        else:
            self._told(None)

    def tend(self) -> None:
        """To be called every `TEND_SECONDS`."""
        try:
            self._engine.host_quota.tend()
        except EngineError as error:
            self._told(error)
        else:
            self._told(None)

    def _told(self, error: EngineError | None) -> None:
        trouble = None if error is None else (type(error).__name__, error.detail.get("field"))
        if trouble == self._trouble:
            return
        if error is None:
            logger.info("the host's limits hold now")
        else:
            logger.warning("the host's limits: %s", error.message)
        self._trouble = trouble
