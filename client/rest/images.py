"""/api/v1/images/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.images_bodies import Lookup, Name, OnHost, PruneImages, Pull, Push, Untag, Verify
from client.transport import Answer, Body, located


class Images(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        host: str | None = None,
        ordering: Literal["-built_at", "-size_bytes", "-updated_at", "built_at", "size_bytes", "updated_at"]
        | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
    ) -> Iterator[Json]:
        """List images."""
        return self._rows(
            "/api/v1/images/",
            {
                "cursor": cursor,
                "host": host,
                "ordering": ordering,
                "page": page,
                "page_size": page_size,
                "search": search,
            },
        )

    def read(self, image_id: int) -> Json:
        """Read an image."""
        return self._ask("GET", located("/api/v1/images/{}/", image_id))

    def remove(self, image_id: int, *, force: bool | str | None = None) -> Json:
        """Remove an image from its host, with all its tags."""
        return self._ask("DELETE", located("/api/v1/images/{}/", image_id), {"force": force})

    def attachments(self, image_id: int, *, registries: bool | None = None) -> Json:
        """What is attached to an image on its host, and which of the team's keys have signed it."""
        return self._ask("GET", located("/api/v1/images/{}/attachments/", image_id), {"registries": registries})

    def attachment(self, image_id: int, digest: str) -> Json:
        """Read what is attached: a list of software, a statement, the payload of a signature."""
        return self._ask("GET", located("/api/v1/images/{}/attachments/{}/", image_id, digest))

    def files(self, image_id: int, *, layer: str, limit: int | None = None, path: str | None = None) -> Json:
        """What one layer of an image adds, changes and deletes in a directory."""
        return self._ask(
            "GET", located("/api/v1/images/{}/files/", image_id), {"layer": layer, "limit": limit, "path": path}
        )

    def history(self, image_id: int) -> Json:
        """The steps that made an image, with the layers that they left."""
        return self._ask("GET", located("/api/v1/images/{}/history/", image_id))

    def push(self, image_id: int, **body: Unpack[Push]) -> Json:
        """Push an image to a registry. The job's `progress` has a line for each layer."""
        return self._ask("POST", located("/api/v1/images/{}/push/", image_id), body=body)

    def referrers(self, image_id: int, *, artifact_type: str | None = None, reference: str | None = None) -> Json:
        """List what refers to an image at its registry: signatures, attestations, lists of software."""
        return self._ask(
            "GET",
            located("/api/v1/images/{}/referrers/", image_id),
            {"artifact_type": artifact_type, "reference": reference},
        )

    def save_one(self, image_id: int, *, format: Literal["docker", "files", "oci"] | None = None) -> Answer:
        """Read an image with all its tags as a tar."""
        return self._open("GET", located("/api/v1/images/{}/save/", image_id), {"format": format})

    def tag(self, image_id: int, **body: Unpack[Name]) -> Json:
        """Give an image one more tag; another image on its host that has it loses it."""
        return self._ask("POST", located("/api/v1/images/{}/tag/", image_id), body=body)

    def untag(self, image_id: int, **body: Unpack[Untag]) -> Json:
        """Take one tag or digest from an image, which is removed with its last."""
        return self._ask("POST", located("/api/v1/images/{}/untag/", image_id), body=body)

    def waste(self, image_id: int) -> Json:
        """What later layers of an image overwrite or delete of earlier ones' files."""
        return self._ask("GET", located("/api/v1/images/{}/waste/", image_id))

    def fsck(self, **body: Unpack[Verify]) -> Json:
        """Compare every blob of a host with its digest, and see that every layer is there."""
        return self._ask("POST", "/api/v1/images/fsck/", body=body)

    def import_(
        self,
        data: Body,
        *,
        change: Sequence[str] | None = None,
        host: str | None = None,
        message: str | None = None,
        platform: str | None = None,
        reference: str | None = None,
    ) -> Json:
        """Make an image of one layer out of a tar that holds a root file system."""
        return self._give(
            "POST",
            "/api/v1/images/import/",
            {"change": change, "host": host, "message": message, "platform": platform, "reference": reference},
            data,
            "application/x-tar",
        )

    def load(self, data: Body, *, host: str | None = None) -> Json:
        """Load a tar of images (`docker save` or an OCI layout; plain, gzip or zstd) into a host."""
        return self._give("POST", "/api/v1/images/load/", {"host": host}, data, "application/x-tar")

    def lookup(self, **body: Unpack[Lookup]) -> Json:
        """Ask registries whether tags have moved since they were pulled; `newer` of the images tells the answer."""
        return self._ask("POST", "/api/v1/images/lookup/", body=body)

    def prune(self, **body: Unpack[PruneImages]) -> Json:
        """Remove a host's images that no container uses, or tell which ones those are."""
        return self._ask("POST", "/api/v1/images/prune/", body=body)

    def pull(self, **body: Unpack[Pull]) -> Json:
        """Pull an image to a host. The job's `progress` has a line for each layer."""
        return self._ask("POST", "/api/v1/images/pull/", body=body)

    def remote_tags(self, *, host: str | None = None, reference: str) -> Json:
        """List the tags that a repository has at its registry now."""
        return self._ask("GET", "/api/v1/images/remote-tags/", {"host": host, "reference": reference})

    def save(self, *, format: Literal["docker", "files", "oci"] | None = None, image: Sequence[int]) -> Answer:
        """Read several images of one host as one tar; layers that they share are in it once."""
        return self._open("GET", "/api/v1/images/save/", {"format": format, "image": image})

    def starter(self, **body: Unpack[OnHost]) -> Json:
        """Make an image from the host's own shell and tools, for a first container without a registry."""
        return self._ask("POST", "/api/v1/images/starter/", body=body)
