"""References follow Docker's grammar and defaults, and hostile text is refused with advice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidArgument
from engine.oci.reference import InvalidReference, Reference, repository_matches

SHA = "sha256:" + "a" * 64

GOOD = [
    ("alpine", "docker.io/library/alpine:latest", "alpine:latest"),
    ("alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"),
    ("library/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
    ("team/app", "docker.io/team/app:latest", "team/app:latest"),
    ("library/team/app", "docker.io/library/team/app:latest", "library/team/app:latest"),
    ("docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
    ("index.docker.io/library/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
    ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
    ("localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"),
    ("127.0.0.1:5000/a/b/c:v1", "127.0.0.1:5000/a/b/c:v1", "127.0.0.1:5000/a/b/c:v1"),
    ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
    ("GHCR.io/team/app", "ghcr.io/team/app:latest", "ghcr.io/team/app:latest"),
    ("registry/app", "docker.io/registry/app:latest", "registry/app:latest"),
    (f"alpine@{SHA}", f"docker.io/library/alpine@{SHA}", f"alpine@{SHA}"),
    (f"alpine:3@{SHA}", f"docker.io/library/alpine:3@{SHA}", f"alpine:3@{SHA}"),
    ("x/a--b__c.d/e", "docker.io/x/a--b__c.d/e:latest", None),
    ("docker.io/localhost/app", "docker.io/localhost/app:latest", "docker.io/localhost/app:latest"),
    ("docker.io/quay.io/app", "docker.io/quay.io/app:latest", "docker.io/quay.io/app:latest"),
    ("app:_X.y-Z", "docker.io/library/app:_X.y-Z", "app:_X.y-Z"),
]
BAD = [
    "", " ", "alpine ", "Registry/app", "Alpine", "team/App", "alpine:", "alpine:.x", "alpine:-x",
    "alpine:" + "x" * 129,
    "/alpine", "alpine/", "a//b", "../etc/passwd", "a/../b", "a/./b", "-a", "a-", "_a", "a..b", "a___b",
    "alpine@", "alpine@sha256:", "alpine@sha256:" + "A" * 64, "alpine@sha256:" + "a" * 63, "alpine@md5:" + "a"
    * 32, "alpine@x@y", "https://quay.io/a", "localhost:0/app", "localhost:99999/app", "localhost:x/app",
    "exa_mple.com:5000/app", "[::1/app", "[zz]/app", "[::1]x/app", "-host.com/app", "host..com/app", "a\nb",
    "a\x00b", "álpine", "alpine\u200b", "a" * 300, "a" * 100_000, "a" * 64, "$(id)", "a;b", "a|b", "a`b`",
    "a\\b", "a%2fb", "a?b=c", "user:pw@host/app", ".", "..", ":", "@", "/",
]  # fmt: skip


@pytest.mark.parametrize(("text", "canonical", "familiar"), GOOD)
def test_a_reference_gets_dockers_defaults(text: str, canonical: str, familiar: str | None) -> None:
    reference = Reference.parse(text)
    assert str(reference) == canonical
    assert Reference.parse(canonical) == reference
    if familiar is not None:
        assert reference.familiar == familiar
        assert Reference.parse(familiar) == reference


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_names_no_image_is_refused_with_a_short_message(text: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        Reference.parse(text)
    assert 10 < len(caught.value.message) < 400
    assert caught.value.message.isprintable()


def test_the_identifier_is_the_digest_before_the_tag() -> None:
    assert Reference.parse("a:1").identifier == "1"
    assert Reference.parse(f"a:1@{SHA}").identifier == SHA
    assert str(Reference.parse(f"a:1@{SHA}").tagged()) == "docker.io/library/a:1"
    assert Reference.parse("a").pinned(Reference.parse(f"a@{SHA}").digest or pytest.fail()).tag is None


@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused_and_what_is_parsed_stays_the_same(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidArgument:
        return
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference
    assert ".." not in reference.repository.split("/")


@given(st.from_regex(r"[a-zA-Z0-9.:/@_\[\]-]{1,60}", fullmatch=True))
def test_text_that_looks_like_a_reference_survives_the_round_trip(text: str) -> None:
    test = test_any_text_is_parsed_or_refused_and_what_is_parsed_stays_the_same
    test.hypothesis.inner_test(text)  # type: ignore[attr-defined]


def test_a_pattern_is_a_repository_or_all_that_begins_with_it() -> None:
    assert repository_matches("docker.io/library/*", Reference.parse("alpine").name)
    assert repository_matches("r.example.com/team/app", Reference.parse("r.example.com/team/app:1").name)
    assert not repository_matches("docker.io/library/*", Reference.parse("someone/alpine").name)
    assert not repository_matches("r.example.com/team/app", Reference.parse("r.example.com/team/app2").name)
    assert not repository_matches("r.example.com/team/*", "r.example.com/teammate/app")
