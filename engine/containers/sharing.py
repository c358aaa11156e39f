"""Whose namespaces and files a container shares: names become ids, and what follows from that for its bundle.

`container:NAME` is kept as `container:ID`, since names change hands. As in Docker, the container that is meant must
exist at creation and run at each start; it may be stopped and removed as if nobody shared anything. Who shares its
network or IPC namespace goes on with what is left of that; who shares its process namespace ends with it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.containers import names, states
from engine.containers.parts import Endpoint, Parts
from engine.containers.process import hostname as own_hostname
from engine.containers.record import ContainerRecord
from engine.containers.spec import ContainerSpec
from engine.errors import Conflict, DataCorrupt, EngineError, InvalidArgument, NotFound, Unavailable
from engine.options import modes, networks
from engine.options.naming import HOST_NAME

_LINKS = 32
_HOST_RESOLV_CONF, _HOST_HOSTS = Path("/etc/resolv.conf"), Path("/etc/hosts")


@dataclass(frozen=True, slots=True)
class NetworkPlace:
    """Where a container stands: its own address on the bridge, if any, and by which files it resolves names.

    `files`: the directory of the container whose /etc/hosts, resolv.conf and hostname it shares, None for its own.
    `hosts`: the text that its own /etc/hosts begins with, empty for the usual one. `embedded`: it is on a network of a
    name, where our own resolver answers. `ip6`: an IPv6 address of its own, if a network has given it one.
    """

    endpoint: Endpoint | None
    resolv_conf: str
    hosts: str = ""
    files: Path | None = None
    embedded: bool = False
    ip6: str | None = None

    def resolv_conf_of(self, spec: ContainerSpec) -> str:
        """The text of its /etc/resolv.conf."""
        return names.resolv_conf(spec, self.resolv_conf, embedded=self.embedded)


def resolved(parts: Parts, spec: ContainerSpec) -> ContainerSpec:
    """`spec` with usual words for modes, and ids for names. Raises InvalidArgument with the field's name."""
    changes: dict[str, Any] = {name: modes.usual(name, getattr(spec, name)) for name in modes.WORDS}
    for kind, name in modes.targets(spec).items():
        try:
            other = parts.catalog.get(parts.catalog.resolve(name))
        except NotFound as error:
            raise InvalidArgument(f"{kind}: {error.message}", {"field": kind}) from error
        if other.id == spec.id:
            raise InvalidArgument(f"{kind}: a container can't share its own; leave it out", {"field": kind})
        if kind == "ipc" and other.spec.ipc != modes.SHAREABLE and modes.target(other.spec.ipc) is None:
            raise InvalidArgument(
                f"ipc: container {other.name} shares its IPC namespace with nobody; make it with ipc: shareable",
                {"field": "ipc"},
            )
        changes[kind] = f"{modes.CONTAINER}{other.id}"
    return replace(spec, **changes)


def require_running(parts: Parts, record: ContainerRecord) -> None:
    """Raise, naming the container, unless all run whose namespaces `record` shares.

    Conflict for one that rests, Unavailable for one that is on its way, NotFound for one that is gone.
    """
    for kind, container_id in modes.targets(record.spec).items():
        try:
            other = parts.catalog.get(container_id)
        except NotFound:
            raise NotFound(
                f"container {record.name} shares the {kind} namespace of {container_id[:12]}, which is gone; "
                "make it anew, for another one",
                {"field": kind},
            ) from None
        if other.status == states.RESTARTING:
            raise Unavailable(
                f"container {record.name} shares the {kind} namespace of {other.name}, which is restarting; "
                "wait until it runs",
                {"field": kind},
            )
        if other.status not in states.ALIVE:
            raise Conflict(
                f"container {record.name} shares the {kind} namespace of {other.name}, which is {other.status}; "
                "start that one first",
                {"field": kind},
            )


def require_networks(parts: Parts, spec: ContainerSpec) -> None:
    """Raise InvalidArgument, with the near names, for a network of a name that isn't there."""
    try:
        parts.network.require(networks.of_container(spec))
    except NotFound as error:
        raise InvalidArgument(f"network: {error.message}", {"field": "network"}) from error


def place(parts: Parts, spec: ContainerSpec) -> NetworkPlace:
    """What the container's network mode makes of its names and address; the latter is given to it now."""
    if modes.has_network(spec):
        endpoint: Endpoint | None = None
        is_on_bridge = modes.is_on_bridge(spec)
        if is_on_bridge:
            endpoint = parts.network.allocate(spec.id)
        joinings = networks.of_container(spec)
        ip6 = None
        if joinings:
            try:
                joined = parts.network.reserve(spec.id, joinings, servers=spec.dns)
            except NotFound as error:
                raise InvalidArgument(f"network: {error.message}", {"field": "network"}) from error
            endpoint = endpoint or joined[0]
            ip6 = next((member.ip6 for member in joined if member.ip6), None)
        return NetworkPlace(endpoint, parts.network.resolv_conf(), embedded=bool(joinings), ip6=ip6)
    if spec.network == modes.HOST:
        return NetworkPlace(None, _text(_HOST_RESOLV_CONF), _text(_HOST_HOSTS))
    if spec.network == modes.NONE:
        return NetworkPlace(None, parts.network.resolv_conf())
    return NetworkPlace(None, "", files=parts.catalog.directory(_owner(parts, spec).id))


def hostname(parts: Parts, spec: ContainerSpec) -> str:
    """What it is called: as the host, or the other container, whose name or network it shares."""
    if modes.target(spec.network) is not None:
        directory = parts.catalog.directory(_owner(parts, spec).id)
        return _text(directory / "hostname").strip() or own_hostname(spec)
    if spec.uts == modes.HOST or (spec.network == modes.HOST and spec.hostname is None):
        return _name_of_host(spec)
    return own_hostname(spec)


def namespaces(spec: ContainerSpec) -> dict[str, Any]:
    """Settings of a container's process (`engine.runtime.spec.ProcessSettings`) that say which are its own."""
    joined: Mapping[str, str] = {kind: f"{modes.CONTAINER}{name}" for kind, name in modes.targets(spec).items()}
    host = [{"cgroupns": "cgroup"}.get(kind, kind) for kind in modes.of_host(spec)]
    shared = spec.ipc == modes.HOST or "ipc" in joined
    return {
        "host_namespaces": tuple(host),
        "joined_namespaces": joined,
        "shm": "shared" if shared else "none" if spec.ipc == modes.NONE else "own",
        "user_namespace": modes.wants_own_users(spec),
    }


def starts_after(parts: Parts, spec: ContainerSpec) -> tuple[str, ...]:
    """The names of all that have to run before it: those it depends on, and those whose namespaces it shares."""
    names = list(spec.depends_on)
    for container_id in modes.targets(spec).values():
        try:
            names.append(parts.catalog.get(container_id).name)
        except (NotFound, DataCorrupt):
            continue
    return tuple(dict.fromkeys(names))


def _owner(parts: Parts, spec: ContainerSpec) -> ContainerRecord:
    """Whose network namespace it is in the end: the other may share a third one's."""
    seen = spec
    for _ in range(_LINKS):
        container_id = modes.target(seen.network)
        assert container_id is not None
        try:
            record = parts.catalog.get(container_id)
        except EngineError as error:
            raise type(error)(f"network: {error.message}", {"field": "network"}) from error
        if modes.target(record.spec.network) is None:
            return record
        seen = record.spec
    raise InvalidArgument(
        "network: too many containers share one another's; share the first one's", {"field": "network"}
    )


def _name_of_host(spec: ContainerSpec) -> str:
    name = os.uname().nodename
    return name if HOST_NAME.fullmatch(name) else own_hostname(spec)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
