"""HTTP to one site: the token, TLS, times to wait, and which requests may be sent again.

What reads is asked again when the connection breaks before the answer, or the site asks for patience. What changes
something has a key of its own (`webui/api/idempotency.py`): sent again after a break, it is done once. A body that is a
stream can't be sent again; nor is what was waited for in vain. Redirects are not followed: a token is for its site.
"""

from __future__ import annotations

import json
import re
import ssl
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3

from client.errors import Conflict, ConnectionFailed, InvalidArgument, of_problem

SAFE = frozenset({"GET", "HEAD"})
KEY = "Idempotency-Key"
TRIES = 4
PATIENCE_SECONDS = 10.0
"""What is waited at most before one more try, whatever the site asks for."""
BLOCK_BYTES = 1 << 18
Query = Mapping[str, str | int | float | bool | Sequence[str | int] | None]
Body = bytes | Iterable[bytes]
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Transport:
    """`timeout`: seconds in which an answer has to begin, and go on; `ca`: a file of certificates to trust instead."""

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        ca: str | None = None,
        verify: bool = True,
        timeout: float = 60.0,
        connect_timeout: float = 10.0,
    ) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise InvalidArgument("the address of a site looks like https://portside.example.com")
        if parts.username is not None or parts.password is not None:
            raise InvalidArgument("an address has no name and password in it: the token says who you are")
        if token is not None and not _TOKEN.fullmatch(token):
            raise InvalidArgument("this can't be a token: it is one word of letters, digits and signs")
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._path = parts.path.rstrip("/")
        self.__token = token
        self.tls = _context(ca, verify=verify) if parts.scheme == "https" else None
        self.connect_timeout, self.timeout = connect_timeout, timeout
        self._pool = urllib3.PoolManager(num_pools=4, maxsize=8, retries=False, ssl_context=self.tls)

    def __repr__(self) -> str:
        return f"<Transport {self.url}>"

    def __getstate__(self) -> object:
        raise TypeError("a connection to a site can't be pickled: its token would lie in the file")

    def headers(self) -> dict[str, str]:
        """Who asks; for requests and sockets."""
        own = {"User-Agent": "portside-client"}
        return own if self.__token is None else {**own, "Authorization": f"Bearer {self.__token}"}

    def address(self, path: str, query: Query | None = None) -> str:
        """The whole address of a path of the site, or of a link that it gave."""
        if self._path and path.startswith(self._path + "/"):
            path = path.removeprefix(self._path)
        text = encoded(query or {})
        return f"{self.url}{path}" + (f"{'&' if '?' in path else '?'}{text}" if text else "")

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        data: Body | None = None,
        content_type: str | None = None,
        accept: str | None = None,
        timeout: float | None = None,
        has_end: bool = True,
    ) -> Answer:
        """One request; `body` is sent as JSON, `data` as it is. The answer is open: read it or close it.

        `timeout` in place of the site's usual; has_end=False: an answer that may be silent for as long as it likes.
        Raises PortsideError for any status of 300 and more.
        """
        headers = {**self.headers(), "Accept": accept or "application/json, application/problem+json;q=0.9, */*;q=0.5"}
        payload: Any = data
        if data is None and body is not None:
            payload, content_type = json.dumps(body).encode(), "application/json"
        if content_type is not None:
            headers["Content-Type"] = content_type
        if method == "POST" and data is None:
            headers[KEY] = uuid.uuid4().hex
        wait = urllib3.Timeout(connect=self.connect_timeout, read=(timeout or self.timeout) if has_end else None)
        may_repeat = method in SAFE or KEY in headers
        for tries_left in reversed(range(TRIES)):
            try:
                response = self._pool.request(
                    method,
                    self.address(path, query),
                    body=payload,
                    headers=headers,
                    timeout=wait,
                    redirect=False,
                    preload_content=False,
                )
            except urllib3.exceptions.HTTPError as error:
                if not tries_left or not _is_worth_it(error, may_repeat=may_repeat, is_safe=method in SAFE):
                    raise self._failure(error) from None
                time.sleep(_pause(tries_left))
                continue
            if tries_left and method in SAFE and response.status in (429, 502, 503, 504):
                response.drain_conn()  # with a body still to come, the connection takes no other request
                response.release_conn()
                time.sleep(min(PATIENCE_SECONDS, _seconds(response) or _pause(tries_left)))
                continue
            try:
                return self._checked(response, method)
            except Conflict as error:
                if not tries_left or KEY not in headers or KEY not in error.message:
                    raise
                time.sleep(_pause(tries_left))  # the first try, whose answer was lost, is under way
        raise AssertionError("the last try returns or raises")

    def _checked(self, response: urllib3.BaseHTTPResponse, method: str) -> Answer:
        if response.status < 300:
            return Answer(response)
        if response.status < 400:
            response.close()
            where = urlsplit(response.headers.get("Location", ""))
            hint = f": it is at {where.scheme}://{where.netloc}" if where.netloc else ""
            raise ConnectionFailed(f"the site says that it has moved{hint}", status=response.status)
        if method == "HEAD":  # the answer to it has no body to say why
            response.release_conn()
            raise of_problem(response.status, {"detail": f"the site refuses this ({response.status})"})
        try:
            found = json.loads(response.read(1 << 20) or b"null")
        except (ValueError, urllib3.exceptions.HTTPError):
            found = None
        finally:
            response.release_conn()
        raise of_problem(response.status, found, _seconds(response))

    def _failure(self, error: Exception) -> ConnectionFailed:
        """In words that say what to do; urllib3's own have addresses of objects in them."""
        if isinstance(error, urllib3.exceptions.SSLError) or isinstance(error.__context__, ssl.SSLError):
            return ConnectionFailed(
                f"{self.url}: its certificate is not trusted here: name its issuer by a file of CAs"
            )
        if isinstance(error, urllib3.exceptions.NameResolutionError):
            return ConnectionFailed(f"{self.url}: there is no machine of this name: see the address")
        if isinstance(error, urllib3.exceptions.NewConnectionError):
            return ConnectionFailed(f"{self.url}: nobody answers there: see that the site runs, and the address")
        if isinstance(error, urllib3.exceptions.TimeoutError):
            return ConnectionFailed(f"{self.url}: no answer in time: try again")
        return ConnectionFailed(f"{self.url}: the connection broke: try again")

    def close(self) -> None:
        self._pool.clear()


class Answer:
    """An answer whose body comes as it is read. A context manager; reading to the end closes it as well."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    def json(self) -> Any:
        """All of it, decoded; None of an empty body. Raises ConnectionFailed."""
        data = b"".join(self)
        if not data:
            return None
        try:
            return json.loads(data)
        except ValueError:
            raise ConnectionFailed("this is no answer of a Portside site: see the address") from None

    def lines(self) -> Iterator[Any]:
        """Each line of NDJSON as it comes. Raises ConnectionFailed when the connection breaks."""
        rest = b""
        for data in self._parts(first=True):
            *lines, rest = (rest + data).split(b"\n")
            yield from (json.loads(line) for line in lines if line.strip())

    def __iter__(self) -> Iterator[bytes]:
        return self._parts(first=False)

    def _parts(self, *, first: bool) -> Iterator[bytes]:
        """The body; with `first`, whatever has come, without waiting for more."""
        response: Any = self._response
        try:
            while data := response.read1(BLOCK_BYTES) if first else response.read(BLOCK_BYTES):
                yield data
        except (urllib3.exceptions.HTTPError, OSError) as error:
            what = (
                "the site fell silent" if isinstance(error, urllib3.exceptions.TimeoutError) else "the answer broke off"
            )
            raise ConnectionFailed(f"{what} in the middle: try again") from None
        finally:
            self.close()

    def close(self) -> None:
        self._response.close()

    def __enter__(self) -> Answer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def encoded(query: Query) -> str:
    """Without what is None; true and false in words; a list as the same name again."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        values = [value] if isinstance(value, str | int | float) else [] if value is None else list(value)
        pairs += [(name, str(one).lower() if isinstance(one, bool) else str(one)) for one in values]
    return urlencode(pairs)


def located(path: str, *parts: object) -> str:
    """A path with these parts in the place of its {}: no part leads elsewhere. Raises InvalidArgument."""
    texts = [str(part) for part in parts]
    if any(text in ("", ".", "..") for text in texts):
        raise InvalidArgument("an id is missing: an address would be another one without it")
    return path.format(*(quote(text, safe="") for text in texts))


def _context(ca: str | None, *, verify: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError):
        raise InvalidArgument(f"{ca} can't be read as certificates: give a file in PEM form") from None
    if not verify:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # whoever asks for it knows
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_worth_it(error: Exception, *, may_repeat: bool, is_safe: bool) -> bool:
    """Whether a request is sent once more after a connection that failed so."""
    if isinstance(error, urllib3.exceptions.SSLError):
        return False
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return True
    return is_safe if isinstance(error, urllib3.exceptions.TimeoutError) else may_repeat


def _pause(tries_left: int) -> float:
    return 0.1 * 3.0 ** (TRIES - 1 - tries_left)


def _seconds(response: urllib3.BaseHTTPResponse) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None
