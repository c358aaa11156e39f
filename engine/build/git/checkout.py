"""In the child: the files of a commit, or of a directory in it, as a tar; submodules where they belong, .git if wanted.

Owners are root, modes 644 and 755, times the commit's, so the same commit always gives the same files.
"""

from __future__ import annotations

import os
import posixpath
import stat
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from dulwich.config import ConfigFile
from dulwich.index import Index, IndexEntry
from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.repo import Repo

from engine.build.git import repository
from engine.build.git.repository import Fetched, Log
from engine.build.git.request import Request
from engine.build.language import git_source
from engine.errors import EngineError, InvalidArgument, NotFound, Unsupported
from engine.layers.entry import DIRECTORY, FILE, SYMLINK, Entry
from engine.layers.tar_writer import TarWriter

_SUBMODULES, _DEEPEST = 100, 5
_LINK_BYTES = 4096
_TREES_DEEP = 200
_MOST_ENTRIES = 1_000_000
"""Of a commit: a tree may name another one many times, so that few objects make files without end."""


@dataclass(slots=True)
class _Out:
    writer: TarWriter
    moment: int
    log: Log
    submodules: int = 0

    def directory(self, name: bytes) -> None:
        self._entry(DIRECTORY, name, 0o755)

    def file(self, name: bytes, mode: int, data: bytes) -> None:
        self._entry(FILE, name, mode, len(data))
        self.writer.data(data)
        self.writer.pad(len(data))

    def stored(self, name: bytes, path: str) -> None:
        """A file of this machine, of our own making."""
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._entry(FILE, name, 0o644, size)
            self.writer.copy(file.fileno(), 0, size)
            self.writer.pad(size)

    def link(self, name: bytes, to: bytes) -> None:
        self._entry(SYMLINK, name, 0o777, link=to)

    def _entry(self, kind: bytes, name: bytes, mode: int, size: int = 0, link: bytes = b"") -> None:
        moment = self.moment * 1_000_000_000
        self.writer.header(Entry(kind=kind, name=name, mode=mode, uid=0, gid=0, size=size, mtime_ns=moment, link=link))


def write(fetched: Fetched, request: Request, out: int, *, log: Log) -> None:
    """Raises `NotFound` for a directory that isn't there, `InvalidArgument` for names that no file can have, what
    `repository.fetch` raises for submodules."""
    commit = fetched.repo.object_store[ObjectID(fetched.commit.encode())]
    assert isinstance(commit, Commit)
    writing = _Out(TarWriter(out), max(0, commit.commit_time), log)
    directory = request.directory.encode("utf-8", "surrogateescape")
    _tree(writing, fetched, request, top=directory, at=b"", depth=0)
    if request.keeps:
        _git_directory(writing, fetched, request)
    writing.writer.finish()


def _tree(out: _Out, fetched: Fetched, request: Request, *, top: bytes, at: bytes, depth: int) -> None:
    """`top`: what of the repository is wanted; `at`: where it goes in the tar."""
    store = fetched.repo.object_store
    commit = store[ObjectID(fetched.commit.encode())]
    assert isinstance(commit, Commit)
    if _count(fetched.repo, commit.tree, {}, 0) > _MOST_ENTRIES:
        raise InvalidArgument(f"the repository has more than {_MOST_ENTRIES:,} files in {fetched.commit[:12]}")
    modules: list[tuple[bytes, ObjectID]] = []
    for path, mode, sha in _entries(fetched.repo, commit.tree, b"", 0):
        if top and path != top and not path.startswith(top + b"/"):
            continue
        inner = path[len(top) :].lstrip(b"/")
        name = posixpath.join(at, inner) if at else inner
        if stat.S_ISDIR(mode):
            if inner:
                out.directory(name)
        elif not inner:
            raise NotFound(f"{request.directory[:200]} is no directory of the repository")
        elif mode == 0o160000:
            out.directory(name)
            modules.append((path, sha))
        else:
            _blob(out, store[sha], name, mode)
    if top and not any(path == top for path, mode, _ in _entries(fetched.repo, commit.tree, b"", 0, only=top)):
        raise NotFound(f"the repository has no directory {request.directory[:200]} in {fetched.commit[:12]}")
    if modules and request.submodules:
        _submodules(out, fetched, request, modules, top=top, at=at, depth=depth)


def _blob(out: _Out, blob: object, name: bytes, mode: int) -> None:
    if not isinstance(blob, Blob):
        raise InvalidArgument(f"{_text(name)} of the repository is no file")
    data = blob.as_raw_string()
    if stat.S_ISLNK(mode):
        if len(data) > _LINK_BYTES or b"\0" in data or not data:
            raise InvalidArgument(f"{_text(name)} of the repository is a link that leads nowhere")
        out.link(name, data)
    else:
        out.file(name, 0o755 if mode & 0o100 else 0o644, data)


def _entries(
    repo: Repo, tree_id: ObjectID, below: bytes, depth: int, only: bytes = b""
) -> Iterator[tuple[bytes, int, ObjectID]]:
    """All of a tree, each directory before what is in it; with `only`, nothing beside the way to it."""
    if depth > _TREES_DEEP:
        raise InvalidArgument(f"the repository's directories lie more than {_TREES_DEEP} deep in one another")
    tree = repo.object_store[tree_id]
    if not isinstance(tree, Tree):
        raise InvalidArgument(f"{_text(below)} of the repository is no directory")
    for entry in tree.iteritems():
        name, mode, sha = entry.path, entry.mode, entry.sha
        assert name is not None and mode is not None and sha is not None
        if name.lower() in (b"", b".", b"..", b".git") or b"/" in name or b"\0" in name:
            raise InvalidArgument(f"the repository has a file called {_text(name)}, which none may be")
        path = posixpath.join(below, name) if below else name
        if only and path != only and not only.startswith(path + b"/"):
            continue
        yield path, mode, sha
        if stat.S_ISDIR(mode):
            yield from _entries(repo, sha, path, depth + 1, only)


def _count(repo: Repo, tree_id: ObjectID, known: dict[ObjectID, int], depth: int) -> int:
    """How many entries there are below a tree, looking at each tree once."""
    if tree_id in known:
        return known[tree_id]
    tree = repo.object_store[tree_id]
    if not isinstance(tree, Tree) or depth > _TREES_DEEP:
        return 0  # who goes through it says so
    found = 0
    for entry in tree.iteritems():
        assert entry.mode is not None and entry.sha is not None
        found += 1 + (_count(repo, entry.sha, known, depth + 1) if stat.S_ISDIR(entry.mode) else 0)
    known[tree_id] = found
    return found


def _text(name: bytes) -> str:
    return repr(name[:80].decode(errors="replace"))


# -- submodules


def _submodules(
    out: _Out, fetched: Fetched, request: Request, modules: list[tuple[bytes, ObjectID]], *, top: bytes, at: bytes,
    depth: int,
) -> None:  # fmt: skip
    """Each is fetched by its commit, and put where it belongs. One that .gitmodules doesn't name stays empty."""
    urls = dict(_named(fetched))
    for path, sha in modules:
        url = urls.get(path)
        if url is None:
            continue
        out.submodules += 1
        if out.submodules > _SUBMODULES or depth >= _DEEPEST:
            raise Unsupported(f"the repository has more than {_SUBMODULES} submodules, or {_DEEPEST} in one another")
        remote = _absolute(request.remote, url)
        try:
            if git_source.read(f"{remote.removesuffix('.git')}.git") is None or "://" not in remote:
                raise InvalidArgument("its address is no repository's")
            asked = repository.of_submodule(request, remote, sha.decode())
            out.log(f"submodule {path.decode(errors='replace')}: {remote}\n")
            inner = repository.fetch(asked, log=out.log)
            where = posixpath.join(at, path[len(top) :].lstrip(b"/"))
            _tree(out, inner, asked, top=b"", at=where, depth=depth + 1)
        except EngineError as error:
            error.message = f"submodule {path.decode(errors='replace')[:100]}: {error.message}"
            raise


def _named(fetched: Fetched) -> Iterator[tuple[bytes, str]]:
    """(path, URL) of .gitmodules."""
    store = fetched.repo.object_store
    commit = store[ObjectID(fetched.commit.encode())]
    assert isinstance(commit, Commit)
    for path, mode, sha in _entries(fetched.repo, commit.tree, b"", 0, only=b".gitmodules"):
        blob = store[sha]
        if path != b".gitmodules" or not isinstance(blob, Blob) or not stat.S_ISREG(mode):
            continue
        try:
            # A stranger's: an include would read files of this machine, and errors would tell what they say.
            config = ConfigFile.from_file(BytesIO(blob.as_raw_string()), expand_includes=False)
        except ValueError as error:
            raise InvalidArgument(f".gitmodules can't be read: {error}") from error
        for section in config.sections():
            if section[0] != b"submodule":
                continue
            try:
                yield config.get(section, b"path"), config.get(section, b"url").decode(errors="replace")
            except KeyError:
                continue


def _absolute(remote: str, url: str) -> str:
    """A relative URL begins at the repository's own (gitmodules(5))."""
    if not url.startswith(("./", "../")):
        return url
    parts = urllib.parse.urlsplit(remote)
    path = posixpath.normpath(posixpath.join(parts.path.rstrip("/"), url))
    return parts._replace(path=path).geturl()


# -- .git


def _git_directory(out: _Out, fetched: Fetched, request: Request) -> None:
    """What `git log` and `git status` need; no credentials, no hooks."""
    repo = fetched.repo
    out.directory(b".git")
    for name in (b"objects", b"objects/pack", b"objects/info", b"refs", b"refs/heads", b"refs/tags"):
        out.directory(b".git/" + name)
    out.file(b".git/HEAD", 0o644, fetched.commit.encode() + b"\n")
    out.file(b".git/shallow", 0o644, fetched.commit.encode() + b"\n")
    sha256 = b"\n[extensions]\n\tobjectformat = sha256" if len(fetched.commit) > 40 else b""
    version = b"1" if sha256 else b"0"
    text = b"[core]\n\trepositoryformatversion = " + version + b"\n\tfilemode = true\n\tbare = false" + sha256
    shown = git_source.GitSource(request.remote).shown
    text += f'\n[remote "origin"]\n\turl = {shown}\n'.encode()
    out.file(b".git/config", 0o644, text)
    if fetched.ref.startswith(("refs/heads/", "refs/tags/")):
        ref = fetched.ref.encode("utf-8", "surrogateescape")
        if b".." not in ref:
            out.file(b".git/packed-refs", 0o644, fetched.commit.encode() + b" " + ref + b"\n")
    packs = os.path.join(repo.controldir(), "objects", "pack")
    for pack in sorted(os.listdir(packs)):
        if pack.endswith((".pack", ".idx")):
            out.stored(b".git/objects/pack/" + os.fsencode(pack), os.path.join(packs, pack))
    out.stored(b".git/index", _index(fetched))


def _index(fetched: Fetched) -> str:
    commit = fetched.repo.object_store[ObjectID(fetched.commit.encode())]
    assert isinstance(commit, Commit)
    path = os.path.join(fetched.repo.controldir(), "index.new")
    index = Index(path, read=False)
    for name, mode, sha in _entries(fetched.repo, commit.tree, b"", 0):
        if not stat.S_ISDIR(mode):
            index[name] = IndexEntry(ctime=0, mtime=0, dev=0, ino=0, mode=mode, uid=0, gid=0, size=0, sha=sha)
    index.write()
    return path
