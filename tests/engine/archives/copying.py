"""Copying with a real engine: a whole tar at once."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from typing import Any

from engine.archives.transfer import Transfer
from engine.facade import Engine


def whole(transfer: Transfer) -> bytes:
    """Everything that it says, up to its end."""
    parts = []
    with transfer:
        assert transfer.stream is not None
        while data := os.read(transfer.stream, 1 << 20):
            parts.append(data)
        transfer.wait()
    return b"".join(parts)


def opened(data: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(data))


def members(engine: Engine, name: str, path: str) -> dict[str, tarfile.TarInfo]:
    """By name, of what is copied out."""
    return {member.name: member for member in opened(whole(engine.container_copy_out(name, path)))}


def content(engine: Engine, name: str, path: str) -> bytes:
    """Of a file that is copied out."""
    with opened(whole(engine.container_copy_out(name, path))) as archive:
        file = archive.extractfile(archive.getmembers()[0])
        assert file is not None
        return file.read()


def copy_in(engine: Engine, name: str, path: str, data: bytes, **how: Any) -> dict[str, Any]:
    """Give it a tar; a child that reads no more says why at the end."""
    with engine.container_copy_in(name, path, **how) as transfer:
        writer = threading.Thread(target=_feed, args=(transfer, data))
        writer.start()
        writer.join()
        return transfer.wait()


def _feed(transfer: Transfer, data: bytes) -> None:
    assert transfer.stream is not None
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(transfer.stream, view) :]
    except BrokenPipeError:
        pass
    transfer.close_stream()


def member(name: str, data: bytes | None = b"", kind: bytes = tarfile.REGTYPE, **fields: Any) -> tuple[Any, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode = kind, len(data or b""), 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data or b""


def tar(*entries: tuple[Any, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()
