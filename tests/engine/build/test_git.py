"""Git repositories as contexts and as sources of ADD, from a real server; hostile ones too."""

from __future__ import annotations

import os
import struct
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.build.builder import Builder
from engine.build.context import Context
from engine.build.git import fetching
from engine.build.git.request import Credential
from engine.build.spec import BuildSpec
from engine.errors import (
    DataCorrupt,
    EngineError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from tests.support.builds import Workbench, files_below
from tests.support.git_server import PASSWORD, TOKEN, USER, GitServer, commit, git, serving

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """app.git: main, the branch other, the tags v1 and v2 (one with an object of its own)."""
    root = tmp_path_factory.mktemp("repositories")
    work = root / "app.git"
    commit(work, {"Dockerfile": "FROM scratch\nCOPY . /\n", "sub/one": "1", "sub/Dockerfile": "FROM scratch\n"})
    git(work, "tag", "v1")
    os.chmod(work / "sub/one", 0o755)
    commit(work, {"sub/two": "2", "link": "-> sub/one"})
    git(work, "tag", "-a", "v2", "-m", "the second")
    git(work, "checkout", "-q", "-b", "other")
    commit(work, {"other": "x"})
    git(work, "checkout", "-q", "main")
    private = root / "private/secret.git"
    commit(private, {"hidden": "yes"})
    with serving(root) as server:
        yield server


@pytest.fixture
def builder(bench: Workbench, served: GitServer) -> Builder:
    """One that may ask this server, though it is near."""
    parts = bench.engine.builder._parts
    return Builder(replace(parts, config=replace(parts.config, near_sources=(f"127.0.0.1:{served.port}",))))


def names(builder: Builder, address: str, **more: object) -> set[str]:
    with builder.repository(address, **more) as (context, _):  # type: ignore[arg-type]
        return set(files_below(str(context.directory)))


def test_a_branch_a_tag_and_a_commit(builder: Builder, served: GitServer) -> None:
    url = f"{served.url}/app.git"
    first = git(served.root / "app.git", "rev-parse", "v1")
    second = git(served.root / "app.git", "rev-parse", "v2^{commit}")
    everything = {"Dockerfile", "sub", "sub/one", "sub/Dockerfile"}
    with builder.repository(url) as (context, found):
        files = files_below(str(context.directory))
        assert set(files) == everything | {"sub/two", "link"}
        assert files["sub/one"][:5] == ("f", 0o755, 0, 0, b"1")
        assert files["link"][:1] + files["link"][4:5] == ("l", b"sub/one")
        assert files["sub/two"].mode == 0o644
        assert (context.directory / "sub/two").stat().st_mtime == 1_000_000_000
        assert (found.digits, found.ref) == (second, "HEAD")
    with builder.repository(f"{url}#v2") as (_, found):
        assert (found.digits, found.ref) == (second, "refs/tags/v2")
    assert names(builder, f"{url}#v1") == everything
    assert names(builder, f"{url}#{first}") == everything
    assert "other" in names(builder, f"{url}#refs/heads/other")
    assert names(builder, f"{url}?tag=v1&subdir=sub") == {"one", "Dockerfile"}


def test_what_is_not_there(builder: Builder, served: GitServer) -> None:
    for address, words in (
        ("app.git#nobody", "no branch or tag nobody"),
        ("app.git#abcdef0", "all of its 40 digits"),
        (f"app.git#{'1' * 40}", "no commit 1{40}"),
        ("app.git#:nowhere", "no directory nowhere"),
        ("app.git#:sub/one", "no directory"),
        ("none.git", "not there"),
    ):
        with pytest.raises(NotFound, match=words):
            names(builder, f"{served.url}/{address}")
    with pytest.raises(DataCorrupt, match="not 1234567"):
        names(builder, f"{served.url}/app.git?checksum=1234567")


def test_credentials_are_sent_where_they_belong(builder: Builder, served: GitServer, bench: Workbench) -> None:
    url = f"{served.url}/private/secret.git"
    with pytest.raises(PermissionDenied, match="credentials are asked for"):
        names(builder, url)
    with pytest.raises(PermissionDenied, match="not accepted") as refused:
        names(builder, url, credentials={"127.0.0.1": Credential(username=USER, password="wrong-one")})
    assert "wrong-one" not in refused.value.message
    mine = {f"127.0.0.1:{served.port}": Credential(username=USER, password=PASSWORD)}
    assert names(builder, url, credentials=mine) == {"hidden"}
    assert names(builder, url.replace("//", f"//{USER}:{PASSWORD}@"), credentials={}) == {"hidden"}
    events: list[object] = []
    spec = BuildSpec(dockerfile_text=f"FROM scratch\nADD {url} /\n", git=mine, team="credentials")
    with Context.from_directory(served.root / "private") as context:
        built = builder.build(spec, context, progress=events.append)
    config, _ = builder._records.documents(built.image_id)
    assert PASSWORD not in repr(events) + config.decode() + repr(builder._cache.all("credentials"))
    with pytest.raises(PermissionDenied, match="without encryption"):  # no password in the clear over a network
        names(builder, "http://git.example.org/x.git", credentials={"git.example.org": Credential(password="p")})


def test_a_token_is_sent_without_a_name_too(builder: Builder, served: GitServer) -> None:
    mine = {"127.0.0.1": Credential(password=TOKEN)}
    assert names(builder, f"{served.url}/private/secret.git", credentials=mine) == {"hidden"}


@pytest.mark.parametrize("name", ["[fd00::1]", "[fd00::1]:3000"])
def test_a_server_with_an_address_of_version_6_is_found(builder: Builder, name: str) -> None:
    with pytest.raises(PermissionDenied, match="without encryption"):
        names(builder, "http://[fd00::1]:3000/x.git", credentials={name: Credential(password=TOKEN)})


def test_a_refusal_is_told_by_its_status_alone(bench: Workbench, served: GitServer) -> None:
    parts = bench.engine.builder._parts
    near = Builder(replace(parts, config=replace(parts.config, near_sources=("127.0.0.1",))))
    with pytest.raises(PermissionDenied, match="HTTP 403"):
        names(near, f"{served.url}/forbidden/app.git")
    with pytest.raises(Unavailable):
        names(near, "http://127.0.0.1:4403/app.git")


def test_who_is_refused_is_read_no_further(
    builder: Builder, served: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left may be very much: few objects can be named very often."""
    work = served.root / "long.git"
    commit(work, {f"{number}": bytes(1 << 20) for number in range(50)})
    read, got = fetching._Child.read, []

    def counted(child: fetching._Child) -> bytes:
        got.append(read(child))
        return got[-1]

    def refuse(stream: fetching._Stream, *_: object) -> Context:
        stream.read()
        raise InvalidArgument("refused")

    monkeypatch.setattr(fetching._Child, "read", counted)
    monkeypatch.setattr(fetching, "receive", refuse)
    with pytest.raises(InvalidArgument, match="refused"):
        names(builder, f"{served.url}/long.git#main")
    assert sum(map(len, got)) < 10 << 20


def test_a_redirect_takes_no_credentials_along_and_leads_nowhere_near(builder: Builder, served: GitServer) -> None:
    mine = {f"127.0.0.1:{served.port}": Credential(username=USER, password=PASSWORD)}
    served.redirects["/moved.git"] = f"{served.url}/app.git"
    assert "sub" in names(builder, f"{served.url}/moved.git")
    with serving(served.root) as other:
        served.redirects["/away.git"] = f"{other.url}/app.git"
        with pytest.raises(PermissionDenied, match="address of the build's host"):
            names(builder, f"{served.url}/away.git", credentials=mine)
        served.redirects["/named.git"] = f"http://localhost:{served.port}/app.git"
        with pytest.raises(PermissionDenied, match="address of the build's host"):
            names(builder, f"{served.url}/named.git", credentials=mine)
        assert not other.asked
    parts = builder._parts
    both = replace(parts, config=replace(parts.config, near_sources=(f"127.0.0.1:{served.port}", "localhost")))
    served.asked.clear()
    assert "sub" in names(Builder(both), f"{served.url}/named.git", credentials=mine)
    assert any(one.startswith("/app.git") for one in served.asked)
    assert all(one.endswith(" -") for one in served.asked if one.startswith("/app.git"))


def test_near_servers_are_refused(bench: Workbench, served: GitServer) -> None:
    for url in (f"{served.url}/app.git", f"git://localhost:{served.port}/app.git", "https://169.254.169.254/x.git"):
        with pytest.raises(PermissionDenied, match="address of the build's host"):
            bench.build(f"FROM scratch\nADD {url} /\n")
    for url in ("file:///etc/x.git", "/etc/x.git"):
        with pytest.raises(EngineError):
            names(bench.engine.builder, url)


def test_gits_own_protocol(builder: Builder, served: GitServer, tmp_path: Path) -> None:
    daemon = ["git", "daemon", "--export-all", f"--base-path={served.root}", "--reuseaddr", "--listen=127.0.0.1"]
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
    }  # fmt: skip
    parts = replace(builder._parts, config=replace(builder._parts.config, near_sources=(f"127.0.0.1:{port}",)))
    with subprocess.Popen([*daemon, f"--port={port}"], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                try:
                    assert "sub" in names(Builder(parts), f"git://127.0.0.1:{port}/app.git")
                    break
                except Unavailable:
                    pass
            else:
                raise AssertionError("the daemon never answered")
        finally:
            process.terminate()


def test_add_takes_the_commit_for_its_key(builder: Builder, bench: Workbench, served: GitServer) -> None:
    url = f"{served.url}/app.git"
    spec = BuildSpec(
        dockerfile_text=f"FROM scratch\nADD --chown=5:6 {url}#v1 {url}#v1:sub a /to/\n", team="git", tags=()
    )

    def build(context: Context) -> tuple[str, int]:
        done = builder.build(spec, context)
        return done.image_id, done.cached

    (served.root / "context").mkdir(exist_ok=True)
    (served.root / "context/a").write_text("a")
    with Context.from_directory(served.root / "context") as context:
        image, _ = build(context)
        served.asked.clear()
        assert build(context) == (image, 1)
    assert not any("git-upload-pack" in one and "POST" in one for one in served.asked)
    files = bench.files(image)
    assert {"to/a", "to/Dockerfile", "to/one", "to/sub/one"} <= set(files)
    assert files["to/one"][2:4] == (5, 6)
    assert "to/.git" not in files


def test_the_git_directory_is_kept_where_it_is_wanted(builder: Builder, served: GitServer) -> None:
    with builder.repository(f"{served.url}/app.git#main", keeps=True) as (context, found):
        assert git(context.directory, "rev-parse", "HEAD") == found.digits
        assert git(context.directory, "status", "--porcelain") == ""
        assert PASSWORD not in (context.directory / ".git/config").read_text()
        assert not (context.directory / ".git/hooks").exists()


def test_submodules_come_along_by_the_same_rules(builder: Builder, served: GitServer) -> None:
    outer = served.root / "outer.git"
    commit(outer, {"top": "t"})
    git(outer, "submodule", "add", "-q", f"{served.root}/app.git", "parts/app")
    git(outer, "config", "-f", ".gitmodules", "submodule.parts/app.url", "../app.git")
    commit(outer, {})
    assert {"top", "parts/app/sub/one", "parts/app/link"} <= names(builder, f"{served.url}/outer.git")
    assert "parts/app/sub" not in names(builder, f"{served.url}/outer.git?submodules=false")
    for url in ("http://127.0.0.1:1/x.git", "file:///etc/passwd.git", "--upload-pack=touch /tmp/x"):
        git(outer, "config", "-f", ".gitmodules", "submodule.parts/app.url", url)
        commit(outer, {})
        with pytest.raises((PermissionDenied, InvalidArgument), match="submodule parts/app"):
            names(builder, f"{served.url}/outer.git")


def test_a_list_of_submodules_reads_no_file_of_this_machine(
    builder: Builder, served: GitServer, tmp_path: Path
) -> None:
    """An include in it would: the error about the first line that is no setting would tell that line."""
    secret = tmp_path / "secret"
    secret.write_text("root:$6$hash:19000::\n")
    work = served.root / "including.git"
    commit(work, {".gitmodules": f"[include]\n\tpath = {secret}\n", "x": "x"})
    entry = f"160000,{'1' * 40},parts/app"
    git(work, "update-index", "--add", "--cacheinfo", entry)
    git(work, "commit", "-q", "-m", "a submodule that is not named")
    assert names(builder, f"{served.url}/including.git") >= {".gitmodules", "x"}


def pack_objects(work: Path, *objects: tuple[str, bytes]) -> str:
    """Store these in the repository, as git would refuse to; the last one's digits."""
    digits = ""
    for kind, data in objects:
        digits = git(work, "hash-object", "-t", kind, "-w", "--stdin", "--literally", text=data)
    return digits


def tree(*entries: tuple[str, str, str]) -> bytes:
    return b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(digits) for mode, name, digits in entries)


@pytest.mark.parametrize("name", ["..", "../../out", ".GIT"])
def test_hostile_names(builder: Builder, served: GitServer, name: str) -> None:
    work = served.root / "evil.git"
    commit(work, {"x": name})
    blob = pack_objects(work, ("blob", b"bad"))
    top = pack_objects(work, ("tree", tree(("100644", name, blob))))
    git(work, "update-ref", "refs/heads/main", git(work, "commit-tree", top, "-m", "evil"))
    with pytest.raises((InvalidArgument, Unavailable)):
        names(builder, f"{served.url}/evil.git#main")


def test_a_link_leads_nowhere_outside(builder: Builder, served: GitServer) -> None:
    work = served.root / "links.git"
    commit(work, {"Dockerfile": "FROM scratch\nCOPY out /\n", "out": "-> /etc/passwd", "up": "-> sub/../../etc"})
    with pytest.raises(InvalidArgument, match="link out of it"):
        names(builder, f"{served.url}/links.git")
    commit(work, {"up": None})
    with builder.repository(f"{served.url}/links.git") as (context, _), pytest.raises(NotFound):
        builder.build(BuildSpec(team="links"), context)


def test_a_tree_of_trees_without_end_is_refused(builder: Builder, served: GitServer) -> None:
    """The bomb: few objects, of which each has the one below many times."""
    work = served.root / "bomb.git"
    commit(work, {"x": "x"})
    below = pack_objects(work, ("blob", b"x"))
    mode = "100644"
    for _ in range(9):
        below = pack_objects(work, ("tree", tree(*((mode, f"f{number}", below) for number in range(10)))))
        mode = "40000"
    git(work, "update-ref", "refs/heads/main", git(work, "commit-tree", below, "-m", "bomb"))
    with pytest.raises(EngineError):
        names(builder, f"{served.url}/bomb.git")


def test_a_server_that_lies(builder: Builder, tmp_path: Path) -> None:
    """A pack whose object is far larger than it says, and no git server at all."""
    import http.server
    import threading

    packed = zlib.compress(bytes(50 << 20))
    pack = b"PACK" + struct.pack(">II", 2, 1) + bytes([0x35]) + packed + bytes(20)
    band = b"".join(
        b"%04x\x01" % (len(part) + 5) + part for part in (pack[i : i + 60000] for i in range(0, len(pack), 60000))
    )

    def line(text: bytes) -> bytes:
        return b"%04x" % (len(text) + 4) + text

    class Liar(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = "advertisement", line(b"# service=git-upload-pack\n") + b"0000"
            body += line(b"1" * 40 + b" HEAD\0side-band-64k shallow\n") + b"0000"
            if self.path.startswith("/words"):
                kind, body = "words", b"hello"
            self.say(kind, body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.say("result", line(b"shallow " + b"1" * 40) + b"0000" + line(b"NAK\n") + band + b"0000")

        def say(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"application/x-git-upload-pack-{kind}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    port = listening.server_address[1]
    parts = replace(builder._parts, config=replace(builder._parts.config, near_sources=(f"127.0.0.1:{port}",)))
    try:
        for path in ("pack.git", "words.git"):
            with pytest.raises((DataCorrupt, Unavailable, InvalidArgument)):
                names(Builder(parts), f"http://127.0.0.1:{port}/{path}")
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
    assert not list((parts.config.builds / "work").glob("*/git-*"))
