"""Bodies of /api/v1/networks/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Required, TypedDict


class NewNetwork(TypedDict, total=False):
    host: str | None
    name: Required[str]
    driver: str
    parent: str | None
    mode: str | None
    subnet: str | None
    gateway: str | None
    ip_range: str | None
    ipv6: bool
    subnet6: str | None
    gateway6: str | None
    ip_range6: str | None
    mtu: int | None
    internal: bool
    icc: bool
    labels: Mapping[str, str]


class Joining(TypedDict, total=False):
    container: Required[str]
    ip: str | None
    ip6: str | None
    mac_address: str | None
    aliases: Sequence[str]


class OfContainer(TypedDict, total=False):
    container: Required[str]


class OnDefault(TypedDict, total=False):
    host: str | None
    container: Required[str]


class PruneNetworks(TypedDict, total=False):
    host: str | None
    until: int
    labels: Sequence[str]
    not_labels: Sequence[str]
    dry_run: bool
