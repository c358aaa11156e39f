"""One blob on its way into a registry (distribution-spec v1.1, "Pushing a blob monolithically", "… in chunks").

It goes in one piece (POST, PUT) unless the registry names a size for its pieces, or refuses one that is too big.
After a cut the registry is asked how far it came (GET), and the rest follows by PATCH.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from urllib3.exceptions import HTTPError

from engine.oci.digest import Digest
from engine.registry.auth import Scopes
from engine.registry.connections import FilePart
from engine.registry.errors import RegistryUnavailable, refusal, registry_codes
from engine.registry.transport import TRANSIENT, Answer, Call, Transport

_PIECE_BYTES = 1 << 20
_CHUNK_BYTES = 32 << 20
_SMALLEST_CHUNK_BYTES = 1 << 20
_ATTEMPTS_WITHOUT_PROGRESS = 5
# A registry that keeps its blobs elsewhere answers the last request of an upload when it has moved all of it there.
COMMIT_SECONDS = 600.0
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})\Z")
_INVALID, _LOST, _TOO_LARGE, _WRONG_RANGE = 400, 404, 413, 416
_LOST_CODES = frozenset({"BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "RANGE_INVALID"})
_EXPECTED = TRANSIENT | {_INVALID, _LOST, _TOO_LARGE, _WRONG_RANGE}

Sent = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Source:
    """A blob that lies here: its digest, an open file, and its size in bytes."""

    digest: Digest
    descriptor: int
    size: int


@dataclass(slots=True)
class Session:
    """What the registry has opened: `location` of the next request, and how many bytes are there.

    `chunk_bytes` is how much to send at once, 0 for everything.
    """

    location: str
    chunk_bytes: int = 0
    offset: int = 0

    def ending(self, digest: Digest) -> str:
        """The address of the request that ends the upload."""
        return f"{self.location}{'&' if '?' in self.location else '?'}digest={quote(digest, safe=':')}"


@dataclass(slots=True)
class Pieces:
    """The most that a registry was found to take at once, 0 while it takes everything. Shared by its uploads."""

    most_bytes: int = 0

    def chunk_bytes(self, least: str) -> int:
        """How much to send at once where the registry says `OCI-Chunk-Min-Length: least` (or nothing)."""
        wanted = max(int(least), _CHUNK_BYTES) if re.fullmatch(r"\d{1,15}", least) and int(least) else 0
        return min(wanted, self.most_bytes) if wanted and self.most_bytes else wanted or self.most_bytes

    def take_less(self, refused: int) -> bool:
        """After `refused` bytes at once were too many: whether to try with fewer."""
        less = min(_CHUNK_BYTES, refused // 2)
        if less >= _SMALLEST_CHUNK_BYTES:
            self.most_bytes = min(less, self.most_bytes or less)
        return less >= _SMALLEST_CHUNK_BYTES


class _Cut(Exception):
    """The connection broke, or the registry was overloaded; `answer` is what it said, if anything."""

    def __init__(self, answer: Answer | None = None) -> None:
        super().__init__()
        self.answer = answer


class Upload:
    """Sends one blob. `start` opens a session; `is_there` looks whether the registry has the blob whole."""

    def __init__(
        self,
        transport: Transport,
        scopes: Scopes,
        source: Source,
        *,
        start: Callable[[], Session],
        is_there: Callable[[], bool],
        pieces: Pieces,
    ) -> None:
        self._transport = transport
        self._scopes = scopes
        self._source = source
        self._start = start
        self._is_there = is_there
        self._pieces = pieces
        self._session: Session | None = None
        self._mismatches = 0

    def run(self, session: Session | None, sent: Sent) -> None:
        """Send it all, into `session` if there is one already.

        `sent` gets the bytes that are there after each piece (smaller ones when it has to start over).
        Raises what `Transport.open` does, `RegistryUnavailable` after several attempts that came no further; the
        registry is told then, and when the caller cancels, that nothing more will come.
        """
        self._session = session
        furthest = fruitless = 0
        try:
            while (cut := self._attempt(sent)) is not None:
                reached = self._session.offset if self._session else 0
                self._session = self._resumed()
                if self._session is None and self._is_there():
                    return  # it was the last answer that was lost
                reached = max(reached, self._session.offset if self._session else 0)
                fruitless = 0 if reached > furthest else fruitless + 1
                furthest = max(furthest, reached)
                self._check(fruitless, cut)
                sent(self._session.offset if self._session else 0)
                self._transport.wait(fruitless + 1, cut.answer.headers if cut.answer else None)
        except BaseException:
            self._drop()
            raise

    def _attempt(self, sent: Sent) -> _Cut | None:
        """Send what is left; returns what came between."""
        try:
            self._session = session = self._session or self._start()
            size = self._source.size
            if session.offset or 0 < session.chunk_bytes < size:
                while session.offset < size:
                    until = min(size, session.offset + (session.chunk_bytes or size))
                    answer = self._send("PATCH", session.location, (session.offset, until), sent)
                    session.location = self._transport.located(session.location, answer.headers.get("Location"))
                    session.offset = until
            self._send("PUT", session.ending(self._source.digest), (session.offset, size), sent)
        except _Cut as cut:
            return cut
        return None

    def _send(self, method: str, url: str, part: tuple[int, int], sent: Sent) -> Answer:
        start, until = part
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(until - start)}
        if method == "PATCH":
            headers["Content-Range"] = f"{start}-{until - 1}"
        call = Call(
            method,
            url,
            self._scopes,
            headers,
            lambda: self._body(start, until, sent),
            expected=_EXPECTED,
            read_seconds=COMMIT_SECONDS,
            retries=False,
        )
        try:
            answer = self._transport.answer(call)
        except HTTPError as error:
            self._transport.check_cancelled()
            raise _Cut from error
        if answer.status < 400:
            return answer
        is_lost = answer.status != _INVALID or registry_codes(answer.body) & _LOST_CODES or self._was_damaged(answer)
        if not is_lost or (answer.status == _TOO_LARGE and not self._pieces.take_less(until - start)):
            raise refusal(self._transport.host, answer.status, answer.body)
        raise _Cut(answer)

    def _was_damaged(self, answer: Answer) -> bool:
        """Whether to send it once more, because it may have been damaged on the way."""
        self._mismatches += "DIGEST_INVALID" in registry_codes(answer.body)
        return self._mismatches == 1

    def _body(self, start: int, until: int, sent: Sent) -> Iterator[FilePart]:
        for offset in range(start, until, _PIECE_BYTES):
            self._transport.check_cancelled()
            size = min(_PIECE_BYTES, until - offset)
            yield FilePart(self._source.descriptor, offset, size)
            sent(offset + size)

    def _resumed(self) -> Session | None:
        """Ask how far the upload came; None when it has to start over."""
        if self._session is None:
            return None
        call = Call("GET", self._session.location, self._scopes, expected=frozenset({400, 404, 405, 416}))
        try:
            answer = self._transport.answer(call)
        except RegistryUnavailable:
            return None
        reached = _RANGE.match(answer.headers.get("Range", ""))
        # `0-0` is what registries say of one byte, and of none.
        if answer.status >= 300 or reached is None or reached[1] == "0" or int(reached[1]) >= self._source.size:
            self._drop()
            return None
        location = answer.headers.get("Location")
        url = self._transport.located(self._session.location, location) if location else self._session.location
        return Session(url, self._session.chunk_bytes or self._pieces.most_bytes, int(reached[1]) + 1)

    def _drop(self) -> None:
        """Tell the registry that nothing more will come; it need not keep what it has for days."""
        if self._session is not None:
            self._transport.farewell(Call("DELETE", self._session.location, self._scopes))

    def _check(self, fruitless: int, cut: _Cut) -> None:
        if fruitless < _ATTEMPTS_WITHOUT_PROGRESS:
            return
        if cut.answer is None:
            raise RegistryUnavailable(f"the connection to {self._transport.host} breaks again and again; push again")
        if cut.answer.status in TRANSIENT:
            raise self._transport.overloaded(cut.answer)
        raise refusal(self._transport.host, cut.answer.status, cut.answer.body)
