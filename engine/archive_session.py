"""`cp`, `export` and `commit` of the command line: tar streams by this process's standard streams, and images."""

from __future__ import annotations

import os
import sys
from typing import Any

from engine.archives.transfer import Transfer
from engine.containers.committing import CommitSpec
from engine.errors import InvalidArgument
from engine.facade import Engine

_CHUNK_BYTES = 1 << 20


def copy(engine: Engine, source: str, target: str, *, as_user: bool) -> None:
    """`NAME:PATH -` writes a tar to standard output, `- NAME:PATH` unpacks standard input into a directory."""
    (name, colon, path), other = (
        (target if source == "-" else source).partition(":"),
        source if source == "-" else target,
    )
    if not colon or not name or other != "-":
        raise InvalidArgument("write cp NAME:PATH - to get a tar, or cp - NAME:PATH to unpack one into a directory")
    if source == "-":
        _fill(engine.container_copy_in(name, path, as_user=as_user))
    else:
        _empty(engine.container_copy_out(name, path))


def export(engine: Engine, name: str) -> None:
    """The container's root file system to standard output."""
    _empty(engine.container_export(name))


def commit(engine: Engine, name: str, reference: str | None, **how: Any) -> str:
    """The new image's id; `how` are the other fields of `CommitSpec`."""
    return engine.container_commit(name, CommitSpec(reference=reference, **how)).id


def _empty(transfer: Transfer) -> None:
    with transfer:
        assert transfer.stream is not None
        while data := os.read(transfer.stream, _CHUNK_BYTES):
            _write(sys.stdout.fileno(), data)
        transfer.wait()


def _fill(transfer: Transfer) -> None:
    with transfer:
        assert transfer.stream is not None
        try:
            while data := os.read(sys.stdin.fileno(), _CHUNK_BYTES):
                _write(transfer.stream, data)
        except BrokenPipeError:
            pass  # it says why
        transfer.close_stream()
        transfer.wait()


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
