"""Tags and referrers in pages, from the registry or by the tag schema of before; nothing leads elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.config import EngineConfig
from engine.errors import DataCorrupt, NotFound
from engine.images import remote
from engine.oci import media
from engine.registry.access import Access
from engine.registry.auth import Credentials
from tests.support.strict_registry import StrictRegistry

EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": "sha256:" + "4" * 64, "size": 2}
SIGNATURE, SBOM = "application/vnd.example.signature", "application/vnd.example.sbom"


@pytest.fixture
def registry() -> Iterator[StrictRegistry]:
    server = StrictRegistry()
    yield server
    server.close()


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(home=tmp_path)


def image(**more: Any) -> dict[str, Any]:
    config = {"mediaType": media.OCI_CONFIG, "digest": "sha256:" + "5" * 64, "size": 2}
    return {"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": config, "layers": []} | more


def about(subject: dict[str, Any], kind: str, number: int = 0) -> dict[str, Any]:
    return image(config=EMPTY, artifactType=kind, subject=subject, annotations={"number": str(number)})


def test_tags_come_in_pages(registry: StrictRegistry, config: EngineConfig) -> None:
    for number in range(7):
        registry.put("team/app", image(), f"v{number}")
    registry.rules.page = 3
    assert remote.tags(config, f"{registry.address}/team/app", None) == [f"v{number}" for number in range(7)]
    assert len(registry.requests) == 3
    registry.manifests.clear()
    assert remote.tags(config, f"{registry.address}/team/app", None) == []


def test_referrers_are_listed_by_type(registry: StrictRegistry, config: EngineConfig) -> None:
    subject = registry.put("app", image(), "v1")
    put = [registry.put("app", about(subject, kind, n))["digest"] for n, kind in enumerate([SIGNATURE, SBOM] * 2)]
    registry.put("app", about(put_other := registry.put("app", image(layers=[EMPTY])), SBOM))
    assert put_other
    registry.rules.page = 3
    reference = f"{registry.address}/app:v1"
    found = remote.referrers(config, reference, None)
    assert [referrer.digest for referrer in found] == put
    assert {referrer.artifact_type for referrer in found} == {SIGNATURE, SBOM}
    only = remote.referrers(config, reference, None, SBOM)
    assert [referrer.digest for referrer in only] == put[1::2]
    assert any("artifactType=application%2Fvnd.example.sbom" in path for _, path, *_ in registry.requests)


def test_a_registry_of_before_has_them_under_a_tag(registry: StrictRegistry, config: EngineConfig) -> None:
    registry.rules.has_referrers = False
    subject = registry.put("app", image(), "v1")
    reference = f"{registry.address}/app@{subject['digest']}"
    assert remote.referrers(config, reference, None) == []
    entry = registry.put("app", about(subject, SIGNATURE)) | {"artifactType": SIGNATURE, "annotations": {"a": "b"}}
    index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": [entry]}
    registry.put("app", index, subject["digest"].replace(":", "-"))
    (found,) = remote.referrers(config, reference, None)
    assert (found.digest, found.artifact_type, found.annotations) == (entry["digest"], SIGNATURE, {"a": "b"})
    assert remote.referrers(config, reference, None, SBOM) == []


def test_a_page_elsewhere_gets_no_credentials(registry: StrictRegistry, config: EngineConfig) -> None:
    other = StrictRegistry()
    alice = Credentials("alice", "secret")
    registry.rules.user = alice.basic
    registry.rules.page = 1
    for number in range(2):
        registry.put("app", image(), f"v{number}")
    registry.rules.link_to = f"http://{other.address}"
    try:
        assert remote.tags(config, f"{registry.address}/app", Access(alice)) == ["v0"]
        assert [user for *_, user in other.requests] == [""]
    finally:
        other.close()


def test_what_is_no_list_is_refused(registry: StrictRegistry, config: EngineConfig) -> None:
    subject = registry.put("app", image(), "v1")
    registry.rules.has_referrers = False
    registry.put("app", {"mediaType": media.OCI_INDEX, "manifests": [5]}, subject["digest"].replace(":", "-"))
    with pytest.raises(DataCorrupt):
        remote.referrers(config, f"{registry.address}/app:v1", None)
    with pytest.raises(NotFound):
        remote.referrers(config, f"{registry.address}/app:v2", None)
