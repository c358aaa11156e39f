"""The line that makes docker speak to a host: right for the shell, for plain addresses and for TLS."""

from __future__ import annotations

import shlex

import pytest

from webui.pages.docker_command import context_line


@pytest.mark.parametrize(
    ("address", "is_secure", "reach"),
    [
        ("127.0.0.1:8000", False, "host=tcp://127.0.0.1:8000/hosts/pier"),
        ("portside.example.com", False, "host=tcp://portside.example.com:80/hosts/pier"),
        (
            "portside.example.com",
            True,
            "host=tcp://portside.example.com:443/hosts/pier,ca=/etc/ssl/certs/ca-certificates.crt",
        ),
    ],
)
def test_a_context_reaches_the_host_by_the_sites_address(address: str, is_secure: bool, reach: str) -> None:
    words = shlex.split(context_line(address, "pier", is_secure=is_secure))
    assert words == ["docker", "context", "create", "portside-pier", "--docker", reach]


@pytest.mark.parametrize(
    ("name", "context", "path"),
    [("my host/1", "portside-my-host-1", "my%20host%2F1"), ("$(rm x)", "portside-rm-x", "%24%28rm%20x%29")],
)
def test_an_odd_name_breaks_nothing(name: str, context: str, path: str) -> None:
    words = shlex.split(context_line("a:1", name, is_secure=False))
    assert (words[3], words[5]) == (context, f"host=tcp://a:1/hosts/{path}")
