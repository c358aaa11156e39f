"""`/ws/containers/{id}/exec/`: a process in a running container, with its streams, from a page or a program.

    ► {"type": "open", "command": ["sh"], "tty": true, "rows": 24, "columns": 80, "user", "workdir", "env"}
      or, after a broken connection,
    ► {"type": "join", "session": "…", "taken": bytes of output seen, "sent": bytes of input confirmed}
    ◄ {"type": "opened", "session": "…"}      with "recording": its id, if what is shown is recorded: because of
      "record": true in `open`, or since the team wants it of all
    ◄ binary: channel (1 byte: 1 stdout, 2 stderr), cursor after it (8 bytes, big-endian), bytes
    ► binary: bytes for stdin, at most 256 KiB ahead of `confirmed`: what is behind more than that is not read
    ► {"type": "eof"}                                no more input
    ► {"type": "taken", "bytes": N}                  output that has been shown; what is ahead of it waits at the host
    ◄ {"type": "confirmed", "bytes": N}              input that the process was given: not to be sent again
    ► {"type": "resize", "rows": N, "columns": N}    ► {"type": "close"}     end it now
    ► {"type": "leave"}                              let it run on without anybody: what it says is dropped
    ◄ {"type": "end", "exit_code": 0}                ◄ {"type": "error", "error": {"family", "message"}}

A connection that just breaks leaves the session at its host for a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.containers.exec_request import exec_parameters
from webui.containers.policing import exec_policed
from webui.streams.session import SessionSocket
from worker.contract.wire import to_wire


class ExecSocket(SessionSocket):
    source = "exec"
    can_be_left = True

    @staticmethod
    def parameters(wish: Mapping[str, Any]) -> dict[str, Any]:
        return dict(to_wire(exec_parameters(wish)))

    def allow(self, parameters: Mapping[str, Any]) -> None:
        exec_policed(self.user, self.container, privileged=bool(parameters.get("privileged")))
