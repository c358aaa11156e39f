"""A registry in memory that takes the distribution specification 1.1 at its word, for what docker-registry 2.8 lacks.

Uploads that can be resumed after a cut, a least size of chunks, a limit of a request's size, pages of tags and
referrers, tokens of its own. `requests` lists (method, path, Content-Range or Range, Authorization).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_INDEX = "application/vnd.oci.image.index.v1+json"
_READ_BYTES = 16 << 10


@dataclass(slots=True)
class Rules:
    """What the registry is like. `page` bounds lists, 0: all at once; `user` is what `Authorization` has to be."""

    chunk_least: int = 0
    request_most: int = 0
    page: int = 0
    has_referrers: bool = True
    cut_uploads_at: list[int] = field(default_factory=list)
    """Hang up after so many bytes of an upload's next request with a body, one entry for each."""
    absolute_location: str = ""
    """Where uploads go, in place of the registry's own address."""
    link_to: str = ""
    """Where the next pages of lists are said to be, in place of the registry's own address."""
    user: str = ""


class StrictRegistry:
    """`address` is host:port. `blobs`, `manifests` (by repository and tag or digest), `uploads` are what is there."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.uploads: dict[str, bytearray] = {}
        self.requests: list[tuple[str, str, str, str]] = []
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, repository: str, document: Mapping[str, Any], tag: str = "") -> dict[str, Any]:
        """Store a manifest; gives its descriptor."""
        data = json.dumps(document).encode()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        for name in filter(None, (digest, tag)):
            self.manifests[repository, name] = (data, str(document["mediaType"]))
        return {"mediaType": document["mediaType"], "digest": digest, "size": len(data)}

    def methods(self, part: str) -> list[tuple[str, str]]:
        """(method, range) of the requests whose path contains `part`."""
        with self.lock:
            return [(method, span) for method, path, span, _ in self.requests if part in path]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                pass

            def do_GET(self) -> None:
                _Exchange(registry, self).serve()

            do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        return Handler


class _Exchange:
    """One request and its answer."""

    def __init__(self, registry: StrictRegistry, request: BaseHTTPRequestHandler) -> None:
        self.registry, self.rules, self.request = registry, registry.rules, request
        parts = urlsplit(request.path)
        self.path, self.query = parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.size = int(request.headers.get("Content-Length") or 0)

    def serve(self) -> None:
        headers = self.request.headers
        span, user = headers.get("Content-Range") or headers.get("Range") or "", headers.get("Authorization") or ""
        with self.registry.lock:
            self.registry.requests.append((self.request.command, self.request.path, span, user))
        if self.rules.user and user != self.rules.user:
            self._drain()
            return self.answer(401, {"WWW-Authenticate": 'Basic realm="strict"'})
        if self.path == "/v2/":
            return self.answer(200)
        for pattern, serve in (
            (r"/v2/(.+)/blobs/uploads/([^/]*)", self._upload),
            (r"/v2/(.+)/blobs/([^/]+)", self._blob),
            (r"/v2/(.+)/manifests/([^/]+)", self._manifest),
            (r"/v2/(.+)/tags/list()", self._tags),
            (r"/v2/(.+)/referrers/([^/]+)", self._referrers),
        ):
            if match := re.fullmatch(pattern, self.path):
                return serve(match[1], match[2])
        return self.answer(404)

    def _drain(self) -> bytes:
        return self.request.rfile.read(self.size)

    def answer(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", code: str = "") -> None:
        if code:
            body = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
        self.request.send_response(status)
        for name, value in (headers or {}).items():
            self.request.send_header(name, value)
        self.request.send_header("Content-Length", str(len(body)))
        self.request.end_headers()
        if self.request.command != "HEAD":
            self.request.wfile.write(body)

    def _blob(self, _: str, digest: str) -> None:
        data = self.registry.blobs.get(digest)
        if data is None:
            return self.answer(404, code="BLOB_UNKNOWN")
        return self.answer(200, {"Docker-Content-Digest": digest}, data)

    def _upload(self, repository: str, upload: str) -> None:
        uploads, command = self.registry.uploads, self.request.command
        if command == "POST":
            upload = str(len(self.registry.requests))
            uploads[upload] = bytearray()
            least = {"OCI-Chunk-Min-Length": str(self.rules.chunk_least)} if self.rules.chunk_least else {}
            return self.answer(202, self._where(repository, upload) | least)
        if self.rules.request_most and self.size > self.rules.request_most:
            self.request.close_connection = True
            return self.answer(413)
        if upload not in uploads:
            self._drain()
            return self.answer(404, code="BLOB_UPLOAD_UNKNOWN")
        there = uploads[upload]
        if command == "GET":
            return self.answer(204, self._where(repository, upload))
        if command == "DELETE":
            del uploads[upload]
            return self.answer(204)
        if not self._take(there):
            return None
        if command == "PATCH":
            return self.answer(202, self._where(repository, upload))
        del uploads[upload]
        if "sha256:" + hashlib.sha256(there).hexdigest() != self.query["digest"]:
            return self.answer(400, code="DIGEST_INVALID")
        self.registry.blobs[self.query["digest"]] = bytes(there)
        return self.answer(201)

    def _take(self, there: bytearray) -> bool:
        """Read the body into an upload; whether to go on."""
        span = self.request.headers.get("Content-Range")
        if span and int(span.partition("-")[0]) != len(there):
            self._drain()
            self.answer(416, {"Range": f"0-{len(there) - 1}"}, code="RANGE_INVALID")
            return False
        cut = self.rules.cut_uploads_at.pop(0) if self.size and self.rules.cut_uploads_at else None
        left = self.size if cut is None else min(cut, self.size)
        while left and (piece := self.request.rfile.read(min(_READ_BYTES, left))):
            there += piece
            left -= len(piece)
        self.request.close_connection = cut is not None or self.request.close_connection
        return cut is None

    def _where(self, repository: str, upload: str) -> dict[str, str]:
        length = len(self.registry.uploads[upload])
        location = f"{self.rules.absolute_location}/v2/{repository}/blobs/uploads/{upload}?state=a%2Fb"
        return {"Location": location, "Range": f"0-{max(0, length - 1)}"}

    def _manifest(self, repository: str, name: str) -> None:
        if self.request.command == "PUT":
            data = self._drain()
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            for known in (name, digest):
                self.registry.manifests[repository, known] = (data, self.request.headers.get("Content-Type") or "")
            about = json.loads(data).get("subject") if self.rules.has_referrers else None
            noted = {"OCI-Subject": about["digest"]} if about else {}
            return self.answer(201, {"Docker-Content-Digest": digest, **noted})
        found = self.registry.manifests.get((repository, name))
        if found is None:
            return self.answer(404, code="MANIFEST_UNKNOWN")
        return self.answer(200, {"Content-Type": found[1]}, found[0])

    def _tags(self, repository: str, _: str) -> None:
        tags = sorted(name for owner, name in self.registry.manifests if owner == repository and ":" not in name)
        rest = [tag for tag in tags if tag > self.query.get("last", "")]
        shown = rest[: self.rules.page or None]
        more = (
            {"Link": f'<{self.rules.link_to}{self.path}?last={shown[-1]}>; rel="next"'}
            if len(shown) < len(rest)
            else {}
        )
        self.answer(200, more, json.dumps({"name": repository, "tags": shown}).encode())

    def _referrers(self, repository: str, digest: str) -> None:
        if not self.rules.has_referrers:
            return self.answer(404)
        found = []
        for (owner, name), (data, media_type) in self.registry.manifests.items():
            document = json.loads(data)
            if owner == repository and ":" in name and (document.get("subject") or {}).get("digest") == digest:
                kind = document.get("artifactType") or document["config"]["mediaType"]
                found.append({"mediaType": media_type, "digest": name, "size": len(data), "artifactType": kind})
        start = int(self.query.get("start", "0"))
        until = start + self.rules.page if self.rules.page else len(found)
        more = {"Link": f'<{self.path}?start={until}>; rel="next"'} if until < len(found) else {}
        body = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": found[start:until]}
        return self.answer(200, {"Content-Type": _INDEX, **more}, json.dumps(body).encode())
