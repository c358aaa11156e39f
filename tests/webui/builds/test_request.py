"""What may be asked of a build, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from engine.build.ssh_keys import new_key
from engine.errors import InvalidArgument
from webui.builds.request import BuildRequest, request_check


def test_tags_come_out_in_their_canonical_form_each_once() -> None:
    request = BuildRequest(tags=["app", "app:latest", "registry.example.com/team/app:1"])
    assert request_check(request, has_context=True) == (
        "docker.io/library/app:latest",
        "registry.example.com/team/app:1",
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tags": ["UPPER"]}, "tags"),
        ({"tags": ["app@sha256:" + "0" * 64]}, "tags"),
        ({"tags": ["a:1"] * 21}, "tags"),
        ({"dockerfile": ""}, "dockerfile"),
        ({"dockerfile": "/etc/passwd"}, "dockerfile"),
        ({"dockerfile": "../Dockerfile"}, "dockerfile"),
        ({"dockerfile": "a/../../b"}, "dockerfile"),
        ({"dockerfile": "a\0b"}, "dockerfile"),
        ({"dockerfile_text": "x" * (1 << 21)}, "dockerfile_text"),
        ({"target": "-x"}, "target"),
        ({"build_args": {"1A": "x"}}, "build_args"),
        ({"build_args": {"A": "x" * 40_000}}, "build_args"),
        ({"labels": {"": "x"}}, "labels"),
        ({"secrets": {"a/b": "x"}}, "secrets"),
        ({"secrets": {"a": "x" * (1 << 20)}}, "secrets"),
        ({"ssh": {"a/b": new_key()}}, "ssh"),
        ({"ssh": {"default": "ssh-ed25519 AAAA"}}, "ssh"),
        ({"ssh": {"default": "x" * (1 << 20)}}, "ssh"),
        ({"ssh": {name: new_key() * 4 for name in ("one", "two", "three")}}, "ssh"),
        ({"ssh": {"one": new_key() * 9}, "ssh_keys": {"one": "deploy", "two": "deploy"}}, "ssh"),
        ({"ssh_keys": {"a/b": "deploy"}}, "ssh_keys"),
        ({"ssh_keys": {f"a{number}": "deploy" for number in range(11)}}, "ssh_keys"),
        ({"entitlements": ["security.none"]}, "entitlements"),
        ({"network": "bridge"}, "network"),
        ({"extra_hosts": ["db"]}, "extra_hosts"),
        ({"platform": "linux/amd64/v1/x"}, "platform"),
        ({"memory_bytes": 1024}, "memory_bytes"),
        ({"cpus": 0.0}, "cpus"),
        ({"source_date_epoch": -1}, "source_date_epoch"),
        ({"source_date_epoch": 1 << 60}, "source_date_epoch"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        request_check(BuildRequest(**fields), has_context=True)
    assert list(caught.value.detail["fields"]) == [field]


def test_ten_keys_in_all_are_taken() -> None:
    given = {"one": "".join(new_key() for _ in range(4)), "two": "".join(new_key() for _ in range(4))}
    request = BuildRequest(ssh=given, ssh_keys={"two": "deploy", "three": "deploy"})
    assert request_check(request, has_context=True) == ()


def test_without_a_folder_a_dockerfile_has_to_be_typed() -> None:
    for text in (None, "", " \n"):
        with pytest.raises(InvalidArgument) as caught:
            request_check(BuildRequest(dockerfile_text=text), has_context=False)
        assert list(caught.value.detail["fields"]) == ["dockerfile_text"]
    assert request_check(BuildRequest(dockerfile_text="FROM scratch"), has_context=False) == ()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"push": True}, "tags"),
        ({"platforms": ["linux/amd64/v1/x"]}, "platforms"),
        ({"platforms": ["linux/amd64"] * 11}, "platforms"),
        ({"platforms": ["linux/amd64"], "platform": "linux/arm64"}, "platforms"),
        ({"cache_from": ["UPPER"]}, "cache_from"),
        ({"cache_from": ["a:1"] * 21}, "cache_from"),
        ({"cache_to": "UPPER"}, "cache_to"),
        ({"cache_to": "app@sha256:" + "0" * 64}, "cache_to"),
        ({"cache_mode": "all"}, "cache_mode"),
        ({"sbom": "xml"}, "sbom"),
        ({"provenance": "all"}, "provenance"),
    ],
)
def test_what_is_wrong_of_what_is_made_of_it(fields: dict[str, Any], field: str) -> None:
    test_what_is_wrong_is_named(fields, field)
