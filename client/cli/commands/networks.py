"""network: who reaches whom."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, cast

from client.cli import finding
from client.cli.commands import pruning
from client.cli.commands.looking import add_format, show_objects
from client.cli.commands.volumes import pairs
from client.cli.shell import Command, Shell, UsageError
from client.errors import NotFound
from client.resource import Json

DEFAULT = "bridge"
"""What docker calls the network that a container is on if nothing else is said."""
LS = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Subnet": "SUBNET",
    "Containers": "CONTAINERS",
    "Host": "HOST",
}


def add_ls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="ids alone")
    add_format(parser)


def ls(shell: Shell, options: argparse.Namespace) -> None:
    shell.show(shell.site.networks.list(host=shell.host), LS, _cells, quiet="ID")


def _cells(row: Json) -> dict[str, object]:
    return {
        "ID": row["short_id"],
        "Name": row["name"],
        "Driver": row["driver"],
        "Subnet": row["subnet"],
        "Containers": len(row["containers"]),
        "Host": row["host"]["name"],
        "Internal": str(row["internal"]).lower(),
        "IPv6": str(row["ipv6"]).lower(),
        "Labels": ",".join(f"{name}={value}" for name, value in row["labels"].items()),
    }


def add_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-d", "--driver", metavar="DRIVER", help="bridge, macvlan or ipvlan")
    parser.add_argument("--subnet", action="append", default=[], metavar="CIDR", help="one of IPv4, one of IPv6")
    parser.add_argument("--gateway", action="append", default=[], metavar="ADDRESS")
    parser.add_argument("--ip-range", action="append", default=[], metavar="CIDR")
    parser.add_argument("--ipv6", action="store_true", help="addresses of IPv6, too")
    parser.add_argument("--internal", action="store_true", help="no way out or in")
    parser.add_argument("-o", "--opt", action="append", default=[], metavar="NAME=VALUE", help="parent, mode, mtu, icc")
    parser.add_argument("--label", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("name", metavar="NETWORK")


_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "parent": ("parent", str),
    "mode": ("mode", str),
    "macvlan_mode": ("mode", str),
    "ipvlan_mode": ("mode", str),
    "mtu": ("mtu", int),
    "com.docker.network.driver.mtu": ("mtu", int),
    "icc": ("icc", lambda text: text == "true"),
    "com.docker.network.bridge.enable_icc": ("icc", lambda text: text == "true"),
}


def create(shell: Shell, options: argparse.Namespace) -> None:
    body: dict[str, Any] = {"name": options.name, "host": shell.host, "driver": options.driver}
    for field, texts in (("subnet", options.subnet), ("gateway", options.gateway), ("ip_range", options.ip_range)):
        for text in texts:
            body[f"{field}6" if ":" in text else field] = text
    for name, value in pairs(options.opt).items():
        if name not in _OPTIONS:
            raise UsageError(f"--opt {name[:40]!r} is not known: there are {', '.join(_OPTIONS)}")
        field, read = _OPTIONS[name]
        try:
            body[field] = read(value)
        except ValueError:
            raise UsageError(f"--opt {name} takes a number") from None
    body |= {"labels": pairs(options.label), "internal": options.internal, "ipv6": options.ipv6 or "subnet6" in body}
    wanted = {name: value for name, value in body.items() if value is not None}
    shell.wait(shell.site.networks.create(**cast(Any, wanted)))
    shell.say(finding.network(shell.site, options.name, shell.host)["network_id"])


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NETWORK")


def rm(shell: Shell, options: argparse.Namespace) -> int:
    def one(name: str) -> None:
        shell.wait(shell.site.networks.remove(finding.network(shell.site, name, shell.host)["id"]))

    return shell.each(options.names, one)


def add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--format", metavar="TEMPLATE", help="a template such as '{{.subnet}}'")
    _names(parser)


def inspect(shell: Shell, options: argparse.Namespace) -> None:
    found = [finding.network(shell.site, name, shell.host) for name in options.names]
    show_objects(shell, found, options.format)


def add_connect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ip", metavar="ADDRESS")
    parser.add_argument("--ip6", metavar="ADDRESS")
    parser.add_argument("--mac-address", metavar="ADDRESS")
    parser.add_argument("--alias", action="append", default=[], metavar="NAME", help="one more name on this network")
    _pair(parser)


def _pair(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK")
    parser.add_argument("container", metavar="CONTAINER")


def connect(shell: Shell, options: argparse.Namespace) -> None:
    if options.network == DEFAULT:
        if options.ip or options.ip6 or options.mac_address or options.alias:
            raise UsageError(f"addresses and names on {DEFAULT} are not chosen: leave them out, or make a network")
        found = finding.container(shell.site, options.container, shell.host)
        shell.wait(shell.site.networks.connect_default(container=found["id"]))
        return
    network = finding.network(shell.site, options.network, shell.host)
    body: dict[str, Any] = {
        "container": finding.container(shell.site, options.container, network["host"]["id"])["id"],
        "ip": options.ip,
        "ip6": options.ip6,
        "mac_address": options.mac_address,
        "aliases": options.alias,
    }
    wanted = {name: value for name, value in body.items() if value}
    shell.wait(shell.site.networks.connect(network["id"], **cast(Any, wanted)))


def add_disconnect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="as without: it is always done")
    _pair(parser)


def disconnect(shell: Shell, options: argparse.Namespace) -> None:
    if options.network == DEFAULT:
        found = finding.container(shell.site, options.container, shell.host)
        shell.wait(shell.site.networks.disconnect_default(container=found["id"]))
        return
    try:
        network = finding.network(shell.site, options.network, shell.host)
    except NotFound:
        container = finding.container(shell.site, options.container, shell.host)
        for gone in container["networks_gone"]:  # it was removed, and keeps the container from starting
            if gone["name"] == options.network or gone["network_id"].startswith(options.network):
                shell.wait(shell.site.containers.leave(container["id"], network=gone["network_id"]))
                return
        raise
    container = finding.container(shell.site, options.container, network["host"]["id"])
    shell.wait(shell.site.networks.disconnect(network["id"], container=container["id"]))


def add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="without asking")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would go")
    pruning.add_filter(parser)


def prune(shell: Shell, options: argparse.Namespace) -> None:
    body = {"host": shell.host, **pruning.wishes(options)}
    would = shell.site.networks.prune(**cast(Any, {**body, "dry_run": True}))["networks"]
    for network in would:
        shell.say(network["name"])
    if would and not options.dry_run and shell.confirmed(f"Remove {len(would)} networks?", forced=options.force):
        shell.wait(shell.site.networks.prune(**cast(Any, body)))


COMMANDS = (
    Command(("network", "ls"), "List networks", ls, add_ls),
    Command(("network", "create"), "Make a network", create, add_create),
    Command(("network", "rm"), "Remove networks", rm, _names),
    Command(("network", "inspect"), "Show all that is known of networks", inspect, add_inspect),
    Command(("network", "connect"), "Let a container join a network", connect, add_connect),
    Command(("network", "disconnect"), "Let a container leave a network", disconnect, add_disconnect),
    Command(("network", "prune"), "Remove networks that no container is on", prune, add_prune),
)
