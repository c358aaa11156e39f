"""TLS whose client has said all, and is still told everything."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import uvloop

from tests.support.certificates import self_signed
from tests.support.processes import PATIENCE_SECONDS
from webui.up.half_closing import HalfClosing


class Answering(asyncio.Protocol):
    """Says what it has heard a moment after the client's end; `goes_on` False: as HTTP, it is over then."""

    def __init__(self, *, goes_on: bool) -> None:
        self.goes_on, self.heard = goes_on, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def eof_received(self) -> bool:
        asyncio.get_running_loop().call_later(0.1, self._answer)
        return self.goes_on

    def _answer(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"heard " + self.heard * 50_000)
            self.transport.close()


def contexts(directory: Path, version: ssl.TLSVersion) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    certificate, key = self_signed(directory)
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(certificate, key)
    theirs = ssl.create_default_context(cafile=str(certificate))
    theirs.minimum_version = theirs.maximum_version = version
    return ours, theirs


async def told_after_the_end(ours: ssl.SSLContext, theirs: ssl.SSLContext, *, goes_on: bool) -> bytes:
    """What a client hears that sends `hello` and the end of its direction, as Go's `CloseWrite` does."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HalfClosing(loop, Answering(goes_on=goes_on), ours), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = theirs.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")

    async def fed() -> None:
        writer.write(outgoing.read())
        if data := await asyncio.wait_for(reader.read(1 << 16), PATIENCE_SECONDS):
            incoming.write(data)
        else:
            incoming.write_eof()

    while True:
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            await fed()
    client.write(b"hello")
    with pytest.raises(ssl.SSLWantReadError):
        client.unwrap()
    told = b""
    while True:
        try:
            if not (data := client.read(1 << 16)):
                break
            told += data
        except ssl.SSLWantReadError:
            await fed()
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            break
    writer.close()
    server.close()
    return told


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_the_end_of_one_direction_leaves_the_other(tmp_path: Path, version: ssl.TLSVersion, run: object) -> None:
    assert callable(run)
    told = run(told_after_the_end(*contexts(tmp_path, version), goes_on=True))
    assert told == b"heard " + b"hello" * 50_000


def test_what_does_not_go_on_is_over(tmp_path: Path) -> None:
    assert uvloop.run(told_after_the_end(*contexts(tmp_path, ssl.TLSVersion.TLSv1_3), goes_on=False)) == b""
