"""Messages between the client, the launcher and a container's first process: one JSON object per packet.

Unix sockets of type SEQPACKET keep the borders of messages. A socket's path may be longer than the 107 bytes
that the kernel takes, so both sides name it through a descriptor of its directory.
"""

from __future__ import annotations

import errno
import os
import select

from engine.bare import contextlib, json, socket, struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MAXIMUM_BYTES = 1 << 20
_DESCRIPTORS = 250  # in a packet; unix(7): SCM_MAX_FD is 253
_LONG = (b',"spec":', b',"process":')
_SO_SNDBUFFORCE = 32  # socket(7); Python has no name for it


_buffers: list[bytearray] = []
"""Where packets arrive, one for each thread that waits for one: a new one would be mapped and unmapped each time."""


class Failure(Exception):
    """What goes wrong on this side of the wire: an error family, a message and, for exec, an exit code."""

    def __init__(self, family: str, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.family = family
        self.exit_code = exit_code

    def as_message(self) -> dict[str, Any]:
        detail = {} if self.exit_code is None else {"exit_code": self.exit_code}
        return {"error": {"family": self.family, "message": str(self), "detail": detail}}


def failure_of(error: Exception, doing: str) -> Failure:
    """Any error as a Failure that says what was being done."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, OSError):
        if error.errno == errno.ENOENT and str(error.filename).startswith("/sys/fs/cgroup/"):
            group = os.path.dirname(str(error.filename)) if str(error.filename).endswith(".procs") else error.filename
            text = f"{doing}: the control group {group} is gone, somebody has removed it by hand: restart the container"
            return Failure("conflict", text)
        family = "resource_exhausted" if error.errno in (11, 12, 23, 24, 28) else "unavailable"
        where = f" ({error.filename})" if error.filename is not None else ""
        return Failure(family, f"{doing}: {error.strerror}{where}")
    return Failure("internal", f"{doing}: {type(error).__name__}: {error}")


def listen(directory: int, name: str, backlog: int = 64) -> socket.socket:
    """A new listening socket `name` in the open directory; a stale one of that name is replaced."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"/proc/self/fd/{directory}/{name}")
    listener.listen(backlog)
    return listener


def connect(directory: str, name: str, timeout_seconds: float) -> socket.socket:
    """Connect to the socket `name` in `directory`; OSError if nobody listens."""
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.settimeout(timeout_seconds)
        widen(connection)
        connection.connect(f"/proc/self/fd/{fd}/{name}")
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(fd)
    return connection


def widen(connection: socket.socket) -> None:
    """Let it take packets of `MAXIMUM_BYTES`: net.core.wmem_max is 208 KiB on most machines."""
    with contextlib.suppress(PermissionError):
        connection.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, MAXIMUM_BYTES)


def send_descriptors(connection: socket.socket, data: bytes, descriptors: list[int]) -> None:
    """`data` with any number of open descriptors, in as many packets as it takes."""
    for at in range(0, len(descriptors) or 1, _DESCRIPTORS):
        some = descriptors[at : at + _DESCRIPTORS]
        rights = struct.pack(f"{len(some)}i", *some)
        connection.sendmsg([b"more" if at else data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if some else [])


def receive_descriptors(connection: socket.socket, descriptors: list[int]) -> bytes:
    """One packet of `send_descriptors`, what came with it added to the list; empty at the end of the stream."""
    data, more = take(connection, _DESCRIPTORS)
    descriptors += more
    return data


def send(connection: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Raises OSError, with EMSGSIZE for more than `MAXIMUM_BYTES`: the other side would get it without its end.

    `descriptors` travel with it (SCM_RIGHTS, unix(7)) and stay open here.
    """
    data = encode(message)
    if descriptors:
        socket.send_fds(connection, [data], descriptors)
    else:
        connection.send(data)


def take(connection: socket.socket, most: int, size: int = MAXIMUM_BYTES) -> tuple[bytes, list[int]]:
    """The next packet, empty at the end of the stream, and the descriptors that came with it, `most` at most."""
    space = socket.CMSG_LEN(4 * most)
    try:
        buffer = _buffers.pop()
    except IndexError:
        buffer = bytearray(MAXIMUM_BYTES)
    try:
        with memoryview(buffer) as view:
            count, ancillary, _, _ = connection.recvmsg_into([view[:size]], space, socket.MSG_CMSG_CLOEXEC)
            data = bytes(view[:count])
    finally:
        _buffers.append(buffer)
    descriptors: list[int] = []
    for level, kind, rights in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors += struct.unpack(f"{len(rights) // 4}i", rights[: len(rights) // 4 * 4])
    return data, descriptors


def await_end(connection: socket.socket, timeout_seconds: float) -> None:
    """Wait until the other side has ended the stream; what it has said by then is still to be received.

    A message alone wakes nobody: a processor that turns to one who only waits for the next is missed where that is
    made. Raises TimeoutError.
    """
    poll = select.poll()
    poll.register(connection, 0)
    if not poll.poll(timeout_seconds * 1000):
        raise TimeoutError


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """The next message; None at the end of the stream."""
    data = take(connection, 0)[0]
    return decode(data) if data else None


def encode(message: dict[str, Any]) -> bytes:
    """One packet. OSError with EMSGSIZE for more than `MAXIMUM_BYTES`."""
    data = json.dumps(message, separators=(",", ":")).encode()
    if len(data) > MAXIMUM_BYTES:
        raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
    return data


def head(data: bytes) -> dict[str, Any]:
    """What a request says before its long part, so that who only passes it on need not read that.

    In JSON, the name of a member can't be found inside of a string: there, its quotes have a backslash before them.
    """
    for name in _LONG:
        before, found, _ = data.partition(name)
        if found:
            return decode(before + b"}")
    return decode(data)


def decode(data: bytes) -> dict[str, Any]:
    """The message in a packet. ValueError if it is none."""
    message: dict[str, Any] = json.loads(data)
    return message
