"""A blob is there completely or not at all, and one digest is fetched by one at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.content.blobs import BlobMissing, ContentStore, DigestMismatch
from engine.content.leases import Leases
from engine.content.locks import held
from engine.errors import Cancelled, ResourceExhausted
from engine.oci.digest import Digest
from engine.store.database import Store
from tests.support.processes import eventually

REPOSITORY = Path(__file__).parents[3]
DATA = os.urandom(300_000)


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "content")


def test_a_document_is_stored_once_and_read_back(store: ContentStore) -> None:
    digest = store.put(b"hello")
    assert store.put(b"hello") == digest == Digest.of(b"hello")
    assert store.read(digest) == b"hello"
    assert (store.has(digest), store.size(digest), store.digests()) == (True, 5, [digest])
    assert store.delete(digest) == 5
    assert store.delete(digest) == 0
    with pytest.raises(BlobMissing):
        store.read(digest)
    with pytest.raises(BlobMissing):
        store.size(digest)


def test_a_blob_that_the_disk_damaged_is_not_handed_out(store: ContentStore) -> None:
    digest = store.put(b"hello")
    store.path(digest).write_bytes(b"jello")
    with pytest.raises(DigestMismatch, match="pull the image again"):
        store.read(digest)


def test_a_blob_that_the_disk_cannot_hold_is_refused_before_it_comes(store: ContentStore) -> None:
    with store.ingest(Digest.of(DATA)) as ingest:
        assert ingest is not None
        ingest.check_room(len(DATA))
        with pytest.raises(ResourceExhausted, match="remove images") as caught:
            ingest.check_room(1 << 50)
        assert caught.value.detail["needed_bytes"] == 1 << 50


def test_half_a_blob_is_invisible_and_taken_up_by_the_next(store: ContentStore) -> None:
    digest = Digest.of(DATA)
    with store.ingest(digest) as ingest:
        assert ingest is not None
        ingest.write(DATA[:100_000])
        assert not store.has(digest)
    with store.ingest(digest) as ingest:
        assert ingest is not None
        assert ingest.offset == 100_000
        ingest.write(memoryview(DATA)[100_000:])
        assert not store.has(digest)
        ingest.commit(is_durable=True)
        assert store.has(digest)
    with store.ingest(digest) as ingest:
        assert ingest is None
    assert store.read(digest) == DATA
    assert os.listdir(store.root / "ingest") == os.listdir(store.root / "locks") == []


def test_wrong_content_is_never_committed(store: ContentStore) -> None:
    digest = Digest.of(DATA)
    with pytest.raises(DigestMismatch), store.ingest(digest) as ingest:
        assert ingest is not None
        ingest.write(b"something else")
        ingest.commit(is_durable=False)
    assert not store.has(digest)
    with store.ingest(digest) as ingest:
        assert ingest is not None
        assert ingest.offset == 0


def test_threads_that_want_one_digest_take_turns(store: ContentStore) -> None:
    digest, committed, told = Digest.of(DATA), [], []

    def fetch() -> None:
        with store.ingest(digest, waiting=told.append) as ingest:
            if ingest is not None:
                ingest.write(DATA)
                eventually(lambda: len(DATA) in told, what="somebody who waits and is told")
                ingest.commit(is_durable=False)
                committed.append(1)

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert committed == [1]
    assert max(told) == len(DATA)  # and smaller figures, of who looked while it was written


def test_who_waits_can_be_cancelled(store: ContentStore) -> None:
    digest, cancel = Digest.of(DATA), threading.Event()
    with store.ingest(digest):
        threading.Timer(0.2, cancel.set).start()
        with pytest.raises(Cancelled), store.ingest(digest, cancel):
            pass
    with store.ingest(digest) as ingest:
        assert ingest is not None


def test_a_killed_process_leaves_its_bytes_but_not_its_lock(store: ContentStore) -> None:
    digest = Digest.of(DATA)
    script = (
        "import sys, time; from pathlib import Path; from engine.content.blobs import ContentStore, Digest\n"
        f"with ContentStore(Path({str(store.root)!r})).ingest(Digest({digest!r})) as ingest:\n"
        f"    ingest.write(bytes.fromhex({DATA[:5000].hex()!r})); print('there', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=REPOSITORY, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"there\n"
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled), store.ingest(digest, cancel):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with store.ingest(digest) as ingest:
        assert ingest is not None
        assert ingest.offset == 5000


def test_ingests_are_forgotten_unless_kept_or_worked_on(store: ContentStore) -> None:
    old, kept, busy = (Digest.of(name) for name in (b"old", b"kept", b"busy"))
    for digest in (old, kept, busy):
        with store.ingest(digest) as ingest:
            assert ingest is not None
            ingest.write(b"some")
    with held(store.root / "locks" / busy.replace(":", "-")):
        store.forget_ingests({kept})
    assert sorted(os.listdir(store.root / "ingest")) == sorted(d.replace(":", "-") for d in (kept, busy))


def test_a_lock_passes_between_many_threads_without_two_holders(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(15):
            with held(tmp_path / "lock"):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert not (tmp_path / "lock").exists()


def test_a_lease_ends_with_its_job_but_stays_after_a_failure(tmp_path: Path) -> None:
    leases = Leases(Store(tmp_path / "engine.db"))
    with leases.hold("pull a") as lease:
        lease.add(["x", "y"])
        assert leases.digests() == {"x", "y"}
    assert leases.digests() == set()
    with pytest.raises(RuntimeError), leases.hold("pull a") as lease:
        lease.add(["x"])
        raise RuntimeError
    assert leases.digests() == {"x"}
    leases.drop_expired()
    assert leases.digests() == {"x"}
    with leases.hold("pull a") as lease:
        lease.add(["y"])
    assert leases.digests() == set()


def test_leases_of_another_boot_or_run_out_are_dropped(tmp_path: Path) -> None:
    store = Store(tmp_path / "engine.db")
    leases = Leases(store)
    for name, change in (("old", "expires_at = 1"), ("other", "boot = 'other'"), ("mine", "name = name")):
        with pytest.raises(RuntimeError), leases.hold(name) as lease:
            lease.add([name])
            raise RuntimeError
        with store.transaction() as connection:
            connection.execute(f"UPDATE lease SET {change} WHERE name = ?", (name,))
    leases.drop_expired()
    assert leases.digests() == {"mine"}


def test_a_lease_that_nobody_can_go_on_with_ends_with_its_process(tmp_path: Path) -> None:
    leases = Leases(Store(tmp_path / "engine.db"))
    with leases.hold_here("load") as lease:
        lease.add(["mine"])
        script = (
            "import os, signal; from pathlib import Path; from engine.content.leases import Leases, Store\n"
            f"with Leases(Store(Path({str(tmp_path / 'engine.db')!r}))).hold_here('load') as lease:\n"
            "    lease.add(['theirs']); os.kill(os.getpid(), signal.SIGKILL)"
        )
        subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=False)
        assert leases.digests() == {"mine", "theirs"}
        leases.drop_expired()
        assert leases.digests() == {"mine"}
    with pytest.raises(RuntimeError), leases.hold_here("load") as lease:
        lease.add(["mine"])
        raise RuntimeError
    assert leases.digests() == set()


def test_a_lease_ends_earlier_ones_that_were_left_but_no_running_jobs(tmp_path: Path) -> None:
    leases = Leases(Store(tmp_path / "engine.db"))
    with pytest.raises(RuntimeError), leases.hold("pull a") as left:
        left.add(["left"])
        raise RuntimeError
    with leases.hold("pull a") as running:
        running.add(["before"])
        with leases.hold("pull a") as other:
            other.add(["others"])
        running.add(["after"])
        assert leases.digests() == {"before", "after"}
    assert leases.digests() == set()
