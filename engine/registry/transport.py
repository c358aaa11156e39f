"""Requests to one registry: authorized, redirected with care, repeated where that helps."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, SSLError

from engine.errors import Cancelled
from engine.registry import challenge
from engine.registry.auth import Authorizer, Credentials
from engine.registry.endpoint import Endpoint
from engine.registry.errors import AccessDenied, ImageUnknown, RegistryUnavailable, registry_says

USER_AGENT = "portside/0.1"
_TIMEOUT = urllib3.Timeout(connect=10, read=30)
_MAX_REDIRECTS = 5
_ATTEMPTS = 5
_CONNECT_ATTEMPTS = 2
_BACK_OFF_SECONDS = 0.3
_MAX_BACK_OFF_SECONDS = 20.0
_MAX_SMALL_BODY = 1 << 20
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class Transport:
    """Speaks HTTP with one registry for one user. Thread-safe; close it at the end."""

    def __init__(
        self, endpoint: Endpoint, credentials: Credentials | None, cancel: threading.Event | None = None
    ) -> None:
        self._endpoint = endpoint
        self._cancel = cancel or threading.Event()
        self._scheme: str | None = None
        self._scheme_lock = threading.Lock()
        if not endpoint.is_secure:  # a setting says so; no need to be warned at every request
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._pool = urllib3.PoolManager(
            maxsize=16, retries=False, timeout=_TIMEOUT, ssl_context=endpoint.tls_context()
        )
        self._authorizer = Authorizer(credentials, self._fetch_token, allow_plain=endpoint.allows_plain)
        self._live: set[urllib3.BaseHTTPResponse] = set()
        self._live_lock = threading.Lock()

    @property
    def host(self) -> str:
        return self._endpoint.host

    @contextlib.contextmanager
    def get(self, path: str, repository: str, headers: dict[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        """GET `/v2/…`; yields the response (status 2xx or 416) with its body unread.

        Raises `ImageUnknown`, `AccessDenied`, `RegistryUnavailable`, `Cancelled`. What breaks while the body is
        read raises urllib3's `HTTPError`: the caller knows whether it can go on.
        """
        response = self._retried(lambda: self._authorized(path, repository, headers))
        with self._live_lock:
            self._live.add(response)
        try:
            self.check_cancelled()
            yield response
        finally:
            with self._live_lock:
                self._live.discard(response)
            response.close()

    def check_cancelled(self) -> None:
        """Raises `Cancelled` once the caller has asked for it."""
        if self._cancel.is_set():
            raise Cancelled("cancelled")

    def wait(self, attempt: int, response: urllib3.BaseHTTPResponse | None = None) -> None:
        """Sleep before attempt number `attempt` (from 1), or as long as the registry asked. Raises `Cancelled`."""
        seconds = _BACK_OFF_SECONDS * 2 ** (attempt - 1) * random.uniform(0.7, 1.3)  # noqa: S311  (jitter)
        if response is not None:
            with contextlib.suppress(ValueError):
                seconds = float(response.headers.get("Retry-After", ""))
        if not 0 <= seconds <= _MAX_BACK_OFF_SECONDS:  # so that "nan" becomes a number too
            seconds = _MAX_BACK_OFF_SECONDS if seconds > 0 else _BACK_OFF_SECONDS
        if self._cancel.wait(seconds):
            self.check_cancelled()

    def interrupt(self) -> None:
        """Break off all bodies that are being read (their readers see an `HTTPError`)."""
        with self._live_lock:
            for response in self._live:
                with contextlib.suppress(Exception):
                    response.shutdown()

    def close(self) -> None:
        self._pool.clear()

    def _retried(self, attempt: Callable[[], urllib3.BaseHTTPResponse]) -> urllib3.BaseHTTPResponse:
        number = 0
        while True:
            number += 1
            self.check_cancelled()
            try:
                response = attempt()
            except HTTPError as error:
                cause = error.reason if isinstance(error, MaxRetryError) else error
                limit = _CONNECT_ATTEMPTS if isinstance(cause, (NewConnectionError, SSLError)) else _ATTEMPTS
                if number >= limit:
                    raise RegistryUnavailable(f"registry {self.host} can't be reached: {_reason(cause)}") from error
                self.wait(number)
                continue
            if response.status not in _TRANSIENT:
                return response
            body = _small_body(response)
            if number >= _ATTEMPTS:
                raise self._overloaded(response, body)
            self.wait(number, response)

    def _authorized(self, path: str, repository: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """One request; a 401 is answered once with what the registry asks for."""
        sent = self._authorizer.header(repository)
        response = self._follow(path, headers, sent)
        if response.status == 401:
            asked = challenge.parse(response.headers.getlist("WWW-Authenticate"))
            body = _small_body(response)
            answer = self._authorizer.answer(asked, repository, sent)
            if answer is None:
                raise self._denied(repository, body)
            response = self._follow(path, headers, answer)
        if response.status in (401, 403):
            raise self._denied(repository, _small_body(response))
        if response.status == 404:
            raise ImageUnknown(f"{self.host} has no image {repository!r} of this name", {"repository": repository})
        if response.status >= 400 and response.status != 416 and response.status not in _TRANSIENT:
            said = registry_says(_small_body(response))
            raise RegistryUnavailable(
                f"registry {self.host} answered {response.status}{': ' + said if said else ''}",
                {"status": response.status},
            )
        return response

    def _follow(self, path: str, headers: dict[str, str], authorization: str | None) -> urllib3.BaseHTTPResponse:
        """Send, and follow redirects. Only the registry itself, same scheme, host and port, sees the credentials."""
        response = self._first(path, headers | ({"Authorization": authorization} if authorization else {}))
        url = f"{self._scheme}://{self.host}{path}"
        origin = _origin(url)
        for _ in range(_MAX_REDIRECTS):
            location = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                return response
            response.close()
            try:
                url = urljoin(url, location)
                scheme, is_home = urlsplit(url).scheme, _origin(url) == origin
            except ValueError as error:
                raise RegistryUnavailable(f"registry {self.host} redirects to what is no web address") from error
            if scheme != "https" and (scheme != "http" or not self._endpoint.allows_plain):
                raise RegistryUnavailable(f"registry {self.host} redirects to an address without TLS")
            response = self._send(
                url, headers | ({"Authorization": authorization} if is_home and authorization else {})
            )
        raise RegistryUnavailable(f"registry {self.host} redirects in circles")

    def _first(self, path: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """The request to the registry itself; the first one finds out the scheme of an insecure registry."""
        if self._scheme is not None:
            return self._send(f"{self._scheme}://{self.host}{path}", headers)
        with self._scheme_lock:
            for scheme in (self._scheme,) if self._scheme else self._endpoint.schemes:
                is_last = scheme == self._endpoint.schemes[-1] or self._scheme is not None
                try:
                    response = self._send(f"{scheme}://{self.host}{path}", headers)
                except NewConnectionError:
                    raise  # nobody listens, whatever the scheme
                except HTTPError:
                    if is_last:
                        raise
                    continue
                if not is_last and response.status == 400 and "docker-distribution-api-version" not in response.headers:
                    response.close()  # how a TLS server answers plain HTTP
                    continue
                self._scheme = scheme
                return response
        raise RegistryUnavailable(f"registry {self.host} speaks neither HTTP nor HTTPS")

    def _send(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        return self._pool.request(
            "GET", url, headers={"User-Agent": USER_AGENT} | headers, preload_content=False, redirect=False
        )

    def _fetch_token(self, url: str, headers: dict[str, str]) -> tuple[int, bytes]:
        try:
            response = self._send(url, headers)
            return response.status, _small_body(response)
        except HTTPError as error:
            host = urlsplit(url).hostname
            raise RegistryUnavailable(
                f"the registry's token server {host} can't be reached: {_reason(error)}"
            ) from error

    def _denied(self, repository: str, body: bytes) -> AccessDenied:
        said = registry_says(body)
        if self._authorizer.has_credentials:
            text = f"{self.host} refuses these credentials for {repository}: check user name, password and rights"
        else:
            text = f"{self.host} does not show {repository} to anonymous users: add credentials, or check the name"
        return AccessDenied(text + (f" ({said})" if said else ""), {"registry": self.host, "repository": repository})

    def _overloaded(self, response: urllib3.BaseHTTPResponse, body: bytes) -> RegistryUnavailable:
        said = registry_says(body)
        detail: dict[str, object] = {"status": response.status, "registry": self.host}
        if response.status == 429:
            detail["limit"] = response.headers.get("RateLimit-Limit", "")
            text = f"{self.host} limits how often you may pull: wait, or sign in to be allowed more"
        else:
            text = f"registry {self.host} is out of order (it answered {response.status}); try again later"
        return RegistryUnavailable(text + (f" ({said})" if said else ""), detail)


def _small_body(response: urllib3.BaseHTTPResponse) -> bytes:
    """Up to a megabyte of a body that is only read for what it says; an error while reading reads as the end."""
    try:
        return response.read(_MAX_SMALL_BODY, decode_content=True)
    except HTTPError:
        return b""
    finally:
        response.release_conn()
        response.close()


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def _reason(error: BaseException | None) -> str:
    """A short cause without URLs: those of signed redirects are secrets."""
    inner = error
    while inner is not None and inner.__cause__ is not None:
        inner = inner.__cause__
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return type(inner).__name__
