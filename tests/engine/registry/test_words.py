"""The small grammars of a registry: challenges, insecure lists, error documents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.registry.challenge import Challenge, parse
from engine.registry.endpoint import Endpoint, is_insecure
from engine.registry.errors import registry_says


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"',
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull",
                    },
                )
            ],
        ),
        ("bearer REALM=https://a/b , service = x", [("bearer", {"realm": "https://a/b", "service": "x"})]),
        ('Basic realm="a, \\"b\\" c"', [("basic", {"realm": 'a, "b" c'})]),
        (
            'Basic realm="x", Bearer realm="y",service="z"',
            [("basic", {"realm": "x"}), ("bearer", {"realm": "y", "service": "z"})],
        ),
        ("Negotiate, Basic realm=r", [("negotiate", {}), ("basic", {"realm": "r"})]),
        ("Basic", [("basic", {})]),
        ("", []),
        (", ,", []),
    ],
)
def test_challenges_are_read_in_all_spellings(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert parse([header]) == [Challenge(scheme, parameters) for scheme, parameters in expected]


@given(st.lists(st.text(max_size=200), max_size=3))
def test_any_header_is_read_without_an_error(headers: list[str]) -> None:
    parse(headers)


LISTED = ("127.0.0.0/8", "localhost", "fd00::/8", "registry.example:5000", "10.1.2.3")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:5000", True),
        ("127.9.9.9", True),
        ("localhost:80", True),
        ("LOCALHOST", True),
        ("[fd00::1]:5000", True),
        ("registry.example:5000", True),
        ("10.1.2.3:1", True),
        ("registry.example", False),
        ("registry.example:5001", False),
        ("localhost.example", False),
        ("128.0.0.1", False),
        ("[::1]", False),
        ("registry-1.docker.io", False),
    ],
)
def test_only_listed_registries_may_do_without_tls(host: str, expected: bool) -> None:
    assert is_insecure(host, LISTED) is expected


def test_dockers_hub_has_another_host_than_its_name() -> None:
    assert Endpoint.of("docker.io", LISTED) == Endpoint("registry-1.docker.io", ("https",), True)
    assert Endpoint.of("localhost:5000", LISTED) == Endpoint("localhost:5000", ("http", "https"), False)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"errors":[{"code":"DENIED","message":"no"},{"code":"OTHER"}]}', "no; OTHER"),
        (b'{"errors":[{"message":"a\\u001b[31mb"}]}', "a[31mb"),
        (b'{"errors":"x"}', ""),
        (b'{"errors":[1]}', ""),
        (b"[]", ""),
        (b"<html>", ""),
        (b"[" * 60000, ""),
        (b"", ""),
    ],
)
def test_error_documents_become_one_printable_line(body: bytes, said: str) -> None:
    assert registry_says(body) == said
