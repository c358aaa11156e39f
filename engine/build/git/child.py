"""The process that speaks to a git server: without capabilities, with limits, and with a narrow way out.

standard input    a `Request`
standard output   for `fetch`, the tar
standard error    JSON lines: {"log": …} as it goes on, {"commit": …, "ref": …}, {"error": …, "message": …} at the end

Whoever resolves a name in here, dulwich and urllib3 too, is given addresses that were looked at, and connects to those:
so redirects, submodules and a name that changes its address lead nowhere else.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import resource
import signal
import socket
import sys
from typing import Any

from engine.build.git import checkout, repository
from engine.build.git.request import FETCH, PACK_BYTES, Request, error_as_line
from engine.build.reach import Reach, Subnet, refused
from engine.errors import EngineError, ResourceExhausted
from engine.layers.confined import confine
from engine.runtime import kernel

_SECONDS = 60.0
"""Of silence, from a server."""
_CPU_SECONDS = 1800
_MEMORY_BYTES = 2 << 30
_FILES = 256


def main() -> None:
    """Answer one request; the exit code is 1 after an error that was told."""
    kernel.prctl("die with the caller", kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    request = Request.decode(sys.stdin.buffer.read())
    _limit()
    _vet(Reach(lambda: [_subnet(text) for text in request.fenced], request.near))
    code = 0
    try:
        _answer(request)
    except EngineError as error:
        tell(error_as_line(error))
        code = 1
    except MemoryError:
        tell(error_as_line(ResourceExhausted("an object of the repository is too large to be read in memory")))
        code = 1
    sys.stderr.flush()
    os._exit(code)


def _answer(request: Request) -> None:
    if request.do == FETCH:
        fetched = repository.fetch(request, log=lambda text: tell({"log": text}))
        tell({"commit": fetched.commit, "ref": fetched.ref})
        checkout.write(fetched, request, sys.stdout.fileno(), log=lambda text: tell({"log": text}))
    else:
        found = repository.resolve(request)
        tell({"commit": found.commit, "ref": found.ref})


def tell(line: dict[str, Any]) -> None:
    """A line for our starter."""
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()


def _limit() -> None:
    confine(())
    socket.setdefaulttimeout(_SECONDS)
    os.umask(0o077)
    for what, most in (
        (resource.RLIMIT_DATA, _MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, PACK_BYTES),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError):  # a hard limit is lower still
            resource.setrlimit(what, (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write fails instead, and we say why


def _subnet(text: str) -> Subnet:
    return ipaddress.ip_network(text)


def _vet(reach: Reach) -> None:
    resolve = socket.getaddrinfo

    def vetted(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        found = resolve(host, port, *rest, **more)
        name = host.decode() if isinstance(host, bytes) else str(host)
        allowed = set(reach.allowed(name, int(port or 0), [str(entry[4][0]) for entry in found]))
        left = [entry for entry in found if str(entry[4][0]) in allowed]
        if not left:
            raise Refusal(name)
        return left

    socket.getaddrinfo = vetted


class Refusal(OSError):
    """Within libraries, of an address that is not asked: an OSError is what they expect there."""

    def __init__(self, host: str) -> None:
        super().__init__(refused(host).message)


repository.REFUSAL = Refusal


if __name__ == "__main__":
    main()
