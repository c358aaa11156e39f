"""What people type → the object that they mean: its name, its id, or as much of the id as only one begins with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

from client.errors import Conflict, NotFound
from client.resource import Json
from client.site import Portside
from engine.errors import EngineError
from engine.oci.reference import Reference

_HEX = re.compile(r"[0-9a-f]{1,64}")
_SHOWN = 5
_NEWEST = 5000


def container(site: Portside, name: str, host: str | None = None) -> Json:
    """Raises NotFound, and Conflict where several are meant."""
    name = name.removeprefix("/")
    if _HEX.fullmatch(name) and len(name) == 64:
        return site.containers.read(name)
    found = list(site.containers.list(name=name, host=host))
    if not found and _HEX.fullmatch(name):
        found = [row for row in site.containers.list(search=name, host=host) if row["id"].startswith(name)]
    return _only("container", name, found, "`portside ps -a` lists them")


def container_or_log(site: Portside, name: str, host: str | None = None) -> Json:
    """One that is there, or one that is removed and has left its log."""
    try:
        return container(site, name, host)
    except NotFound:
        rows = site.containers.removed(search=name, host=host)
        found = [row for row in rows if name == row["name"] or row["id"].startswith(name)]
        if not found:
            raise
        return found[0]


def image(site: Portside, name: str, host: str | None = None) -> Json:
    """By a tag, however it is written, an id or a digest."""
    plain = name.removeprefix("sha256:")
    rows = list(site.images.list(host=host))
    found = [row for row in rows if tagged(name) & set(row["tags"])]
    if not found and _HEX.fullmatch(plain):
        found = [row for row in rows if row["image_id"].removeprefix("sha256:").startswith(plain)]
    if not found:
        found = [row for row in rows if name in row["digests"]]
    return _only("image", name, found, "`portside images ls` lists them")


def tagged(name: str) -> set[str]:
    """The name in the forms in which it may be listed."""
    try:
        reference = Reference.parse(name).tagged()
    except EngineError:
        return {name}
    return {name, str(reference), reference.familiar}


def volume(site: Portside, name: str, host: str | None = None) -> Json:
    return _only("volume", name, list(site.volumes.list(name=name, host=host)), "`portside volume ls` lists them")


def network(site: Portside, name: str, host: str | None = None) -> Json:
    found = list(site.networks.list(name=name, host=host))
    if not found and _HEX.fullmatch(name):
        found = [row for row in site.networks.list(host=host) if row["network_id"].startswith(name)]
    return _only("network", name, found, "`portside network ls` lists them")


def host(site: Portside, name: str) -> Json:
    found = [row for row in site.hosts.list() if name in (row["id"], row["name"]) or row["id"].startswith(name)]
    return _only("host", name, found, "`portside hosts` lists them")


def job(site: Portside, name: str) -> Json:
    """By its id or a beginning of it, among the newest."""
    if len(name) == 36:
        return site.jobs.read(name)
    found = [row for row in islice(site.jobs.list(), _NEWEST) if row["id"].startswith(name)]
    return _only("job", name, found, "`portside jobs ls` lists them")


def named(rows: Iterable[Json], kind: str, name: str, hint: str) -> Json:
    """One of any rows with a name and an id."""
    return _only(kind, name, [row for row in rows if name == row.get("name") or row["id"].startswith(name)], hint)


def _only(kind: str, name: str, found: list[Any], hint: str) -> Json:
    if len(found) == 1:
        only: Json = found[0]
        return only
    if not found:
        raise NotFound(f"there is no {kind} {name}: {hint}")
    hosts = sorted({row["host"]["name"] for row in found if isinstance(row.get("host"), dict)})
    if len(hosts) > 1:
        raise Conflict(f"{name} is on several hosts: choose by --host one of {', '.join(hosts[:_SHOWN])}")
    ids = ", ".join(str(row.get("short_id") or row["id"])[:12] for row in found[:_SHOWN])
    raise Conflict(f"{name} may be {len(found)} of the {kind}s: write more of the id ({ids})")
