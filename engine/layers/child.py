"""The process that unpacks one layer: forked by `nursery.py`, locked into the layer's directory, with few capabilities.

stdin      "<bytes there> <1 if all>\\n" …      end of file before the result means that the parent is gone
stdout     "<bytes consumed>\\n" a few times a second, "opaque <path in hex>\\n" for each directory that hides what
           lower layers have in it (the parent sets the mark, which takes CAP_SYS_ADMIN), then one line of JSON:
           {"diff_id", "bytes", "entries"} or {"error": {"family", "message", "detail"}}
"""

from __future__ import annotations

import json
import os
import resource
import threading
import time
import traceback

from engine.errors import EngineError, ResourceExhausted, Unavailable
from engine.layers.confined import confine
from engine.layers.limits import Budget, LayerRefused, Limits
from engine.layers.stream import Feeder, GrowingFile
from engine.layers.tar import Chunks, TarReader
from engine.layers.tree import Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_REPORT_SECONDS = 0.1
OPAQUE = b"opaque "
_saying = threading.Lock()
_ORPHAN = 3  # exit code when the parent is gone


def run(limits: dict[str, int], blob: int, directory: int) -> NoReturn:
    """Unpack the open `blob` into the open `directory`, and say how it went on standard output."""
    try:
        result = _result(Limits(**limits), GrowingFile(blob), directory)
    except BaseException as error:  # noqa: BLE001  (nothing may go on in the nursery's place)
        traceback.print_exc()
        result = _failure(LayerRefused(f"the layer holds something that can't be unpacked ({type(error).__name__})"))
    _say(json.dumps(result).encode())
    os._exit(0)


def _result(limits: Limits, source: GrowingFile, directory: int) -> dict[str, object]:
    resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
    try:
        _lock_in(directory)
    except OSError as error:
        return _failure(Unavailable(f"an unpacker can't be locked in: {error}"))
    threading.Thread(target=_listen, args=(source,), name="listener", daemon=True).start()
    try:
        return _unpack(source, limits)
    except EngineError as error:
        return _failure(error)
    except MemoryError:
        return _failure(ResourceExhausted("there is too little memory to unpack this layer"))
    except OSError as error:
        return _failure(Unavailable(f"the layer can't be unpacked: {error}"))


def _failure(error: EngineError) -> dict[str, object]:
    return {"error": {"family": error.family, "message": error.message, "detail": error.detail}}


def _lock_in(directory: int) -> None:
    """Before there is a second thread, which would keep its capabilities."""
    os.fchdir(directory)
    os.chroot(".")  # the working directory stays, and is now "/"
    os.close(directory)
    os.umask(0)
    confine()


def _unpack(source: GrowingFile, limits: Limits) -> dict[str, object]:
    budget = Budget.at("/", limits)
    feeder = Feeder(source, budget)
    feeder.start()
    threading.Thread(target=_report, args=(source,), name="reporter", daemon=True).start()
    tree = Tree(TarReader(Chunks(feeder.next_chunk), limits), budget)
    tree.fill()
    for path in tree.opaque_paths():
        _say(OPAQUE + path.hex().encode())
    return {"diff_id": feeder.diff_id(), "bytes": tree.bytes_written, "entries": tree.entries}


def _listen(source: GrowingFile) -> None:
    """Pass on what the parent says; without a parent there is nobody to unpack for."""
    buffer = b""
    while data := os.read(0, 4096):
        buffer += data
        lines = buffer.split(b"\n")
        buffer = lines.pop()
        if lines:
            available, is_complete = lines[-1].split()
            source.grow(int(available), is_complete == b"1")
    os._exit(_ORPHAN)


def _report(source: GrowingFile) -> None:
    while True:
        time.sleep(_REPORT_SECONDS)
        _say(b"%d" % source.consumed)


def _say(line: bytes) -> None:
    data = memoryview(line + b"\n")
    try:
        with _saying:
            while data:
                data = data[os.write(1, data) :]
    except BrokenPipeError:
        os._exit(_ORPHAN)
