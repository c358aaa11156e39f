"""TLS of which one direction may end before the other, as docker's client has it when its input is over.

The event loops' own TLS hangs up as soon as the client says that it sends no more, whatever is still to be told to it:
the output of `docker run` never arrived. This is the standard library's, which runs on any loop's plain connections,
without that.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import AppProtocolState, SSLProtocol  # type: ignore[attr-defined]


class HalfClosing(SSLProtocol):  # type: ignore[misc]
    """The server's side of one connection, below `protocol`: if that answers True to `eof_received`, it goes on."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol, context: ssl.SSLContext
    ) -> None:
        super().__init__(loop, protocol, context, None, server_side=True)
        self._is_half_open = False

    def _call_eof_received(self) -> None:
        if self._app_state == AppProtocolState.STATE_CON_MADE:
            self._app_state = AppProtocolState.STATE_EOF
            self._is_half_open = bool(self._app_protocol.eof_received())

    def _start_shutdown(self) -> None:
        """Called for the client's end and for ours; only ours is the end of all, if the protocol wants to go on."""
        ours = self._app_transport is None or self._app_transport.is_closing()
        if ours or not self._is_half_open:
            super()._start_shutdown()
