"""How an image came to be, as a statement that others can check: SLSA provenance v1 in an in-toto statement v1.

    mode min   where it was built, when, of what: Dockerfile, target, platform, base images by their digests
    mode max   the values of build arguments and labels too, and the Dockerfile itself

Secrets are in neither; of named ones their ids are told. Read slsa.dev/spec/v1.0/provenance and
github.com/in-toto/attestation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from engine.build.draft import rfc3339
from engine.build.spec import BuildSpec
from engine.facts import ENGINE_VERSION
from engine.images.manifests import as_json

MEDIA_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:portside:build:dockerfile:v1"
MAX = "max"


def statement(
    spec: BuildSpec,
    *,
    subjects: Sequence[tuple[str, str]],
    dockerfile: bytes,
    materials: Mapping[str, str],
    platform: str,
    began_at: float,
    ended_at: float,
) -> bytes:
    """`subjects`: (name, manifest digest); `materials`: base images by reference, with the digests of their configs or
    manifests; times in Unix seconds."""
    algorithm_of = [(name, *digest.partition(":")[::2]) for name, digest in subjects]
    return as_json(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": name, "digest": {kind: value}} for name, kind, value in algorithm_of],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": _asked(spec, dockerfile, platform),
                    "internalParameters": {"network": spec.network, "pull": spec.pull, "noCache": spec.no_cache},
                    "resolvedDependencies": [
                        {"uri": _uri(name), "digest": dict([digest.partition(":")[::2]])}
                        for name, digest in sorted(materials.items())
                    ],
                },
                "runDetails": {
                    "builder": {
                        "id": f"urn:portside:builder:{ENGINE_VERSION}",
                        "version": {"portside": ENGINE_VERSION},
                    },
                    "metadata": {
                        "invocationId": spec.invocation,
                        "startedOn": rfc3339(began_at),
                        "finishedOn": rfc3339(ended_at),
                    },
                },
            },
        }
    )


def _asked(spec: BuildSpec, dockerfile: bytes, platform: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "configSource": {"path": spec.dockerfile, "digest": {"sha256": hashlib.sha256(dockerfile).hexdigest()}},
        "platform": platform,
        "target": spec.target or "",
        "buildArgNames": sorted(spec.build_args),
        "secretIds": sorted(spec.secrets),
        **({"sshIds": sorted(spec.ssh)} if spec.ssh else {}),
        "namedContexts": dict(sorted(spec.named_contexts.items())),
    }
    if spec.source_date_epoch is not None:
        found["sourceDateEpoch"] = spec.source_date_epoch
    if spec.provenance == MAX:
        found["buildArgs"] = dict(sorted(spec.build_args.items()))
        found["labels"] = dict(sorted(spec.labels.items()))
        found["dockerfile"] = dockerfile.decode("utf-8", "replace")
    return found


def _uri(reference: str) -> str:
    """A base image as a purl has it (type docker)."""
    name, _, tag = reference.rpartition(":") if ":" in reference.rpartition("/")[2] else (reference, "", "")
    return f"pkg:docker/{name}" + (f"@{tag}" if tag else "")
