"""Which images a policy lets run: those that a key has signed, those that came from somewhere; seen at every start."""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
from collections.abc import Iterator

import pytest

from engine.containers import states
from engine.containers.committing import CommitSpec
from engine.errors import PermissionDenied, Unavailable
from engine.oci import signing
from engine.oci.reference import Reference
from engine.options.admission import Admission
from tests.support.builds import Workbench
from tests.support.engine import Host
from tests.support.home import throwaway_home
from tests.support.processes import eventually
from tests.support.strict_registry import Rules, StrictRegistry

pytestmark = [pytest.mark.root, pytest.mark.registry]

PRIVATE, PUBLIC = signing.new_key()
FOREIGN = signing.new_key()
RELEASE = Admission(signed_by={"release": PUBLIC})


@pytest.fixture
def strict() -> Iterator[StrictRegistry]:
    registry = StrictRegistry(Rules())
    yield registry
    registry.close()


def built(host: Host, name: str, *, key: str = "", push: bool = False) -> str:
    """The id of a new image of this name, signed with a private key."""
    text = f"FROM tiny\nLABEL made={secrets.token_hex(4)}\n"
    return Workbench(host.engine, host.image).build(text, tags=(name,), signing_key=key, push=push).result.image_id


def made(host: Host, image: str, admission: Admission | None, *command: str, **options: object) -> str:
    spec = host.spec(*(command or ("sleep", "600")), image=image, **options)
    host.engine.container_create(spec, admission=admission)
    return spec.id


def test_one_that_nobody_has_signed_is_not_created(tidy_host: Host) -> None:
    with pytest.raises(PermissionDenied, match="no valid signature") as caught:
        made(tidy_host, tidy_host.image, RELEASE)
    assert caught.value.detail["policy"] == "signed_images"
    assert caught.value.detail["keys"] == {"release": signing.key_id(PUBLIC)}
    assert f"release ({signing.key_id(PUBLIC)[:12]})" in caught.value.message
    assert "cosign sign" in caught.value.message and tidy_host.image in caught.value.message
    assert tidy_host.engine.container_list() == []


def test_one_that_a_foreign_key_has_signed_is_not_created(tidy_host: Host) -> None:
    built(tidy_host, "admission:foreign", key=FOREIGN[0])
    with pytest.raises(PermissionDenied, match="no valid signature"):
        made(tidy_host, "admission:foreign", RELEASE)
    made(tidy_host, "admission:foreign", Admission(signed_by={"release": PUBLIC, "theirs": FOREIGN[1]}))


def test_a_signed_one_runs_and_its_name_may_not_move_to_another(tidy_host: Host) -> None:
    signed = built(tidy_host, "admission:1", key=PRIVATE)
    container = made(tidy_host, "admission:1", RELEASE)
    built(tidy_host, "admission:1")  # the name is another image's now, which nobody has signed
    with pytest.raises(PermissionDenied, match="no valid signature"):
        made(tidy_host, "admission:1", RELEASE)
    record = tidy_host.engine.container_start(container, admission=RELEASE)
    assert (record.image_id, record.status) == (signed, states.RUNNING)
    made(tidy_host, signed, RELEASE)  # by its id it can still be had


def test_what_a_policy_says_now_holds_at_the_next_start(tidy_host: Host) -> None:
    free = made(tidy_host, tidy_host.image, None)
    assert tidy_host.engine.container_start(free).status == states.RUNNING
    pid = tidy_host.engine.container_get(free).pid
    with pytest.raises(PermissionDenied, match="no valid signature"):
        tidy_host.engine.container_restart(free, 0, admission=RELEASE)
    assert tidy_host.engine.container_get(free).pid == pid  # what may not start again is not stopped
    tidy_host.engine.container_stop(free, 0)
    with pytest.raises(PermissionDenied, match="no valid signature"):
        tidy_host.engine.container_start(free, admission=RELEASE)
    assert tidy_host.engine.container_start(free, admission=Admission()).status == states.RUNNING


def test_the_hosts_own_restarts_are_held_to_it(tidy_host: Host) -> None:
    image = built(tidy_host, "admission:restarted", key=PRIVATE)
    container = made(tidy_host, "admission:restarted", None, restart="always")
    engine = tidy_host.engine
    first = engine.container_start(container, admission=RELEASE)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: engine.container_get(container).run > first.run, seconds=60, what="a restart")
    eventually(lambda: engine.container_get(container).pid is not None, seconds=60, what="a process")
    with engine.store.transaction() as connection:
        connection.execute("DELETE FROM image_attachment WHERE image = ?", (image,))
    pid = engine.container_get(container).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: engine.container_get(container).status == states.STOPPED, seconds=60, what="its end")
    assert "no valid signature" in (engine.container_get(container).error or "")


def test_a_signature_at_the_registry_is_kept_for_later_starts(tidy_host: Host, strict: StrictRegistry) -> None:
    name = f"{strict.address}/signed:1"
    built(tidy_host, name, key=PRIVATE, push=True)
    unsigned = f"{strict.address}/unsigned:1"
    built(tidy_host, unsigned, push=True)
    with throwaway_home() as home:
        there = Host(home, name)
        container = made(there, name, RELEASE, "true")
        there.engine.images.pull(unsigned)
        with pytest.raises(PermissionDenied, match="no valid signature"):
            made(there, unsigned, RELEASE)
        strict.close()
        there.engine.container_start(container, admission=RELEASE)
        there.ended(container)
        made(there, name, RELEASE, "true")
        with pytest.raises(Unavailable, match="can't be seen") as caught:
            made(there, unsigned, RELEASE)
        assert caught.value.detail["policy"] == "signed_images"
        for record in there.engine.container_list():
            there.engine.container_remove(record.id, force=True)


def test_an_image_that_is_gone_shows_nothing(tidy_host: Host) -> None:
    image = built(tidy_host, "admission:gone", key=PRIVATE)
    container = made(tidy_host, "admission:gone", RELEASE)
    with tidy_host.engine.store.transaction() as connection:
        connection.execute("DELETE FROM image WHERE id = ?", (image,))
    with pytest.raises(PermissionDenied, match="pull it"):
        tidy_host.engine.container_start(container, admission=RELEASE)


def test_an_allowed_name_alone_is_not_allowed(tidy_host: Host, strict: StrictRegistry) -> None:
    """Whether it was tagged, built, committed or loaded: where the image comes from counts, not what it is called."""
    engine, names = tidy_host.engine, f"{strict.address}/ours"
    ours = Admission(allowed_images=(f"{names}/*", "docker.io/library/*"))

    def refused(name: str) -> None:
        for text in (name, engine.images.get(name).id):
            with pytest.raises(PermissionDenied, match="neither pulled from there nor pushed there") as caught:
                made(tidy_host, text, ours)
            assert caught.value.detail["policy"] == "allowed_images" and f"{names}/*" in caught.value.message

    engine.images.tag(tidy_host.image, f"{names}/tagged:1")
    refused(f"{names}/tagged:1")
    built(tidy_host, f"{names}/built:1")
    refused(f"{names}/built:1")
    free = made(tidy_host, tidy_host.image, None)
    commit = CommitSpec(reference=f"{names}/committed:1", comment=names, created_at="2026-01-02T03:04:05Z")
    engine.container_commit(free, commit)
    refused(f"{names}/committed:1")
    with tempfile.TemporaryFile() as file:
        saving = engine.images.save([f"{names}/built:1"])
        while data := os.read(saving.stream, 1 << 16):
            file.write(data)
        saving.wait()
        saving.close()
        engine.images.remove(f"{names}/built:1", uses=lambda _: ())
        file.seek(0)
        engine.images.load(file.fileno())
    refused(f"{names}/built:1")
    engine.images.push(f"{names}/built:1")
    made(tidy_host, f"{names}/built:1", ours)
    made(tidy_host, engine.images.get(f"{names}/built:1").id, ours)


def test_what_was_pulled_from_an_allowed_repository_runs(tidy_host: Host) -> None:
    repository = Reference.parse(tidy_host.image).name
    made(tidy_host, tidy_host.image, Admission(allowed_images=(repository,)))
    with pytest.raises(PermissionDenied):
        made(tidy_host, tidy_host.image, Admission(allowed_images=(f"{repository}/*",)))
