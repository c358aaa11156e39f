"""--log-opt: what is taken, what is shown before lines, what is refused and how."""

from __future__ import annotations

import pytest

from engine.errors import EngineError
from engine.options import log_details, log_options

WORDS = dict(zip(log_details.TAG_WORDS, ("c0ffee", "c0ffee00", "web", "sha256:abc", "sha256:abcdef", "nginx", "docker"),
                 strict=True))  # fmt: skip


def before(**options: str) -> bytes:
    given = {name.replace("_", "-"): value for name, value in options.items()}
    assert log_options.read("json-file", given) == log_options.LogLimits()
    return log_details.before(
        given, labels={"tier": "front app", "team.a": "x"}, env={"A": "b&c", "AB": "2"}, words=WORDS
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, b" "),
        ({"labels": "tier,none"}, b"tier=front+app "),
        ({"labels": "tier", "env": "A", "tag": "x"}, b"A=b%26c,tag=x,tier=front+app "),
        ({"labels_regex": "^(team|other)[.]"}, b"team.a=x "),
        ({"env_regex": "^A$", "env": "AB"}, b"A=b%26c,AB=2 "),
        ({"tag": "{{.Name}}/{{ .ID }}/{{.ImageName}}"}, b"tag=web%2Fc0ffee%2Fnginx "),
        ({"mode": "non-blocking", "max_buffer_size": "4m"}, b" "),
        ({"mode": "blocking", "compress": "false"}, b" "),
    ],
)
def test_what_is_chosen_stands_before_a_line_as_with_docker(options: dict[str, str], expected: bytes) -> None:
    assert before(**options) == expected


def test_what_stands_before_each_line_is_short_however_much_there_is() -> None:
    """An empty line of a log would be as long as all variables."""
    env = {"A": "=" * 100_000, "b" * 100_000: "1"}
    found = log_details.before({"env": "A", "env-regex": "b$"}, labels={}, env=env, words=WORDS)
    assert len(found) == log_details.DETAILS_BYTES and found.startswith(b"A=%3D%3D") and found.endswith(b"... ")


@pytest.mark.parametrize(
    ("driver", "options", "told"),
    [
        ("json-file", {"mode": "never"}, "mode 'never': give blocking or non-blocking"),
        ("json-file", {"max-buffer-size": "1m"}, "goes only with mode=non-blocking"),
        ("json-file", {"mode": "non-blocking", "max-buffer-size": "much"}, "give a size, as 4m"),
        ("json-file", {"tag": "{{upper .Name}}"}, "these are known: {{.ID}}"),
        ("json-file", {"tag": "{{.Nope}}"}, "these are known: {{.ID}}"),
        ("json-file", {"labels-regex": "(a+)+"}, "give an expression of at most 256"),
        ("json-file", {"env-regex": "("}, "env-regex '(': give an expression"),
        ("json-file", {"splunk-url": "x"}, "'splunk-url' is no option of Portside's own log: max-size"),
        ("local", {"labels": "a"}, "labels: only json-file shows details"),
        ("none", {"mode": "blocking"}, "there is nothing to limit"),
        ("fluentd", {}, "Portside keeps logs itself"),
    ],
)
def test_what_can_not_be_says_what_can(driver: str, options: dict[str, str], told: str) -> None:
    with pytest.raises(EngineError) as caught:
        log_options.read(driver, options)
    assert told in caught.value.message
