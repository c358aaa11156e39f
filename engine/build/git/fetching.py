"""A repository's commit, and its files: asked of a child (`child.py`), and unpacked here by the unpacker of layers."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import engine
from engine.build.context import Context
from engine.build.git.request import FETCH, RESOLVE, Credential, Request, error_of_line
from engine.build.language import git_source
from engine.build.language.git_source import GitSource
from engine.build.reach import Reach
from engine.build.receiving import receive
from engine.errors import Cancelled, EngineError, InvalidArgument, PermissionDenied, Unavailable
from engine.snapshots.service import Snapshots
from engine.trees import delete_tree

_POLL_MS = 100
_LINE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Servers:
    """Of one build. `credentials`: by the server's name, or `name:port`, with IPv6 addresses in brackets; `cancelled`:
    whether to give up."""

    reach: Reach
    snapshots: Snapshots
    credentials: Mapping[str, Credential] = field(default_factory=dict)
    cancelled: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Commit:
    """`digits`: all of a commit's name; `ref`: the branch or tag that was looked up, empty if there was none."""

    digits: str
    ref: str


def resolve(source: GitSource, servers: Servers) -> Commit:
    """The commit that is there now.

    Raises `NotFound`, `PermissionDenied`, `Unavailable`, `InvalidArgument`, `Cancelled`.
    """
    with _Child(_request(RESOLVE, source, servers), servers, lambda _: None) as child:
        while child.read():
            pass
        return child.commit()


@contextlib.contextmanager
def fetch(
    source: GitSource,
    commit: str | None,
    workspace: Path,
    servers: Servers,
    *,
    keeps: bool,
    log: Callable[[bytes], None],
) -> Iterator[tuple[Context, Commit]]:
    """The files of the commit (as `resolve` found it) or of what the source names, for the block. `workspace`: an empty
    directory; `keeps`: .git comes too; `log`: what the server says.

    Raises as `resolve`, `ResourceExhausted` for more than is fetched, `DataCorrupt`, what an unpacking raises.
    """
    request = _request(FETCH, source, servers, commit, workspace=str(workspace), keeps=keeps)
    try:
        with _Child(request, servers, log) as child:
            try:
                context = receive(_Stream(child), servers.snapshots, None)
            except EngineError as error:
                # A child that goes on has nothing to do with the refusal, and may have very much left to say.
                if not isinstance(error, Cancelled) and child.has_ended:
                    child.raise_its_own()
                raise
            with context:
                found = child.commit()
                yield context, found
    finally:
        for left in workspace.iterdir():
            delete_tree(left)


def _request(
    do: str, source: GitSource, servers: Servers, commit: str | None = None, *, workspace: str = "", keeps: bool = False
) -> Request:
    remote, credential = _reachable(source, servers)
    return Request(
        do=do,
        remote=remote,
        ref=commit or source.ref or "",
        directory=source.directory or "",
        checksum=source.checksum or "",
        keeps=keeps,
        submodules=source.submodules is not False,
        workspace=workspace,
        username=credential.username,
        password=credential.password,
        ca_pem=credential.ca_pem,
        fenced=[str(subnet) for subnet in servers.reach.fenced()],
        near=list(servers.reach.near),
    )


def _reachable(source: GitSource, servers: Servers) -> tuple[str, Credential]:
    """The remote without a user, and who to be there. Raises `PermissionDenied` before a password goes in the clear."""
    import urllib.parse

    try:
        parts = urllib.parse.urlsplit(source.remote)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidArgument(f"{source.shown[:200]!r} is no URL: {error}") from error
    name = f"[{host}]" if ":" in host else host
    named = f"{name}:{port}" if port else name
    credential = servers.credentials.get(named) or servers.credentials.get(name) or Credential()
    if parts.password:
        credential = Credential(
            username=urllib.parse.unquote(parts.username or ""), password=urllib.parse.unquote(parts.password)
        )
    if credential.password and parts.scheme != "https" and not servers.reach.near_by_name(host, port or 80):
        raise PermissionDenied(
            f"{source.shown[:200]}: a password is not sent without encryption: name the repository by https://"
        )
    return parts._replace(
        netloc=parts.netloc.rpartition("@")[2]
    ).geturl() if parts.scheme else source.remote, credential


class _Child:
    """One request on its way."""

    def __init__(self, request: Request, servers: Servers, log: Callable[[bytes], None]) -> None:
        root = str(Path(next(iter(engine.__path__))).parent)
        code = f"import sys; sys.path.insert(0, {root!r}); from engine.build.git.child import main; main()"
        self._servers, self._log = servers, log
        self._rest, self._said, self._failure = b"", {}, None
        self._process = subprocess.Popen(
            [sys.executable, "-s", "-E", "-c", code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"},
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._out, self._err = self._process.stdout.fileno(), self._process.stderr.fileno()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(request.encode())
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._poller = select.poll()
        for descriptor in (self._out, self._err):
            self._poller.register(descriptor, select.POLLIN)
        self._open = {self._out, self._err}

    _said: dict[str, Any]
    _failure: EngineError | None

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def read(self) -> bytes:
        """Some of its output, nothing at the end. Raises `Cancelled`."""
        while self._open:
            if self._servers.cancelled():
                raise Cancelled("cancelled")
            data = b""
            for descriptor, _ in self._poller.poll(_POLL_MS):
                piece = os.read(descriptor, 1 << 20)
                if not piece:
                    self._poller.unregister(descriptor)
                    self._open.discard(descriptor)
                elif descriptor == self._err:
                    self._hear(piece)
                else:
                    data = piece
            if data:
                return data
        return b""

    def _hear(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self._rest = self._rest[-_LINE_BYTES:]
        for text in lines:
            try:
                line = json.loads(text)
            except ValueError:  # an interpreter's last words
                self._said["words"] = text.decode(errors="replace")
                continue
            if "log" in line:
                self._log(str(line["log"]).encode())
            elif "error" in line:
                self._failure = error_of_line(line)
            else:
                self._said.update(line)

    @property
    def has_ended(self) -> bool:
        """Whether all of its output was read."""
        return self._out not in self._open

    def raise_its_own(self) -> None:
        """What it has failed with, once it has ended."""
        while self.read():
            pass
        if self._failure is not None:
            raise self._failure
        if self._process.wait():
            words = str(self._said.get("words", "no reason"))[:300]
            raise Unavailable(f"the process that fetches repositories ended early ({words}); try again")

    def commit(self) -> Commit:
        """What it has found, once it has ended. Raises what it has failed with."""
        self.raise_its_own()
        return Commit(str(self._said["commit"]), str(self._said.get("ref", "")))


class _Stream:
    """A child's output, for who reads files."""

    def __init__(self, child: _Child) -> None:
        self._child = child

    def read(self, size: int = -1) -> bytes:
        del size  # a piece may be larger: whoever reads here takes what comes
        return self._child.read()


def parse(text: str) -> GitSource | None:
    """The repository that a context's address names, None for a path. Raises `InvalidArgument`."""
    return git_source.read(text, is_context=True)
