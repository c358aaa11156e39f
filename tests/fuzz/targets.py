"""What is fuzzed: the target, inputs to begin with, words of its format, and what it promises of what it accepts."""

from __future__ import annotations

import contextlib
import io
import json
import random
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.layers.limits import Limits
from engine.layers.tar import Chunks, TarReader
from engine.oci import manifest
from engine.oci.digest import Digest
from engine.oci.image_config import ImageConfig
from engine.oci.platform import Platform
from engine.oci.reference import Reference
from engine.registry import challenge
from tests.fuzz import dockerfiles
from tests.fuzz.changes import change_json, change_tar
from tests.support.oci_layout import directory, member, symlink

ENGINE = Path(manifest.__file__).parents[1]
LIMITS = Limits(header_bytes=4096, sparse_regions=50)
PLATFORMS = [Platform.parse(text) for text in ("linux/amd64", "linux/arm64", "linux/arm/v6", "linux/386")]
SHA = "sha256:" + "a" * 64


@dataclass(frozen=True, slots=True)
class Fuzzed:
    name: str
    run: Callable[[bytes], object]
    seeds: Sequence[bytes]
    words: Sequence[bytes]
    packages: Sequence[str]
    change: Callable[[bytes, random.Random], bytes] | None = None

    @property
    def roots(self) -> list[str]:
        return [str(ENGINE / package) for package in self.packages]


def tar(data: bytes) -> None:
    """The reader alone; names that it lets through are relative, clean and end up below the root."""
    position = 0

    def next_chunk() -> bytes:
        nonlocal position
        chunk = data[position : position + 700]
        position += 700
        return chunk

    reader = TarReader(Chunks(next_chunk), LIMITS)
    total = 0
    for entry in reader:
        parts = entry.name.split(b"/")
        assert b".." not in parts and b"\0" not in entry.name and not entry.name.startswith(b"/")
        assert entry.name == b"" or (b"" not in parts and b"." not in parts)
        assert 0 <= entry.mode <= 0o7777 and 0 <= entry.uid < 1 << 32 and 0 <= entry.gid < 1 << 32
        assert entry.size >= 0 and abs(entry.mtime_ns) < 1 << 64
        for _offset, length in entry.regions or [(0, entry.size)]:
            if length >= 0:
                for piece in reader.pieces(min(length, entry.size)):
                    total += len(piece)
    assert total <= len(data)


def _tar_seeds() -> list[bytes]:
    members = [
        member("a" * 120, b"x" * 600, mtime=1.5),
        directory("c"),
        symlink("c/link", "../a"),
        member("c/hard", type=tarfile.LNKTYPE, linkname="c/link"),
        member("c/.wh.gone"),
        member("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("p", b"x", pax_headers={"SCHILY.xattr.user.a": "b", "uid": "5", "comment": "c"}),
    ]
    found = []
    for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        for chosen in (members, *([one] for one in members)):
            stream = io.BytesIO()
            try:
                with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
                    for info, content in chosen:
                        archive.addfile(info, io.BytesIO(content))
            except ValueError:  # the name is too long for ustar
                continue
            found.append(stream.getvalue().rstrip(b"\0") + bytes(1024 - len(stream.getvalue().rstrip(b"\0")) % 512))
    sparse = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "500", "GNU.sparse.name": "s"}
    for records, content in (
        (sparse, b"1\n0\n5\n".ljust(512, b"\0") + b"12345"),
        ({"GNU.sparse.map": "0,5,10,5", "GNU.sparse.size": "20"}, b"1234567890"),
        ({"GNU.sparse.numblocks": "1", "GNU.sparse.offset": "0", "GNU.sparse.numbytes": "3"}, b"123"),
    ):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            info, _ = member("sparse", content, pax_headers=records)
            archive.addfile(info, io.BytesIO(content))
        found.append(stream.getvalue()[:4096])
    return found


def documents(data: bytes) -> None:
    """Manifest, index and config; what is accepted has checked digests and can be written as JSON and UTF-8 again."""
    for reader in (_manifest, _config):
        try:
            reader(data)
        except manifest.InvalidDocument:
            continue


def _manifest(data: bytes) -> None:
    parsed = manifest.parse(data)
    if isinstance(parsed, manifest.Manifest):
        described = [parsed.config, *parsed.layers]
    else:
        described = list(parsed.manifests)
        for platform in PLATFORMS:
            with contextlib.suppress(manifest.PlatformMissing):
                assert parsed.select(platform) in parsed.manifests
    for descriptor in described:
        assert Digest.parse(descriptor.digest) == descriptor.digest and descriptor.size >= 0
        json.dumps(descriptor.as_json()).encode()


def _config(data: bytes) -> None:
    config = ImageConfig.parse(data)
    assert all(Digest.parse(text) == text for text in config.diff_ids)
    assert len(config.chain_ids) == len(config.diff_ids)
    json.dumps(config.as_json(), allow_nan=False, ensure_ascii=False).encode()
    str(config.platform).encode()


def _document_seeds() -> list[bytes]:
    described = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": SHA, "size": 5}
    config = described | {"mediaType": "application/vnd.oci.image.config.v1+json"}
    manifest = described | {"mediaType": "application/vnd.oci.image.manifest.v1+json"}
    arm = {"architecture": "arm", "os": "linux", "variant": "v7"}
    found: list[object] = [
        {"schemaVersion": 2, "config": config, "layers": [described, described], "annotations": {"a": "b"}},
        {
            "schemaVersion": 2,
            "manifests": [manifest | {"platform": {"architecture": "amd64", "os": "linux"}}, manifest],
        },
        {"schemaVersion": 2, "manifests": [manifest | {"platform": arm}, manifest]},
        {"schemaVersion": 2, "manifests": [manifest]},
        {
            "architecture": "amd64",
            "os": "linux",
            "variant": "v8",
            "created": "2026-01-01T00:00:00Z",
            "config": {
                "Env": ["A=1"],
                "Cmd": ["sh"],
                "Entrypoint": "one",
                "ExposedPorts": {"80/tcp": {}},
                "Volumes": {"/data": {}},
                "Labels": {"a": "b"},
                "User": "nobody",
                "WorkingDir": "/srv",
                "StopSignal": "SIGINT",
                "Shell": ["/bin/sh", "-c"],
                "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1000000000, "Retries": 3},
            },
            "rootfs": {"type": "layers", "diff_ids": [SHA]},
            "history": [{"created_by": "x", "empty_layer": True}],
        },
    ]
    return [json.dumps(one).encode() for one in found]


def reference(data: bytes) -> None:
    """What is parsed stays the same when it is written and parsed again."""
    parsed = Reference.parse(data.decode("utf-8", "surrogateescape"))
    assert Reference.parse(str(parsed)) == parsed
    assert Reference.parse(parsed.familiar) == parsed
    assert ".." not in parsed.repository.split("/") and parsed.registry == parsed.registry.lower()
    str(parsed).encode("ascii")


def challenges(data: bytes) -> None:
    """`WWW-Authenticate` as a registry may send it, in one or two headers."""
    challenge.parse([part.decode("latin-1") for part in data.split(b"\n", 1)])


FUZZED = (
    Fuzzed(
        "tar",
        tar,
        _tar_seeds(),
        (b"GNU.sparse.map=", b"GNU.sparse.offset=1\n", b"GNU.sparse.numbytes=1\n", b"path=", b"../", b"/", b".wh.",
         b"size=-1\n", b"\x80", b"\xff" * 8, b"ustar\x0000", b"ustar  \0", b"x", b"g", b"L", b"K", b"S", b"V", b"D"),
        ("layers",),
        change_tar,
    ),
    Fuzzed(
        "documents",
        documents,
        _document_seeds(),
        (b"null", b"[]", b"{}", b"[[", b"1e400", b"NaN", b"-1", b"true", b'"\\ud800"', b'"\\u0000"', b'"size":',
         b'"digest":', SHA.encode(), b"SHA256:", b"sha512:", b'"manifests":', b'"layers":', b'"config":'),
        ("oci",),
        change_json,
    ),
    Fuzzed(
        "reference",
        reference,
        [b"alpine", b"library/alpine:3", b"localhost:5000/a/b_c@" + SHA.encode(), b"[::1]:5000/app:x", b"GHCR.io/a/b"],
        (b":", b"/", b"@", b"[", b"]", b"..", b"__", b"--", b"docker.io/", b"library/", b"index.docker.io/",
         b"\xc3\xa9", b"localhost", b"%", b"::", b"sha512:", SHA.encode()),
        ("oci",),
    ),
    Fuzzed(
        "challenges",
        challenges,
        [b'Bearer realm="https://a/token",service="s",scope="repository:x:pull"', b'Basic realm="x"\nBearer realm=x'],
        (b'"', b"\\", b",", b"=", b"Bearer ", b"Basic ", b"realm=", b"scope=", b" ", b"\t"),
        ("registry",),
    ),
    Fuzzed(
        "dockerfile", dockerfiles.dockerfile, dockerfiles.SEEDS, dockerfiles.WORDS, ("build/language",),
        dockerfiles.change,
    ),
    Fuzzed("dockerignore", dockerfiles.ignore, dockerfiles.IGNORE_SEEDS, dockerfiles.IGNORE_WORDS, ("build/language",)),
)  # fmt: skip
