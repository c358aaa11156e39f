"""The images of the tests, made from Debian's packages and kept in a cache for the next run.

tiny    busybox-static and its applets, one layer, about 1 MB packed
debian  a minbase Debian in four layers: system, /usr/share, one that removes documents by whiteouts, one small
big     500 MB and more in tens of thousands of files and six layers, for the bench alone
"""

from __future__ import annotations

import hashlib
import os
import platform
import random
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.support.oci_layout import Layer, Layout, directory, member, symlink, tar_of

BUSYBOX = Path("/bin/busybox")
USERS = (
    b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1000:app:/home/app:/bin/sh\n"
)
GROUPS = b"root:x:0:\nnogroup:x:65534:\napp:x:1000:\nstaff:x:50:app\n"


def cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "portside-tests"


def cached(name: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """The layout `name`, made by `make(directory)` unless the cache has it for this `recipe` (any text).

    A layout appears under its name only when it is complete, so that an interrupted run leaves no half of one.
    """
    target = cache_directory() / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=target.parent))
    try:
        make(scratch)
        try:
            scratch.rename(target)
        except OSError:  # somebody else was quicker
            if not target.exists():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def busybox_layer(layout: Layout, *, compression: str = "gzip") -> Layer:
    applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()
    members = [directory(name) for name in ("bin", "dev", "etc", "home", "proc", "root", "run", "sys", "usr", "var")]
    members.append(directory("tmp", 0o1777))
    members.append(directory("home/app", uid=1000, gid=1000))
    members.append(member("bin/busybox", BUSYBOX.read_bytes(), mode=0o755))
    members += [symlink(f"bin/{applet}", "busybox") for applet in applets if applet != "busybox"]
    members += [member("etc/passwd", USERS), member("etc/group", GROUPS)]
    members.append(member("etc/not-executable", b"only words\n"))
    return layout.layer(tar_of(members), compression=compression)


def tiny(config: Mapping[str, Any] | None = None) -> Path:
    """Busybox with `config` (OCI image config) over {"Cmd": ["sh"]}."""
    settings = {"Cmd": ["sh"], **(config or {})}

    def make(target: Path) -> None:
        layout = Layout(target)
        layout.image([busybox_layer(layout)], config=settings)

    return cached("tiny", f"2 {_file_key(BUSYBOX)} {settings!r}", make)


def debian(last_layer: str = "zstd") -> Path:
    """Debian's minbase as `mmdebstrap` makes it, cut in layers; docker 20.10 can't read a last one in zstd."""
    suite = _codename()

    def make(target: Path) -> None:
        packed = target / "minbase.tar"
        done = subprocess.run(
            ["mmdebstrap", "--mode=root", "--variant=minbase", "--quiet", suite, str(packed)],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        )
        assert done.returncode == 0, f"mmdebstrap could not make a minbase {suite}:\n{done.stderr[-3000:]}"
        layout = Layout(target)
        shares = lambda name: name.startswith("usr/share/")  # noqa: E731
        layers = [
            layout.layer(_part_of(packed, lambda name: not shares(name))),
            layout.layer(_part_of(packed, shares)),
            layout.layer(
                tar_of(
                    [
                        member("usr/share/doc/.wh..wh..opq"),
                        member("usr/share/doc/README", b"removed\n"),
                        member("usr/share/.wh.man"),
                    ]
                )
            ),
            layout.layer(tar_of({"srv/": None, "srv/portside": b"the last layer\n"}), compression=last_layer),
        ]
        packed.unlink()
        layout.image(layers, config={"Cmd": ["bash"], "Labels": {"suite": suite}})

    return cached("debian", f"1 {suite} {platform.machine()} {last_layer}", make)


def big(files: int = 58_000, layers: int = 6, total_bytes: int = 640_000_000) -> Path:
    """Pseudo-random files, half text and half noise, so that gzip packs them about two to one."""

    def make(target: Path) -> None:
        layout = Layout(target)
        chance = random.Random(1)
        words = [bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(4000)]
        text = b" ".join(chance.choices(words, k=1_500_000))
        noise = chance.randbytes(4 << 20)
        made = [busybox_layer(layout)]
        for number in range(layers - 1):
            made.append(
                layout.layer(
                    _random_tree(chance, number, files // (layers - 1), total_bytes // (layers - 1), text, noise),
                    level=6,
                )
            )
        layout.image(made, config={"Cmd": ["sh"]})

    return cached("big", f"1 {files} {layers} {total_bytes} {_file_key(BUSYBOX)}", make)


def _random_tree(chance: random.Random, number: int, files: int, total: int, text: bytes, noise: bytes) -> bytes:
    members = []
    mean = total // files
    for index in range(files):
        if index % 50 == 0:
            where = f"data/{number}/{index // 1000:02}/{index // 50:04}"
            members.append(directory(where))
        size = min(int(chance.expovariate(1 / mean)) + 1, 2 << 20)
        half = size // 2
        start, begin = chance.randrange(len(text) - half), chance.randrange(len(noise) - (size - half))
        members.append(
            member(f"{where}/file-{index:05}.dat", text[start : start + half] + noise[begin : begin + size - half])
        )
    return tar_of(members)


def _part_of(archive: Path, keep: Callable[[str], bool]) -> bytes:
    """A tar of those members of `archive` that `keep` names; device nodes of /dev are left out, as Docker does."""
    stream = BytesIO()
    with tarfile.open(archive) as source, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as target:
        for info in source:
            info.name = info.name.removeprefix("./")
            if info.name in ("", ".") or info.name.startswith("dev/") or not keep(info.name):
                continue
            if info.islnk():
                info.linkname = info.linkname.removeprefix("./")
                if not keep(info.linkname):
                    info.type, info.size = tarfile.REGTYPE, source.getmember("./" + info.linkname).size
                    target.addfile(info, source.extractfile("./" + info.linkname))
                    continue
            target.addfile(info, source.extractfile(info) if info.isreg() else None)
    return stream.getvalue()


def _codename() -> str:
    release = Path("/etc/os-release")
    for line in release.read_text().splitlines() if release.exists() else []:
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip().strip('"')
    return "stable"


def _file_key(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
