"""The small grammars of a registry: challenges, insecure lists, error documents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidArgument
from engine.registry.access import Access
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
    ("access", "expected"),
    [
        (Access(), Endpoint("r.example", ("https",), True)),
        (Access(plain_http=True), Endpoint("r.example", ("http",), False)),
        (Access(tls_verify=False), Endpoint("r.example", ("https",), False)),
    ],
)
def test_what_is_not_safe_has_to_be_set(access: Access, expected: Endpoint) -> None:
    assert Endpoint.of("r.example", LISTED, access) == expected


@pytest.mark.parametrize(
    ("mirror", "host", "schemes", "prefix"),
    [
        ("mirror.example", "mirror.example", ("https",), ""),
        ("mirror.example:5000", "mirror.example:5000", ("https",), ""),
        ("localhost:5000", "localhost:5000", ("http", "https"), ""),
        ("https://mirror.example/hub/", "mirror.example", ("https",), "/hub"),
        ("http://mirror.example/v2/", "mirror.example", ("http",), ""),
        ("[fd00::1]:5000", "[fd00::1]:5000", ("http", "https"), ""),
    ],
)
def test_mirrors_are_written_as_hosts_or_addresses(
    mirror: str, host: str, schemes: tuple[str, ...], prefix: str
) -> None:
    found = Endpoint.of_mirror(mirror, "docker.io", LISTED)
    assert (found.host, found.schemes, found.prefix, found.namespace) == (host, schemes, prefix, "docker.io")


@pytest.mark.parametrize("mirror", ["", "ftp://m", "http://", "https://u:secret@m", "m:port", "http://[", "m/?q=1"])
def test_what_is_no_mirror_is_refused_without_its_password(mirror: str) -> None:
    with pytest.raises(InvalidArgument, match="mirror") as refused:
        Endpoint.of_mirror(mirror, "docker.io", LISTED)
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("text", ["words", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\xe4"])
def test_what_is_no_certificate_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="certificates"):
        Endpoint.of("r.example", LISTED, Access(ca_pem=text))


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
