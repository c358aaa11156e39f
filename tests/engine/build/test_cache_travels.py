"""A build's cache goes to a registry and comes back on another host, checked, and for one team alone."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import pytest

from engine.build import cache_records
from engine.build.cache_import import ImportedCache
from engine.build.keys import VERSION
from engine.build.spec import CacheExport
from engine.errors import EngineError
from engine.images.pull import Stop
from engine.oci.digest import Digest
from engine.oci.document import InvalidDocument
from engine.oci.manifest import Descriptor
from engine.oci.reference import Reference
from engine.registry.client import RegistryClient
from tests.support.builds import Built, Workbench
from tests.support.engine import Host
from tests.support.home import throwaway_home
from tests.support.registry import Registry

pytestmark = pytest.mark.root

TEXT = (
    "FROM tiny AS made\nARG WORD=secret-word\nRUN date +%s%N > /when\nCOPY f /f\n"
    "FROM tiny\nCOPY --from=made /when /f /\nRUN cat /when > /again\n"
)
FILES = {"f": "F"}


@pytest.fixture(scope="module")
def elsewhere(lasting_bench: Workbench) -> Iterator[Workbench]:
    """Another host, whose teams have built nothing."""
    with throwaway_home() as home:
        yield Workbench(Host(home, lasting_bench.image).engine, lasting_bench.image)


@pytest.fixture
def reference(registry: Registry) -> str:
    return f"{registry.address}/cache-{secrets.token_hex(4)}:latest"


def states(built: Built) -> dict[str, str]:
    return {step: state for step, state in built.states().items() if step[0].isdigit() and not step.endswith(".0")}


def test_all_steps_are_cached_elsewhere_and_give_the_same_image(
    bench: Workbench, elsewhere: Workbench, reference: str
) -> None:
    made = bench.build(TEXT, FILES, team="export", cache_to=(CacheExport(reference=reference, mode="max"),))
    assert made.states()["cache.export.0"] == "done"
    built = elsewhere.build(TEXT, FILES, team="import", cache_from=(reference,))
    assert set(states(built).values()) == {"cached"}
    assert built.result.image_id == made.result.image_id
    assert "it has 4 steps" in built.log()
    assert elsewhere.files(built) == bench.files(made)
    again = elsewhere.build(TEXT, FILES, team="import")  # by its own rows now
    assert set(states(again).values()) == {"cached"}


def test_what_one_team_has_imported_no_other_finds(bench: Workbench, elsewhere: Workbench, reference: str) -> None:
    bench.build(TEXT, FILES, team="scopes", cache_to=(CacheExport(reference=reference, mode="max"),))
    elsewhere.build(TEXT, FILES, team="one", cache_from=(reference,))
    built = elsewhere.build(TEXT, FILES, team="another")
    assert set(states(built).values()) == {"done"}


def test_the_mode_min_exports_what_the_image_has(bench: Workbench, elsewhere: Workbench, reference: str) -> None:
    bench.build(TEXT, FILES, team="min", cache_to=(CacheExport(reference=reference),))
    built = elsewhere.build(TEXT, FILES, team="min", cache_from=(reference,))
    assert "it has 2 steps" in built.log()
    assert states(built)["0.1"] == "done"


def test_an_image_carries_its_cache(bench: Workbench, elsewhere: Workbench, reference: str) -> None:
    text = "FROM tiny\nRUN date +%s%N > /when\nRUN true\nCOPY f /\n"
    made = bench.build(text, FILES, team="inline", tags=(reference,), cache_inline=True, push=True)
    built = elsewhere.build(text, FILES, team="inline", cache_from=(reference,))
    assert set(states(built).values()) == {"cached"}
    assert elsewhere.files(built) == bench.files(made)
    # What is built on it does not carry it on.
    later = bench.build(f"FROM {reference}\nRUN true\n", team="inline")
    assert cache_records.INLINE not in bench.config(later)


def test_the_same_input_gives_the_same_digests_on_every_host(bench: Workbench, elsewhere: Workbench) -> None:
    """With SOURCE_DATE_EPOCH: image, manifest and index; nothing that is stated about them changes one."""
    wish = {"source_date_epoch": 1_700_000_000, "platforms": ("linux/s390x", "linux/amd64"), "team": "same"}
    text = "FROM scratch\nCOPY f d /x/\nWORKDIR /w\nENV A=1\n"
    files = {"f": "F", "d/g": "G", "d/link": "-> ../f"}
    one, other = (
        host.build(text, files, **wish, **more) for host, more in ((bench, {"sbom": "spdx"}), (elsewhere, {}))
    )
    assert (one.result.image_id, one.result.digest) == (other.result.image_id, other.result.digest)
    run = "FROM tiny\nRUN mkdir /m && echo made > /m/f && ln -s f /m/l\n"
    ids = {host.build(run, source_date_epoch=1_700_000_000, team="same").result.image_id for host in (bench, elsewhere)}
    assert len(ids) == 1


def test_cache_mounts_travel_where_they_are_asked_to(bench: Workbench, elsewhere: Workbench, reference: str) -> None:
    mount = "RUN --mount=type=cache,target=/kept,id=travels,uid=1000,mode=0750"
    make = f"FROM tiny\n{mount} mkdir -p /kept/d && echo one > /kept/d/f && ln -s d/f /kept/l\n"
    export = CacheExport(reference=reference, mounts=True)
    assert "1 cache mounts" in bench.build(make, team="mounts", cache_to=(export,)).log()
    look = "cat /kept/l > /seen; stat -c '%u %a' /kept >> /seen"
    show = f"FROM tiny\n{mount} {look}; mkdir -p /kept/d; echo two > /kept/d/f\n"
    built = elsewhere.build(show, team="mounts", cache_from=(reference,))
    assert elsewhere.files(built)["seen"].content == b"one\n1000 750\n"
    again = elsewhere.build(show, team="mounts", cache_from=(reference,), no_cache=True)
    assert elsewhere.files(again)["seen"].content == b"two\n1000 750\n"  # what is here already stays
    other = elsewhere.build(show, team="mounts of others")
    assert elsewhere.files(other)["seen"].content == b"1000 750\n"


def test_no_words_of_steps_are_exported(bench: Workbench, registry: Registry, reference: str) -> None:
    bench.build(TEXT, FILES, team="words", cache_to=(CacheExport(reference=reference, mode="max"),))
    shown = registry.manifest(reference.partition("/")[2].rpartition(":")[0])
    config = registry.blob_file(shown["config"]["digest"]).read_text()  # type: ignore[index]
    assert "secret-word" not in config
    assert "date" not in config
    assert len(json.loads(config)["steps"]) == 4


def test_a_cache_that_can_not_be_read_is_done_without(elsewhere: Workbench, registry: Registry) -> None:
    gone = f"{registry.address}/nothing-{secrets.token_hex(4)}:latest"
    built = elsewhere.build("FROM scratch\nCOPY f /\n", FILES, cache_from=(gone,), team="without")
    assert built.states()["cache.0"] == "done"
    assert "it is not used: there is no image" in built.log()


def test_an_export_that_fails_fails_the_build_unless_it_may(bench: Workbench) -> None:
    for may_fail in (True, False):
        export = CacheExport(reference="127.0.0.1:1/gone:1", may_fail=may_fail)
        wish = {"cache_to": (export, export), "team": "fails"}
        if may_fail:
            assert bench.build("FROM scratch\nCOPY f /\n", FILES, **wish).log().count("not exported") == 2
            continue
        with pytest.raises(EngineError, match="its cache could not be exported"):
            bench.build("FROM scratch\nCOPY f /\n", FILES, **wish)


def test_a_layer_that_is_not_what_the_cache_says_is_refused(
    bench: Workbench, elsewhere: Workbench, registry: Registry, reference: str
) -> None:
    """The blob is as its digest says, but it is another layer's."""
    text = "FROM scratch\nCOPY f /\nCOPY f /other\n"
    bench.build(text, {"f": secrets.token_hex(9)}, team="hostile", cache_to=(CacheExport(reference=reference),))
    name = reference.partition("/")[2].rpartition(":")[0]
    manifest = registry.manifest(name)
    place = registry.blob_file(manifest["config"]["digest"])  # type: ignore[index]
    document = json.loads(place.read_text())
    first, second = document["steps"]
    first["layer"], second["layer"] = second["layer"], first["layer"]
    layers = [Descriptor.from_json(layer, "layer") for layer in manifest["layers"]]  # type: ignore[attr-defined]
    steps = cache_records.steps_of(json.dumps(document).encode(), layers)
    shelf, stop = elsewhere.engine.builder._shelf, Stop(None)
    with (
        shelf.leases.hold_here("test") as lease,
        RegistryClient(shelf.config, Reference.parse(reference), None, stop) as client,
    ):
        cache = ImportedCache(shelf, lease, client, stop, steps)
        for step in steps.values():
            with pytest.raises(EngineError, match="unpacks to something else"):
                cache.fetch(step)
            assert not shelf.snapshots.has_layer(step.diff_id)


GOOD = {"key": "a" * 64, "content": "", "diff_id": f"sha256:{'b' * 64}", "layer": 0, "size_bytes": 1, "created_at": 1.5}
LAYERS = (Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", Digest(f"sha256:{'c' * 64}"), 3),)


def document(steps: object, keys: object = VERSION) -> bytes:
    return json.dumps({"keys": keys, "steps": steps}).encode()


def test_records_that_are_in_order_are_read() -> None:
    (((key, content), step),) = cache_records.steps_of(document([GOOD]), LAYERS).items()
    assert (key, content, step.blob, step.created_at) == ("a" * 64, "", LAYERS[0], 1.5)
    assert cache_records.steps_of(document([GOOD], keys=0), LAYERS) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "../../etc"}, {"key": None}, {"key": 5}, {"content": "x" * 201}, {"content": []}, {"layer": 1},
        {"layer": -1}, {"layer": True}, {"layer": "0"}, {"diff_id": "sha256:x"}, {"diff_id": None},
        {"created_at": "now"}, {"created_at": float("nan")}, {"created_at": 1e300}, {"created_at": -1},
        {"created_at": True}, {"created_at": float("inf")}, {"created_at": 10**400},
    ],
)  # fmt: skip
def test_hostile_records_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(EngineError):
        cache_records.steps_of(document([GOOD | wrong]), LAYERS)


@pytest.mark.parametrize("mounts", [[5], [{"id": 5, "layer": 0}], [{"id": "x", "layer": 1}], [{"id": "x"}] * 101, {}])
def test_hostile_mounts_are_refused(mounts: object) -> None:
    with pytest.raises(InvalidDocument):
        cache_records.mounts_of(json.dumps({"mounts": mounts}).encode(), LAYERS)


def test_hostile_documents_are_refused() -> None:
    for steps in ("all", [5], [GOOD] * (cache_records.STEPS + 1), None):
        with pytest.raises(InvalidDocument):
            cache_records.steps_of(document(steps), LAYERS)
