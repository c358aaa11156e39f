"""What people read: sizes, times, and why a container is in its state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone

from webui.accounts.actions import ACTIONS
from webui.pages import words
from webui.pages.explain import explain, state_of
from webui.pages.templatetags.portside import (
    ago,
    breakable,
    familiar,
    hostname,
    is_of_host,
    outside,
    port_link,
    share,
    short,
    size,
    span,
    when,
)
from worker.contract.commands import KINDS


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 KiB"),
        (1536, "1.5 KiB"),
        (64 << 20, "64 MiB"),
        (1023 << 20, "1 GiB"),
        (140 << 30, "140 GiB"),
    ],
)
def test_sizes_have_three_digits_and_a_binary_unit(count: int, text: str) -> None:
    assert size(count) == text


def test_used_and_total_share_a_unit() -> None:
    assert share(10 << 30, 16 << 30) == "10 of 16 GiB"
    assert share(512 << 20, 16 << 30) == "0.5 of 16 GiB"
    assert share(0, 0) == "0 of 0 B"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (59, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273600, "3 d 4 h"), (None, "\u2013")],
)
def test_spans_have_two_units_at_most(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


def test_times_tell_how_long_ago() -> None:
    now = timezone.now()
    assert ago(now) == "just now"
    assert ago(now - timedelta(seconds=61)) == "1 minute ago"
    assert ago((now - timedelta(hours=5)).isoformat()) == "5 hours ago"
    assert ago(None) == "never"


def test_what_is_to_come_is_not_told_as_if_it_were_now() -> None:
    now = timezone.now()
    assert ">in 1 minute<" in when(now + timedelta(seconds=62), "until")
    assert ">in 6 days<" in when((now + timedelta(days=7)).isoformat(), "until")
    assert ">3 hours ago<" in when(now - timedelta(hours=3), "until")
    assert ">just now<" in when(now, "until")


def test_a_time_carries_its_machine_form() -> None:
    assert 'datetime="2026-01-02T03:04:05+00:00"' in when(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def test_references_and_ids_are_shown_as_people_say_them() -> None:
    assert familiar("docker.io/library/alpine:latest") == "alpine:latest"
    assert familiar("ghcr.io/a/b:1") == "ghcr.io/a/b:1"
    assert short("sha256:" + "ab" * 32) == "ab" * 6
    assert short("a-name") == "a-name"
    assert hostname("site.example:8000") == "site.example"
    assert hostname("[::1]:8000") == "[::1]"


def test_every_kind_of_command_has_a_word() -> None:
    assert set(words.JOB_KIND) == set(KINDS)


def container(**values: Any) -> dict[str, Any]:
    return {
        "status": "stopped",
        "desired_status": "running",
        "exit_code": 0,
        "oom_killed": False,
        "error": None,
        "memory_bytes": None,
    } | values


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({}, "all went well"),
        ({"exit_code": 137, "oom_killed": True, "memory_bytes": 64 << 20}, "memory limit of 64 MiB"),
        ({"exit_code": 137, "oom_killed": True}, "the memory of the host"),
        ({"exit_code": 127}, "not found in the image"),
        ({"exit_code": 126}, "could not be run"),
        ({"exit_code": 139}, "SIGSEGV"),
        ({"exit_code": 3}, "exit code 3"),
        ({"exit_code": 200}, "exit code 200"),
        ({"status": "restarting", "exit_code": 1}, "started again"),
        ({"status": "paused"}, "frozen"),
        ({"status": "pending", "error": "no space left"}, "could not be started"),
    ],
)
def test_an_end_is_explained_in_plain_words(values: dict[str, Any], part: str) -> None:
    explanation = explain(container(**values))
    assert explanation is not None
    assert part in explanation.title


def test_being_stopped_by_hand_is_no_fault() -> None:
    by_hand = explain(container(exit_code=137, desired_status="stopped"))
    by_itself = explain(container(exit_code=137))
    assert by_hand is not None
    assert by_itself is not None
    assert (by_hand.tone, by_itself.tone) == ("", "bad")


def test_a_running_container_needs_no_explanation() -> None:
    assert explain(container(status="running")) is None
    assert state_of(container(status="running")) == "running"


def test_what_never_came_to_be_has_failed() -> None:
    assert state_of(container(status="pending", error="no such image")) == "failed"
    assert state_of(container(status="created", error="exec: not found")) == "failed"
    assert state_of(container(status="created")) == "created"


@pytest.mark.parametrize(
    ("name", "html"),
    [
        ("alpine", "alpine"),
        ("r.example:5000/shop/web:1.2", "r.example<wbr>:5000/<wbr>shop/<wbr>web<wbr>:1.2"),
        ("<b>:x", "&lt;b&gt;<wbr>:x"),
    ],
)
def test_a_reference_breaks_between_its_parts(name: str, html: str) -> None:
    assert breakable(name) == html


@pytest.mark.parametrize(
    ("address", "is_there"),
    [
        ("127.0.0.1", True), ("0.0.0.0", True), ("::1", True), ("::", True), ("[::1]", True), ("localhost", True),
        ("10.0.0.1", False), ("registry.example.com", False), ("2001:db8::1", False),
    ],
)  # fmt: skip
def test_addresses_that_stand_for_the_host(address: str, is_there: bool) -> None:
    assert is_of_host(address) is is_there


@pytest.mark.parametrize(
    ("address", "protocol", "where", "link"),
    [
        ("127.0.0.1", "tcp", "127.0.0.1:81", "http://site.example:81/"),
        ("::", "tcp", "[::]:81", "http://site.example:81/"),
        ("2001:db8::1", "tcp", "[2001:db8::1]:81", "http://[2001:db8::1]:81/"),
        ("10.0.0.1", "udp", "10.0.0.1:81", ""),
    ],
)
def test_a_published_port_leads_where_a_browser_finds_it(address: str, protocol: str, where: str, link: str) -> None:
    port = {"container": 80, "host": 81, "protocol": protocol, "address": address}
    request = RequestFactory().get("/", headers={"host": "site.example:8000"})
    assert (outside(port), port_link(port, request)) == (where, link)
    assert port_link(port | {"host": None}, request) == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("registry.update", "Change registry"),
        ("recovery_code.use", "Use a recovery code"),
        ("containers.exec", "Open terminals, attach, run programs"),
        ("policy.port_ranges", "Policy: port ranges"),
    ],
)
def test_what_was_done_is_told_in_words(name: str, text: str) -> None:
    assert words.action(name) == text


def test_each_right_that_is_refused_has_words() -> None:
    """The log named rights by their keys, such as users.manage, between sentences for people."""
    assert [right.name for right in ACTIONS if words.action(right.name) == right.name] == []
