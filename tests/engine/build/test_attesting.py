"""What is stated about an image: attached to it here, pushed with it, and never a part of it."""

from __future__ import annotations

import base64
import json
import secrets
import tempfile
from typing import Any

import pytest

from engine.errors import EngineError, InvalidArgument, NotFound
from engine.images.attachments import Attached
from engine.oci import media, signing
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor
from engine.oci.reference import Reference
from engine.registry.access import Access
from engine.registry.auth import Credentials
from engine.registry.client import RegistryClient
from engine.registry.endpoint import Endpoint
from engine.registry.errors import AccessDenied, RegistryUnavailable
from engine.registry.transport import Transport
from engine.registry.uploading import Source
from engine.registry.writing import Writer
from tests.support.builds import Built, Workbench
from tests.support.engine import Host
from tests.support.home import throwaway_home
from tests.support.registry import Registry
from tests.support.strict_registry import Rules, StrictRegistry

pytestmark = pytest.mark.root

STATUS = "Package: thing\nStatus: install ok installed\nVersion: 1.0-2\nArchitecture: amd64\n"
FILES = {"status": STATUS, "os-release": "ID=debian\nVERSION_ID=12\n"}
TEXT = (
    "FROM tiny\nARG WORD\nCOPY status /var/lib/dpkg/status\nCOPY os-release /etc/\nRUN --mount=type=secret,id=s true\n"
)
EPOCH = 1_700_000_000


def name_at(registry: Registry | StrictRegistry) -> str:
    return f"{registry.address}/stated-{secrets.token_hex(4)}:latest"


def attached(bench: Workbench, built: Built) -> dict[str, Attached]:
    return {one.slot: one for one in bench.engine.images.attachments.of(built.result.image_id)}


def content(bench: Workbench, built: Built, slot: str) -> dict[str, Any]:
    found = bench.engine.images.attachments.read(built.result.image_id, attached(bench, built)[slot].digest)
    document: dict[str, Any] = json.loads(found)
    return document


def build(bench: Workbench, **spec: Any) -> Built:
    return bench.build(TEXT, FILES, source_date_epoch=EPOCH, team="stated", **spec)


def test_a_list_of_software_in_both_forms(bench: Workbench) -> None:
    purl = "pkg:deb/debian/thing@1.0-2?arch=amd64&distro=debian-12"
    built = build(bench, sbom="spdx")
    document = content(bench, built, "sbom:spdx")
    (thing,) = [one for one in document["packages"] if one["name"] == "thing"]
    assert (document["spdxVersion"], thing["versionInfo"]) == ("SPDX-2.3", "1.0-2")
    assert thing["externalRefs"][0]["referenceLocator"] == purl
    assert document["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    identifiers = [one["SPDXID"] for one in document["packages"]]
    assert len(identifiers) == len(set(identifiers))
    assert {
        "spdxElementId": "SPDXRef-Image",
        "relationshipType": "CONTAINS",
        "relatedSpdxElement": thing["SPDXID"],
    } in (document["relationships"])
    built = build(bench, sbom="cyclonedx")
    document = content(bench, built, "sbom:cyclonedx")
    assert (document["bomFormat"], document["metadata"]["component"]["version"]) == ("CycloneDX", built.result.digest)
    assert purl in [one.get("purl") for one in document["components"]]
    assert "1 packages" in built.log()


def test_the_image_is_the_same_with_and_without(bench: Workbench) -> None:
    plain = build(bench)
    stated = build(bench, sbom="spdx", provenance="max", signing_key=signing.new_key()[0])
    assert plain.result.image_id == stated.result.image_id
    again = bench.build(TEXT, FILES, source_date_epoch=EPOCH, team="stated again", no_cache=True, sbom="spdx")
    assert (again.result.image_id, again.result.digest) == (stated.result.image_id, stated.result.digest)
    one, other = content(bench, stated, "sbom:spdx"), content(bench, again, "sbom:spdx")
    assert one == other


def test_provenance_says_what_was_asked_and_no_secret(bench: Workbench) -> None:
    wish = {"build_args": {"WORD": "told"}, "secrets": {"s": b"never told"}, "invocation": "job 5"}
    built = build(bench, provenance="min", **wish)
    statement = content(bench, built, "provenance")
    asked = statement["predicate"]["buildDefinition"]["externalParameters"]
    assert statement["subject"][0]["digest"] == {"sha256": built.result.digest.removeprefix("sha256:")}
    assert (asked["buildArgNames"], asked["secretIds"], asked.get("buildArgs")) == (["WORD"], ["s"], None)
    assert statement["predicate"]["runDetails"]["metadata"]["invocationId"] == "job 5"
    (base,) = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert base["uri"].startswith("pkg:docker/")
    assert len(base["digest"]["sha256"]) == 64
    most = content(bench, build(bench, provenance="max", **wish), "provenance")
    assert most["predicate"]["buildDefinition"]["externalParameters"]["buildArgs"] == {"WORD": "told"}
    assert "never told" not in json.dumps(most)


def test_a_signature_is_found_here_and_follows_the_image(bench: Workbench, registry: Registry) -> None:
    (private, public), (_, other) = signing.new_key(), signing.new_key()
    name = name_at(registry)
    built = build(bench, tags=(name,), signing_key=private, push=True)
    images = bench.engine.images
    (found,) = images.verify(name, [other, public], asks_registries=False)
    assert (found.key_id, found.digest, found.place) == (signing.key_id(public), built.result.digest, "here")
    assert images.verify(name, [other], asks_registries=False) == []
    first = attached(bench, built)[f"signature:{found.key_id}"].digest
    assert attached(bench, build(bench, tags=(name,), signing_key=private))[f"signature:{found.key_id}"].digest == first
    with throwaway_home() as home:
        there = Host(home, name).engine.images
        assert there.attachments.of(built.result.image_id) == []
        (elsewhere,) = there.verify(name, [other, public])
        assert (elsewhere.key_id, elsewhere.digest) == (found.key_id, built.result.digest)
        assert elsewhere.place.startswith(registry.address)
        assert there.verify(name, [other]) == []
        assert there.verify(name, []) == []
        with pytest.raises(InvalidArgument):
            there.verify(name, ["no key"])


def test_what_is_attached_is_pushed_where_subjects_are_unknown(bench: Workbench, registry: Registry) -> None:
    """By the tag schema, and by cosign's tag; Debian's registry is of before 1.1."""
    name = name_at(registry)
    built = build(bench, tags=(name,), sbom="cyclonedx", provenance="min", signing_key=signing.new_key()[0], push=True)
    bench.engine.images.push(name)
    reference = Reference.parse(name)
    with RegistryClient(bench.engine.config, reference) as client:
        found = client.referrers(client.digest("latest"))
        assert {one.artifact_type for one in found} >= {
            "application/vnd.cyclonedx+json", "application/vnd.in-toto+json", signing.ARTIFACT_TYPE,
        }  # fmt: skip
        assert {str(one.digest) for one in found} == {one.digest for one in attached(bench, built).values()}
    hexadecimal = built.result.digest.removeprefix("sha256:")
    signed = registry.manifest(reference.repository, f"sha256-{hexadecimal}.sig")
    assert signed["layers"][0]["mediaType"] == signing.PAYLOAD_TYPE  # type: ignore[index]
    assert signing.ANNOTATION in signed["layers"][0]["annotations"]  # type: ignore[index]


def test_signatures_of_several_keys_are_found_under_cosigns_tag(bench: Workbench, registry: Registry) -> None:
    name = name_at(registry)
    reference = Reference.parse(name)
    text = f"FROM tiny\nLABEL made={secrets.token_hex(4)}\n"  # other tests' signatures would come along
    built = bench.build(text, tags=(name,), push=True)
    digest = Digest(built.result.digest)
    foreign = foreign_signature(bench, name, digest)
    keys = [signing.new_key() for _ in range(2)]
    for private, _ in keys:
        bench.build(text, tags=(name,), signing_key=private, push=True)
    signed = registry.manifest(reference.repository, signing.tag_of(digest))
    bench.engine.images.push(name)
    assert registry.manifest(reference.repository, signing.tag_of(digest)) == signed
    first, *ours = signed["layers"]  # type: ignore[misc]
    assert first == foreign
    payload = bench.engine.images.attachments.read(
        built.result.image_id, attached(bench, built)[f"signature:{signing.key_id(keys[0][1])}"].digest
    )
    for layer, (_, public) in zip(ours, keys, strict=True):
        assert layer["digest"] == Digest.of(payload)
        assert signing.verify(payload, layer["annotations"][signing.ANNOTATION], [public])
    assert "subject" not in signed


def foreign_signature(bench: Workbench, name: str, subject: Digest) -> dict[str, Any]:
    """Somebody else's signature under cosign's tag, as cosign makes it; gives its layer."""
    reference = Reference.parse(name)
    transport = Transport(Endpoint.of(reference.registry, bench.engine.config.insecure_registries, Access()), None)
    with tempfile.TemporaryFile() as file:
        file.write(b"{}")
        file.flush()
        blob = Descriptor(signing.PAYLOAD_TYPE, Digest.of(b"{}"), 2)
        writer = Writer(transport, reference.repository)
        writer.blob(Source(blob.digest, file.fileno(), 2), (), lambda _: None)
    config = Descriptor(media.OCI_CONFIG, blob.digest, 2).as_json()
    layer = {**blob.as_json(), "annotations": {signing.ANNOTATION: "foreign"}}
    document = {"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": config, "layers": [layer]}
    writer.manifest(signing.tag_of(subject), json.dumps(document).encode(), media.OCI_MANIFEST)
    transport.close()
    return layer


def test_what_is_attached_is_listed_by_a_registry_that_knows_subjects(bench: Workbench) -> None:
    registry = StrictRegistry(Rules())
    try:
        name = name_at(registry)
        build(bench, tags=(name,), sbom="spdx", push=True)
        reference = Reference.parse(name)
        with RegistryClient(bench.engine.config, reference) as client:
            digest = client.digest("latest")
            assert "application/spdx+json" in {one.artifact_type for one in client.referrers(digest)}
        assert (reference.repository, f"sha256-{digest.hex}") not in registry.manifests
    finally:
        registry.close()


def test_all_keys_are_found_at_a_registry_and_one_that_lets_nobody_look_is_not_none(bench: Workbench) -> None:
    registry = StrictRegistry(Rules())
    name = name_at(registry)
    keys = [signing.new_key() for _ in range(3)]
    for private, _ in keys[:2]:
        build(bench, tags=(name,), signing_key=private, push=True)
    publics = [public for _, public in keys]
    wanted = {signing.key_id(public) for public in publics[:2]}
    with throwaway_home() as home:
        there = Host(home, name).engine.images
        assert {one.key_id for one in there.verify(name, publics)} == wanted
        registry.rules.user = "Basic " + base64.b64encode(b"alice:swordfish").decode()
        with pytest.raises(AccessDenied):
            there.verify(name, publics)
        access = {registry.address: Access(Credentials("alice", "swordfish"))}
        assert {one.key_id for one in there.verify(name, publics, access=access)} == wanted
        registry.close()
        with pytest.raises(RegistryUnavailable):
            there.verify(name, publics, access=access)
        assert there.verify(name, publics, asks_registries=False) == []


def test_each_platform_of_an_index_has_its_own(bench: Workbench) -> None:
    private, public = signing.new_key()
    built = bench.build(
        "FROM scratch\nCOPY status /var/lib/dpkg/status\n", FILES, platforms=("linux/s390x", "linux/amd64"),
        sbom="spdx", signing_key=private, tags=("stated:index",), team="stated index",
    )  # fmt: skip
    found = bench.engine.images.attachments.of(built.result.image_id)
    assert len({one.subject for one in found if one.slot == "sbom:spdx"}) == 2
    signed = {one.subject for one in found if one.slot.startswith("signature:")}
    assert (len(signed), built.result.digest in signed) == (3, True)
    assert len(bench.engine.images.verify("stated:index", [public], asks_registries=False)) == 2


def test_it_goes_with_the_image(bench: Workbench) -> None:
    built = bench.build("FROM scratch\nCOPY status /only\n", FILES, sbom="spdx", tags=("stated:gone",), team="gone")
    (one,) = bench.engine.images.attachments.of(built.result.image_id)
    bench.engine.image_prune()
    bench.engine.images.attachments.read(built.result.image_id, one.digest)
    with pytest.raises(NotFound):
        bench.engine.images.attachments.read(built.result.image_id, "sha256:" + "0" * 64)
    bench.engine.image_remove("stated:gone", force=True)
    assert bench.engine.images.attachments.of(built.result.image_id) == []
    assert not bench.engine.builder._content.has(Digest(one.content))


def test_what_can_not_be_stated(bench: Workbench) -> None:
    for wrong in ({"sbom": "xml"}, {"provenance": "all"}, {"signing_key": "no key"}):
        with pytest.raises(EngineError):
            bench.build("FROM scratch\n", **wrong)
