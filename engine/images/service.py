"""The images of one host: what the Engine calls."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from engine.config import EngineConfig
from engine.content.blobs import ContentStore
from engine.content.leases import Leases
from engine.errors import Cancelled, Unavailable
from engine.images import admission, bringing, commit, remote, starter
from engine.images.archive.loading import import_tree, load
from engine.images.archive.saving import Saving, save
from engine.images.attachments import Attachments
from engine.images.commit import Authorship
from engine.images.fsck import FsckReport
from engine.images.garbage import Collector
from engine.images.image import Image
from engine.images.naming import tag_of
from engine.images.packing import pack
from engine.images.progress import Board, LayerProgress, Report
from engine.images.pull import Stop, host_platform
from engine.images.push import Pusher, PushResult
from engine.images.reading import StoredImages
from engine.images.records import Records
from engine.images.remote import RegistryAnswer, RemoteImage, RemoteManifest
from engine.images.removing import PruneReport, PruneRules, Removed, Remover
from engine.images.repair import fsck
from engine.images.shelf import Shelf
from engine.images.uses import Use, Uses
from engine.images.verifying import Signed, verify
from engine.oci.platform import Platform
from engine.oci.reference import Reference
from engine.options.admission import Admission
from engine.registry.access import Access
from engine.registry.auth import Credentials
from engine.registry.limits import RateLimit
from engine.registry.listing import Referrer
from engine.registry.searching import Repository
from engine.reserve import Reserve
from engine.snapshots.service import Snapshots
from engine.store.database import Store
from engine.store.journal import Journal

__all__ = ["Access", "Credentials", "Image", "Images", "LayerProgress"]


class Images(StoredImages):
    """Pull, look up, remove. Safe for many threads, and for several processes on one home."""

    def __init__(
        self, config: EngineConfig, store: Store, journal: Journal, containers: Callable[[], Mapping[str, Use]] = dict
    ) -> None:
        """`containers` tells all of them by their ids."""
        shelf = Shelf(
            config, Records(store, journal), ContentStore(config.content), Snapshots(config, store), Leases(store)
        )
        super().__init__(shelf)
        self._config = config
        self.attachments = Attachments(shelf)
        self._containers = containers
        self._collector = Collector(shelf.records, shelf.content, shelf.snapshots, shelf.leases)

    def pull(
        self,
        reference: str,
        *,
        access: Access | None = None,
        credentials: Credentials | None = None,
        platform: str | None = None,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
        limit_told: Callable[[RateLimit], None] | None = None,
        digest_told: Callable[[str], None] | None = None,
    ) -> Image:
        """Fetch an image and give it its name; an image is visible once it is complete, not before.

        `progress` is called from this thread, at most ten times a second and once at the end. After `cancel`, after
        a kill or a broken connection, what was fetched stays for the next pull. `credentials` is short for an access
        that has nothing else. `limit_told` gets what the registry says of how often it may be asked, if it does;
        `digest_told` the digest of what the name stands for there.
        Raises `InvalidReference`, `ImageUnknown`, `AccessDenied`, `PlatformMissing`, `RegistryUnavailable`,
        `BlobDamaged`, `LayerRefused`, `ResourceExhausted`, `Unsupported`, `Cancelled`.
        """
        with self._collecting(keep_for=(Cancelled, Unavailable)):
            image = bringing.pull(
                self._shelf,
                reference,
                access or Access(credentials),
                platform=platform,
                board=Board(progress),
                cancel=cancel,
                limit_told=limit_told,
                digest_told=digest_told,
            )
        self._sync_later()
        return image

    def push(
        self,
        reference: str,
        *,
        access: Access | None = None,
        all_platforms: bool = False,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> PushResult:
        """Send the image of this name to the name's registry, as it came from one or was made: nothing is packed anew.

        With `all_platforms`, all that is here of the index that it came in. Progress as for `pull`. After `cancel` or
        an error the registry shows what it did before. Raises `ImageMissing`, `InvalidReference`, `InvalidArgument`
        for a digest, `AccessDenied`, `RegistryUnavailable`, `PushRefused`, `BlobDamaged`, `Unsupported`, `Cancelled`.
        """
        board, stop = Board(progress), Stop(cancel)
        if Reference.parse(reference).digest is None:
            pack(self._shelf, self._records.find(reference).id, stop)
        with Pusher(self._config, self._content, self._records, access or Access(), board, stop) as pusher:
            return pusher.push(reference, all_platforms)

    def remote(self, reference: str, *, access: Access | None = None) -> RemoteImage:
        """What this name stands for at its registry now. Raises as `pull` does while it resolves a name."""
        return remote.remote(self._config, reference, access)

    def remote_manifest(self, reference: str, *, access: Access | None = None) -> RemoteManifest:
        """The manifest or index that this name stands for at its registry. Raises as `remote`, `InvalidDocument`."""
        return remote.manifest(self._config, reference, access)

    def search(self, term: str, *, access: Access | None = None, limit: int = 25) -> list[Repository]:
        """Repositories at a registry by a part of their name. Raises as `remote.search`."""
        return remote.search(self._config, term, access, limit)

    def referrers(self, reference: str, *, access: Access | None = None, artifact_type: str = "") -> list[Referrer]:
        """What is about this image at its registry: signatures, attestations, lists of software. Raises as `remote`."""
        return remote.referrers(self._config, reference, access, artifact_type)

    def verify(
        self,
        name: str,
        keys: Sequence[str],
        *,
        access: Mapping[str, Access] | None = None,
        asks_registries: bool = True,
    ) -> list[Signed]:
        """Which of `keys` (public ones, PEM) have signed this image, here or at its registries: see `verifying.py`."""
        return verify(self._shelf, name, keys, access, asks_registries=asks_registries)

    def admit(
        self,
        image_id: str,
        wanted: Admission,
        *,
        name: str = "",
        asks_registries: bool = True,
        cancel: threading.Event | None = None,
    ) -> None:
        """Raises PermissionDenied for an image that is not what a policy wants: see `admission.py`."""
        admission.admit(self._shelf, image_id, wanted, name=name, asks_registries=asks_registries, cancel=cancel)

    def remote_tags(self, reference: str, *, access: Access | None = None) -> list[str]:
        """All tags of the repository that this names, at its registry. Raises as `remote`."""
        return remote.tags(self._config, reference, access)

    def try_registry(self, registry: str, access: Access | None = None) -> RegistryAnswer:
        """Whether a registry answers, and takes these credentials. Raises `InvalidArgument` for what names none."""
        return remote.try_registry(self._config, registry, access)

    def tag(self, name: str, reference: str) -> Image:
        """Give an image one more name; another image that had it loses it. Doing it again changes and tells nothing.

        Raises `ImageMissing`, `InvalidReference`, `InvalidArgument` for a digest, `Conflict` for an unclear id.
        """
        tag = tag_of(reference)
        with self._records.store.transaction():
            return self._records.tag(self._records.find(name).id, tag)

    def remove(self, name: str, *, force: bool = False, uses: Uses) -> Removed:
        """Untag, and delete with the last name; by id, delete. The rules are Docker's: see `removing.py`.

        `uses` tells the containers of an image id. Raises `ImageMissing`, `InvalidReference`, `Conflict`.
        """
        removed = Remover(self._records, uses).remove(name, force=force)
        if removed.deleted:
            self._collector.collect()
        return removed

    def prune(self, rules: PruneRules, *, uses: Uses) -> PruneReport:
        """Delete what `rules` name and nobody uses, and everything that was left behind; tell of it as `prune`."""
        removed = Remover(self._records, uses).prune(rules)
        freed = self._collector.collect()
        reclaimed = freed.layer_bytes + freed.blob_bytes
        self._records.tell("prune", "", "", reclaimed=reclaimed)
        return PruneReport(removed.untagged, removed.deleted, reclaimed)

    def fsck(
        self,
        *,
        repair: bool = False,
        access: Mapping[str, Access] | None = None,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> FsckReport:
        """Compare every blob with its digest and every layer with its blob; with `repair` put right what can be.

        What is damaged is fetched again from where its images came from, with that registry's `access`, and unpacked
        again. Raises `Cancelled`; what can't be repaired is no error but in the report.
        """
        board = Board(progress)
        report = fsck(self._shelf, self._containers(), access or {}, board, Stop(cancel), repair=repair)
        self._collector.collect()
        board.show("done")
        return report

    def create_starter(
        self,
        reference: str = starter.DEFAULT_REFERENCE,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> Image:
        """Make an image of this machine's shell and common tools, and name it. The same machine gives the same image.

        Raises `InvalidReference`, `Unsupported` (no shell here), `ResourceExhausted`, `Cancelled`.
        """
        image = bringing.make_starter(self._shelf, reference, Board(progress), cancel)
        self._sync_later()
        return image

    def commit(
        self,
        base: str,
        stream: int,
        *,
        config: Callable[[dict[str, Any]], dict[str, Any]],
        author: str = "",
        comment: str = "",
        created_at: str,
        created_by: str = "",
        reference: str | None = None,
        finish: Callable[[], object],
        cancel: threading.Event | None = None,
    ) -> Image:
        """Make an image of the image `base` and one more layer, the tar that is read from `stream`; give it a name.

        `config` changes the base's configuration; `finish` is called at the stream's end, and raises if that is not
        the tar's. Raises `ImageMissing`, `InvalidReference`, `InvalidArgument`, `ResourceExhausted`, `Cancelled`.
        """
        authorship = Authorship(created_at=created_at, author=author, comment=comment, created_by=created_by)
        image = commit.commit(
            self._shelf,
            base,
            commit.read_all(stream),
            config=config,
            authorship=authorship,
            reference=None if reference is None else tag_of(reference),
            finish=finish,
            cancel=cancel,
        )
        self._sync_later()
        return image

    def save(self, names: Sequence[str], *, format: str = "docker", cancel: threading.Event | None = None) -> Saving:
        """Begin an archive of images, to be read from `Saving.stream`; then `wait` and `close`.

        By reference, id, or repository (all its tags); `format`: docker (what `docker load` and `podman load` read, an
        OCI image layout with manifest.json) or oci (the layout alone, with all platforms that are here of an index).
        Raises `ImageMissing`, `InvalidReference`, `InvalidArgument`, `DataCorrupt` where a blob is missing,
        `Cancelled`.
        """
        if cancel is not None and cancel.is_set():
            raise Cancelled("cancelled")
        return save(self._shelf, names, format, cancel)

    def load(
        self,
        stream: int,
        *,
        progress: Report | None = None,
        named: Callable[[str, Sequence[str]], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> tuple[Image, ...]:
        """Read an archive from a descriptor: `docker save`'s or an OCI image layout, plain, gzip or zstd.

        `named` is told the id of each image, and what the archive calls it. All its images become visible, or none
        does. Raises `InvalidArgument` for what is no archive or a hostile one, `InvalidReference`, `DataCorrupt`,
        `PlatformMissing`, `Unsupported`, `ResourceExhausted`, `Cancelled`.
        """
        with self._collecting():
            images = load(self._shelf, stream, Board(progress), cancel, named)
        self._sync_later()
        return tuple(images)

    def import_(
        self,
        stream: int,
        reference: str | None = None,
        *,
        changes: Sequence[str] = (),
        message: str = "",
        platform: str | None = None,
        created_at: str = "",
        cancel: threading.Event | None = None,
    ) -> Image:
        """Make an image of one layer out of a root file system's tar, plain, gzip or zstd, read from a descriptor.

        `changes` as in `docker import --change`; `created_at` in RFC 3339, now if it is empty. Raises
        `InvalidArgument`, `InvalidReference`, `LayerRefused`, `ResourceExhausted`, `Cancelled`.
        """
        name = None if reference is None else tag_of(reference)
        wanted = Platform.parse(platform) if platform else host_platform()
        authorship = Authorship(created_at=created_at or commit.now(), comment=message)
        with self._collecting():
            image = import_tree(
                self._shelf, stream, name, changes=changes, platform=wanted, authorship=authorship, cancel=cancel
            )
        self._sync_later()
        return image

    @contextlib.contextmanager
    def _collecting(self, keep_for: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
        """What fails in here leaves nothing behind, but for errors after which one may go on: `keep_for`."""
        try:
            yield
        except keep_for:
            raise
        except BaseException:
            Reserve(self._config.home).with_room(self._collector.collect)
            raise

    def recover(self) -> None:
        """At a start: drop what killed processes left half made, keep what a pull can go on with."""
        self._collector.recover()
        self._sync_later()

    def _sync_later(self) -> None:
        """Waiting for the disk would take longer than the pull; until it is through, the images are marked."""
        threading.Thread(target=self._sync, name="image-sync", daemon=True).start()

    def _sync(self) -> None:
        with contextlib.suppress(Exception):  # the next start looks again
            self._collector.sync(self._config.home)
