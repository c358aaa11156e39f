"""Smaller options in words: ulimits, tmpfs, kernel settings, hosts, name servers, processors, signals."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from dataclasses import dataclass

from engine.errors import InvalidArgument
from engine.oci.runtime_process import RLIMITS
from engine.options import places

HOST_GATEWAY = "host-gateway"
UNLIMITED = (1 << 64) - 1
"""RLIM_INFINITY of sys/resource.h; people write -1 or unlimited."""
_ULIMITS = {name.removeprefix("RLIMIT_").lower(): name for name in RLIMITS}
# What a namespace of the container's own holds: namespaces(7). Anything else would change the host.
_SYSCTL = re.compile(r"net(\.[A-Za-z0-9_-]+)+|fs\.mqueue\.[a-z_]+|kernel\.(shm[a-z_]+|msg[a-z_]+|sem|shm_rmid_forced)")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_CPUS = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*")
_TMPFS_FLAGS = frozenset(
    ("rw", "ro", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "nodiratime", "strictatime", "relatime")
)
_TMPFS_VALUES = re.compile(r"(size=[0-9]+[kmgKMG%]?|mode=[0-7]{3,4}|uid=[0-9]+|gid=[0-9]+|nr_inodes=[0-9]+[kmgKMG]?)")


@dataclass(frozen=True, slots=True)
class Ulimit:
    """`name` as the specification has it: RLIMIT_NOFILE."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Tmpfs:
    path: str
    options: tuple[str, ...]


def ulimit(text: str) -> Ulimit:
    """NAME=SOFT[:HARD], -1 or `unlimited` for none, as docker/go-units. Raises InvalidArgument."""
    name, _, values = text.partition("=")
    soft_text, colon, hard_text = values.partition(":")
    soft = _limit(soft_text)
    hard = _limit(hard_text) if colon else soft
    if name.strip().lower() not in _ULIMITS or soft is None or hard is None:
        raise InvalidArgument(
            f"{text[:60]!r}: give NAME=SOFT[:HARD], such as nofile=1024:4096; names: {' '.join(sorted(_ULIMITS))}"
        )
    if soft > hard:
        raise InvalidArgument(f"{text[:60]!r}: the soft limit is above the hard one")
    return Ulimit(_ULIMITS[name.strip().lower()], soft, hard)


def _limit(text: str) -> int | None:
    text = text.strip().lower()
    if text in ("-1", "unlimited", "infinity"):
        return UNLIMITED
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def tmpfs(text: str) -> Tmpfs:
    """PATH[:OPTIONS]; rw, noexec, nosuid, nodev are the default as Docker's. Raises InvalidArgument."""
    path, _, options = text.partition(":")
    normal = path.rstrip("/")
    if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise InvalidArgument(f"{text[:80]!r}: a tmpfs needs an absolute path without .., such as /run:size=64m")
    if why := places.problem(posixpath.normpath(f"/{normal}")):
        raise InvalidArgument(f"{text[:80]!r}: {why}")
    words = [word for word in options.split(",") if word]
    for word in words:
        if word not in _TMPFS_FLAGS and not _TMPFS_VALUES.fullmatch(word):
            raise InvalidArgument(f"{text[:80]!r}: {word[:30]!r} is no option of a tmpfs; size=64m and mode=1777 are")
    return Tmpfs(path, tuple(words))


def sysctl(name: str) -> str:
    """The name with dots (Docker takes slashes too). Raises InvalidArgument for what is the whole machine's."""
    dotted = name.strip().replace("/", ".")
    if not _SYSCTL.fullmatch(dotted):
        raise InvalidArgument(f"{name[:60]!r} belongs to the whole machine or does not exist: net.*, fs.mqueue.* and "
                              "kernel.shm*, msg*, sem are a container's own")  # fmt: skip
    return dotted


def extra_host(text: str) -> tuple[str, str]:
    """NAME:IP or NAME=IP, the IP possibly in brackets or `host-gateway` → (name, ip). Raises InvalidArgument."""
    ends = [index for index in (text.find("="), text.find(":")) if index > 0]
    name, address = (text[: min(ends)], text[min(ends) + 1 :]) if ends else (text, "")
    address = address.strip().removeprefix("[").removesuffix("]")
    if not _HOST.fullmatch(name) or not (address == HOST_GATEWAY or is_address(address)):
        raise InvalidArgument(f"{text[:80]!r}: give NAME:ADDRESS, such as db:10.0.0.2 or host:{HOST_GATEWAY}")
    return name, address


def is_address(text: str) -> bool:
    """An IP address without a zone (%eth0), which would mean one of the host's links."""
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def is_host(text: str) -> bool:
    """A name as it may be in /etc/hosts or a search list."""
    return bool(_HOST.fullmatch(text))


def is_cpu_list(text: str) -> bool:
    """`0-3,6`: processors or memory nodes (cpuset(7), List format)."""
    if not _CPUS.fullmatch(text):
        return False
    ranges = [part.split("-") for part in text.split(",")]
    return all(int(bounds[0]) <= int(bounds[-1]) for bounds in ranges)
