"""What people read: templates of --format, tables that fit, words of a moment, and no control characters."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from client import InvalidArgument
from client.cli import output
from client.cli.building import Plain
from client.cli.templates import Template

ROW = {
    "ID": "abc",
    "name": "web",
    "Names": "web",
    "host": {"name": "h1"},
    "image_id": "sha256:1",
    "tags": ["a", "b"],
    "ports": [{"host": 80}, {"host": 81}],
    "labels": {"app.x": "y"},
    "error": None,
    "done": True,
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.ID}}\\t{{.Names}}", "abc\tweb"),
        ("{{.Host.Name}} {{.ImageId}}", "h1 sha256:1"),
        ("{{json .tags}} {{json .host}}", '["a", "b"] {"name": "h1"}'),
        ('{{join .tags ", "}}', "a, b"),
        ("{{upper .Names}} {{.ID | upper}} {{len .tags}}", "WEB ABC 2"),
        ("{{range .ports}}{{.host}};{{end}}", "80;81;"),
        ("{{range .nothing}}x{{else}}none{{end}}", "none"),
        ("{{if .error}}bad{{else}}good{{end}} {{.done}}", "good true"),
        ("{{if .ports}}{{range .ports}}{{if .host}}{{.host}}{{end}} {{end}}{{end}}", "80 81 "),
        ('{{index .labels "app.x"}}{{index .tags 1}}', "yb"),
        ("{{println .ID}}x", "abc\nx"),
        ("{{.error}}{{.missing.deep}}", ""),
        ("a {{- .ID }} {{.ID -}}", "aabc abc"),
        ('{{truncate .image_id 6}}{{print .ID "-" .name}}', "sha256abc-web"),
    ],
)
def test_templates_are_those_of_docker(template: str, text: str) -> None:
    assert Template(template).render(ROW) == text


@pytest.mark.parametrize(
    "template", ["{{", "{{.ID", "{{end}}", "{{if .x}}", "{{nothing .x}}", "{{}}", "{{x}}", "{{join .ID 5}}", "{{. | }}"]
)
def test_what_is_no_template_is_said(template: str) -> None:
    with pytest.raises(InvalidArgument, match="--format"):
        Template(template).render(ROW)


def test_a_table_fits_and_keeps_what_is_typed_next() -> None:
    rows = [["c0ffee", "x" * 60, "ok"], ["abc", "y", "z" * 30]]
    wide = output.table(["ID", "LONG", "LAST"], rows)
    assert "x" * 60 in wide
    narrow = output.table(["ID", "LONG", "LAST"], rows, 50)
    assert max(len(line) for line in narrow.splitlines()) <= 50
    assert "c0ffee" in narrow
    assert "…" in narrow
    assert output.table(["A"], [], 10) == "A\n"


def test_a_table_counts_columns_as_a_terminal_does() -> None:
    assert output.width("한글ab") == 6
    assert output.cut("한글한글", 5) == "한글…"
    first, second = output.table(["N", "X"], [["한글", "a"], ["abcd", "b"]]).splitlines()[1:]
    assert output.width(first) == output.width(second)


def test_nobodys_words_move_the_cursor() -> None:
    evil = "\x1b[2Jname\r\n\x07\u202e"
    assert not any(letter in output.table(["A"], [[evil]]) for letter in "\x1b\r\x07\u202e")


def test_times_and_sizes_are_as_people_say_them() -> None:
    now = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)
    assert output.since("2026-08-01T11:57:00Z", now) == "3 minutes"
    assert output.since("2026-08-01T11:00:00Z", now) == "1 hour"
    assert output.since("2026-08-01T11:59:59.900Z", now) == "Less than a second"
    assert output.since("2026-07-30T12:00:00Z", now) == "2 days"
    assert output.since("2020-07-30T12:00:00Z", now) == "6 years"
    assert output.since(None) == ""
    assert output.ago(None) == "-"
    assert [output.size(count) for count in (None, 5, 1500, 42_853_726)] == ["-", "5B", "1.5kB", "42.85MB"]
    assert [output.binary(count) for count in (1 << 20, 1536)] == ["1MiB", "1.5KiB"]


def test_a_build_is_told_line_by_line() -> None:
    shown = io.StringIO()
    plain = Plain(shown)
    step: dict[str, Any] = {"type": "step", "id": "7", "name": "RUN make", "stage": "", "inputs": [], "seconds": None}
    for line in (
        {**step, "state": "waiting"},
        {**step, "state": "running"},
        {"type": "log", "id": "7", "text": "one\ntw"},
        {"type": "log", "id": "7", "text": "o\nlast"},
        {**step, "state": "done", "seconds": 1.25},
        {**step, "id": "8", "name": "COPY a", "state": "cached"},
        {**step, "id": "9", "state": "skipped"},
        {"type": "end", "status": "succeeded"},
    ):
        plain.take(line)
    said = ["#1 RUN make", "#1 one", "#1 two", "#1 last", "#1 DONE 1.2s", "#2 CACHED COPY a"]
    assert shown.getvalue().splitlines() == said
