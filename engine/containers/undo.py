"""Take back the steps that were done when a later one fails, the last first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any

log = logging.getLogger(__name__)


class Undo:
    """A `with` block whose `add`ed steps run only when the block raises.

        with Undo() as undo:
            cgroups.create(id)
            undo.add(cgroups.remove, id)

    A step that fails itself is logged and doesn't keep the others from running: what it leaves is found at the
    next reconcile. The error of the block is what the caller sees.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def add(self, step: Callable[..., object], *arguments: Any) -> None:
        self._steps.append((step, arguments))

    def __enter__(self) -> Undo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        while self._steps:
            step, arguments = self._steps.pop()
            try:
                step(*arguments)
            except Exception:
                log.exception("could not take back %s%r", getattr(step, "__qualname__", step), arguments)
