"""What a host is asked about a container, and answers at once: its processes, its changed files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.containers.models import Container, RemovedContainer
from webui.links import stream

TOP, CHANGES, EXECS = "top", "changes", "execs"
TELL = {"tell": True}
"""Parameters of `TOP`: an event says that somebody has looked."""
LOG_OUTLINE, LOG_LINES, LOG_SEARCH, LOG_HISTOGRAM, LOG_SEEK = (
    "log.outline", "log.lines", "log.search", "log.histogram", "log.seek",
)  # fmt: skip


def ask(container: Container | RemovedContainer, question: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """The answer of the container's host, as `links.stream.ask`."""
    return stream.ask(container.host, question, container.pk, parameters)
