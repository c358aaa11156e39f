"""Git repositories as sources of ADD and as contexts: docs.docker.com/build/concepts/context, BuildKit's dfgitutil.

    https://host/repo.git#REF:DIRECTORY      git://… ssh://…      user@host:repo.git#REF:DIRECTORY
    https://host/repo.git?ref=…&tag=…&branch=…&subdir=…&checksum=…&keep-git-dir=…&submodules=…&mtime=…&fetch-by-commit=…

A URL with http or https is a repository if its path ends in `.git`, else a file. Pure: nothing is fetched here.
"""

from __future__ import annotations

import dataclasses
import posixpath
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from engine.build.language import values
from engine.errors import InvalidArgument

_SCHEME = re.compile(r"([a-zA-Z0-9]+)://")
_SCHEMES = ("http", "https", "ssh", "git")
_SSH = re.compile(r"([a-zA-Z0-9-_]+)@([a-zA-Z0-9-.]+):([^?#]*)(?:\?([^#]*))?(?:#(.*))?")
_ODD = re.compile(r"[\x00-\x20\x7f]")
_SWITCHES = ("keep-git-dir", "submodules", "fetch-by-commit")
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class GitSource:
    """`remote` is what git is given, and may hold a password: show `shown`. `directory` lies in the repository.

    None where nothing is given. `checksum`: the commit, or its beginning, that has to be found.
    """

    remote: str
    ref: str | None = None
    directory: str | None = None
    checksum: str | None = None
    keep_git_dir: bool | None = None
    submodules: bool | None = None
    fetch_by_commit: bool | None = None
    mtime: str | None = None

    @property
    def name(self) -> str:
        """The repository's own name, for a directory of it."""
        return self.remote.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git")

    @property
    def is_encrypted(self) -> bool:
        return not self.remote.startswith(("http://", "git://"))

    @property
    def shown(self) -> str:
        """The remote without a password."""
        return re.sub(r"^([a-z]+://)[^/@]*@", r"\1", self.remote)


def read(source: str, *, is_context: bool = False) -> GitSource | None:
    """The repository that `source` names, None if it names none: a path, or a file on a server.

    `is_context`: `github.com/owner/repo` is one too. Raises `InvalidArgument` for a repository with a query or a part
    that can't be.
    """
    if source.startswith(("./", "../")):
        return None
    if is_context and source.startswith("github.com/"):
        source = f"https://{source}"
    elif (scheme := _SCHEME.match(source)) is not None:
        if scheme[1].lower() not in _SCHEMES:
            return None
        if scheme[1].lower().startswith("http") and not _path(source).endswith(".git"):
            return None
    else:
        return _of_ssh(source)
    try:
        parts = urllib.parse.urlsplit(source)
        _ = parts.port
    except ValueError as error:
        raise InvalidArgument(f"{source[:100]!r} is no URL: {error}") from None
    remote = parts._replace(query="", fragment="").geturl()
    return _made(source, remote, parts.query, urllib.parse.unquote(parts.fragment))


def keeps_git_dir(build_args: Mapping[str, str]) -> bool:
    """Whether these arguments of a build ask for the context's .git directory to stay."""
    return build_args.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR", "") in ("1", "true")


def _path(source: str) -> str:
    return urllib.parse.unquote(re.split(r"[?#]", source, maxsplit=1)[0])


def _of_ssh(source: str) -> GitSource | None:
    """`user@host:path`, as scp has it."""
    match = _SSH.fullmatch(source)
    if match is None:
        return None
    return _made(source, f"{match[1]}@{match[2]}:{match[3]}", match[4] or "", match[5] or "")


def _made(source: str, remote: str, query: str, fragment: str) -> GitSource:
    ref, _, directory = fragment.partition(":")
    found = GitSource(remote, ref or None, _inside(directory))
    found = _with_query(found, query)
    for word in (found.remote, found.ref, found.directory, found.checksum):
        if word is not None and (word.startswith("-") or _ODD.search(word.replace(" ", "")) or len(word) > _LONGEST):
            raise InvalidArgument(f"{word[:60]!r} can't be part of a repository's address ({source[:60]!r})")
    return found


def _inside(directory: str) -> str | None:
    """Relative to the repository, and not above it."""
    return posixpath.normpath(f"/{directory}").lstrip("/") or None


def _query(text: str) -> dict[str, str]:
    try:
        pairs = urllib.parse.parse_qsl(text, keep_blank_values=True, max_num_fields=100) if text else []
    except ValueError as error:
        raise InvalidArgument(f"the query of a repository can't be read: {error}") from None
    given: dict[str, str] = {}
    for key, value in pairs:
        if key in given:
            raise InvalidArgument(f"{key[:40]!r} is there twice in the repository's query")
        if not value and key not in _SWITCHES:
            raise InvalidArgument(f"{key[:40]!r} has no value in the repository's query")
        given[key] = value
    if "tag" in given and "branch" in given:
        raise InvalidArgument("a repository's query names a tag and a branch: leave one out")
    return given


def _with_query(found: GitSource, query: str) -> GitSource:
    given = _query(query)
    switches: dict[str, bool] = {}
    for key, value in given.items():
        if key in _SWITCHES:
            switches[key] = _truth(key, value)
        elif key == "subdir":
            directory = _agreed(key, _inside(value) or "", found.directory)
            found = dataclasses.replace(found, directory=directory)
        elif key in ("checksum", "commit"):
            found = dataclasses.replace(found, checksum=value)
        elif key == "mtime":
            if value not in ("checkout", "commit"):
                raise InvalidArgument(f"mtime is checkout or commit, not {value[:40]!r}")
            found = dataclasses.replace(found, mtime=value)
        elif key not in ("ref", "tag", "branch"):
            raise InvalidArgument(f"{key[:40]!r} is unknown in a repository's query")
    found = dataclasses.replace(
        found,
        keep_git_dir=switches.get("keep-git-dir"),
        submodules=switches.get("submodules"),
        fetch_by_commit=switches.get("fetch-by-commit"),
    )
    for key, prefix in (("ref", ""), ("tag", "refs/tags/"), ("branch", "refs/heads/")):
        if key in given:
            ref = _agreed(key, prefix + given[key].removeprefix(prefix), found.ref)
            found = dataclasses.replace(found, ref=ref)
    return found


def _agreed(key: str, value: str, known: str | None) -> str | None:
    """Raises `InvalidArgument` if something else is named already."""
    if known and known != value:
        raise InvalidArgument(f"{key}={value[:60]} does not agree with {known[:60]!r}, which is named too")
    return value or None


def _truth(key: str, value: str) -> bool:
    try:
        return values.truth(value) if value else True
    except ValueError:
        raise InvalidArgument(f"{key} is true or false, not {value[:40]!r}") from None
