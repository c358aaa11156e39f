"""`/ws/containers/{id}/attach/`: the process that a container runs, with its streams.

    ► {"type": "open", "logs": 100, "stdin": true, "rows": 24, "columns": 80}

With "ahead": true it is attached to the next run of a container that does not run:

    ◄ {"type": "attached", "run": 1, "tty": true}      now it can be started, and not a byte will be missed

`logs`: so many last lines of the log come first; the size is the terminal's, if the container has one. All else is as
in exec.py. {"type": "eof"} ends the input of a container with stdin_once; "close" leaves it running.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.containers.exec_request import attach_parameters
from webui.streams.session import SessionSocket
from worker.contract.wire import to_wire


class AttachSocket(SessionSocket):
    source = "attach"

    @staticmethod
    def parameters(wish: Mapping[str, Any]) -> dict[str, Any]:
        return dict(to_wire(attach_parameters(wish)))
