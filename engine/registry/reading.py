"""What is read from one registry or mirror: manifests whole, blobs into ingests (distribution-spec v1.1, "Pull")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import HTTPError

from engine.content.blobs import Ingest
from engine.errors import Unsupported
from engine.oci import media
from engine.oci.digest import Digest, InvalidDigest
from engine.oci.document import MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES
from engine.oci.manifest import Descriptor
from engine.registry.errors import BlobDamaged, RegistryUnavailable
from engine.registry.transport import Answer, Call, Transport

_PIECE_BYTES = 256 << 10
_ATTEMPTS_WITHOUT_PROGRESS = 5
_WRONG_CONTENT_ATTEMPTS = 2
_ACCEPT = {"Accept": ", ".join(media.ACCEPTED)}


@dataclass(frozen=True, slots=True)
class FetchedManifest:
    """A manifest's or index's exact bytes, what the registry calls it, and its digest."""

    data: bytes
    content_type: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class _Document:
    data: bytes
    content_type: str
    digest: Digest | None


class Reader:
    """Reads one repository of one registry or mirror. Thread-safe. All methods raise what `Transport.open` does."""

    def __init__(self, transport: Transport, repository: str) -> None:
        self.transport = transport
        self._repository = repository
        self._scopes = (f"repository:{repository}:pull",)

    def manifest(self, identifier: str) -> FetchedManifest:
        """Fetch by tag or digest; a digest is verified. Raises `BlobDamaged` too."""
        wanted = Digest.parse(identifier) if ":" in identifier else None
        document = self._document(self._path("manifests", identifier), _ACCEPT, MAX_MANIFEST_BYTES, wanted)
        content_type = document.content_type.partition(";")[0].strip()
        return FetchedManifest(document.data, content_type, wanted or Digest.of(document.data))

    def digest(self, identifier: str) -> Digest:
        """What a tag stands for now, by HEAD, which Docker Hub does not count as a pull."""
        answer = self.transport.answer(Call("HEAD", self._path("manifests", identifier), self._scopes, _ACCEPT))
        return said_digest(answer) or self.manifest(identifier).digest

    def config(self, descriptor: Descriptor, limit: int = MAX_CONFIG_BYTES) -> bytes:
        """Fetch and verify a small blob. Raises `BlobDamaged` too, also for one of more than `limit` bytes."""
        path = self._path("blobs", descriptor.digest)
        return self._document(path, {}, limit, descriptor.digest).data

    def blob(self, descriptor: Descriptor, ingest: Ingest, arrived: Callable[[int], None]) -> None:
        """Fill `ingest` with the blob, from where it stands; `arrived` gets the bytes that are there after each piece.

        Cut connections are taken up by Range. The content is complete and verified when this returns. After a
        mismatch everything is fetched once more from the start (`arrived` then gets smaller numbers).
        Raises `BlobDamaged`, `DiskFull`; whatever arrived stays in the ingest.
        """
        for attempt in range(1, _WRONG_CONTENT_ATTEMPTS + 1):
            self._fill(descriptor, ingest, arrived)
            if ingest.offset == descriptor.size and ingest.is_valid:
                return
            ingest.restart()
            arrived(0)
            if attempt < _WRONG_CONTENT_ATTEMPTS:
                self.transport.wait(attempt)
        raise BlobDamaged(
            f"{self.transport.host} sends other content than {descriptor.digest.short} promises: "
            "the image is damaged in the registry, push it again",
            {"digest": descriptor.digest},
        )

    def _fill(self, descriptor: Descriptor, ingest: Ingest, arrived: Callable[[int], None]) -> None:
        if ingest.offset > descriptor.size:
            ingest.restart()
        furthest, fruitless = ingest.offset, 0
        while ingest.offset < descriptor.size:
            cause = self._stream(descriptor, ingest, arrived)
            self.transport.check_cancelled()
            if ingest.offset >= descriptor.size:
                return
            # Registries without Range start over each time: only what was never reached before is progress.
            fruitless = 0 if ingest.offset > furthest else fruitless + 1
            furthest = max(furthest, ingest.offset)
            if fruitless >= _ATTEMPTS_WITHOUT_PROGRESS:
                raise self._gave_up(descriptor, ingest, furthest, cause)
            self.transport.wait(fruitless + 1)

    def _stream(self, descriptor: Descriptor, ingest: Ingest, arrived: Callable[[int], None]) -> HTTPError | None:
        """One request; returns what cut it, if anything did."""
        headers = {"Range": f"bytes={ingest.offset}-"} if ingest.offset else {}
        headers["Accept-Encoding"] = "identity"
        path = self._path("blobs", descriptor.digest)
        with self.transport.open(Call("GET", path, self._scopes, headers, expected=frozenset({416}))) as response:
            if response.status == 416 or (ingest.offset and not _continues(response, ingest.offset)):
                ingest.restart()
                if response.status == 416:
                    return None
            try:
                while piece := response.read1(_PIECE_BYTES, decode_content=False):
                    ingest.write(piece[: descriptor.size + 1 - ingest.offset])
                    arrived(min(ingest.offset, descriptor.size))
                    self.transport.check_cancelled()
                    if ingest.offset > descriptor.size:
                        return None  # longer than promised: the caller's check of the digest refuses it
            except HTTPError as error:
                return error
        return None

    def _gave_up(self, descriptor: Descriptor, ingest: Ingest, furthest: int, cause: HTTPError | None) -> Exception:
        host = self.transport.host
        if cause is None:  # the registry says that it sent everything, every time
            ingest.restart()
            return BlobDamaged(
                f"{host} has only {furthest} of {descriptor.size} bytes of {descriptor.digest.short}: "
                "the image is cut off in the registry, push it again",
                {"digest": descriptor.digest},
            )
        return RegistryUnavailable(
            f"the connection to {host} breaks again and again; pull again to go on where it stopped"
        )

    def _document(self, path: str, headers: dict[str, str], limit: int, wanted: Digest | None) -> _Document:
        """Fetch a document whole, again after a cut, and once more when it is not what its digest says."""
        cuts = mismatches = 0
        while True:
            try:
                document = self._document_once(path, headers, limit)
            except HTTPError as error:
                self.transport.check_cancelled()
                cuts += 1
                if cuts >= _ATTEMPTS_WITHOUT_PROGRESS:
                    host = self.transport.host
                    raise RegistryUnavailable(f"the connection to {host} breaks again and again") from error
                self.transport.wait(cuts)
                continue
            digest = wanted or document.digest
            if digest is None or _matches(document.data, digest):
                return document
            mismatches += 1
            if mismatches >= _WRONG_CONTENT_ATTEMPTS:
                raise BlobDamaged(
                    f"{self.transport.host} sends another document than its digest promises: push the image again",
                    {"digest": digest},
                )

    def _document_once(self, path: str, headers: dict[str, str], limit: int) -> _Document:
        with self.transport.open(Call("GET", path, self._scopes, headers)) as response:
            answer = Answer(response.status, response.headers, _bounded(response, limit))
            # A tag has no digest of its own, but most registries say which one it stands for.
            return _Document(answer.body, answer.headers.get("Content-Type", ""), said_digest(answer))

    def _path(self, kind: str, identifier: str) -> str:
        return f"/v2/{self._repository}/{kind}/{identifier}"


def said_digest(answer: Answer) -> Digest | None:
    """The digest that an answer names (`Docker-Content-Digest`), if it names one that is known here."""
    try:
        return Digest.parse(answer.headers.get("Docker-Content-Digest", ""))
    except (InvalidDigest, Unsupported):
        return None


def _bounded(response: urllib3.BaseHTTPResponse, limit: int) -> bytes:
    pieces: list[bytes] = []
    total = 0
    while piece := response.read(_PIECE_BYTES, decode_content=True):
        pieces.append(piece)
        total += len(piece)
        if total > limit:
            raise BlobDamaged(f"the registry sends a document of more than {limit} bytes")
    return b"".join(pieces)


def _continues(response: urllib3.BaseHTTPResponse, offset: int) -> bool:
    """Whether a 206 really starts at `offset`; a 200 starts over."""
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")


def _matches(data: bytes, digest: Digest) -> bool:
    hasher = digest.hasher()
    hasher.update(data)
    return hasher.hexdigest() == digest.hex
