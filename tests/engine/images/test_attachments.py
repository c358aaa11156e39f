"""What is attached to an image is written at once for good, with its record, and what it replaces goes."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from engine.images.attachments import Attached, Attachment
from engine.images.image import Image
from engine.images.records import Records
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor
from tests.engine.images.conftest import Host

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]
KIND = "application/vnd.example.note"


@pytest.fixture
def image(host: Host, push: Push) -> Image:
    return host.images.pull(push({"a": b"1"}, name="noted"))


def attach(host: Host, image: Image, data: bytes, slot: str = "note") -> Attached:
    digest = Digest(image.digests[0].partition("@")[2])
    subject = Descriptor(media.OCI_MANIFEST, digest, host.content.size(digest))
    with host.images._shelf.leases.hold_here("attach") as lease:
        return host.images.attachments.attach(
            image.id, subject, Attachment(slot=slot, artifact_type=KIND, media_type=KIND, data=data), lease
        )


def test_what_is_attached_anew_takes_the_place_of_what_was_there(host: Host, image: Image) -> None:
    before = host.leftovers()["blobs"]
    first = attach(host, image, b"one")
    attach(host, image, b"one")
    assert host.images.attachments.read(image.id, first.digest) == b"one"
    second = attach(host, image, b"two")
    assert [one.digest for one in host.images.attachments.of(image.id)] == [second.digest]
    host.images.recover()
    blobs = {Digest(text).hex for text in (second.digest, second.content, Digest.of(b"{}"))}
    assert set(host.leftovers()["blobs"]) == {*before, *blobs}


def test_what_another_slot_has_too_stays(host: Host, image: Image) -> None:
    attach(host, image, b"one", slot="first")
    attach(host, image, b"{}", slot="second")
    other = attach(host, image, b"one", slot="third")
    attach(host, image, b"two", slot="first")
    last = attach(host, image, b"three", slot="second")
    host.images.recover()
    assert host.images.attachments.read(image.id, other.digest) == b"one"
    assert host.images.attachments.read(image.id, last.digest) == b"three"
    assert host.content.has(Digest.of(b"{}")), "every attachment's config"


def test_the_disk_has_it_when_the_record_has(host: Host, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    found = attach(host, image, b"one")
    for digest in (found.digest, found.content):
        assert host.content.path(Digest(digest)).stat().st_ino in synced


def test_record_and_blobs_are_noted_together_or_not_at_all(
    host: Host, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Records, "add_blobs", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        attach(host, image, b"one")
    assert host.images.attachments.of(image.id) == []
