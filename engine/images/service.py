"""The images of one host: what the Engine calls."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from engine.config import EngineConfig
from engine.content.blobs import ContentStore
from engine.content.leases import Leases
from engine.errors import Cancelled, DataCorrupt, EngineError, InvalidArgument, NotFound, Unavailable
from engine.images import commit, history, layer_files, remote, starter, usage, waste
from engine.images.archive.loading import import_tree, load
from engine.images.archive.saving import Saving, save
from engine.images.commit import Authorship
from engine.images.fsck import FsckReport
from engine.images.garbage import Collector
from engine.images.history import HistoryEntry
from engine.images.image import Image
from engine.images.layer import Workshop
from engine.images.layer_files import LayerFiles
from engine.images.manifests import manifest_of
from engine.images.progress import Board, LayerProgress, Report
from engine.images.pull import Resolved, Stop, fetch_layers, host_platform, lease_all, resolve
from engine.images.push import Pusher, PushResult
from engine.images.records import Records
from engine.images.remote import RegistryAnswer, RemoteImage
from engine.images.removing import PruneReport, PruneRules, Removed, Remover
from engine.images.repair import fsck
from engine.images.shelf import Shelf
from engine.images.usage import ImagesUsage
from engine.images.uses import Use, Uses
from engine.images.waste import Waste
from engine.layers import unpack
from engine.oci.platform import Platform
from engine.oci.reference import Reference
from engine.registry.access import Access
from engine.registry.auth import Credentials
from engine.registry.client import FetchedManifest, RegistryClient
from engine.registry.listing import Referrer
from engine.snapshots.service import Snapshots
from engine.store.database import Store
from engine.store.journal import Journal

__all__ = ["Access", "Credentials", "Image", "Images", "LayerProgress"]


def named(reference: str) -> Reference:
    """A name that an image can be given here. Raises `InvalidReference`, and `InvalidArgument` for a digest."""
    name = Reference.parse(reference)
    if name.digest is not None:
        raise InvalidArgument("a new image can be given a tag, but not a digest", {"field": "reference"})
    return name


class Images:
    """Pull, look up, remove. Safe for many threads, and for several processes on one home."""

    def __init__(
        self, config: EngineConfig, store: Store, journal: Journal, containers: Callable[[], Mapping[str, Use]] = dict
    ) -> None:
        """`containers` tells all of them by their ids."""
        self._config = config
        self._containers = containers
        self._content = ContentStore(config.content)
        self._leases = Leases(store)
        self._snapshots = Snapshots(config, store)
        self._records = Records(store, journal)
        self._shelf = Shelf(config, self._records, self._content, self._snapshots, self._leases)
        self._collector = Collector(self._records, self._content, self._snapshots, self._leases)

    def pull(
        self,
        reference: str,
        *,
        access: Access | None = None,
        credentials: Credentials | None = None,
        platform: str | None = None,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> Image:
        """Fetch an image and give it its name; an image is visible once it is complete, not before.

        `progress` is called from this thread, at most ten times a second and once at the end. After `cancel`, after
        a kill or a broken connection, what was fetched stays for the next pull. `credentials` is short for an access
        that has nothing else. Raises `InvalidReference`, `ImageUnknown`, `AccessDenied`, `PlatformMissing`,
        `RegistryUnavailable`, `BlobDamaged`, `LayerRefused`, `ResourceExhausted`, `Unsupported`, `Cancelled`.
        """
        name = Reference.parse(reference)
        wanted = Platform.parse(platform) if platform else host_platform()
        board = Board(progress)
        board.show("resolving")
        unpack.prepare()
        stop = Stop(cancel)
        workshop = Workshop(self._content, self._snapshots, board, stop)
        lease_name = f"pull {name} {wanted}"
        try:
            with (
                self._leases.hold(lease_name) as lease,
                RegistryClient(self._config, name, access or Access(credentials), stop) as client,
            ):
                resolved = resolve(client, self._content, name, wanted)
                lease_all(lease, resolved)
                self._store_documents(resolved, board)
                fetch_layers(workshop, client, resolved, cancel)
                names = [name.pinned(document.digest) for document in resolved.documents]
                image = self._record(resolved, names if name.digest else [*names, name])
        except (Cancelled, Unavailable):
            raise
        except EngineError:
            # It will fail in the same way again: nothing is kept for the next attempt.
            self._leases.abandon(lease_name)
            self._collector.collect()
            raise
        board.show("done")
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
        with Pusher(self._config, self._content, self._records, access or Access(), board, stop) as pusher:
            return pusher.push(reference, all_platforms)

    def remote(self, reference: str, *, access: Access | None = None) -> RemoteImage:
        """What this name stands for at its registry now. Raises as `pull` does while it resolves a name."""
        return remote.remote(self._config, reference, access)

    def referrers(self, reference: str, *, access: Access | None = None, artifact_type: str = "") -> list[Referrer]:
        """What is about this image at its registry: signatures, attestations, lists of software. Raises as `remote`."""
        return remote.referrers(self._config, reference, access, artifact_type)

    def remote_tags(self, reference: str, *, access: Access | None = None) -> list[str]:
        """All tags of the repository that this names, at its registry. Raises as `remote`."""
        return remote.tags(self._config, reference, access)

    def try_registry(self, registry: str, access: Access | None = None) -> RegistryAnswer:
        """Whether a registry answers, and takes these credentials. Raises `InvalidArgument` for what names none."""
        return remote.try_registry(self._config, registry, access)

    def get(self, name: str) -> Image:
        """By reference, id or unique start of an id. Raises `ImageMissing`, `InvalidReference`, `Conflict`."""
        return self._records.find(name)

    def list(self) -> list[Image]:
        """All complete images, by name."""
        return self._records.all()

    def tag(self, name: str, reference: str) -> Image:
        """Give an image one more name; another image that had it loses it. Doing it again changes and tells nothing.

        Raises `ImageMissing`, `InvalidReference`, `InvalidArgument` for a digest, `Conflict` for an unclear id.
        """
        tag = named(reference)
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

    def history(self, name: str) -> tuple[HistoryEntry, ...]:
        """How an image came to be, the newest first, as `docker history` tells it. Raises as `get` does."""
        image = self._records.find(name)
        config, blobs = self._records.documents(image.id)
        try:
            layers = manifest_of(self._content, image.id, blobs).layers
        except DataCorrupt:  # the blobs are missed by whoever needs them
            layers = ()
        sizes = self._snapshots.layer_sizes(image.diff_ids)
        return history.steps(image, config, [layer.digest for layer in layers], sizes)

    def layer_files(self, name: str, layer: str, path: str = "/", limit: int = 2000) -> LayerFiles:
        """What a layer (its diff id, or its blob's digest) adds, changes and deletes right below a directory.

        Raises as `get` does, `NotFound` for a layer or a directory that the image hasn't.
        """
        image = self._records.find(name)
        position = self._position(image, layer)
        directories = [self._snapshots.layer_directory(diff_id) for diff_id in image.diff_ids[: position + 1]]
        return layer_files.layer_files(directories, image.diff_ids[position], path, limit)

    def _position(self, image: Image, layer: str) -> int:
        if layer in image.diff_ids:
            return image.diff_ids.index(layer)
        for step in self.history(image.id):
            if step.digest == layer:
                return image.diff_ids.index(step.diff_id)
        raise NotFound(f"this image has no layer {layer[:80]}", {"layer": layer[:200]})

    def waste(self, name: str) -> Waste:
        """What the image carries in vain, because later layers overwrite or delete it. Raises as `get` does."""
        image = self._records.find(name)
        return waste.waste(tuple(self._snapshots.layer_directory(diff_id) for diff_id in image.diff_ids))

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

    def disk_usage(self) -> ImagesUsage:
        """What images take on the disk, and what each shares with others."""
        images = self._records.all()
        sizes = self._snapshots.layer_sizes()
        return usage.of_images(images, sizes, self._content.complete_bytes(), self._content.unfinished_bytes())

    def create_starter(
        self,
        reference: str = starter.DEFAULT_REFERENCE,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> Image:
        """Make an image of this machine's shell and common tools, and name it. The same machine gives the same image.

        Raises `InvalidReference`, `Unsupported` (no shell here), `ResourceExhausted`, `Cancelled`.
        """
        name = Reference.parse(reference)
        if name.digest is not None:
            raise InvalidArgument("the starter image can be given a tag, but not a digest")
        board = Board(progress)
        board.show("gathering")
        made = starter.build(starter.gather(), host_platform())
        resolved = Resolved(
            made.manifest,
            made.config,
            made.config_data,
            (FetchedManifest(made.manifest_data, "", made.manifest_digest),),
        )
        with self._leases.hold(f"starter {name}") as lease:
            lease_all(lease, resolved)
            self._store_documents(resolved, board)
            self._content.put(made.layer, is_durable=False)
            fetch_layers(Workshop(self._content, self._snapshots, board, threading.Event()), None, resolved, cancel)
            image = self._record(resolved, [name], action="import")
        board.show("done")
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
            reference=None if reference is None else named(reference),
            finish=finish,
            cancel=cancel,
        )
        self._sync_later()
        return image

    def save(self, names: Sequence[str], *, format: str = "docker", cancel: threading.Event | None = None) -> Saving:
        """Begin an archive of images, to be read from `Saving.stream`; then `wait` and `close`.

        By reference, id, or repository (all its tags); `format`: docker (what `docker load` and `podman load` read, an
        OCI image layout with manifest.json) or oci (the layout alone). Raises `ImageMissing`, `InvalidReference`,
        `InvalidArgument`, `DataCorrupt` where a blob is missing, `Cancelled`.
        """
        if cancel is not None and cancel.is_set():
            raise Cancelled("cancelled")
        return save(self._shelf, names, format)

    def load(
        self, stream: int, *, progress: Report | None = None, cancel: threading.Event | None = None
    ) -> tuple[Image, ...]:
        """Read an archive from a descriptor: `docker save`'s or an OCI image layout, plain, gzip or zstd.

        All its images become visible, or none does. Raises `InvalidArgument` for what is no archive or a hostile one,
        `InvalidReference`, `DataCorrupt`, `PlatformMissing`, `Unsupported`, `ResourceExhausted`, `Cancelled`.
        """
        with self._collecting():
            images = load(self._shelf, stream, Board(progress), cancel)
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
        name = None if reference is None else named(reference)
        wanted = Platform.parse(platform) if platform else host_platform()
        authorship = Authorship(created_at=created_at or commit.now(), comment=message)
        with self._collecting():
            image = import_tree(
                self._shelf, stream, name, changes=changes, platform=wanted, authorship=authorship, cancel=cancel
            )
        self._sync_later()
        return image

    @contextlib.contextmanager
    def _collecting(self) -> Iterator[None]:
        """What fails in here leaves nothing behind."""
        try:
            yield
        except BaseException:
            self._collector.collect()
            raise

    def recover(self) -> None:
        """At a start: drop what killed processes left half made, keep what a pull can go on with."""
        self._collector.recover()
        self._sync_later()

    def _store_documents(self, resolved: Resolved, board: Board) -> None:
        # A new image is marked until all of it is on the disk; one that has been here for long is not.
        is_known = self._records.find_id(resolved.manifest.config.digest) is not None
        for data in (*(document.data for document in resolved.documents), resolved.config_data):
            self._content.put(data, is_durable=is_known)
        for layer in resolved.layers:
            board.add(layer.digest.short, layer.size)
        board.show("pulling")

    def _record(self, resolved: Resolved, names: Iterable[Reference], *, action: str = "pull") -> Image:
        return self._shelf.publish(resolved.config_data, names, resolved.digests, action=action)

    def _sync_later(self) -> None:
        """Waiting for the disk would take longer than the pull; until it is through, the images are marked."""
        threading.Thread(target=self._sync, name="image-sync", daemon=True).start()

    def _sync(self) -> None:
        with contextlib.suppress(Exception):  # the next start looks again
            self._collector.sync(self._config.home)
