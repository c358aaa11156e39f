"""In the child: a repository's refs, the commit that is meant, and its pack: dulwich, over HTTP or git's own protocol.

One commit is fetched without its history (`depth` 1). A ref is a whole name (`refs/…`), or a branch, or a tag; 40 or 64
hex digits are a commit.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dulwich import client as git
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository
from dulwich.objects import Commit, ObjectID, ShaFile, Tag
from dulwich.repo import Repo

from engine.build.git.request import PACK_BYTES, Request
from engine.errors import (
    DataCorrupt,
    EngineError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
    Unsupported,
)

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LONGEST_TAG_CHAIN = 10
_REDIRECTS = 5
_TOKEN_USER = "x-access-token"  # noqa: S105 - a name
"""Who a token is sent as if no name is stored with it: HTTP has no password without one, and forges take any."""
_FORBIDDEN = re.compile(r"http resp 403\b")
Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Found:
    """`ref`: the whole name that it has there, empty for a commit that was named itself."""

    commit: str
    ref: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """`repo`: bare, with the commit and all of its tree."""

    repo: Repo
    commit: str
    ref: str


def resolve(request: Request) -> Found:
    """Which commit is meant; a server is asked only if a name was given. Raises as `fetch`."""
    if _COMMIT.fullmatch(request.ref):
        _check(request.ref, request)
        return Found(request.ref, "")
    client, path = _client(request)
    with _Worded(request):
        refs: Mapping[Any, Any] = client.get_refs(path.encode(), ref_prefix=_prefixes(request.ref)).refs
        name, value = _choose(refs, request)
    peeled = refs.get(_bytes(f"{name}^{{}}"))
    commit = bytes(peeled or value).decode()
    _check(commit, request)
    return Found(commit, name)


def fetch(request: Request, *, log: Log, depth: int = 1) -> Fetched:
    """Bring the commit into a new repository in `request.workspace`.

    Raises `NotFound`, `PermissionDenied` for a server that wants other credentials or may not be asked, `Unavailable`,
    `InvalidArgument`, `ResourceExhausted`, `DataCorrupt` for a commit other than `request.checksum`.
    """
    client, path = _client(request)
    number = len(os.listdir(request.workspace))
    directory = os.path.join(request.workspace, f"{number}.git")
    os.mkdir(directory, 0o700)
    chosen: list[tuple[str, ObjectID]] = []

    def wants(refs: Mapping[Any, Any], depth: int | None = None) -> list[ObjectID]:
        del depth
        if _COMMIT.fullmatch(request.ref):
            chosen.append(("", ObjectID(request.ref.encode())))
        else:
            chosen.append(_choose(refs, request))
        return [chosen[0][1]]

    with _Worded(request):
        repo = Repo.init_bare(directory)
        client.fetch(
            path, repo, determine_wants=wants, depth=depth, progress=lambda data: log(data.decode(errors="replace")),
            ref_prefix=_prefixes(request.ref),
        )  # fmt: skip
        if not chosen:
            raise NotFound(f"{_shown(request)} is empty: it has no commits")
        commit = _commit_of(repo, chosen[0][1])
    _check(commit, request)
    return Fetched(repo, commit, chosen[0][0])


def _check(commit: str, request: Request) -> None:
    if request.checksum and not commit.startswith(request.checksum.lower()):
        raise DataCorrupt(f"{_shown(request)} has the commit {commit} there, not {request.checksum[:64]}")


def _commit_of(repo: Repo, found: ObjectID) -> str:
    """Behind tags that have objects of their own."""
    for _ in range(_LONGEST_TAG_CHAIN):
        thing: ShaFile = repo.object_store[found]
        if isinstance(thing, Commit):
            return found.decode()
        if not isinstance(thing, Tag):
            break
        found = thing.object[1]
    raise InvalidArgument("the ref names no commit")


def _prefixes(ref: str) -> list[bytes]:
    """What a server shall tell, so that one with very many refs is not asked for all."""
    if not ref or _COMMIT.fullmatch(ref):
        return [b"HEAD"]
    return [_bytes(name) for name in _names(ref)]


def _names(ref: str) -> list[str]:
    """What may be meant, the first that is there."""
    return (
        [ref] if ref.startswith("refs/") or ref == "HEAD" else [f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/{ref}"]
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _choose(refs: Mapping[Any, Any], request: Request) -> tuple[str, ObjectID]:
    for name in _names(request.ref or "HEAD"):
        value = refs.get(_bytes(name))
        if value is not None:
            return name, ObjectID(value)
    if not request.ref:
        raise NotFound(f"{_shown(request)} is empty, or has no branch of its own (HEAD): name one behind #")
    hint = ""
    if re.fullmatch(r"[0-9a-f]{4,39}", request.ref):
        hint = "; a commit is named by all of its 40 digits"
    raise NotFound(f"{_shown(request)} has no branch or tag {request.ref[:200]}{hint}")


# -- servers


def _client(request: Request) -> tuple[git.GitClient, str]:
    parts = urllib.parse.urlsplit(request.remote)
    if parts.scheme == "git" and parts.hostname:
        if request.password:
            raise PermissionDenied(f"{_shown(request)}: git:// sends credentials to nobody: use https://")
        return git.TCPGitClient(parts.hostname, parts.port, thin_packs=False), parts.path
    if parts.scheme in ("http", "https") and parts.hostname:
        base = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
        return _over_http(base, request), ""
    raise Unsupported(
        f"{_shown(request)}: a repository is fetched by https://, http:// or git:// (ssh is not supported: store a "
        "user and an access token for the server, and name it by https://)"
    )


def _over_http(url: str, request: Request) -> git.GitClient:
    import ssl

    import urllib3

    context = ssl.create_default_context(cadata=request.ca_pem or None)
    if request.ca_pem:
        context.load_default_certs()
    retries = urllib3.Retry(total=_REDIRECTS, connect=0, read=0, redirect=_REDIRECTS, status=0)
    pool = urllib3.PoolManager(
        ssl_context=context, retries=retries, headers={"User-Agent": "git/portside"}, timeout=urllib3.Timeout(60, 60)
    )
    username = request.username or (_TOKEN_USER if request.password else None)
    return git.HttpGitClient(
        url, pool_manager=pool, username=username, password=request.password or None, thin_packs=False
    )


def of_submodule(request: Request, remote: str, commit: str) -> Request:
    """The request for a submodule: the same credentials if the same server is asked, else none."""
    ours, theirs = urllib.parse.urlsplit(request.remote), urllib.parse.urlsplit(remote)
    is_same = (ours.scheme, ours.hostname, ours.port) == (theirs.scheme, theirs.hostname, theirs.port)
    found = replace(request, remote=remote, ref=commit, directory="", checksum="", keeps=False)
    return found if is_same else replace(found, username="", password="", ca_pem="")


REFUSAL: type[OSError] = OSError
"""What the child raises for an address that is not asked; it sets this."""


def _shown(request: Request) -> str:
    return re.sub(r"^([a-z]+://)[^/@]*@", r"\1", request.remote)[:300]


class _Worded:
    """Errors of the library, in our families and words."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, (EngineError, MemoryError)) or not isinstance(error, Exception):
            return
        raise self._worded(error) from error

    def _worded(self, error: Exception) -> EngineError:
        shown = _shown(self._request)
        refusal = next((one for one in _chain(error) if REFUSAL is not OSError and isinstance(one, REFUSAL)), None)
        if refusal is not None:
            return PermissionDenied(str(refusal))
        text = " ".join(str(error).split())[:300]
        if isinstance(error, git.HTTPUnauthorized):
            said = (
                "are not accepted"
                if self._request.password
                else "are asked for: store them for this server, and name it"
            )
            return PermissionDenied(
                f"{shown}: credentials {said} (HTTP 401); a repository that isn't there looks the same"
            )
        if isinstance(error, NotGitRepository):
            return NotFound(f"{shown} is not there (HTTP 404), or credentials are missing")
        if _FORBIDDEN.search(text):
            return PermissionDenied(f"{shown}: the server refuses (HTTP 403)")
        if isinstance(error, OSError) and error.errno == 27:  # EFBIG, by RLIMIT_FSIZE
            return ResourceExhausted(f"{shown} has more than {PACK_BYTES >> 30} GiB, the most that is fetched")
        is_cut = isinstance(error, HangupException) and _COMMIT.fullmatch(self._request.ref)
        if "not our ref" in text or is_cut:  # git ends in the middle of its answer then
            return NotFound(f"{shown} has no commit {self._request.ref}, or does not give it away by its digits")
        if isinstance(error, (GitProtocolError, HangupException, OSError)):
            return Unavailable(f"{shown} can't be fetched: {text}")
        return DataCorrupt(f"{shown} sent what is no repository: {type(error).__name__}: {text}")


def _chain(error: BaseException) -> Iterable[BaseException]:
    """It, and what it was raised for; urllib3 wraps reasons too."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        more = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting += [other for other in more if isinstance(other, BaseException)]
