"""What docker clients say about registries in their headers, readable or not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from webui.dockerapi.registry_auth import login_of, logins_of
from webui.images.credentials import GivenLogin


def header(said: Any, *, padded: bool = True, url_safe: bool = True) -> str:
    data = json.dumps(said).encode()
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(data).decode()
    return text if padded else text.rstrip("=")


ANN = {"username": "ann", "password": "\xff\xfe~~~???", "serveraddress": "registry.example.com"}


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("url_safe", [True, False])
def test_a_name_and_a_password_are_read(padded: bool, url_safe: bool) -> None:
    assert login_of(header(ANN, padded=padded, url_safe=url_safe)) == GivenLogin("ann", ANN["password"])


def test_a_token_stands_for_a_password() -> None:
    assert login_of(header({"identitytoken": "t0ken"})) == GivenLogin("<token>", "t0ken")


def test_what_stands_in_a_clients_file_is_read_too() -> None:
    assert login_of(header({"auth": base64.b64encode(b"ann:se:cret").decode()})) == GivenLogin("ann", "se:cret")


NESTED = base64.urlsafe_b64encode(b"[" * 20_000).decode()
HALF = header({"username": "\ud800", "password": "x"})


@pytest.mark.parametrize(
    "text", ["", "e30=", "null", "%%%", header([1]), header({"username": "ann"}), "A" * 100_000, NESTED, HALF]
)
def test_what_says_nothing_is_nobody(text: str) -> None:
    assert login_of(text) is None


def test_several_registries_are_told_by_their_names() -> None:
    said = {
        "https://index.docker.io/v1/": {"username": "hub", "password": "1"},
        "registry.example.com:5000": {"username": "own", "password": "2"},
        "odd name": {"username": "x", "password": "3"},
        "nothing.example.com": {},
        "worse.example.com": "text",
    }
    assert logins_of(header(said)) == {
        "docker.io": GivenLogin("hub", "1"),
        "registry.example.com:5000": GivenLogin("own", "2"),
    }


def test_a_password_is_in_no_text() -> None:
    assert "secret" not in repr(GivenLogin("ann", "secret"))
