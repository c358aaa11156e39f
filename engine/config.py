"""Where one host keeps its state: every path of the engine is a property of `EngineConfig`.

Two homes on one machine are two hosts, so names that the kernel shares between them (bridges, nftables
tables, cgroups) carry `tag`, six hex digits that are made from the home's real path.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InvalidArgument

DEFAULT_HOME = "/var/lib/portside"
DEFAULT_INSECURE_REGISTRIES = "127.0.0.0/8,localhost"
_RUNTIME = re.compile(r"([a-z0-9][a-z0-9_.-]{0,31})=(/[^,]*)")


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """The settings of one host's engine.

    `home` is an absolute path; `insecure_registries` are host names, `host:port` or networks in CIDR form
    that may be spoken to over plain HTTP; `runtimes` are further OCI runtimes: (name, absolute path);
    `near_sources` are servers near this host, in the same words, of which builds fetch files and repositories.
    """

    home: Path
    insecure_registries: tuple[str, ...] = ("127.0.0.0/8", "localhost")
    runtimes: tuple[tuple[str, str], ...] = ()
    near_sources: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> EngineConfig:
        """Read `PORTSIDE_HOME`, `PORTSIDE_INSECURE_REGISTRIES`, `PORTSIDE_RUNTIMES` and `PORTSIDE_NEAR_SOURCES` once.

        Raises InvalidArgument for runtimes that are not written as `name=/path,…`.
        """
        registries = environ.get("PORTSIDE_INSECURE_REGISTRIES", DEFAULT_INSECURE_REGISTRIES)
        return cls(
            home=Path(os.path.abspath(environ.get("PORTSIDE_HOME") or DEFAULT_HOME)),
            insecure_registries=_list(registries),
            runtimes=_runtimes(environ.get("PORTSIDE_RUNTIMES", "")),
            near_sources=_list(environ.get("PORTSIDE_NEAR_SOURCES", "")),
        )

    @property
    def tag(self) -> str:
        """Six hex digits that tell this home from every other on the machine."""
        return _tag(self.home)

    @property
    def database(self) -> Path:
        """The engine's SQLite store: images, tags, networks, addresses, the event journal."""
        return self.home / "engine.db"

    @property
    def content(self) -> Path:
        """Blobs by digest (`blobs/sha256/…`) and unfinished ingests (`ingest/…`)."""
        return self.home / "content"

    @property
    def snapshots(self) -> Path:
        """One directory per snapshot: `<key>/fs` for committed, `fs` and `work` for active ones."""
        return self.home / "snapshots"

    @property
    def containers(self) -> Path:
        """One directory per container, named by its id of 64 hex digits."""
        return self.home / "containers"

    @property
    def volumes(self) -> Path:
        """One directory per volume, named as it is: its files are in `_data`."""
        return self.home / "volumes"

    @property
    def build_records(self) -> Path:
        """What builds have said, a file each, named by its id."""
        return self.home / "build-records"

    @property
    def build_contexts(self) -> Path:
        """Folders that were sent for builds, a directory each, named by its id."""
        return self.home / "build-contexts"

    @property
    def kept_logs(self) -> Path:
        """Logs of containers that were removed, a directory each, named by its id."""
        return self.home / "kept-logs"

    @property
    def log_retention(self) -> Path:
        """How long those are kept, and how much of them: what the site said last."""
        return self.home / "log-retention.json"

    @property
    def host_limits(self) -> Path:
        """What all containers and builds may have together: what the site said last."""
        return self.home / "host-limits.json"

    @property
    def builds(self) -> Path:
        """What builds keep (`cache` mounts, known digests of files) and what one that runs needs for itself."""
        return self.home / "builds"

    @property
    def run(self) -> Path:
        """Sockets, locks and pid files of the engine's own processes."""
        return self.home / "run"

    @property
    def launcher_socket(self) -> Path:
        return self.run / "launcher.sock"

    @property
    def keeper_socket(self) -> Path:
        return self.run / "keeper.sock"

    @property
    def dns_socket(self) -> Path:
        """Where the resolver of networks of a name is told of changes."""
        return self.run / "dns.sock"

    @property
    def bridge(self) -> str:
        """Name of the default bridge; Linux allows 15 bytes."""
        return f"ps{self.tag}br0"

    @property
    def nft_table(self) -> str:
        return f"portside_{self.tag}"

    @property
    def cgroup_parent(self) -> str:
        """Path of this host's cgroup below each hierarchy's root, without a leading slash."""
        return f"portside-{self.tag}"

    @property
    def build_cgroup(self) -> str:
        """The same for what builds run: in the host's, whose limits are theirs too, beside each container's."""
        return f"{self.cgroup_parent}/builds"


@functools.lru_cache(maxsize=64)
def _tag(home: Path) -> str:
    return hashlib.sha256(os.path.realpath(home).encode()).hexdigest()[:6]


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _runtimes(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _RUNTIME.fullmatch(part)
        if match is None or match[1] == "portside":
            raise InvalidArgument(
                f"PORTSIDE_RUNTIMES: {part!r} is not name=/path/to/program; a name has lower-case letters, digits, "
                "'.', '_' and '-', and is not portside"
            )
        found.append((match[1], match[2]))
    return tuple(found)
