"""The process that works inside a container's root; started by `transfer.Transfer` for one stream of bytes.

argument   a `Request` as JSON, which names the descriptors that it has inherited
report     one line when it has found what it is about, {"stat": …} or {}; one at the end, {"entries", "bytes"};
           instead of either {"error": {"family", "message", "detail"}}; {"progress": [entries, bytes]} in between
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
from dataclasses import asdict

from engine.archives import request as words
from engine.archives.packing import pack, pack_all
from engine.archives.places import Root, enter
from engine.archives.request import Request
from engine.errors import FAMILIES, EngineError, ResourceExhausted, Unavailable
from engine.layers.tar_writer import TarWriter
from engine.runtime.wire import Failure

_MEMORY_BYTES = 1 << 30
_DESCRIPTORS = 4096


def main() -> None:
    """Do what the argument asks for, and say how it went."""
    gc.disable()  # plain data without cycles
    request = Request.from_json(sys.argv[1])
    own = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    _limit()
    try:
        said = _do(request, own)
    except EngineError as error:
        said = _failure(error)
    except Failure as error:
        said = _failure(FAMILIES.get(error.family, EngineError)(str(error)))
    except MemoryError:
        said = _failure(ResourceExhausted("there is too little memory to go through all these files"))
    except BrokenPipeError:
        os._exit(0)  # nobody wants it any more
    except OSError as error:
        said = _failure(Unavailable(f"the container's files can't be reached: {error.strerror}"))
    except Exception as error:  # noqa: BLE001 - a traceback would be looked up in the container's files
        said = _failure(EngineError(f"copying failed in a way that nobody foresaw ({type(error).__name__}: {error})"))
    _say(request, said)
    os._exit(0)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _seal() -> None:
    """From here on nothing is imported: the names would be looked up among the container's files."""
    "".encode("ascii"), "".encode("latin-1"), os.fsencode("ä")  # codecs are found by an import
    sys.path.clear()
    sys.meta_path.clear()
    sys.path_hooks.clear()


def _do(request: Request, own: int) -> dict[str, object]:
    if request.action == words.UNPACK:
        from engine.archives.arriving import unpack  # what it needs besides takes its time to load

        _seal()
        enter(request)
        return unpack(request, Root(own), lambda: _say(request, {}))
    if request.action == words.DIFFERENCE:
        return _difference(request, own)
    if request.action == words.COPY:
        return _copy(request, own)
    _seal()
    enter(request)
    root = Root(own)
    place = root.find(request.path)
    _say(request, {"stat": asdict(root.look(place, request.owners))})
    if request.action == words.PACK:
        assert request.out is not None
        return pack(root, place, request.owners, TarWriter(request.out), without_devices=request.without_devices)
    if request.action == words.EXPORT:
        assert request.out is not None
        pack_all(root, request.owners, TarWriter(request.out))
    return {}


def _copy(request: Request, own: int) -> dict[str, object]:
    from engine.archives.copying import Copier

    assert request.target is not None
    _seal()
    enter(request)
    _say(request, {})
    copier = Copier(Root(own), request.target, lambda *done: _say(request, {"progress": done}))
    copier.run()
    return {"entries": copier.entries, "bytes": copier.bytes_copied, "shared": copier.shared}


def _difference(request: Request, own: int) -> dict[str, object]:
    from engine.archives.difference import Difference

    assert request.layers is not None and request.out is not None
    _seal()
    difference = Difference(request.layers, request.own, own, TarWriter(request.out))
    _say(request, {})
    difference.write()
    return {"left_out": difference.left_out}


def _failure(error: EngineError) -> dict[str, object]:
    return {"error": {"family": error.family, "message": error.message, "detail": error.detail}}


def _say(request: Request, line: dict[str, object]) -> None:
    try:
        os.write(request.report, json.dumps(line).encode() + b"\n")
    except BrokenPipeError:
        os._exit(0)
