"""What registries keep beside images (image-spec manifest.md, "Guidelines for Artifact Usage"), in words."""

from __future__ import annotations

from typing import Any

from engine.oci import media
from engine.oci.document import optional

EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_OLD_MANIFEST = "application/vnd.oci.artifact.manifest.v1+json"
_KINDS = (
    ("application/vnd.cncf.helm.", "a Helm chart", "pull it with helm"),
    ("application/vnd.dev.cosign.", "a signature of cosign", "leave out the signature's tag"),
    ("application/vnd.dev.sigstore.", "a signature of sigstore", "leave out the signature's tag"),
    ("application/vnd.cncf.notary.", "a signature of notation", "leave out the signature's tag"),
    ("application/vnd.in-toto", "an attestation of a build", "pull the image that it is about"),
    ("application/spdx", "a list of an image's software", "pull the image that it is about"),
    ("text/spdx", "a list of an image's software", "pull the image that it is about"),
    ("application/vnd.cyclonedx", "a list of an image's software", "pull the image that it is about"),
    ("application/vnd.wasm.", "a WebAssembly module", "it needs a WebAssembly runtime"),
    ("application/wasm", "a WebAssembly module", "it needs a WebAssembly runtime"),
    ("application/vnd.docker.plugin.", "a plugin of Docker", "it needs Docker's daemon"),
    ("application/vnd.docker.ai.", "a model", "it needs a model runner"),
    ("application/vnd.cncf.model.", "a model", "it needs a model runner"),
    ("application/vnd.ollama.", "a model", "it needs a model runner"),
    ("application/vnd.cncf.flux.", "a source of Flux", "Flux pulls it itself"),
)


def artifact(document: dict[str, Any], media_type: str) -> str | None:
    """The message for a manifest that is no image's: what it is; None for an image's. Raises `InvalidDocument`."""
    config = document.get("config")
    config_type = optional(config, "mediaType", str, "", "manifest's config") if isinstance(config, dict) else ""
    layers = document.get("layers")
    types = [layer.get("mediaType") for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    strange = [kind for kind in types if isinstance(kind, str) and kind and not media.is_layer(kind)]
    if media_type != _OLD_MANIFEST and config_type in media.CONFIGS and not strange:
        return None
    told = [optional(document, "artifactType", str, "", "manifest"), config_type, *strange]
    if media_type != _OLD_MANIFEST and not any(told):
        return None  # not even that: what is missing is told by whoever reads on
    for kind in told:
        for start, words, advice in _KINDS:
            if kind.startswith(start):
                return f"this is {words} ({kind[:120]}), not an image that can run: {advice}"
    named = [kind for kind in told if kind and kind != EMPTY_TYPE and kind not in media.CONFIGS]
    return f"this is an artifact of type {(named or [EMPTY_TYPE])[0][:120]!r}, not an image that can run"
