"""The starter image: a shell and the common tools of this machine with the libraries they load.

It needs no registry, so that a newcomer without internet still has something to run. The same machine gives the
same image: names are sorted, times and owners are fixed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from isal import igzip

from engine.errors import Unsupported
from engine.images.elf import Linker
from engine.oci import media
from engine.oci.digest import Digest
from engine.oci.image_config import ImageConfig
from engine.oci.manifest import Manifest, parse
from engine.oci.platform import Platform

DEFAULT_REFERENCE = "portside/starter:latest"
_SHELLS = ("sh", "bash", "dash", "ash")
_TOOLS = """
    arch awk base64 basename bash busybox cat chmod chown cmp comm cp cut dash date dd df diff dirname du echo egrep
    env expand expr false fgrep find fold free getent grep gunzip gzip head hostname id install ip join kill less ln
    ls md5sum mkdir mkfifo mktemp mount mv nc nl nproc nslookup od paste pgrep pidof ping printenv printf ps pwd
    readlink realpath rm rmdir sed seq sh sha256sum shuf sleep sort split stat stty sync tac tail tar tee test
    timeout top touch tr true truncate tty uname uniq uptime vi watch wc wget whoami xargs yes zcat curl
"""
_PLACES = ("/usr/bin", "/bin", "/usr/sbin", "/sbin")
_MODULES = ("libnss_files.so.2", "libnss_dns.so.2")  # loaded by name at run time by a glibc older than 2.34
_DIRECTORIES = dict.fromkeys(("dev", "etc", "home", "run", "srv", "usr", "usr/bin", "var"), 0o755) | {
    "proc": 0o555,
    "root": 0o700,
    "sys": 0o555,
    "tmp": 0o1777,
    "var/tmp": 0o1777,
}
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/os-release": 'ID=portside\nNAME="Portside starter"\nPRETTY_NAME="Portside starter image"\n',
    "etc/profile": "export PS1='\\w \\$ '\n",
}
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class Tree:
    """The image's files: links as name → target, others as name → path on this machine. Names have no leading slash."""

    links: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    search: list[str] = field(default_factory=list)

    def add(self, path: str) -> str:
        """Add the file at `path` with every symbolic link on the way to it; returns its real path. Raises OSError."""
        done, pending = "", [part for part in path.split("/") if part]
        for _ in range(200):
            if not pending:
                self.files[done.lstrip("/")] = done
                return done
            part = pending.pop(0)
            if part == "..":
                done = os.path.dirname(done)
                continue
            current = f"{done}/{part}"
            if not stat.S_ISLNK(os.lstat(current).st_mode):
                done = current
                continue
            target = os.readlink(current)
            self.links[current.lstrip("/")] = target
            done = "" if target.startswith("/") else done
            pending[:0] = [piece for piece in target.split("/") if piece not in ("", ".")]
        raise OSError(f"too many symbolic links on the way to {path}")


@dataclass(frozen=True, slots=True)
class Starter:
    """The finished image: `layer` is gzip, the two `_data` are JSON."""

    layer: bytes
    config_data: bytes
    manifest_data: bytes

    @property
    def config(self) -> ImageConfig:
        return ImageConfig.parse(self.config_data)

    @property
    def manifest(self) -> Manifest:
        parsed = parse(self.manifest_data)
        assert isinstance(parsed, Manifest)
        return parsed

    @property
    def manifest_digest(self) -> Digest:
        return Digest.of(self.manifest_data)


def gather() -> Tree:
    """Look for the tools and their libraries on this machine. Raises `Unsupported` when there is no shell."""
    tree, linker = Tree(), Linker()
    missing = [name for name in _TOOLS.split() if not _add_program(tree, linker, _place(name))]
    _add_program(tree, linker, "/bin/sh" if os.path.exists("/bin/sh") else None)
    _add_applets(tree, missing)
    has = {Path(name).name for name in (*tree.files, *tree.links)}
    if not has.intersection(_SHELLS):
        raise Unsupported("this machine has no shell that a starter image could be made from: pull an image instead")
    for place in ("/bin", "/sbin", "/lib", "/lib64"):  # links into /usr where this machine has them
        if os.path.islink(place):
            tree.links[place.lstrip("/")] = os.readlink(place)
    return tree


def _place(name: str) -> str | None:
    return next((f"{place}/{name}" for place in _PLACES if os.access(f"{place}/{name}", os.X_OK)), None)


def _add_program(tree: Tree, linker: Linker, path: str | None) -> bool:
    """Whether the program could be added with all that it loads. Scripts can't: their interpreter loads too much."""
    if path is None:
        return False
    try:
        if linker.read(os.path.realpath(path)) is None:
            return False
        real = tree.add(path)
        wanted = linker.libraries(real)
        modules = [f"{os.path.dirname(library)}/{module}" for library in wanted for module in _MODULES]
        for library in [*wanted, *(module for module in modules if os.path.exists(module))]:
            tree.add(library)
            if not wanted.get(library, True) and os.path.dirname(library) not in tree.search:
                tree.search.append(os.path.dirname(library))
    except OSError:
        return False
    return True


def _add_applets(tree: Tree, missing: Iterable[str]) -> None:
    """Let busybox stand in for missing tools; its file holds its applets' names between NUL bytes."""
    real = os.path.realpath(_place("busybox") or "/")
    if real.lstrip("/") in tree.files:
        program = Path(real).read_bytes()
        for name in missing:
            if b"\0" + name.encode() + b"\0" in program:
                tree.links.setdefault(f"usr/bin/{name}", real)


def build(tree: Tree, platform: Platform) -> Starter:
    """Write the layer, the config and the manifest."""
    tar = _tar(tree)
    layer = igzip.compress(tar, compresslevel=1, mtime=0)
    diff_id = Digest.of(tar)
    env = [_PATH] + ([f"LD_LIBRARY_PATH={':'.join(tree.search)}"] if tree.search else [])
    config = _json(
        {
            "architecture": platform.architecture,
            "os": platform.os,
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Env": env,
                "Cmd": ["/bin/sh"],
                "Labels": {"org.opencontainers.image.title": "Portside starter"},
            },
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "portside starter"}],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": media.OCI_MANIFEST,
            "config": _descriptor(media.OCI_CONFIG, config),
            "layers": [_descriptor(media.OCI_LAYER_GZIP, layer)],
        }
    )
    return Starter(layer, config, manifest)


def _tar(tree: Tree) -> bytes:
    stream = io.BytesIO()
    names = {*_DIRECTORIES, *_FILES, *tree.links, *tree.files}
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in sorted(_with_parents(names), key=lambda name: name.split("/")):
            info = tarfile.TarInfo(name)
            if name in tree.links:
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, tree.links[name], 0o777
                archive.addfile(info)
            elif name in _FILES or name in tree.files:
                data = _FILES[name].encode() if name in _FILES else Path(tree.files[name]).read_bytes()
                info.size, info.mode = len(data), 0o755 if name in tree.files else 0o644
                archive.addfile(info, io.BytesIO(data))
            else:
                info.type, info.mode = tarfile.DIRTYPE, _DIRECTORIES.get(name, 0o755)
                archive.addfile(info)
    return stream.getvalue()


def _with_parents(names: set[str]) -> set[str]:
    wanted = set(names)
    for name in names:
        parts = name.split("/")
        wanted.update("/".join(parts[:length]) for length in range(1, len(parts)))
    return wanted


def _descriptor(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
