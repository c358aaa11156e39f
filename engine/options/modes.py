"""Which namespaces a container has of its own, which are the host's, and which are another container's.

    network    bridge (default is the same) · none · host · container:NAME · a network's name (`networks`)
    pid        private · host · container:NAME
    ipc        private · shareable · none · host · container:NAME
    uts        private · host
    cgroupns   private · host

The words are those of `docker run`; an empty one is the usual one. What is refused together is what moby refuses
(api/types/container, daemon/pkg/runconfig `validateNetMode`), and why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engine.options import networks
from engine.options.wishes import Wishes

Problem = tuple[str, str]

CONTAINER = "container:"
BRIDGE, NONE, HOST, PRIVATE, SHAREABLE = "bridge", "none", "host", "private", "shareable"
WORDS = {
    "network": (BRIDGE, NONE, HOST),
    "pid": (PRIVATE, HOST),
    "ipc": (PRIVATE, SHAREABLE, NONE, HOST),
    "uts": (PRIVATE, HOST),
    "cgroupns": (PRIVATE, HOST),
}
"""The first is the usual one."""
USUAL = {name: words[0] for name, words in WORDS.items()}
JOINABLE = ("network", "pid", "ipc")
_NEED_HOST_USERS = ("network", "pid", "ipc")
# A name, or an id, or the beginning of one.
_TARGET = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
_NETWORK_SYSCTL = re.compile(r"net[./].*")
_IPC_SYSCTL = re.compile(r"(kernel|fs)[./].*")


def usual(name: str, mode: str) -> str:
    """`mode` as it is kept: Docker's other words for the usual one are that one."""
    if not mode or (name == "network" and mode == "default"):
        return USUAL[name]
    return mode


def target(mode: str) -> str | None:
    """The container that `container:NAME` names; None for other modes."""
    return mode.removeprefix(CONTAINER) if mode.startswith(CONTAINER) else None


def targets(wishes: Wishes) -> dict[str, str]:
    """Kind → the container whose namespace it is."""
    found = {name: target(getattr(wishes, name)) for name in JOINABLE}
    return {name: container for name, container in found.items() if container is not None}


def of_host(wishes: Wishes) -> list[str]:
    """The kinds that are the host's."""
    return [name for name in WORDS if getattr(wishes, name) == HOST]


def is_on_bridge(wishes: Wishes) -> bool:
    """Whether it has an address of its own, and can publish ports."""
    return usual("network", wishes.network) == BRIDGE


def has_network(wishes: Wishes) -> bool:
    """Whether it is on any network of its own accord: the default one or one of a name."""
    return is_on_bridge(wishes) or networks.is_name(wishes.network)


def wants_own_users(wishes: Wishes) -> bool:
    """Whether user ids of its own were asked for, and nothing that it shares takes them.

    A namespace belongs to the user namespace that it was made in: in the host's network, process or IPC namespace,
    ids of a container's own would have no rights at all (not even over a port below 1024, or to mount /sys).
    """
    shares = any(getattr(wishes, name) == HOST for name in _NEED_HOST_USERS)
    return wishes.userns != HOST and not wishes.privileged and not shares


def problems(wishes: Wishes) -> Iterator[Problem]:
    """A sentence for every mode that can't be, and for everything that doesn't go with one."""
    for name, words in WORDS.items():
        yield from _word(name, getattr(wishes, name), words)
    yield from _network(wishes)
    yield from _sysctls(wishes)
    if wishes.uts == HOST:
        for name in ("hostname", "domainname"):
            if getattr(wishes, name) is not None:
                yield name, "It can't be set where the host's name is shared (uts: host): leave one of the two out."
    if wishes.runtime != "portside" and targets(wishes):
        kind = next(iter(targets(wishes)))
        yield kind, "Only Portside's own runtime joins another container: choose it, or leave this out."


def _word(name: str, mode: str, words: tuple[str, ...]) -> Iterator[Problem]:
    mode = usual(name, mode)
    joined = target(mode)
    choices = f"{', '.join(words)}{', or container:NAME' if name in JOINABLE else ''}"
    if mode in words or (name == "network" and networks.is_name(mode)):
        return
    if joined is None or name not in JOINABLE:
        yield name, f"{mode[:60]!r} is unknown: choose {choices}."
    elif not _TARGET.fullmatch(joined):
        yield name, f"{joined[:60]!r} is no container's name or id: give container:NAME."


def _network(wishes: Wishes) -> Iterator[Problem]:
    mode = usual("network", wishes.network)
    if target(mode) is not None:
        given: dict[str, Any] = {name: getattr(wishes, name) for name in _THE_TARGETS}
        for name, what in _THE_TARGETS.items():
            if given[name]:
                yield name, f"{what} of the container whose network it shares: leave it out, or give it to that one."
    if mode in (HOST, NONE) and (wishes.ports or wishes.publish_all):
        why = "its ports are the host's own" if mode == HOST else "it has no network"
        yield "ports" if wishes.ports else "publish_all", f"Nothing can be published, since {why}: leave this out."
    if mode == NONE and any(entry.endswith("host-gateway") for entry in wishes.extra_hosts):
        yield "extra_hosts", "host-gateway: without a network there is no way to the host."


_THE_TARGETS = {
    "hostname": "The host name is that",
    "domainname": "The domain is that",
    "dns": "The name servers are those",
    "dns_search": "The search domains are those",
    "dns_options": "The resolver options are those",
    "extra_hosts": "The hosts are those",
    "ports": "The published ports are those",
    "publish_all": "The published ports are those",
    "expose": "The exposed ports are those",
}


def _sysctls(wishes: Wishes) -> Iterator[Problem]:
    for kind, pattern in (("network", _NETWORK_SYSCTL), ("ipc", _IPC_SYSCTL)):
        mode = getattr(wishes, kind)
        if mode != HOST and target(mode) is None:
            continue
        whose = "the host" if mode == HOST else "another container"
        for name in wishes.sysctls:
            if pattern.fullmatch(name.strip()):
                yield "sysctls", f"{name[:60]} belongs to {whose}, whose {kind} namespace it shares: leave it out."
