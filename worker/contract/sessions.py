"""Sessions: two-way streams between a person or program at the site and something on a host (a terminal, a tar).

    site                                              host
      OpenSession(id, source) on the control stream ──►
      BEGIN(parameters), then DATA* on `input(id)`  ──►
                                                    ◄──  OPENED, DATA*, END(result) or ERROR on `frames(id)`
      CREDIT(bytes of output consumed so far)       ──►
                                                    ◄──  CREDIT(bytes of input consumed so far)
      RESIZE, END (no more input), CLOSE, LEAVE     ──►

Both ways the cursor of DATA is the count of bytes after it, so whoever comes again after a broken connection goes on
without gap or repeat: the host keeps the output that no credit was given for, and passes over input that it has.
Neither side sends more than the other's window beyond the last credit. Credit is the sign of life as well: a session
that hears nothing for `IDLE_SECONDS` is closed by the host.

CLOSE ends the source; after LEAVE it goes on without anybody: what it says is dropped.

Parameters travel on the session's own stream, which is deleted at the end: they may hold secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.contract import frames

DATA, END, ERROR = frames.DATA, frames.END, frames.ERROR
STDIN, STDOUT, STDERR = 0, frames.STDOUT, frames.STDERR

BEGIN, OPENED, CREDIT, RESIZE, CLOSE, LEAVE = 10, 11, 12, 13, 14, 15

INPUT_WINDOW_BYTES = 256 << 10
DATA_BYTES = 64 << 10
IDLE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalSize:
    rows: int
    columns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecParameters:
    """A further process in a running container. None: as the container's own.

    `env` goes beyond the container's variables; those that `unset` names are not there, whatever the container has.
    Without `stdin` it reads nothing; with `tty` it has a terminal of this `size`. One that is `detached` reads nothing,
    its output is nobody's, and it outlives the session and the worker. One that is `bound` is killed, with its process
    group, when its session is closed before its end; others get SIGHUP, as at a terminal that is hung up.
    """

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    user: str | None = None
    workdir: str | None = None
    tty: bool = False
    stdin: bool = False
    privileged: bool = False
    size: TerminalSize | None = None
    detached: bool = False
    bound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachParameters:
    """The process that a running container runs: its output from now on, after the last `logs` lines of its log.

    Without `stdin` nothing reaches it. `size`: its terminal's from now on, if it has one. `ahead`: of one that does not
    run, its next run; OPENED says that it can be started without missing a byte.
    """

    ahead: bool = False
    logs: int = 0
    stdin: bool = True
    size: TerminalSize | None = None


DIRECT = "direct"
"""Among the parameters: a token of `TOKEN_BYTES` hex digits. OPENED says `{"direct": true}` if the host offers that the
bytes go by `<home>/run/DIRECT_SOCKET`: who connects there and writes the token reads GRANTED, and then only bytes pass,
one way, without credit. END, ERROR and CLOSE still go by the broker: END, after the socket's end, says that it was
all."""
DIRECT_SOCKET = "direct.sock"
TOKEN_BYTES = 64
GRANTED = b"+"

ARCHIVE_BYTES = 256 << 10
"""Of an archive, one DATA frame carries up to so many bytes: each is a round trip to the broker."""
PATH_STAT, COPY_OUT, COPY_IN, EXPORT = "path_stat", "copy_out", "copy_in", "export"
"""Sources whose bytes are a tar. OPENED tells of what is at the path: {"stat", "header"}; an ERROR after it says that
the tar is not whole."""


FILES = "files"
IMAGE_SAVE, IMAGE_LOAD, IMAGE_IMPORT = "image_save", "image_load", "image_import"
"""Images as a tar, out of a host or into it. The END of one that goes in has {"images": [{"id", "tags",
"names"}…]}: all tags that an image has now, and what the archive calls it."""
JOB = "job"
"""Among the parameters of one that goes in: {"id", "fence"} of the job that it is. The host does the job while the
session brings its bytes: events tell how it goes, `CancelJob` ends it. The site sends its command only if it has heard
nothing of it, and then it fails: its bytes are gone."""


BUILD_CONTEXT = "build_context"
"""A folder for builds as a tar (plain, gzip, zstd) or zip, kept by the host under the id that the session is about. Its
END has {"bytes", "files"}."""

VOLUME_OUT, VOLUME_IN = "volume_out", "volume_in"
"""All files of a volume (`OpenSession.container_id` is its name) as a tar, out of a host or into it. One that goes in
takes the place of all that was there, when it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeInParameters:
    """`stop`: containers that run with it are stopped for it, and started again."""

    stop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveParameters:
    """References or ids of images. `format`: docker (as `docker save`), oci (an OCI image layout), or `FILES`: the
    files of the first one, as its containers see them."""

    names: tuple[str, ...]
    format: str = "docker"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportParameters:
    """The tar is a root file system: it becomes an image of one layer. `changes` are instructions of a Dockerfile."""

    reference: str | None = None
    changes: tuple[str, ...] = ()
    message: str = ""
    platform: str | None = None


REGISTRY_TAGS, REGISTRY_REFERRERS = "registry_tags", "registry_referrers"
"""What a registry has. No bytes go either way; END has {"tags", "count"} or {"referrers", "count"}, "count" all that
there are."""
REGISTRY_MANIFEST = "registry_manifest"
"""The same with {"media_type", "digest", "size", "platforms": [{"os", "architecture", "variant"}…]}."""
REGISTRY_SEARCH = "registry_search"
"""The same with {"repositories": [{"name", "description", "stars", "is_official", "is_automated"}…]}; `reference` is
what to look for, `limit` how many at most."""
REGISTRY_SIGNATURES = "registry_signatures"
"""The same with {"attachments", "signed"}: what the question `image.attached` answers, after registries were asked."""
TAGS_MAXIMUM, REFERRERS_MAXIMUM, SEARCH_MAXIMUM = 5000, 500, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryParameters:
    """About a reference; `secrets` are `RegistrySecrets`. `artifact_type`: only such referrers."""

    reference: str
    artifact_type: str = ""
    secrets: Mapping[str, Any] | None = None
    limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignaturesParameters:
    """Which of `keys` (public, PEM) have signed an image of the host. `registries`: `RegistrySecrets` by name."""

    image: str
    keys: tuple[str, ...]
    registries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathParameters:
    """A path in the container; one that ends with `/` or `/.` means what a link leads to."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyInParameters:
    """A directory in the container. `keep_kinds`: no directory makes room for another thing, nor the reverse;
    `as_user`: all becomes the container's user's, instead of whom the tar names."""

    path: str
    keep_kinds: bool = False
    as_user: bool = False
