"""Requests: credentials go to the registry alone, TLS is checked, redirects and schemes are followed with care."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.errors import Cancelled, PermissionDenied, Unavailable
from engine.oci.reference import Reference
from engine.registry import transport
from engine.registry.access import Access
from engine.registry.auth import Credentials
from engine.registry.client import RegistryClient
from tests.support.certificates import self_signed
from tests.support.dripping import dripping

MANIFEST = b'{"schemaVersion": 2}'
Answer = Callable[[BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes]]


class Server:
    """One small HTTP server; `seen` has (path, Authorization)."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self.seen: list[tuple[str, str | None]] = []
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                seen.append((self.path, self.headers.get("Authorization")))
                status, headers, body = answer(self)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def started(answer: Answer, context: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(answer, context))
        return servers[-1]

    yield started
    for server in servers:
        server.server.shutdown()
        server.server.server_close()


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_BACK_OFF_SECONDS", 0.005)


def fetch(
    tmp_path: Path,
    address: str,
    access: Access | Credentials | None = None,
    insecure: tuple[str, ...] = ("127.0.0.0/8",),
) -> bytes:
    config = EngineConfig(home=tmp_path, insecure_registries=insecure)
    if isinstance(access, Credentials):
        access = Access(access)
    with RegistryClient(config, Reference.parse(f"{address}/app"), access) as client:
        return client.manifest("latest").data


def own_tls(tmp_path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path))
    return context


def wants_basic(then: Answer) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        if request.headers.get("Authorization") is None:
            return 401, {"WWW-Authenticate": 'Basic realm="x"'}, b""
        return then(request)

    return answer


def test_a_redirect_to_another_host_gets_no_credentials(tmp_path: Path, serve: Callable[..., Server]) -> None:
    other = serve(lambda _: (200, {}, MANIFEST))
    registry = serve(wants_basic(lambda _: (307, {"Location": f"http://{other.address}/stored?signature=1"}, b"")))
    assert fetch(tmp_path, registry.address, Credentials("alice", "secret")) == MANIFEST
    assert registry.seen[-1][1] == "Basic YWxpY2U6c2VjcmV0"
    assert other.seen == [("/stored?signature=1", None)]


def test_a_redirect_within_the_registry_keeps_them(tmp_path: Path, serve: Callable[..., Server]) -> None:
    def then(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        return (200, {}, MANIFEST) if request.path == "/elsewhere" else (302, {"Location": "/elsewhere"}, b"")

    registry = serve(wants_basic(then))
    assert fetch(tmp_path, registry.address, Credentials("alice", "secret")) == MANIFEST
    assert registry.seen[-1] == ("/elsewhere", "Basic YWxpY2U6c2VjcmV0")


@pytest.mark.parametrize(
    "location", ["/v2/app/manifests/latest", "ftp://example.com/x", "file:///etc/passwd", "//[", "http://x:port/"]
)
def test_endless_and_strange_redirects_are_refused(tmp_path: Path, serve: Callable[..., Server], location: str) -> None:
    registry = serve(lambda _: (302, {"Location": location}, b""))
    with pytest.raises(Unavailable, match="redirects"):
        fetch(tmp_path, registry.address)
    assert len(registry.seen) < 10


def test_a_listed_registry_may_have_a_certificate_of_its_own(tmp_path: Path, serve: Callable[..., Server]) -> None:
    registry = serve(lambda _: (200, {}, MANIFEST), own_tls(tmp_path))
    assert fetch(tmp_path, registry.address) == MANIFEST
    with pytest.raises(Unavailable, match="can't be reached"):
        fetch(tmp_path, registry.address, insecure=())


def test_a_certificate_of_its_own_is_trusted_when_it_is_given(tmp_path: Path, serve: Callable[..., Server]) -> None:
    registry = serve(lambda _: (200, {}, MANIFEST), own_tls(tmp_path))
    other = serve(lambda _: (200, {}, MANIFEST), own_tls(tmp_path))
    certificate = (tmp_path / "certificate.pem").read_text()
    with pytest.raises(Unavailable):
        fetch(tmp_path, registry.address, Access(ca_pem=certificate), insecure=())
    assert fetch(tmp_path, other.address, Access(ca_pem=certificate), insecure=()) == MANIFEST
    assert fetch(tmp_path, registry.address, Access(tls_verify=False), insecure=()) == MANIFEST


def test_plain_http_is_for_registries_that_are_set_so(tmp_path: Path, serve: Callable[..., Server]) -> None:
    registry = serve(lambda _: (200, {}, MANIFEST))
    assert fetch(tmp_path, registry.address, Access(plain_http=True), insecure=()) == MANIFEST
    with pytest.raises(Unavailable):
        fetch(tmp_path, registry.address, Access(tls_verify=False), insecure=())
    assert len(registry.seen) == 1


def test_a_registry_that_is_not_listed_is_never_asked_in_plain_text(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    registry = serve(lambda _: (200, {}, MANIFEST))
    with pytest.raises(Unavailable):
        fetch(tmp_path, registry.address, Credentials("alice", "secret"), insecure=("localhost",))
    assert registry.seen == []


def test_a_token_is_asked_for_with_the_password_and_used_without_it(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    tokens = serve(lambda _: (200, {}, b'{"access_token": "t0ken", "expires_in": 300}'))

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        if request.headers.get("Authorization") == "Bearer t0ken":
            return 200, {}, MANIFEST
        challenge = f'Bearer realm="http://{tokens.address}/token",service="s",scope="repository:app:pull"'
        return 401, {"WWW-Authenticate": challenge}, b""

    registry = serve(answer)
    assert fetch(tmp_path, registry.address, Credentials("alice", "secret")) == MANIFEST
    assert tokens.seen == [("/token?service=s&scope=repository%3Aapp%3Apull", "Basic YWxpY2U6c2VjcmV0")]
    assert [sent for _, sent in registry.seen] == [None, "Bearer t0ken"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"token": 5}', b'{"token": "a\\nb"}', b'{"token":"x","expires_in":"y"}']
)
def test_a_token_server_that_talks_nonsense_is_unavailable(
    tmp_path: Path, serve: Callable[..., Server], body: bytes
) -> None:
    tokens = serve(lambda _: (200, {}, body))
    registry = serve(lambda _: (401, {"WWW-Authenticate": f'Bearer realm="http://{tokens.address}/"'}, b""))
    with pytest.raises(Unavailable, match="token"):
        fetch(tmp_path, registry.address)


@pytest.mark.parametrize("seconds", ["1e999", "1" + "0" * 400, "-5", '"300"'])
def test_a_token_of_an_odd_age_is_used_or_refused(tmp_path: Path, serve: Callable[..., Server], seconds: str) -> None:
    tokens = serve(lambda _: (200, {}, b'{"token": "x", "expires_in": %s}' % seconds.encode()))

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        if request.headers.get("Authorization") == "Bearer x":
            return 200, {}, MANIFEST
        return 401, {"WWW-Authenticate": f'Bearer realm="http://{tokens.address}/"'}, b""

    try:
        assert fetch(tmp_path, serve(answer).address) == MANIFEST
    except Unavailable as error:
        assert "token" in error.message


@pytest.mark.parametrize("text", ["nan", "-1", "inf", "soon"])
def test_an_odd_time_to_wait_is_not_believed(
    tmp_path: Path, serve: Callable[..., Server], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_MAX_BACK_OFF_SECONDS", 0.01)
    registry = serve(lambda _: (503, {"Retry-After": text}, b""))
    with pytest.raises(Unavailable, match="out of order"):
        fetch(tmp_path, registry.address)
    assert len(registry.seen) == 5


def test_a_registry_that_never_accepts_its_own_token_is_permission_denied(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    tokens = serve(lambda _: (200, {}, b'{"token": "x"}'))
    registry = serve(lambda _: (401, {"WWW-Authenticate": f'Bearer realm="http://{tokens.address}/"'}, b""))
    with pytest.raises(PermissionDenied):
        fetch(tmp_path, registry.address)
    assert len(registry.seen) == 2


@pytest.mark.parametrize("realm", ["file:///etc/passwd", "http://user@host/", "gopher://x/", "http://[", ""])
def test_a_token_server_is_a_web_address(tmp_path: Path, serve: Callable[..., Server], realm: str) -> None:
    registry = serve(lambda _: (401, {"WWW-Authenticate": f'Bearer realm="{realm}"'}, b""))
    with pytest.raises(Unavailable, match="token server"):
        fetch(tmp_path, registry.address)


@pytest.mark.parametrize(
    ("beginning", "plain_http"),
    [
        (b"HTTP/1.0 200 OK\r\nContent-Length: 99999\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 99999\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", True),
        (b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03", False),
    ],
    ids=["HTTP/1.0", "close", "HTTP/1.1", "handshake"],
)
def test_an_answer_without_end_is_broken_off_wherever_it_is(tmp_path: Path, beginning: bytes, plain_http: bool) -> None:
    cancel = threading.Event()
    with dripping(beginning, b" ") as address:
        reference = Reference.parse(f"{address}/app")
        with RegistryClient(EngineConfig(home=tmp_path), reference, Access(plain_http=plain_http), cancel) as client:
            threading.Timer(0.3, lambda: (cancel.set(), client.interrupt())).start()
            began = time.monotonic()
            with pytest.raises(Cancelled):
                client.manifest("latest")
            assert time.monotonic() - began < 8
