"""A request that leads out is over in time, whatever the other side does."""

from __future__ import annotations

import time

import pytest
from urllib3.exceptions import LocationParseError
from urllib3.exceptions import TimeoutError as NoAnswer

from engine import reach
from tests.support.dripping import dripping


def ask(url: str, *, seconds: float = 0.4) -> reach.Answer:
    return reach.request("GET", url, headers={}, reaches_local=True, seconds=seconds, most_bytes=1000)


@pytest.mark.parametrize(
    ("scheme", "beginning", "drop"),
    [
        ("http", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        ("http", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("http", b"", b"H"),
        ("https", b"\x16\x03\x03\x40\x00", b"\x02"),
    ],
)
def test_headers_that_drip_are_left(scheme: str, beginning: bytes, drop: bytes) -> None:
    with dripping(beginning, drop) as place:
        began = time.monotonic()
        with pytest.raises(NoAnswer):
            ask(f"{scheme}://{place}/")
        assert time.monotonic() - began < 5


def test_content_that_drips_is_cut() -> None:
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x") as place:
        answer = ask(f"http://{place}/")
    assert (answer.status, set(answer.beginning), answer.is_cut) == (200, set(b"x"), True)


def test_of_long_content_the_beginning_is_read() -> None:
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * 3000, b"x") as place:
        answer = ask(f"http://{place}/", seconds=30)
    assert (answer.beginning, answer.is_cut) == (b"y" * 1000, False)


def test_what_is_answered_in_time_is_whole() -> None:
    with dripping(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", b"") as place:
        answer = ask(f"http://{place}/", seconds=30)
    assert answer == reach.Answer(404, b"no", False)


@pytest.mark.parametrize("name", ["a..b", f"{'a' * 64}.example"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_no_host_can_be_called_is_refused_as_other_addresses_are(scheme: str, name: str) -> None:
    with pytest.raises(LocationParseError, match="label empty or too long"):
        ask(f"{scheme}://{name}/")
