"""Lists of software as documents: SPDX 2.3 (spdx.github.io/spdx-spec/v2.3) and CycloneDX 1.6 (ECMA-424), as JSON.

The same image gives the same document: its time is the image's, its identifiers are digests of what it says.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import Any

from engine.build.software.finding import Software
from engine.build.software.licenses import KNOWN
from engine.build.software.packages import Package
from engine.errors import InvalidArgument
from engine.facts import ENGINE_VERSION
from engine.images.manifests import as_json

SPDX, CYCLONEDX = "spdx", "cyclonedx"
MEDIA_TYPES = {SPDX: "application/spdx+json", CYCLONEDX: "application/vnd.cyclonedx+json"}
_NAMESPACE = "https://spdx.org/spdxdocs/portside-"
_UNIT = "portside"


@dataclass(frozen=True, slots=True)
class Subject:
    """The image: its name for people, the digest of its manifest, the time that it says (RFC 3339), its platform."""

    name: str
    digest: str
    created_at: str
    platform: str


def document(form: str, subject: Subject, software: Software) -> bytes:
    """`form`: spdx or cyclonedx. Raises `InvalidArgument` for another."""
    if form == SPDX:
        return as_json(_spdx(subject, software))
    if form == CYCLONEDX:
        return as_json(_cyclonedx(subject, software))
    raise InvalidArgument(f"{form[:40]!r} is no form of a list of software: spdx or cyclonedx", {"field": "sbom"})


def _spdx(subject: Subject, software: Software) -> dict[str, Any]:
    root = {
        "SPDXID": "SPDXRef-Image",
        "name": subject.name,
        "versionInfo": subject.digest,
        "primaryPackagePurpose": "CONTAINER",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "checksums": [{"algorithm": "SHA256", "checksumValue": subject.digest.partition(":")[2]}],
    }
    packages, relations = [root], [_relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image")]
    for package in software.packages:
        found = _spdx_package(package)
        packages.append(found)
        relations.append(_relation("SPDXRef-Image", "CONTAINS", str(found["SPDXID"])))
    said = hashlib.sha256(as_json([subject.digest, packages])).hexdigest()
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": subject.name,
        "documentNamespace": f"{_NAMESPACE}{said}",
        "creationInfo": {"created": subject.created_at, "creators": [f"Tool: {_UNIT}-{ENGINE_VERSION}"]},
        "packages": packages,
        "relationships": relations,
    }


def _spdx_package(package: Package) -> dict[str, Any]:
    purl = package.purl
    found: dict[str, Any] = {
        "SPDXID": f"SPDXRef-Package-{hashlib.sha256(purl.encode()).hexdigest()[:24]}",
        "name": package.full_name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "sourceInfo": f"found in /{package.path}",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
    }
    if package.version:
        found["versionInfo"] = package.version
    if _is_expression(package.license):
        found["licenseDeclared"] = package.license
    elif package.license:
        found["licenseComments"] = f"the package says: {package.license}"
    return found


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _is_expression(text: str) -> bool:
    """Whether a license is said in SPDX's words, of which those count that packages use (`licenses.py`)."""
    return bool(text) and all(part in KNOWN for part in re.split(r" (?:AND|OR) ", text))


def _cyclonedx(subject: Subject, software: Software) -> dict[str, Any]:
    components: list[dict[str, Any]] = []
    system = software.system
    if system.id:
        one = {"type": "operating-system", "bom-ref": "operating-system", "name": system.id}
        if system.version:
            one["version"] = system.version
        if system.name:
            one["description"] = system.name
        components.append(one)
    components += [_component(package) for package in software.packages]
    said = hashlib.sha256(as_json([subject.digest, components])).digest()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=said[:16], version=4)}",
        "version": 1,
        "metadata": {
            "timestamp": subject.created_at,
            "tools": {"components": [{"type": "application", "name": _UNIT, "version": ENGINE_VERSION}]},
            "component": {
                "type": "container",
                "bom-ref": "image",
                "name": subject.name,
                "version": subject.digest,
                "hashes": [{"alg": "SHA-256", "content": subject.digest.partition(":")[2]}],
            },
        },
        "components": components,
        "dependencies": [{"ref": "image", "dependsOn": [one["bom-ref"] for one in components]}],
    }


def _component(package: Package) -> dict[str, Any]:
    purl = package.purl
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": package.full_name,
        "purl": purl,
        "properties": [{"name": "portside:path", "value": f"/{package.path}"}],
    }
    if package.version:
        found["version"] = package.version
    if package.license:
        said = package.license
        found["licenses"] = [{"expression": said} if _is_expression(said) else {"license": {"name": said}}]
    return found
