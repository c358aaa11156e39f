"""Signing in: which tokens are asked for, with what, and when they are asked for again."""

from __future__ import annotations

import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from engine.errors import PermissionDenied, Unavailable
from engine.registry.auth import Authorizer, Credentials, merged
from engine.registry.challenge import parse
from engine.registry.tokens import read_token

PULL = ("repository:app:pull",)
CHALLENGE = parse(['Bearer realm="https://auth.example/token?x=1",service="s",scope="repository:app:pull"'])


class TokenServer:
    """Answers what it is told to, one after the other (the last for ever); `asked` has (method, url, headers, body)."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str], bytes | None]] = []

    def __call__(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> tuple[int, bytes]:
        self.asked.append((method, url, headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return (answer, b"") if isinstance(answer, int) else (200, json.dumps(answer).encode())

    def query(self, number: int = -1) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.asked[number][1]).query)


def signed(server: TokenServer, credentials: Credentials | None = None) -> Authorizer:
    return Authorizer(credentials, server, allow_plain=False)


def test_scopes_of_the_client_and_of_the_challenge_are_asked_for_together() -> None:
    server = TokenServer({"token": "t"})
    scopes = ("repository:app:pull,push", "repository:base:pull")
    assert signed(server).answer(CHALLENGE, scopes, None) == "Bearer t"
    assert server.query() == {
        "x": ["1"],
        "service": ["s"],
        "scope": ["repository:app:pull,push", "repository:base:pull"],
    }
    assert merged(["a:b:pull", "c:d:*", "a:b:push,pull", "nonsense"]) == ("a:b:pull,push", "c:d:*")


def test_a_token_serves_until_it_is_old_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    server = TokenServer({"token": "1", "expires_in": 100}, {"access_token": "2", "expires_in": 100}, {"token": "3"})
    signer = signed(server)
    assert signer.header(PULL) is None
    signer.answer(CHALLENGE, PULL, None)
    assert signer.header(PULL) == signer.answer(CHALLENGE, PULL, None) == "Bearer 1"
    assert signer.answer(CHALLENGE, PULL, "Bearer 1") == "Bearer 2"  # the registry did not take it any more
    assert signer.answer(CHALLENGE, PULL, "Bearer 1") == "Bearer 2"  # nor for another thread
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 96)
    assert signer.header(PULL) is None
    assert signer.answer(CHALLENGE, PULL, None) == "Bearer 3"
    assert len(server.asked) == 3
    assert signer.header(("repository:other:pull",)) is None


@pytest.mark.parametrize(
    "credentials", [Credentials("<token>", "identity"), Credentials("alice", "", identity_token="identity")], ids=str
)
def test_an_identity_token_is_exchanged_and_replaced(credentials: Credentials) -> None:
    server = TokenServer({"access_token": "1", "refresh_token": "newer"}, {"access_token": "2"})
    signer = signed(server, credentials)
    assert signer.answer(CHALLENGE, PULL, None) == "Bearer 1"
    method, url, headers, body = server.asked[0]
    assert (method, url) == ("POST", "https://auth.example/token?x=1")
    assert "Authorization" not in headers
    assert parse_qs((body or b"").decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["identity"],
        "service": ["s"],
        "client_id": ["portside"],
        "scope": ["repository:app:pull"],
    }
    assert signer.answer(CHALLENGE, PULL, "Bearer 1") == "Bearer 2"
    assert parse_qs((server.asked[1][3] or b"").decode())["refresh_token"] == ["newer"]
    assert "identity" not in repr(credentials)


@pytest.mark.parametrize(
    ("credentials", "status", "said"),
    [
        (None, 401, "does not let anonymous users push to"),
        (Credentials("alice", "secret"), 403, "user name or the password is wrong"),
        (Credentials("<token>", "secret"), 401, "sign in again"),
        (Credentials("<token>", "secret"), 405, "use a user name and an access token"),
    ],
    ids=str,
)
def test_a_refusal_says_what_to_do(credentials: Credentials | None, status: int, said: str) -> None:
    with pytest.raises(PermissionDenied, match=said) as refused:
        signed(TokenServer(status), credentials).answer(CHALLENGE, ("repository:app:pull,push",), None)
    assert "secret" not in repr(refused.value) + str(refused.value.detail)


def test_the_first_challenge_that_can_be_met_is_met() -> None:
    server = TokenServer({"token": "t"})
    both = parse(["Negotiate", 'basic REALM="x" , Bearer  realm = "https://auth.example/" , service=y'])
    alice = Credentials("alice", "secret")
    signer = signed(server, alice)
    assert signer.answer(both, PULL, None) == alice.basic
    assert signer.answer(both, PULL, alice.basic) == "Bearer t"
    assert signed(server).answer(both, PULL, None) == "Bearer t"
    assert signed(server).answer(parse(["Negotiate"]), PULL, None) is None


def test_a_token_server_without_tls_is_for_registries_without() -> None:
    server = TokenServer({"token": "t"})
    plain = parse(['Bearer realm="http://auth.example/token"'])
    with pytest.raises(Unavailable, match="no TLS"):
        signed(server, Credentials("alice", "secret")).answer(plain, PULL, None)
    assert server.asked == []
    assert Authorizer(None, server, allow_plain=True).answer(plain, PULL, None) == "Bearer t"


@pytest.mark.parametrize("body", [b'{"token": "a", "refresh_token": 5}', b'{"token": "a", "refresh_token": "b\\n"}'])
def test_what_is_no_refresh_token_is_refused(body: bytes) -> None:
    with pytest.raises(Unavailable):
        read_token(body)


def test_no_secret_shows_in_a_token() -> None:
    assert "secret" not in repr(read_token(b'{"token": "secret", "refresh_token": "secret"}'))
