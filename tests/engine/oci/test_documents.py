"""Manifests, indexes and configs of strangers are read strictly, and platforms are chosen as containerd does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError, InvalidArgument, Unsupported
from engine.oci import media
from engine.oci.digest import Digest, chain_ids
from engine.oci.document import InvalidDocument
from engine.oci.image_config import ImageConfig
from engine.oci.manifest import Index, Manifest, PlatformMissing, parse
from engine.oci.platform import Platform

A, B = Digest.of(b"a"), Digest.of(b"b")


def manifest(**changes: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": {"mediaType": media.OCI_CONFIG, "digest": A, "size": 1},
        "layers": [{"mediaType": media.OCI_LAYER_GZIP, "digest": B, "size": 2}],
    } | changes


def index(*platforms: str) -> Index:
    entries = []
    for position, platform in enumerate(platforms):
        os, architecture, *variant = platform.split("/")
        entries.append(
            {
                "mediaType": media.OCI_MANIFEST,
                "digest": Digest.of(str(position).encode()),
                "size": 1,
                "platform": {"os": os, "architecture": architecture, "variant": variant[0] if variant else None},
            }
        )
    parsed = parse(json.dumps({"schemaVersion": 2, "manifests": entries}).encode(), media.OCI_INDEX)
    assert isinstance(parsed, Index)
    return parsed


@pytest.mark.parametrize("kind", [media.OCI_MANIFEST, media.DOCKER_MANIFEST])
def test_a_manifest_of_either_family_is_read(kind: str) -> None:
    parsed = parse(json.dumps(manifest(mediaType=kind)).encode())
    assert isinstance(parsed, Manifest)
    assert (parsed.media_type, parsed.config.digest, parsed.layers[0].size) == (kind, A, 2)


def test_a_manifest_without_media_type_is_what_the_registry_called_it() -> None:
    document = manifest()
    del document["mediaType"]
    assert isinstance(parse(json.dumps(document).encode(), media.OCI_MANIFEST), Manifest)
    assert isinstance(parse(json.dumps(document).encode()), Manifest)


@pytest.mark.parametrize(
    "document",
    [
        manifest(manifests=[]),
        manifest(config=None),
        manifest(config=[]),
        manifest(layers={}),
        manifest(layers=[1]),
        manifest(layers=[{"mediaType": media.OCI_LAYER, "digest": "sha256:../../etc", "size": 1}]),
        manifest(layers=[{"mediaType": media.OCI_LAYER, "digest": B.upper(), "size": 1}]),
        manifest(layers=[{"mediaType": media.OCI_LAYER, "digest": B, "size": -1}]),
        manifest(layers=[{"mediaType": media.OCI_LAYER, "digest": B, "size": True}]),
        manifest(layers=[{"mediaType": media.OCI_LAYER, "digest": B, "size": 1 << 60}]),
        manifest(layers=[{"mediaType": media.OCI_LAYER, "digest": B, "size": "1"}]),
        manifest(layers=manifest()["layers"] * 501),
        manifest(mediaType=7),
    ],
)
def test_a_malformed_manifest_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidDocument):
        parse(json.dumps(document).encode())


@pytest.mark.parametrize(
    "document",
    [
        manifest(schemaVersion=1),
        manifest(config={"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": A, "size": 1}),
        manifest(layers=[{"mediaType": media.OCI_LAYER_GZIP + "+encrypted", "digest": B, "size": 1}]),
        manifest(layers=[{"mediaType": media.OCI_LAYER, "digest": "md5:" + "a" * 32, "size": 1}]),
    ],
)
def test_what_is_no_runnable_image_is_unsupported(document: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        parse(json.dumps(document).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b" " * (5 << 20)])
def test_bytes_that_are_no_document_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidDocument):
        parse(data)
    with pytest.raises(InvalidDocument):
        ImageConfig.parse(data)


@pytest.mark.parametrize(
    ("wanted", "offered", "position"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], 1),
        ("amd64", ["windows/amd64", "linux/amd64"], 1),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/amd64"], 1),
        ("linux/arm64", ["linux/arm/v7", "linux/arm64/v8"], 1),
        ("aarch64", ["linux/arm64/v8"], 0),
        ("linux/amd64", ["unknown/unknown", "linux/amd64", "linux/amd64"], 1),
        ("linux/arm", ["linux/arm/v7"], 0),
    ],
)
def test_the_best_platform_is_selected(wanted: str, offered: list[str], position: int) -> None:
    choice = index(*offered)
    assert choice.select(Platform.parse(wanted)) == choice.manifests[position]


@pytest.mark.parametrize(("wanted", "offered"), [("linux/amd64", ["linux/arm64"]), ("linux/arm/v6", ["linux/arm/v7"])])
def test_a_missing_platform_names_those_there_are(wanted: str, offered: list[str]) -> None:
    with pytest.raises(PlatformMissing, match=offered[0]):
        index(*offered).select(Platform.parse(wanted))


@pytest.mark.parametrize("text", ["", "a/b/c/d", "linux/", "/", "linux/a b", "x" * 100])
def test_a_malformed_platform_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        Platform.parse(text)


def test_a_config_says_what_runs() -> None:
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {
            "Env": ["A=1"],
            "Cmd": ["sh"],
            "Entrypoint": None,
            "ExposedPorts": {"80/tcp": {}},
            "Volumes": {"/data": {}},
            "Labels": {"a": "b"},
            "User": "nobody",
            "WorkingDir": "/srv",
            "StopSignal": "SIGINT",
        },
        "rootfs": {"type": "layers", "diff_ids": [A, B]},
    }
    config = ImageConfig.parse(json.dumps(document).encode())
    assert config.as_json() == {
        "entrypoint": [],
        "cmd": ["sh"],
        "env": ["A=1"],
        "user": "nobody",
        "working_dir": "/srv",
        "labels": {"a": "b"},
        "exposed_ports": ["80/tcp"],
        "volumes": ["/data"],
        "stop_signal": "SIGINT",
        "healthcheck": None,
    }
    assert config.chain_ids == (A, Digest.of(f"{A} {B}".encode()))


def test_chain_ids_start_with_the_first_diff_id() -> None:
    assert chain_ids([]) == ()
    assert chain_ids([A]) == (A,)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda c: (
            st.lists(c)
            | st.dictionaries(
                st.sampled_from(
                    ["config", "rootfs", "diff_ids", "Env", "layers", "manifests", "digest", "size", "mediaType"]
                ),
                c,
            )
        ),
    )
)
def test_any_json_is_read_or_refused_by_a_named_error(document: Any) -> None:
    for reader in (parse, ImageConfig.parse):
        try:
            reader(json.dumps(document).encode())
        except EngineError:
            continue


@pytest.mark.parametrize(
    "document",
    [
        rb'{"config": {"Labels": {"a": "\ud800"}}, "rootfs": {"diff_ids": []}}',
        rb'{"config": {"Labels": {"\udfff": "a"}}, "rootfs": {"diff_ids": []}}',
        rb'{"config": {"User": "a\u0000b"}, "rootfs": {"diff_ids": []}}',
        rb'{"config": {"WorkingDir": "/a\u0000b"}, "rootfs": {"diff_ids": []}}',
        rb'{"config": {"Volumes": {"/a\u0000b": {}}}, "rootfs": {"diff_ids": []}}',
        b'{"config": {"User": "\xed\xa0\x80"}, "rootfs": {"diff_ids": []}}',
        b'{"config": {"User": "\xff"}, "rootfs": {"diff_ids": []}}',
    ],
)
def test_what_is_no_text_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidDocument):
        ImageConfig.parse(document)


def test_escapes_that_are_text_are_fine() -> None:
    document = rb'{"config": {"User": "\ud83d\ude00\u00e4 \\u0000"}, "rootfs": {"diff_ids": []}}'
    assert ImageConfig.parse(document).user == "\U0001f600\u00e4 \\u0000"
