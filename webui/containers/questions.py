"""What a host is asked about a container, and answers at once: its processes, its changed files."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from engine.errors import Unavailable
from webui.containers.log_stream import read_stream
from webui.containers.models import Container, RemovedContainer
from worker.contract import frames

TOP, CHANGES = "top", "changes"
LOG_OUTLINE, LOG_LINES, LOG_SEARCH, LOG_HISTOGRAM, LOG_SEEK = (
    "log.outline", "log.lines", "log.search", "log.histogram", "log.seek",
)  # fmt: skip


def ask(container: Container | RemovedContainer, question: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """The host's answer, as JSON decodes it.

    Raises Unavailable when the host or the broker is away, and what the host answers. Rights are the caller's matter.
    """
    message = frames.OpenStream(
        stream_id=uuid.uuid4().hex,
        source=question,
        container_id=container.pk,
        follow=False,
        parameters=parameters or {},
    )
    data = b"".join(frame.data for frame in read_stream(container, message) if frame.kind == frames.DATA)
    try:
        return json.loads(data)
    except ValueError as error:
        raise Unavailable("the host's answer can't be read: see that site and worker are of one version") from error
