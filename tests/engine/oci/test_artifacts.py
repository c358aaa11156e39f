"""What is no image is refused with what it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import Unsupported
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.manifest import Manifest, parse

EMPTY = "application/vnd.oci.empty.v1+json"


def document(config: str, *layers: str, **more: Any) -> bytes:
    described = [{"mediaType": kind, "digest": Digest.of(b"a"), "size": 2} for kind in (config, *layers)]
    return json.dumps(
        {"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": described[0], "layers": described[1:]} | more
    ).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (document("application/vnd.cncf.helm.config.v1+json", media.OCI_LAYER_GZIP), "a Helm .*pull it with helm"),
        (document(media.OCI_CONFIG, "application/vnd.dev.cosign.simplesigning.v1+json"), "a signature of cosign"),
        (document(EMPTY, EMPTY, artifactType="application/vnd.in-toto+json"), "an attestation"),
        (document(media.OCI_CONFIG, "application/vnd.in-toto+json"), "an attestation"),
        (document(EMPTY, "application/spdx+json"), "a list of an image's software"),
        (document(EMPTY, EMPTY, artifactType="example/thing"), "artifact of type 'example/thing'"),
        (document("application/vnd.wasm.config.v0+json", "application/wasm"), "a WebAssembly module"),
        (document(EMPTY, EMPTY), "artifact of type 'application/vnd.oci.empty"),
        (document(media.OCI_CONFIG, media.OCI_LAYER, "text/plain"), "artifact of type 'text/plain'"),
        (document("", mediaType="application/vnd.oci.artifact.manifest.v1+json"), "artifact"),
        (document("text/plain"), "artifact of type 'text/plain'"),
        (document(media.OCI_CONFIG, ""), "layers of type ''"),
        (document("", media.OCI_LAYER), "artifact of type ''"),
    ],
)  # fmt: skip
def test_an_artifact_is_told_from_an_image(data: bytes, said: str) -> None:
    with pytest.raises(Unsupported, match=said):
        parse(data)


def test_an_image_may_have_a_type_of_its_own() -> None:
    assert isinstance(parse(document(media.OCI_CONFIG, media.OCI_LAYER, artifactType="example/thing")), Manifest)
    assert isinstance(parse(document(media.DOCKER_CONFIG)), Manifest)
