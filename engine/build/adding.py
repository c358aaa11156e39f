"""ADD: as COPY, and what it does beyond: archives of the context are unpacked, URLs and repositories fetched.

An archive is unpacked as `docker cp` unpacks one, by a child that has entered the layers (`engine/archives`): nothing
in it reaches beyond them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.archives import request as words
from engine.archives import transfer
from engine.archives.request import Request
from engine.build import copy_step, fetching, git_step
from engine.build.contents import Contents, Known
from engine.build.copy_step import Placing, Sources
from engine.build.destination import Destination
from engine.build.git.fetching import Servers
from engine.build.language import model
from engine.build.language.source import DockerfileError
from engine.build.layering import Work, view
from engine.build.sandbox import Layers
from engine.build.trees import Found, Tree
from engine.build.workplace import Workplace
from engine.errors import Cancelled, InvalidArgument
from engine.layers.limits import LayerRefused
from engine.layers.packings import inflate
from engine.runtime import kernel

_BLOCK = 512
_PIECE_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class _Archive:
    """`node`: open to be read."""

    path: str
    found: Found


def work(
    add: model.Add,
    tree: Tree,
    placing: Placing,
    place: Workplace,
    *,
    known: Known | None,
    servers: Servers,
    log: Callable[[bytes], None],
    description: str,
) -> Work:
    """`servers`: what is asked for files and repositories, `log`: where those say how far they are.

    Raises `DockerfileError` for flags that don't go together, what a server's answer raises.
    """
    repositories = git_step.sources(add)
    if not repositories:
        return _files(add, tree, placing, place, known=known, servers=servers, description=description)
    works = [
        git_step.work(source, add, placing, place, servers, log=log, description=description)
        for source in repositories.values()
    ]
    others = tuple(source for source in add.sources if source not in repositories)
    if others or add.documents:
        rest = dataclasses.replace(add, sources=others, keep_git_dir=None)
        works.append(_files(rest, tree, placing, place, known=known, servers=servers, description=description))
    return git_step.together(works, description, alone=placing.link)


def _files(
    add: model.Add,
    tree: Tree,
    placing: Placing,
    place: Workplace,
    *,
    known: Known | None,
    servers: Servers,
    description: str,
) -> Work:
    """Of the context, of servers, of the Dockerfile itself."""
    remote = [source for source in add.sources if fetching.is_url(source)]
    local = tuple(source for source in add.sources if source not in remote)
    if add.checksum and (len(add.sources) != 1 or not remote):
        raise DockerfileError("--checksum is for one source alone, and that a URL or a repository", add.location)
    unpacks = add.unpack if add.unpack is not None else True
    archives = _archives(tree, local) if unpacks else {}
    plain = tuple(source for source in local if source not in archives)
    files = [(one.name, one.text.encode("utf-8", "surrogatepass"), 0o644) for one in add.documents]
    fetched: Tree | None = None
    if remote or files:
        directory = place.new_directory("document")
        for url in remote:
            fetching.fetch(url, directory, add.checksum, placing.cancelled, servers.reach)
        fetched = copy_step.documents(directory, files, placing.epoch)
    remote_archives = _archives(fetched, tuple(os.listdir(directory))) if fetched and add.unpack and remote else {}
    sources = Sources(
        tree=tree, patterns=plain, documents=None if remote_archives else fetched, exclude=add.exclude,
        lends=not (archives or remote_archives),  # an archive is unpacked over the copies
    )  # fmt: skip
    copying = copy_step.work(sources, placing, known, description)
    if not archives and not remote_archives:
        return copying
    everything = [(tree, one) for found in archives.values() for one in found]
    everything += [(fetched, one) for found in remote_archives.values() for one in found] if fetched else []
    return _unpacking(copying, everything, placing, copies=bool(plain or (fetched and not remote_archives)))


def _archives(tree: Tree, sources: Sequence[str]) -> dict[str, list[Found]]:
    """Those sources of which every match is an archive."""
    found = {}
    for source in sources:
        there = [one for path in tree.matches(source) if (one := tree.find(path)) is not None]
        if there and all(_is_archive(tree, one) for one in there):
            found[source] = there
    return found


def _is_archive(tree: Tree, found: Found) -> bool:
    """Whether it is a tar, packed or not: what comes out of it begins with a member's header."""
    if not stat.S_ISREG(found.facts.st_mode):
        return False
    with _opened(tree, found) as file:
        head = b""
        try:
            for piece in _plain(file):
                head += piece
                if len(head) >= _BLOCK:
                    break
        except (InvalidArgument, OSError):
            return False
    return len(head) >= _BLOCK and _is_header(head[:_BLOCK])


def _is_header(block: bytes) -> bool:
    """By its sum, which counts its own field as blanks (POSIX.1-2017, pax, "ustar Interchange Format")."""
    digits = block[148:156].strip(b" \0")
    if not digits or not all(digit in b"01234567" for digit in digits):
        return False
    return sum(block[:148]) + 8 * ord(" ") + sum(block[156:]) == int(digits, 8)


def _opened(tree: Tree, found: Found) -> Any:
    strict = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS
    return os.fdopen(kernel.openat2(tree.node, found.path, os.O_RDONLY | os.O_CLOEXEC, strict), "rb", buffering=0)


def _plain(file: Any) -> Iterator[bytes]:
    """What is in it, without gzip, bzip2, xz or zstd, in pieces that are small whatever they come out of.

    Raises `InvalidArgument` for a damaged one.
    """
    try:
        yield from (piece for piece in inflate(_Pieces(file)) if piece)
    except LayerRefused as error:
        raise InvalidArgument(f"the archive is damaged: {error.message.replace('the layer', 'the archive')}") from error


class _Pieces:
    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int = _PIECE_BYTES) -> bytes:
        return bytes(self._file.read(size))


def _unpacking(copying: Work, archives: list[tuple[Tree, Found]], placing: Placing, *, copies: bool) -> Work:
    def content() -> str:
        hasher = hashlib.sha256()
        if copies and copying.content is not None:
            hasher.update(copying.content().encode())
        for tree, found in archives:
            hasher.update(Contents(tree, None, placing.cancelled).digest(found.path, found.facts).encode())
        return hasher.hexdigest()

    def make(layers: Layers) -> Sequence[bytes]:
        if copies:
            copying.make(layers)
        for tree, found in archives:
            _make_directory(layers, placing)
            _unpack(tree, found, layers, placing)
        return ()

    definition = {**copying.definition, "archives": len(archives)}
    return Work(
        definition=definition, description=copying.description, make=make, content=content, overlaid=True,
        alone=placing.link,
    )  # fmt: skip


def _make_directory(layers: Layers, placing: Placing) -> None:
    below = view((*layers.lowerdirs, *((layers.upperdir,) if len(layers.lowerdirs) < 2 else ())))
    target = None
    try:
        target = Destination(Path(layers.upperdir), below, placing.epoch)
        target.make_directory(target.resolve(placing.destination), 0o755, placing.owner or (0, 0))
    finally:
        if target is not None:
            target.close()
        os.close(below)


def _unpack(tree: Tree, found: Found, layers: Layers, placing: Placing) -> None:
    request = Request(
        action=words.UNPACK,
        path=placing.destination,
        layers={"lowerdirs": list(layers.lowerdirs), "upperdir": layers.upperdir, "workdir": layers.workdir},
        is_writable=True,
        user=None if placing.owner is None else f"{placing.owner[0]}:{placing.owner[1]}",
    )
    with transfer.begin(request) as copying, _opened(tree, found) as file:
        assert copying.stream is not None
        try:
            for piece in _plain(file):
                if placing.cancelled():
                    raise Cancelled("cancelled")
                view_of = memoryview(piece)
                while view_of:
                    view_of = view_of[os.write(copying.stream, view_of) :]
        except BrokenPipeError:
            pass  # the child says why
        copying.close_stream()
        copying.wait()
