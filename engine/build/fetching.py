"""ADD of a URL: one file over HTTP or HTTPS, from a server that nobody knows.

It is fetched by this host, not by the build, so `reach.py` says from where. Each redirect is looked at anew, and the
connection goes to just the address that was looked at. No credentials are sent. What is too large, too slow or not what
its checksum says is refused.
"""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import http.client
import os
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from engine.build.language import git_source
from engine.build.reach import Reach
from engine.errors import Cancelled, DataCorrupt, InvalidArgument, NotFound, PermissionDenied, Unavailable
from engine.oci.digest import Digest

MAX_BYTES = 16 << 30
_REDIRECTS = 10
_SECONDS = 30.0
_PIECE_BYTES = 256 << 10
_UNNAMED = "__unnamed__"


def is_git(source: str) -> bool:
    """Whether a source of ADD is a git repository. Raises `InvalidArgument` for one that can't be."""
    return git_source.read(source) is not None


def is_url(source: str) -> bool:
    """Whether it is a file on a server."""
    return source.startswith(("http://", "https://")) and not is_git(source)


def fetch(
    url: str,
    directory: Path,
    checksum: str | None,
    cancelled: Callable[[], bool],
    reach: Reach,
) -> Path:
    """The file, in `directory`, called as in the URL; its time is what the server says.

    Raises `InvalidArgument`, `NotFound`, `PermissionDenied`, `Unavailable`, `DataCorrupt` for a wrong checksum,
    `Cancelled`.
    """
    wanted = None if checksum is None else Digest.parse(checksum)
    path = directory / _name(url)
    for _ in range(_REDIRECTS):
        with contextlib.closing(_connection(url, reach)) as connection:
            answer = _ask(connection, url)
            if answer.status in (301, 302, 303, 307, 308):
                url = urljoin(url, answer.getheader("Location") or "")
                continue
            _check(answer, url)
            hasher = hashlib.sha256() if wanted is None else wanted.hasher()
            _store(answer, path, hasher, cancelled)
            if wanted is not None and hasher.hexdigest() != wanted.hex:
                found = f"{wanted.algorithm}:{hasher.hexdigest()}"
                raise DataCorrupt(f"{_shown(url)} is not what --checksum={wanted} says, but {found}")
            moment = _moment(answer)
            path.chmod(0o600)
            os.utime(path, (moment, moment))
            return path
    raise Unavailable(f"{_shown(url)} is redirected more than {_REDIRECTS} times")


def _name(url: str) -> str:
    """The last part of its path, if a file can be called so."""
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    is_fit = name not in ("", ".", "..") and "/" not in name and "\0" not in name and len(os.fsencode(name)) < 256
    return name if is_fit else _UNNAMED


def _shown(url: str) -> str:
    """Without what may be a secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"[:300]


def _connection(url: str, reach: Reach) -> http.client.HTTPConnection:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidArgument(f"{url[:200]!r} is not a URL: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidArgument(f"{_shown(url)}: a file is fetched by http:// or https:// alone")
    port = port or (443 if parts.scheme == "https" else 80)
    address = (reach.addresses(host, port)[0], port)
    if parts.scheme == "https":
        return _Tls(host, address)
    return _Plain(host, address)


class _Plain(http.client.HTTPConnection):
    """Connects to the address that was looked at, whatever the name stands for by now."""

    def __init__(self, host: str, address: tuple[str, int]) -> None:
        super().__init__(host, address[1], timeout=_SECONDS)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.create_connection(self._address, _SECONDS)


class _Tls(_Plain):
    def connect(self) -> None:
        super().connect()
        context = ssl.create_default_context()
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host)


def _ask(connection: http.client.HTTPConnection, url: str) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    standard = parts.port is None
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    headers = {"Host": shown if standard else f"{shown}:{parts.port}", "User-Agent": "portside", "Accept": "*/*"}
    try:
        connection.request("GET", target, headers=headers)
        return connection.getresponse()
    except ssl.SSLCertVerificationError as error:
        raise PermissionDenied(f"{_shown(url)}: the server's certificate is not trusted: {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"{_shown(url)} can't be fetched: {error}; try again") from error


def _check(answer: http.client.HTTPResponse, url: str) -> None:
    if answer.status in (404, 410):
        raise NotFound(f"{_shown(url)} is not there (HTTP {answer.status})")
    if answer.status in (401, 403):
        raise PermissionDenied(f"{_shown(url)} is not for everybody (HTTP {answer.status}); no credentials are sent")
    if answer.status != 200:
        raise Unavailable(f"{_shown(url)} answered HTTP {answer.status}; try again")
    if (answer.length or 0) > MAX_BYTES:
        raise InvalidArgument(f"{_shown(url)} has {answer.length} bytes, more than is fetched ({MAX_BYTES})")


def _store(answer: http.client.HTTPResponse, path: Path, hasher: hashlib._Hash, cancelled: Callable[[], bool]) -> None:
    size = 0
    with open(path, "wb") as file:  # of two of one name the second one counts, as when both are copied
        try:
            while data := answer.read(_PIECE_BYTES):
                size += len(data)
                if size > MAX_BYTES:
                    raise InvalidArgument(f"what is fetched has more than {MAX_BYTES} bytes")
                if cancelled():
                    raise Cancelled("cancelled")
                hasher.update(data)
                file.write(data)
        except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
            raise Unavailable(f"the connection broke while a file was fetched: {error}; try again") from error
    if answer.length:
        raise Unavailable("the connection ended before the whole file was there; try again")


def _moment(answer: http.client.HTTPResponse) -> float:
    """Last-Modified, or now."""
    try:
        return email.utils.parsedate_to_datetime(answer.getheader("Last-Modified") or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return time.time()
