"""What this host knows of its images, in the store."""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Iterable

from engine.content.leases import boot_id
from engine.errors import Conflict, InvalidArgument, NotFound
from engine.images.image import Image
from engine.oci.digest import Digest
from engine.oci.image_config import ImageConfig
from engine.oci.reference import Reference
from engine.store.database import Store
from engine.store.journal import Journal

SCHEMA = [
    """
    CREATE TABLE image (
        id TEXT PRIMARY KEY,
        config BLOB NOT NULL,
        size_bytes INTEGER NOT NULL,
        boot TEXT NOT NULL,
        is_synced INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE image_reference (
        name TEXT PRIMARY KEY,
        is_tag INTEGER NOT NULL,
        image TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE
    );
    CREATE INDEX image_reference_image ON image_reference (image);
    CREATE TABLE image_blob (
        image TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        PRIMARY KEY (image, digest)
    )
    """,
    "ALTER TABLE image ADD COLUMN parent TEXT",
    """
    CREATE TABLE image_attachment (
        image TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        subject TEXT NOT NULL,
        slot TEXT NOT NULL,
        artifact_type TEXT NOT NULL,
        content TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        created_at REAL NOT NULL,
        PRIMARY KEY (image, subject, slot)
    )
    """,
]
UPDATED, REMOVED, ACTION = "image.updated", "image.removed", "action.done"
_ID = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})\Z")


class ImageMissing(NotFound):
    """No such image on this host."""


class Records:
    """Rows in, `Image` values out; every change is journalled in its transaction."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self.store = store
        self._journal = journal
        store.ensure("images", SCHEMA)

    def add(
        self,
        image_id: Digest,
        config: bytes,
        size_bytes: int,
        names: Iterable[Reference],
        blobs: Iterable[Digest],
        *,
        action: str = "pull",
        parent: str | None = None,
    ) -> Image:
        """Record an image and give it names; a tag moves here from the image that had it.

        `action` is what events call it, in Docker's words: pull, tag, load, import. `parent` is the id of the image
        that this one was made from on this host, if it was.
        """
        with self.store.transaction() as connection:
            connection.execute(
                "INSERT INTO image (id, config, size_bytes, boot, parent) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO NOTHING",
                (image_id, config, size_bytes, boot_id(), parent),
            )
            connection.executemany("INSERT OR IGNORE INTO image_blob VALUES (?, ?)", [(image_id, b) for b in blobs])
            for name in names:
                self._give(connection, image_id, name)
                if name.digest is None:
                    self._tell(action, image_id, name)
            return self._announce(image_id)

    def tag(self, image_id: str, name: Reference) -> Image:
        """One more tag, taken from the image that had it; nothing is told when it has it already."""
        with self.store.transaction() as connection:
            if not self._give(connection, image_id, name):
                return self.by_id(image_id)
            self._tell("tag", image_id, name)
            return self._announce(image_id)

    def _give(self, connection: sqlite3.Connection, image_id: str, name: Reference) -> bool:
        """Whether the image did not have the name before."""
        before = connection.execute("SELECT image FROM image_reference WHERE name = ?", (str(name),)).fetchone()
        if before is not None and before["image"] == image_id:
            return False
        connection.execute(
            "INSERT INTO image_reference VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET image = excluded.image",
            (str(name), name.digest is None, image_id),
        )
        if before is not None:
            self._announce(before["image"])
            self._tell("untag", before["image"], name)
        return True

    def origins(self, digest: str) -> list[Reference]:
        """The names with a digest (so registries have them) of images that a blob is part of."""
        rows = self.store.connection().execute(
            "SELECT DISTINCT name FROM image_reference JOIN image_blob USING (image)"
            " WHERE digest = ? AND NOT is_tag ORDER BY name",
            (digest,),
        )
        return [Reference.parse(row["name"]) for row in rows]

    def pushed(self, image_id: str, name: Reference, digest: str) -> None:
        """Note that a registry has the image by this name and digest."""
        with self.store.transaction() as connection:
            if connection.execute("SELECT 1 FROM image WHERE id = ?", (image_id,)).fetchone() is None:
                return  # removed meanwhile
            if self._give(connection, image_id, name.pinned(Digest(digest))):
                self._announce(image_id)
            self._tell("push", image_id, name)

    def drop_name(self, name: Reference) -> None:
        """Take a tag or digest from its image."""
        with self.store.transaction() as connection:
            row = connection.execute("SELECT image FROM image_reference WHERE name = ?", (str(name),)).fetchone()
            if row is not None:
                connection.execute("DELETE FROM image_reference WHERE name = ?", (str(name),))
                self._announce(row["image"])
                if name.digest is None:
                    self._tell("untag", row["image"], name)

    def delete(self, image_id: str) -> None:
        """Forget an image with all its names."""
        with self.store.transaction() as connection:
            rows = connection.execute(
                "SELECT name FROM image_reference WHERE image = ? AND is_tag", (image_id,)
            ).fetchall()
            if connection.execute("DELETE FROM image WHERE id = ?", (image_id,)).rowcount:
                for row in rows:
                    self._tell("untag", image_id, Reference.parse(row["name"]))
                self._journal.append(REMOVED, image_id, {})

    def _tell(self, action: str, image_id: str, name: Reference) -> None:
        self.tell(action, image_id, name.familiar)

    def tell(self, action: str, image_id: str, name: str, **attributes: object) -> None:
        """News for those who watch what is done, in Docker's words, beside the state that `_announce` tells."""
        self._journal.append(ACTION, image_id, {"action": action, "type": "image", "name": name, **attributes})

    def references(self, image_id: str) -> list[Reference]:
        """Its tags and digests, by name."""
        query = "SELECT name FROM image_reference WHERE image = ? ORDER BY name"
        return [Reference.parse(row["name"]) for row in self.store.connection().execute(query, (image_id,))]

    def parent(self, image_id: str) -> str | None:
        """The id of the image that it was made from on this host, while that is here."""
        query = "SELECT p.id FROM image i JOIN image p ON p.id = i.parent WHERE i.id = ?"
        row = self.store.connection().execute(query, (image_id,)).fetchone()
        return row["id"] if row else None

    def parents(self) -> set[str]:
        """Ids of the images that others were made from on this host."""
        query = "SELECT DISTINCT parent FROM image WHERE parent IS NOT NULL"
        return {row["parent"] for row in self.store.connection().execute(query)}

    def by_id(self, image_id: str) -> Image:
        """Raises `ImageMissing`."""
        row = self.store.connection().execute("SELECT * FROM image WHERE id = ?", (image_id,)).fetchone()
        if row is None:
            raise ImageMissing(f"there is no image {image_id[:19]} on this host", {"image": image_id})
        return self._image(row)

    def find(self, name: str) -> Image:
        """By reference, id, or the start of an id. Raises `ImageMissing`, `InvalidReference`, `Conflict`."""
        image_id = self.find_name(name)
        if image_id is None:
            image_id = self.find_id(name)
        if image_id is None:
            shown = Reference.parse(name).familiar if not name.startswith("sha256:") else name[:80]
            raise ImageMissing(f"there is no image {shown} on this host: pull it first", {"image": name[:300]})
        return self.by_id(image_id)

    def find_name(self, name: str) -> str | None:
        """The id of the image with this tag or digest."""
        try:
            reference = Reference.parse(name)
        except InvalidArgument:
            return None
        if reference.digest is not None:
            reference = reference.pinned(reference.digest)
        query = "SELECT image FROM image_reference WHERE name = ?"
        row = self.store.connection().execute(query, (str(reference),)).fetchone()
        return row["image"] if row else None

    def find_id(self, name: str) -> str | None:
        """The full id that starts with `name` (4 hex digits or more). Raises `Conflict` when several do."""
        match = _ID.match(name)
        if match is None:
            return None
        prefix = "sha256:" + match[1]
        rows = (
            self.store.connection()
            .execute("SELECT id FROM image WHERE id >= ? AND id < ? LIMIT 2", (prefix, prefix + "g"))
            .fetchall()
        )
        if len(rows) > 1:
            raise Conflict(f"several images have an id that starts with {name}: give more of it")
        return rows[0]["id"] if rows else None

    def all(self) -> list[Image]:
        """Every image, by its first name, nameless ones last."""
        images = [self._image(row) for row in self.store.connection().execute("SELECT * FROM image")]
        return sorted(images, key=lambda image: (not image.tags, image.tags, image.digests, image.id))

    def documents(self, image_id: str) -> tuple[bytes, list[str]]:
        """The config of an image as it was written, and the digests that it consists of. Raises `ImageMissing`."""
        connection = self.store.connection()
        row = connection.execute("SELECT config FROM image WHERE id = ?", (image_id,)).fetchone()
        if row is None:
            raise ImageMissing(f"there is no image {image_id[:19]} on this host", {"image": image_id})
        blobs = connection.execute("SELECT digest FROM image_blob WHERE image = ?", (image_id,))
        return bytes(row["config"]), [blob["digest"] for blob in blobs]

    def add_blobs(self, image_id: str, blobs: Iterable[str]) -> None:
        """More that an image consists of; nothing happens if it was removed meanwhile."""
        with self.store.transaction() as connection:
            if connection.execute("SELECT 1 FROM image WHERE id = ?", (image_id,)).fetchone() is not None:
                rows = [(image_id, blob) for blob in blobs]
                connection.executemany("INSERT OR IGNORE INTO image_blob VALUES (?, ?)", rows)

    def drop_blobs(self, image_id: str, blobs: Iterable[str]) -> None:
        """What an image consists of no more."""
        with self.store.transaction() as connection:
            rows = [(image_id, blob) for blob in blobs]
            connection.executemany("DELETE FROM image_blob WHERE image = ? AND digest = ?", rows)

    def wanted_blobs(self) -> set[str]:
        """The digests that images consist of."""
        return {row["digest"] for row in self.store.connection().execute("SELECT DISTINCT digest FROM image_blob")}

    def mark_synced(self, image_ids: Iterable[str]) -> None:
        """The disk has everything of these images."""
        with self.store.transaction() as connection:
            connection.executemany("UPDATE image SET is_synced = 1 WHERE id = ?", [(i,) for i in image_ids])

    def unsynced(self) -> list[tuple[str, bool]]:
        """Images that the disk may not have completely yet, with whether that was in this boot."""
        rows = self.store.connection().execute("SELECT id, boot FROM image WHERE NOT is_synced")
        return [(row["id"], row["boot"] == boot_id()) for row in rows]

    def _announce(self, image_id: str) -> Image:
        image = self.by_id(image_id)
        self._journal.append(UPDATED, image_id, image.as_state())
        return image

    def _image(self, row: sqlite3.Row) -> Image:
        names = (
            self.store.connection()
            .execute("SELECT name, is_tag FROM image_reference WHERE image = ? ORDER BY name", (row["id"],))
            .fetchall()
        )
        tags, digests = (
            tuple(Reference.parse(name["name"]).familiar for name in names if bool(name["is_tag"]) is is_tag)
            for is_tag in (True, False)
        )
        return Image(row["id"], tags, digests, row["size_bytes"], _parsed(row["config"]))


@functools.lru_cache(maxsize=1024)
def _parsed(config: bytes) -> ImageConfig:
    return ImageConfig.parse(config)
