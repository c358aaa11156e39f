"""An SSH agent for one RUN: what a step may ask of keys without having them (draft-ietf-sshm-ssh-agent).

    ssh, git … in the step ──► socket of the mount ──► a thread here: "which keys?" and "sign this", nothing else

Adding, removing, locking and extensions are refused, as a forwarded agent's owner would want it. One thread serves all
connections of a mount in turn, and rests after each answer nine times as long as that took, so that no step has more
than a tenth of this process.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine import unix_path
from engine.build.ssh_keys import Identity, string

FAILURE, REQUEST_IDENTITIES, IDENTITIES_ANSWER, SIGN_REQUEST, SIGN_RESPONSE = 5, 11, 12, 13, 14
MESSAGE_BYTES = 256 << 10
"""OpenSSH's own limit (AGENT_MAX_LEN)."""
CONNECTIONS = 32
_REST_SECONDS = 0.005
"""At least; `_RESTS` times what the processor worked for the answer: 15 ms for a signature of RSA with 4096 bits."""
_RESTS = 9
_SEND_SECONDS = 5.0
_END_SECONDS = 10.0


def answer(message: bytes, identities: Sequence[Identity]) -> bytes:
    """The answer to one message; both without the length that stands before them on the wire."""
    try:
        if message == bytes([REQUEST_IDENTITIES]):
            listed = b"".join(string(one.blob) + string(one.comment.encode()) for one in identities)
            return bytes([IDENTITIES_ANSWER]) + len(identities).to_bytes(4, "big") + listed
        if message[:1] == bytes([SIGN_REQUEST]):
            blob, rest = _taken(message[1:])
            data, rest = _taken(rest)
            signature = None
            if len(rest) == 4:
                flags = int.from_bytes(rest, "big")
                signature = next((one.sign(data, flags) for one in identities if one.blob == blob), None)
            if signature is not None:
                return bytes([SIGN_RESPONSE]) + string(signature)
    except ValueError:
        pass
    return bytes([FAILURE])


def _taken(data: bytes) -> tuple[bytes, bytes]:
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 + length:
        raise ValueError("the message is shorter than it says")
    return data[4 : 4 + length], data[4 + length :]


@contextlib.contextmanager
def serving(path: Path, identities: Sequence[Identity], *, owner: tuple[int, int], mode: int) -> Iterator[None]:
    """Have an agent at the socket `path`, made with `owner` and `mode`, until the block's end. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        with unix_path.short(path) as name:
            listener.bind(name)
        try:
            os.chown(path, *owner)
            path.chmod(mode)
            listener.listen(CONNECTIONS)
            ending, ended = socket.socketpair()
            with ending, ended:
                serve = _Serving(listener, ended, identities)
                thread = threading.Thread(target=serve.run, name="build-ssh-agent", daemon=True)
                thread.start()
                try:
                    yield
                finally:
                    serve.is_over.set()
                    ending.close()
                    thread.join(_END_SECONDS)
        finally:
            path.unlink(missing_ok=True)


class _Serving:
    """By one thread; `ended` is at its end once there is to be no more."""

    def __init__(self, listener: socket.socket, ended: socket.socket, identities: Sequence[Identity]) -> None:
        self._listener, self._ended, self._identities = listener, ended, identities
        self._received: dict[socket.socket, bytearray] = {}
        self.is_over = threading.Event()
        listener.setblocking(False)

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._ended, selectors.EVENT_READ)
            selector.register(self._listener, selectors.EVENT_READ)
            try:
                while True:
                    for key, _ in selector.select():
                        if key.fileobj is self._ended:
                            return
                        if key.fileobj is self._listener:
                            self._accept(selector)
                        elif isinstance(key.fileobj, socket.socket) and not self._serve(key.fileobj):
                            self._forget(selector, key.fileobj)
            finally:
                for connection in self._received:
                    connection.close()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # gone again; or no descriptor is left, and then it is told again at once
            self.is_over.wait(_REST_SECONDS)
            return
        if len(self._received) >= CONNECTIONS:
            connection.close()
            return
        connection.settimeout(_SEND_SECONDS)
        self._received[connection] = bytearray()
        selector.register(connection, selectors.EVENT_READ)

    def _forget(self, selector: selectors.BaseSelector, connection: socket.socket) -> None:
        selector.unregister(connection)
        del self._received[connection]
        connection.close()

    def _serve(self, connection: socket.socket) -> bool:
        """Answer what is complete of what has come; whether the connection goes on."""
        received = self._received[connection]
        try:
            data = connection.recv(MESSAGE_BYTES)
            received += data
            while len(received) >= 4 and data:
                length = int.from_bytes(received[:4], "big")
                if not 1 <= length <= MESSAGE_BYTES:
                    return False
                if len(received) < 4 + length:
                    break
                began = time.thread_time()
                said = answer(bytes(received[4 : 4 + length]), self._identities)
                worked = time.thread_time() - began
                del received[: 4 + length]
                connection.sendall(string(said))
                if self.is_over.wait(max(_REST_SECONDS, _RESTS * worked)):
                    return False
        except OSError:  # it has gone, or doesn't read
            return False
        return bool(data)
