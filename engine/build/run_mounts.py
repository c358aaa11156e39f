"""RUN --mount: binds, caches, memory, secrets, SSH agents.

bind     of the context, a stage, an image: read-only, or writable into a place that is thrown away
cache    a directory that stays on the host, of one team; it may be gone at any time
tmpfs    memory
secret   a file in memory, or a variable: in no layer, no history, no key, and on no disk
ssh      the socket of an agent that signs with the build's keys; the keys themselves stay outside
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.build import ssh_agent
from engine.build.cache_mounts import CacheMounts
from engine.build.contents import Contents, Known
from engine.build.copying import Copier, Rules
from engine.build.destination import Destination
from engine.build.language import model
from engine.build.language.source import DockerfileError, Location
from engine.build.ssh_keys import Identity
from engine.build.trees import Found, Tree
from engine.build.workplace import Workplace
from engine.errors import NotFound
from engine.runtime.spec import Bind, TmpfsMount

_SECRETS = "/run/secrets"
_SECRET_MODE = 0o400
_AGENTS, _AGENT_MODE = "/run/buildkit", 0o600
"""Where BuildKit has sockets of agents that are given no place (client/llb/exec.go)."""
SOCKET_VARIABLE = "SSH_AUTH_SOCK"


@dataclass(frozen=True, slots=True)
class Given:
    """What a RUN gets. `shares_users`: something among it can't be shown to other users."""

    binds: tuple[Bind, ...] = ()
    tmpfs: tuple[TmpfsMount, ...] = ()
    env: tuple[str, ...] = ()
    shares_users: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What mounts need: `tree_of` gives the files that a `from` names (None: the context); `known` as in `Contents`.

    `environment`: what the command has without mounts; `ssh`: the keys of agents, by their ids.
    """

    place: Workplace
    caches: CacheMounts
    team: str
    working_directory: str
    environment: Sequence[str]
    secrets: Mapping[str, bytes]
    ssh: Mapping[str, Sequence[Identity]]
    tree_of: Callable[[str | None], Tree]
    known: Callable[[Tree], Known | None]
    cancelled: Callable[[], bool]


@dataclass(slots=True)
class RunMounts:
    """Of one RUN. `definition`: what of them is part of its key; `reads`: whether files are part of it too."""

    around: Surroundings
    mounts: Sequence[model.Mount]
    location: Location
    definition: list[dict[str, Any]] = field(init=False)
    reads: bool = field(init=False)

    def __post_init__(self) -> None:
        self.definition = [self._defined(mount) for mount in self.mounts]
        self.reads = any(mount.type == "bind" for mount in self.mounts)

    def _defined(self, mount: model.Mount) -> dict[str, Any]:
        if mount.type == "ssh":
            if mount.source:
                raise DockerfileError("--mount=type=ssh has no source: its keys are named by id", self.location)
            return {"type": "ssh", "id": _agent_id(mount), "target": self._socket(mount), "mode": mount.mode}
        if mount.type == "secret":
            return {"type": "secret", "id": mount.id, "target": mount.target, "env": mount.env, "mode": mount.mode}
        if mount.type == "cache":  # what is in it may be anything
            return {"type": "cache", "id": mount.id, "target": self._target(mount)}
        return {"type": mount.type, "target": self._target(mount), "readonly": mount.readonly, "size": mount.size}

    def _target(self, mount: model.Mount) -> str:
        if not mount.target:
            raise DockerfileError(f"--mount=type={mount.type} needs a target", self.location)
        target = posixpath.normpath(posixpath.join("/", self.around.working_directory, mount.target))
        target = "/" + target.lstrip("/")
        if target == "/":
            raise DockerfileError("nothing can be mounted at /", self.location)
        return target

    def _socket(self, mount: model.Mount) -> str:
        """Where an agent's socket is; one without a target is named by how many sockets stand before it."""
        if mount.target:
            return self._target(mount)
        sockets = (one for one in self.mounts if one.type == "ssh")
        return f"{_AGENTS}/ssh_agent.{next(number for number, one in enumerate(sockets) if one is mount)}"

    def content(self) -> str:
        """The digest of what binds show."""
        hasher = hashlib.sha256()
        for mount in self.mounts:
            if mount.type == "bind":
                tree, found = self._source(mount)
                contents = Contents(tree, self.around.known(tree), self.around.cancelled)
                hasher.update(contents.digest(found.path, found.facts).encode())
        return hasher.hexdigest()

    def _source(self, mount: model.Mount) -> tuple[Tree, Found]:
        tree = self.around.tree_of(mount.from_)
        found = tree.find(mount.source or "/")
        if found is None:
            raise tree.missing(mount.source or "/")
        return tree, found

    @contextlib.contextmanager
    def given(self) -> Iterator[Given]:
        """All of them, for the time of the block."""
        binds: list[Bind] = []
        tmpfs: list[TmpfsMount] = []
        env: list[str] = []
        with contextlib.ExitStack() as held:
            for mount in self.mounts:
                if mount.type == "tmpfs":
                    size = (f"size={mount.size}",) if mount.size else ()
                    tmpfs.append(TmpfsMount(self._target(mount), (*size, "exec", "suid")))
                elif mount.type == "secret":
                    self._secret(mount, binds, env, held)
                elif mount.type == "ssh":
                    self._agent(mount, binds, env, held)
                elif mount.type == "cache":
                    binds.append(held.enter_context(self._cache(mount)))
                else:
                    binds.append(self._bind(mount))
            yield Given(tuple(binds), tuple(tmpfs), tuple(env))

    def _bind(self, mount: model.Mount) -> Bind:
        tree, found = self._source(mount)
        if mount.readonly and tree.path is not None:
            source = os.path.join(tree.path, found.path) if found.path else tree.path
            return Bind(source, self._target(mount), read_only=True, is_exact=True)
        return Bind(str(self._copied(tree, found)), self._target(mount), read_only=mount.readonly)

    def _copied(self, tree: Tree, found: Found) -> Path:
        """A copy that nobody else has: of what .dockerignore hides parts of, of layers, or to be written to."""
        directory = self.around.place.new_directory("mount")
        inner = directory / "files"
        inner.mkdir(mode=0o755)
        target = Destination(inner, None)
        try:
            name = "" if found.is_directory else posixpath.basename(found.path)
            Copier(tree, target, Rules(cancelled=self.around.cancelled)).copy(found, name, "/")
            if found.is_directory:
                os.chown(inner, *(tree.owner or (found.facts.st_uid, found.facts.st_gid)))
                inner.chmod(found.facts.st_mode & 0o7777)
        finally:
            target.close()
        return inner / name if name else inner

    @contextlib.contextmanager
    def _cache(self, mount: model.Mount) -> Iterator[Bind]:
        target = self._target(mount)
        name = mount.id or target
        around = self.around

        def fill(directory: Path) -> None:
            os.chown(directory, mount.uid or 0, mount.gid or 0)
            directory.chmod(0o755 if mount.mode is None else mount.mode)
            if mount.from_ is None:
                return
            tree, found = self._source(mount)
            into = Destination(directory, None)
            try:
                Copier(tree, into, Rules(cancelled=around.cancelled)).copy(found, "", "/")
            finally:
                into.close()

        sharing = mount.sharing or "shared"
        with around.caches.hold(around.team, name, sharing, fill=fill, cancelled=around.cancelled) as directory:
            yield Bind(str(directory), target, read_only=mount.readonly)

    def _secret(self, mount: model.Mount, binds: list[Bind], env: list[str], held: contextlib.ExitStack) -> None:
        name = mount.id or posixpath.basename(mount.target or "")
        value = self.around.secrets.get(name)
        if value is None:
            if mount.required:
                raise NotFound(f"the secret {name[:60]} is required, and this build was not given it", {"secret": name})
            return
        if mount.env is not None:
            env.append(f"{mount.env or name}={value.decode(errors='surrogateescape')}")
        if mount.env is None or mount.target:
            directory = self.around.place.secrets
            path = directory / f"{len(os.listdir(directory))}-{os.urandom(4).hex()}"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            held.callback(path.unlink, missing_ok=True)  # memory that the next step's may need
            with open(descriptor, "wb") as file:
                file.write(value)
            os.chown(path, mount.uid or 0, mount.gid or 0)
            path.chmod(_SECRET_MODE if mount.mode is None else mount.mode)
            binds.append(Bind(str(path), mount.target or f"{_SECRETS}/{name}", read_only=True))

    def _agent(self, mount: model.Mount, binds: list[Bind], env: list[str], held: contextlib.ExitStack) -> None:
        """As BuildKit does, the first one's socket is in the environment even where its keys are missing."""
        around, name = self.around, _agent_id(mount)
        has_variable = any(entry.startswith(f"{SOCKET_VARIABLE}=") for entry in (*around.environment, *env))
        if not has_variable:
            env.append(f"{SOCKET_VARIABLE}={self._socket(mount)}")
        identities = around.ssh.get(name)
        if identities is None:
            if mount.required:
                raise NotFound(
                    f"the SSH agent {name[:60]} is required, and this build was given no keys for it: give one "
                    f"(--ssh {name[:60]}=FILE, or a stored key)",
                    {"ssh": name},
                )
            return
        path = around.place.secrets / f"agent-{os.urandom(4).hex()}"
        mode = _AGENT_MODE if mount.mode is None else mount.mode
        held.enter_context(ssh_agent.serving(path, identities, owner=(mount.uid or 0, mount.gid or 0), mode=mode))
        binds.append(Bind(str(path), self._socket(mount)))


def _agent_id(mount: model.Mount) -> str:
    return mount.id or "default"
