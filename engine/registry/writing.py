"""What is written to one registry: blobs that it lacks, then manifests (distribution-spec v1.1, "Push")."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from engine.errors import NotFound, PermissionDenied, Unsupported
from engine.oci.digest import Digest
from engine.registry.errors import BlobDamaged, RegistryUnavailable
from engine.registry.reading import said_digest
from engine.registry.transport import Answer, Call, Transport
from engine.registry.uploading import COMMIT_SECONDS, Pieces, Sent, Session, Source, Upload

MOUNTED, EXISTED, UPLOADED = "mounted", "existed", "uploaded"
_EMPTY = {"Content-Length": "0"}


class Writer:
    """Writes to one repository. Thread-safe. All methods raise what `Transport.open` does."""

    def __init__(self, transport: Transport, repository: str) -> None:
        self._transport = transport
        self._repository = repository
        self._scopes = (f"repository:{repository}:pull,push",)
        self._uploads = f"/v2/{repository}/blobs/uploads/"
        self._pieces = Pieces()

    def manifest(self, identifier: str, data: bytes, media_type: str) -> bool:
        """Put a manifest or index, whose parts are there, under a tag or its digest; whether the registry has noted
        its subject, if it has one. Raises `BlobDamaged` too.
        """
        headers = {"Content-Type": media_type, "Content-Length": str(len(data))}
        path = f"/v2/{self._repository}/manifests/{identifier}"
        call = Call("PUT", path, self._scopes, headers, lambda: data, read_seconds=COMMIT_SECONDS)
        answer = self._transport.answer(call)
        said, own = said_digest(answer), Digest.of(data)
        if said is not None and said.algorithm == own.algorithm and said != own:
            raise BlobDamaged(
                f"{self._transport.host} has stored another manifest than it was sent: see what stands between",
                {"digest": own, "stored": said},
            )
        return "OCI-Subject" in answer.headers

    def blob(self, source: Source, elsewhere: Sequence[str], sent: Sent) -> str:
        """Bring a blob there; returns how: EXISTED, MOUNTED from one of the repositories `elsewhere`, or UPLOADED.

        `sent`: as for `Upload.run`. Raises `BlobDamaged` when the blob here is not what its digest says.
        """
        if self._has(source):
            return EXISTED
        session = None
        for repository in elsewhere:
            answer = self._mount(source.digest, repository)
            if answer is not None and answer.status == 201:
                return MOUNTED
            if answer is not None:  # not mounted, but an upload is open instead
                session = self._session(answer)
                break
        upload = Upload(
            self._transport,
            self._scopes,
            source,
            start=self._start,
            is_there=lambda: self._has(source),
            pieces=self._pieces,
        )
        upload.run(session, sent)
        return UPLOADED

    def _has(self, source: Source) -> bool:
        path = f"/v2/{self._repository}/blobs/{source.digest}"
        # A redirect says that it is there; what it leads to may be signed for GET alone.
        call = Call("HEAD", path, self._scopes, {"Accept": "*/*"}, expected=frozenset({404}), follows=False)
        answer = self._transport.answer(call)
        said = answer.headers.get("Content-Length", "")
        return answer.status < 400 and (answer.status != 200 or not said.isdigit() or int(said) == source.size)

    def _mount(self, digest: Digest, repository: str) -> Answer | None:
        """Ask for the blob of another repository; None when that is refused."""
        path = f"{self._uploads}?mount={quote(digest, safe=':')}&from={quote(repository, safe='')}"
        scopes = (*self._scopes, f"repository:{repository}:pull")
        try:
            return self._transport.answer(Call("POST", path, scopes, _EMPTY))
        except (NotFound, PermissionDenied, Unsupported):
            return None

    def _start(self) -> Session:
        return self._session(self._transport.answer(Call("POST", self._uploads, self._scopes, _EMPTY)))

    def _session(self, answer: Answer) -> Session:
        location = answer.headers.get("Location")
        if answer.status != 202 or not location:
            raise RegistryUnavailable(f"{self._transport.host} opened no upload (it answered {answer.status})")
        chunk_bytes = self._pieces.chunk_bytes(answer.headers.get("OCI-Chunk-Min-Length", ""))
        return Session(self._transport.located(self._uploads, location), chunk_bytes)
