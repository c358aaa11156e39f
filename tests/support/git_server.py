"""A real git server on loopback: `git http-backend` behind HTTP with a password, as forges have it."""

from __future__ import annotations

import base64
import contextlib
import http.server
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

BACKEND = "/usr/lib/git-core/git-http-backend"
USER, PASSWORD = "robot", "s3cret-of-git"
TOKEN = "t0ken-of-git"
LARGE_BYTES = 256 << 10
_ENVIRONMENT = {
    "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8",
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_AUTHOR_DATE": "1000000000 +0000",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_COMMITTER_DATE": "1000000000 +0000",
}  # fmt: skip


def git(directory: Path, *words: str, text: bytes = b"") -> str:
    """What git says."""
    settings = ["-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main", "-c", "safe.directory=*"]
    command = ["git", *settings, *words]
    done = subprocess.run(command, cwd=directory, env=_ENVIRONMENT, input=text, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def commit(work: Path, files: Mapping[str, str | bytes | None], message: str = "more") -> str:
    """Write these files (None removes one, "-> x" is a link) and commit all; the commit's digits."""
    if not (work / ".git").exists():
        work.mkdir(parents=True, exist_ok=True)
        git(work, "init", "-q")
    for name, content in files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink()
        elif isinstance(content, str) and content.startswith("-> "):
            path.symlink_to(content[3:])
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", message)
    return git(work, "rev-parse", "HEAD")


class GitServer:
    """Repositories below `root` (`NAME.git`, bare or not), at `url`. Those below private/ want USER and PASSWORD, or
    TOKEN with any name; those below forbidden/ are for nobody. While `stalls`, a large answer stops in the middle;
    `stalled` counts those.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        self.redirects: dict[str, str] = {}
        self.stalls = threading.Event()
        self.stalled = 0
        self._listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self._listening.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            do_POST = do_GET

            def log_message(self, *_: object) -> None: ...

        return Handler

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        self.asked.append(f"{path} {request.headers.get('Authorization', '-')}")
        for begins, to in self.redirects.items():
            if path.startswith(begins):
                request.send_response(302)
                request.send_header("Location", to + request.path[len(begins) :])
                request.end_headers()
                return
        if path.startswith("/forbidden/"):
            request.send_response(403)
            request.end_headers()
            return
        if path.startswith("/private/") and not _is_let_in(request.headers.get("Authorization", "")):
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="git"')
            request.end_headers()
            return
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        environment = {
            **_ENVIRONMENT, "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": request.command, "REMOTE_USER": "x",
            "CONTENT_TYPE": request.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""), "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }  # fmt: skip
        done = subprocess.run([BACKEND], env=environment, input=body, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        request.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if self.stalls.is_set() and len(content) > LARGE_BYTES:
            request.wfile.write(content[: len(content) // 2])
            request.wfile.flush()
            self.stalled += 1
            while self.stalls.is_set():
                time.sleep(0.05)
            content = content[len(content) // 2 :]
        with contextlib.suppress(ConnectionError):  # whoever asked may be dead
            request.wfile.write(content)


def _is_let_in(authorization: str) -> bool:
    user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
    return (user, password) == (USER, PASSWORD) or (bool(user) and password == TOKEN)


@contextmanager
def serving(root: Path) -> Iterator[GitServer]:
    """A server of what is below `root`, for the block."""
    server = GitServer(root)
    thread = threading.Thread(target=server._listening.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server._listening.shutdown()
        thread.join()
        server._listening.server_close()
