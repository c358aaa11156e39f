"""The loop's side of the resolver of names: start it again when it was killed. It finds all its work by itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from engine.config import EngineConfig
from engine.network.dns import link

if TYPE_CHECKING:
    import subprocess

log = logging.getLogger(__name__)


class Resolver:
    """`look` is cheap, and waits for nothing."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._starting: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        if self._starting is not None and self._starting.poll() is None:
            return
        self._starting = None
        if link.needs_reviving(self._config):
            log.warning("the resolver was killed; starting it again")
            try:
                self._starting = link.begin(self._config)
            except OSError as error:
                log.warning("the resolver could not be started: %s", error)
