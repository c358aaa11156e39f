"""Requests to one registry: authorized, redirected with care, repeated where that helps."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, SSLError

from engine.errors import Cancelled
from engine.registry import challenge
from engine.registry.auth import Authorizer, Credentials, Scopes
from engine.registry.connections import READ_SECONDS, Connections
from engine.registry.endpoint import Endpoint
from engine.registry.errors import AccessDenied, ImageUnknown, RegistryUnavailable, refusal, registry_says
from engine.registry.limits import RateLimit, in_words, rate_limit, retry_after

USER_AGENT = "portside/0.1"
_MAX_REDIRECTS = 5
_ATTEMPTS = 5
_CONNECT_ATTEMPTS = 2
_BACK_OFF_SECONDS = 0.3
_MAX_BACK_OFF_SECONDS = 20.0
_FAREWELL_SECONDS = 3.0
_MAX_SMALL_BODY = 1 << 20
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `path` is `/v2/…`, or an address that the registry named (`Transport.located`).

    `body` makes the body, anew for each attempt. `expected` are the statuses from 400 on that are no error here.
    `retries` is False where sending the same again would not be the same, `follows` where a redirect says enough.
    """

    method: str
    path: str
    scopes: Scopes = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[], Any] | None = None
    expected: frozenset[int] = frozenset()
    read_seconds: float = READ_SECONDS
    retries: bool = True
    follows: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that was read to its end, as far as a megabyte goes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Speaks HTTP with one registry for one user. Thread-safe; close it at the end.

    `attempts` bounds how often a request is sent while the registry is overloaded or unreachable.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials | None,
        cancel: threading.Event | None = None,
        attempts: int | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._cancel = cancel or threading.Event()
        self._attempts = attempts or _ATTEMPTS
        self._scheme: str | None = None
        self._scheme_lock = threading.Lock()
        if not endpoint.is_secure:  # a setting says so; no need to be warned at every request
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._connections = Connections(endpoint.tls_context())
        self._authorizer = Authorizer(credentials, self._ask_for_token, allow_plain=endpoint.allows_plain)
        self.rate_limit: RateLimit | None = None
        """What the registry said of its limits last."""
        self.was_challenged = False
        """Whether it has asked who one is."""

    @property
    def host(self) -> str:
        return self._endpoint.host

    @contextlib.contextmanager
    def open(self, call: Call) -> Iterator[urllib3.BaseHTTPResponse]:
        """Send; yields the response (2xx, or an expected status) with its body unread.

        Raises `ImageUnknown`, `AccessDenied`, `RegistryUnavailable`, `Cancelled`, and what `errors.refusal` makes.
        What breaks while the body is read raises urllib3's `HTTPError`, and so does a call without retries that
        breaks: the caller knows whether it can go on.
        """
        response = self._retried(call) if call.retries else self._authorized(call)
        try:
            self.check_cancelled()
            yield response
        finally:
            response.close()

    def answer(self, call: Call) -> Answer:
        """As `open`, for an answer of which one wants to know no more than its headers and a short body."""
        response = self._retried(call) if call.retries else self._authorized(call)
        body = _small_body(response)
        self.check_cancelled()
        return Answer(response.status, response.headers, body)

    def located(self, path: str, location: str | None) -> str:
        """The address that a `Location` header means, which came with the answer to `path`, for the next call.

        Raises `RegistryUnavailable` for what is no address of the web, or has no TLS where the registry has.
        """
        url = self._joined(path if "://" in path else self._url(self._scheme or "https", path), location or "")
        own = urlsplit(f"{self._scheme}://{self.host}")
        parts = urlsplit(url)
        if parts.scheme == "http" and own.scheme == "https" and parts.netloc.lower() == own.netloc.lower():
            return parts._replace(scheme="https").geturl()  # a registry that does not know of the TLS before it
        self._check_scheme(url)
        return url

    def check_cancelled(self) -> None:
        """Raises `Cancelled` once the caller has asked for it."""
        if self._cancel.is_set():
            raise Cancelled("cancelled")

    def wait(self, attempt: int, headers: Mapping[str, str] | None = None) -> None:
        """Sleep before attempt number `attempt` (from 1), or as long as the registry asked. Raises `Cancelled`."""
        asked = retry_after(headers) if headers is not None else None
        if asked is None:
            asked = _BACK_OFF_SECONDS * 2 ** (attempt - 1) * random.uniform(0.7, 1.3)  # noqa: S311  (jitter)
        if self._cancel.wait(min(asked, _MAX_BACK_OFF_SECONDS)):
            self.check_cancelled()

    def interrupt(self) -> None:
        """Break off all that is being sent, waited for or read (its threads see an `HTTPError`)."""
        self._connections.break_off()

    def farewell(self, call: Call) -> None:
        """Send a last request that nobody waits for long, also after `interrupt`; whatever comes of it is ignored."""
        connections = Connections(self._endpoint.tls_context())
        try:
            authorization = self._authorizer.header(call.scopes) if self._is_home(call.path) else None
            signed = {"Authorization": authorization} if authorization else {}
            headers = {"User-Agent": USER_AGENT, **signed}
            _small_body(connections.request(call.method, call.path, headers, read_seconds=_FAREWELL_SECONDS))
        except HTTPError:
            pass
        finally:
            connections.close()

    def close(self) -> None:
        self._connections.close()

    def _retried(self, call: Call) -> urllib3.BaseHTTPResponse:
        number = 0
        while True:
            number += 1
            self.check_cancelled()
            try:
                response = self._authorized(call)
            except HTTPError as error:
                cause = error.reason if isinstance(error, MaxRetryError) else error
                is_hopeless = isinstance(cause, (NewConnectionError, SSLError))
                self.check_cancelled()
                if number >= min(self._attempts, _CONNECT_ATTEMPTS if is_hopeless else self._attempts):
                    raise self.unreachable(cause) from error
                self.wait(number)
                continue
            if response.status not in TRANSIENT or response.status in call.expected:
                return response
            answer = Answer(response.status, response.headers, _small_body(response))
            if number >= self._attempts or is_in_vain(answer):
                raise self.overloaded(answer)
            self.wait(number, answer.headers)

    def _authorized(self, call: Call) -> urllib3.BaseHTTPResponse:
        """One request; a 401 is answered once with what the registry asks for."""
        sent = self._authorizer.header(call.scopes)
        response = self._follow(call, sent)
        if response.status == 401:
            self.was_challenged = True
            asked = challenge.parse(response.headers.getlist("WWW-Authenticate"))
            body = _small_body(response)
            answer = self._authorizer.answer(asked, call.scopes, sent)
            if answer is None:
                raise self._denied(call.scopes, body)
            response = self._follow(call, answer)
        self.rate_limit = rate_limit(response.headers) or self.rate_limit
        if response.status < 400 or response.status in call.expected or response.status in TRANSIENT:
            return response
        body = _small_body(response)
        if response.status in (401, 403):
            raise self._denied(call.scopes, body)
        if response.status == 404 and call.method in ("GET", "HEAD"):
            repository = repository_of(call.scopes)
            raise ImageUnknown(f"{self.host} has no image {repository!r} of this name", {"repository": repository})
        raise refusal(self.host, response.status, body)

    def _follow(self, call: Call, authorization: str | None) -> urllib3.BaseHTTPResponse:
        """Send, and follow redirects. Only the registry itself, same scheme, host and port, sees the credentials."""
        signed = {"Authorization": authorization} if authorization else {}
        if "://" in call.path:
            url, response = call.path, self._send(call, call.path, signed if self._is_home(call.path) else {})
        else:
            url, response = self._first(call, signed)
        for _ in range(_MAX_REDIRECTS):
            location = response.headers.get("Location")
            is_readable = call.method in ("GET", "HEAD") or response.status in (307, 308)
            if response.status not in _REDIRECTS or not (location and is_readable and call.follows):
                return response
            response.close()
            url = self._joined(url, location)
            self._check_scheme(url)
            response = self._send(call, url, signed if self._is_home(url) else {})
        raise RegistryUnavailable(f"registry {self.host} redirects in circles")

    def _joined(self, url: str, location: str) -> str:
        try:
            joined = urljoin(url, location)
            _origin(joined)
        except ValueError as error:
            raise RegistryUnavailable(f"registry {self.host} redirects to what is no web address") from error
        return joined

    def _check_scheme(self, url: str) -> None:
        scheme = urlsplit(url).scheme
        if scheme != "https" and (scheme != "http" or not self._endpoint.allows_plain):
            raise RegistryUnavailable(f"registry {self.host} redirects to an address without TLS")

    def _is_home(self, url: str) -> bool:
        return _origin(url) == _origin(f"{self._scheme}://{self.host}")

    def _first(self, call: Call, signed: dict[str, str]) -> tuple[str, urllib3.BaseHTTPResponse]:
        """The request to the registry itself; the first one finds out the scheme of an insecure registry."""
        if self._scheme is not None:
            url = self._url(self._scheme, call.path)
            return url, self._send(call, url, signed)
        with self._scheme_lock:
            for scheme in (self._scheme,) if self._scheme else self._endpoint.schemes:
                is_last = scheme == self._endpoint.schemes[-1] or self._scheme is not None
                url = self._url(scheme, call.path)
                try:
                    response = self._send(call, url, signed)
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
                return url, response
        raise RegistryUnavailable(f"registry {self.host} speaks neither HTTP nor HTTPS")

    def _url(self, scheme: str, path: str) -> str:
        url = f"{scheme}://{self.host}{self._endpoint.prefix}{path}"
        if self._endpoint.namespace:
            url += f"{'&' if '?' in path else '?'}ns={quote(self._endpoint.namespace, safe='')}"
        return url

    def _send(self, call: Call, url: str, signed: dict[str, str]) -> urllib3.BaseHTTPResponse:
        headers = {"User-Agent": USER_AGENT, **call.headers, **signed}
        body = call.body() if call.body is not None else None
        return self._connections.request(call.method, url, headers, body, call.read_seconds)

    def _ask_for_token(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> tuple[int, bytes]:
        """Ask a token server, again while it is overloaded. Its redirects are followed without what is secret."""
        number = 0
        while True:
            number += 1
            self.check_cancelled()
            sent = Call(method, url, headers={"User-Agent": USER_AGENT, **headers}, body=lambda: body)
            try:
                response = self._send(sent, url, {})
            except HTTPError as error:
                if number >= min(self._attempts, _CONNECT_ATTEMPTS):
                    host = urlsplit(url).hostname
                    raise RegistryUnavailable(
                        f"the registry's token server {host} can't be reached: {_reason(error)}"
                    ) from error
                self.wait(number)
                continue
            location = response.headers.get("Location")
            if response.status in _REDIRECTS and location and method == "GET" and number < self._attempts:
                response.close()
                before, url = url, self._joined(url, location)
                self._check_scheme(url)
                headers = headers if _origin(before) == _origin(url) else {}
                continue
            answered = Answer(response.status, response.headers, _small_body(response))
            if answered.status not in TRANSIENT or number >= self._attempts or is_in_vain(answered):
                return answered.status, answered.body
            self.wait(number, answered.headers)

    def unreachable(self, cause: BaseException | None) -> RegistryUnavailable:
        """The error for a registry that does not answer, because of `cause`."""
        return RegistryUnavailable(
            f"registry {self.host} can't be reached: {_reason(cause)}{_advice(cause)}", {"registry": self.host}
        )

    def overloaded(self, answer: Answer) -> RegistryUnavailable:
        """The error for one that answers with 5xx or 429 again and again."""
        said = registry_says(answer.body)
        detail: dict[str, object] = {"status": answer.status, "registry": self.host}
        seconds, limit = retry_after(answer.headers), rate_limit(answer.headers)
        if seconds is not None:
            detail["retry_after_seconds"] = seconds
        if answer.status == 429:
            detail["limit"] = answer.headers.get("RateLimit-Limit", "")
            detail["rate_limit"] = limit.as_json() if limit else None
            text = f"{self.host} limits how often you may ask it{f' (to {limit})' if limit else ''}: "
            text += f"wait {in_words(seconds)}" if seconds else "wait"
            text += "" if self._authorizer.has_credentials else ", or sign in to be allowed more"
        else:
            text = f"registry {self.host} is out of order (it answered {answer.status}); try again later"
        return RegistryUnavailable(text + (f" ({said})" if said else ""), detail)

    def _denied(self, scopes: Scopes, body: bytes) -> AccessDenied:
        said, repository = registry_says(body), repository_of(scopes)
        what = repository or "anything"
        if self._authorizer.has_credentials:
            text = f"{self.host} refuses these credentials for {what}: check user name, password and rights"
        else:
            text = f"{self.host} does not show {what} to anonymous users: add credentials, or check the name"
        return AccessDenied(text + (f" ({said})" if said else ""), {"registry": self.host, "repository": repository})


def repository_of(scopes: Scopes) -> str:
    """The repository that the first scope is about."""
    return scopes[0].partition(":")[2].rpartition(":")[0] if scopes else ""


def is_in_vain(answer: Answer) -> bool:
    """Whether asking again soon can't help: the quota is used up, or the registry wants much more time."""
    limit, seconds = rate_limit(answer.headers), retry_after(answer.headers)
    if seconds is not None:
        return seconds > 3 * _MAX_BACK_OFF_SECONDS
    return answer.status == 429 and limit is not None and limit.remaining == 0


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


def _advice(error: BaseException | None) -> str:
    inner = error
    while inner is not None and inner.__cause__ is not None:
        inner = inner.__cause__
    if "CERTIFICATE_VERIFY_FAILED" in str(getattr(inner, "reason", "")) or isinstance(error, SSLError):
        return "; if its certificate is its own, add the certificate of its authority to the registry's settings"
    return ""
