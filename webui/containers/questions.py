"""What a host is asked about a container, and answers at once: its processes, its changed files."""

from __future__ import annotations

import json
import uuid
from typing import Any

from engine.errors import Unavailable
from webui.containers.log_stream import read_stream
from webui.containers.models import Container
from worker.contract import frames

TOP, CHANGES = "top", "changes"


def ask(container: Container, question: str) -> Any:
    """The host's answer, as JSON decodes it.

    Raises Unavailable when the host or the broker is away, and what the host answers. Rights are the caller's matter.
    """
    message = frames.OpenStream(stream_id=uuid.uuid4().hex, source=question, container_id=container.pk, follow=False)
    data = b"".join(frame.data for frame in read_stream(container, message) if frame.kind == frames.DATA)
    try:
        return json.loads(data)
    except ValueError as error:
        raise Unavailable("the host's answer can't be read: see that site and worker are of one version") from error
