"""The site's WebSockets: JSON messages that come as they happen, and connections that are made again when they break.

A socket that only tells is a `Feed`: whoever reads it sees no break, as long as what it reads can be asked for again
from where it was. Two-way sessions are `client.session`.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect

from client.errors import ConnectionFailed, PortsideError, Unauthenticated, Unavailable, of_family, of_problem
from client.resource import Json
from client.transport import Query, Transport

NOT_ANY_MORE = 4400
"""Close codes from here on: the right is gone, coming again won't help (`webui/streams/socket.py`)."""
TRIES = 12
QUIET_SECONDS = 30.0
"""After which a connection is asked whether it is still there."""


def opened(transport: Transport, path: str, query: Query | None = None) -> ClientConnection:
    """A connection to a socket of the site. Raises PortsideError: what the site answers, or ConnectionFailed."""
    address = transport.address(path, query)
    scheme, _, rest = address.partition("://")
    try:
        return connect(
            f"{'wss' if scheme == 'https' else 'ws'}://{rest}",
            additional_headers=transport.headers(),
            user_agent_header=None,
            ssl=transport.tls,
            max_size=None,
            open_timeout=transport.connect_timeout,
            ping_interval=QUIET_SECONDS,
            ping_timeout=QUIET_SECONDS,
            close_timeout=1,
            proxy=None,
            legacy=True,  # a connection that outlives the call
        )
    except InvalidStatus as error:
        raise _refusal(error) from None
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError, EOFError):
        raise ConnectionFailed(f"{transport.url}: no stream can be opened there: see that the site runs") from None


def _refusal(error: InvalidStatus) -> PortsideError:
    with contextlib.suppress(ValueError):
        body = json.loads(error.response.body or b"null")
        return of_problem(error.response.status_code, body)
    return of_problem(error.response.status_code, None)


def closed(error: ConnectionClosed) -> PortsideError:
    """What a connection's end means."""
    code = error.rcvd.code if error.rcvd is not None else 1006
    if code >= NOT_ANY_MORE:
        return Unauthenticated("you may not have this any more, or have to sign in again")
    return Unavailable("the connection is lost: try again")


class Feed:
    """The messages of one socket. `query` is asked for each connection, so that it may say where to go on."""

    def __init__(self, transport: Transport, path: str, query: Callable[[], Query], *, tries: int = TRIES) -> None:
        self._transport, self._path, self._query = transport, path, query
        self._tries = tries
        self._connection: ClientConnection | None = None

    def messages(self, timeout: float | None = None) -> Iterator[Json | None]:
        """Until the site has told all; None each time that nothing came for `timeout` seconds.

        Raises what the site tells as an error, and Unavailable when it, or what it asks for this, can't be reached for
        some time.
        """
        left = self._tries
        while True:
            begun = time.monotonic()
            try:
                self._connection = opened(self._transport, self._path, self._query())
                for message in self._received(self._connection, timeout):
                    if message is not None:
                        if message.get("type") == "error":
                            raise of_family(message["error"].get("family"), message["error"].get("message"))
                        left = self._tries
                    yield message
            except ConnectionClosed as lost:
                if lost.rcvd is not None and lost.rcvd.code == 1000:
                    return
                problem = closed(lost)
            except Unavailable as error:
                problem = error
            finally:
                self.close()
            if time.monotonic() - begun > QUIET_SECONDS:  # it had nothing to tell, but it was there
                left = self._tries
            if not left or not isinstance(problem, Unavailable):
                raise problem from None
            left -= 1
            time.sleep(pause(self._tries - left))

    def _received(self, connection: ClientConnection, timeout: float | None) -> Iterator[Json | None]:
        while True:
            try:
                text = connection.recv(timeout)
            except TimeoutError:
                yield None
                continue
            yield json.loads(text)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError, ConnectionClosed):
                connection.close()


def pause(tries: int) -> float:
    """Seconds before a further try."""
    return float(min(5.0, 0.1 * 2**tries))


def saying(connection: ClientConnection, message: dict[str, Any]) -> None:
    """Send it; that the site has hung up is told by what is received next, after what the site had to say."""
    with contextlib.suppress(ConnectionClosed):
        connection.send(json.dumps(message, separators=(",", ":")))
