"""Where the frames of one stream go: to the broker, as far as credit reaches, or to a socket, as far as it has room."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

import redis

from worker.contract import frames, keys, near
from worker.contract.frames import Frame

EXPIRE_SECONDS = 120
TURN_BYTES = 4 * frames.FRAME_BYTES
NEAR_TURN_BYTES = 1 << 20


class Outlet(Protocol):
    @property
    def credit(self) -> int:
        """How many bytes may be sent now; none and less: wait."""

    @property
    def is_forgotten(self) -> bool:
        """Whether nobody reads any more."""

    def send(self, batch: Sequence[Frame]) -> None: ...

    def end(self, frame: Frame) -> None:
        """Send the last one."""


class BrokerOutlet:
    """A stream of the broker. What its reader has consumed is taken from there."""

    def __init__(self, client: redis.Redis, stream_id: str, window_bytes: int) -> None:
        self._client, self._key, self._window = client, keys.frames(stream_id), window_bytes
        self._sent = self._consumed = 0
        self._unread: deque[tuple[bytes, int]] = deque()  # entry id, `_sent` with it
        self.heard_at = time.monotonic()

    @property
    def credit(self) -> int:
        return self._window - (self._sent - self._consumed)

    @property
    def is_forgotten(self) -> bool:
        return time.monotonic() - self.heard_at > frames.IDLE_SECONDS

    def take_credit(self, consumed_bytes: int) -> None:
        self.heard_at = time.monotonic()
        self._consumed = min(max(self._consumed, consumed_bytes), self._sent)
        last = None
        while self._unread and self._unread[0][1] <= self._consumed:
            last = self._unread.popleft()[0]
        if last is not None:
            milliseconds, _, number = last.decode().partition("-")
            self._client.xtrim(self._key, minid=f"{milliseconds}-{int(number) + 1}", approximate=False)

    def send(self, batch: Sequence[Frame]) -> None:
        """Raises redis.RedisError."""
        for frame, entry_id in zip(batch, self._add(batch), strict=False):
            self._sent += len(frame.data)
            self._unread.append((entry_id, self._sent))

    def end(self, frame: Frame) -> None:
        """Raises redis.RedisError."""
        self._add([frame])

    def _add(self, batch: Sequence[Frame]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for frame in batch:
            pipeline.xadd(self._key, {"m": frame.encode()})
        pipeline.expire(self._key, EXPIRE_SECONDS)
        return pipeline.execute()


class SocketOutlet:
    """A connection of `worker.contract.near`. Nothing waits: what has no room yet is kept, one turn's worth at most."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self._waiting = memoryview(b"")
        self.is_forgotten = False
        self.is_over = False

    @property
    def credit(self) -> int:
        return 0 if self._waiting else NEAR_TURN_BYTES

    @property
    def is_full(self) -> bool:
        """Whether something waits for room."""
        return len(self._waiting) > 0

    def send(self, batch: Sequence[Frame]) -> None:
        data = near.encode(batch)
        self._waiting = memoryview(data if not self._waiting else bytes(self._waiting) + data)
        self.flush()

    def end(self, frame: Frame) -> None:
        self.is_over = True
        self.send([frame])

    def flush(self) -> None:
        """Send what there is room for."""
        try:
            while self._waiting:
                self._waiting = self._waiting[self.connection.send(self._waiting) :]
        except BlockingIOError:
            pass
        except OSError:  # its reader has gone
            self.is_forgotten, self._waiting = True, memoryview(b"")

    def close(self) -> None:
        self.connection.close()
