"""`python -m engine network …`: networks of a name by hand, in the words of `docker network`."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Callable
from typing import Any

from engine.errors import InvalidArgument
from engine.facade import Engine
from engine.options.networks import DRIVERS, Joining, NetworkSpec, labelled


def add(command: argparse.ArgumentParser) -> None:
    """Give the command its verbs."""
    verbs = command.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, do: Callable[[Engine, argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text)
        made.set_defaults(do=do)
        return made

    making = verb("create", _create, "make a network")
    making.add_argument("-d", "--driver", default=DRIVERS[0], choices=DRIVERS)
    making.add_argument("-o", "--opt", action="append", default=[], metavar="parent=DEVICE|mode=MODE")
    making.add_argument("--ipv6", action="store_true", help="also without a subnet for it, which is made then")
    for name in ("--subnet", "--gateway", "--ip-range"):
        making.add_argument(name, action="append", default=[], help="of IPv4, of IPv6, or once of each")
    making.add_argument("--mtu", type=int, metavar="BYTES")
    making.add_argument("--internal", action="store_true", help="no way out or in")
    making.add_argument("--no-icc", action="store_true", help="containers reach one another by published ports alone")
    making.add_argument("--label", action="append", default=[], metavar="NAME=VALUE")
    making.add_argument("name")
    verb("ls", _list, "list networks")
    verb("inspect", _inspect, "show a network and who is on it").add_argument("name")
    verb("rm", _remove, "remove networks").add_argument("names", nargs="+")
    verb("prune", _prune, "remove networks that no container uses")
    connecting = verb("connect", _connect, "let a container join a network")
    connecting.add_argument("--ip")
    connecting.add_argument("--ip6")
    connecting.add_argument("--mac-address")
    connecting.add_argument("--alias", action="append", default=[])
    leaving = verb("disconnect", _disconnect, "let a container leave a network")
    for one in (connecting, leaving):
        one.add_argument("name")
        one.add_argument("container")


def _create(engine: Engine, options: argparse.Namespace) -> None:
    parts: dict[str, Any] = _options(options.opt)
    for field, texts in (("subnet", options.subnet), ("gateway", options.gateway), ("ip_range", options.ip_range)):
        parts |= _by_family(field, texts)
    spec = NetworkSpec(
        id=secrets.token_hex(32),
        name=options.name,
        driver=options.driver,
        ipv6=options.ipv6,
        mtu=options.mtu,
        internal=options.internal,
        icc=not options.no_icc,
        labels=labelled(options.label),
        **parts,
    )
    _say(engine.networks.create(spec).id)


def _options(texts: list[str]) -> dict[str, str]:
    """`parent` and `mode`, also in Docker's words for the latter. Raises InvalidArgument."""
    found = {}
    for text in texts:
        key, _, value = text.partition("=")
        key = {"macvlan_mode": "mode", "ipvlan_mode": "mode"}.get(key, key)
        if key not in ("parent", "mode"):
            raise InvalidArgument(f"{text[:60]!r} is no option of a network: give parent=DEVICE or mode=MODE")
        found[key] = value
    return found


def _by_family(field: str, texts: list[str]) -> dict[str, str]:
    """`field` for IPv4, `field`6 for IPv6. Raises InvalidArgument for two of the same."""
    found: dict[str, str] = {}
    for text in texts:
        name = f"{field}6" if ":" in text else field
        if name in found:
            raise InvalidArgument(f"{field}: give one of IPv4 and one of IPv6 at most; {text[:60]} is one more")
        found[name] = text
    return found


def _list(engine: Engine, _: argparse.Namespace) -> None:
    for lan in engine.networks.all():
        words = [lan.id[:12], lan.name, lan.spec.driver, lan.subnet, lan.subnet6]
        _say("  ".join(str(word) for word in [*words, "internal" if lan.spec.internal else None] if word))


def _inspect(engine: Engine, options: argparse.Namespace) -> None:
    _say(json.dumps(engine.networks.inspect(options.name), indent=2))


def _remove(engine: Engine, options: argparse.Namespace) -> None:
    for name in options.names:
        _say(engine.networks.remove(name).name)


def _prune(engine: Engine, _: argparse.Namespace) -> None:
    for lan in engine.networks.prune():
        _say(lan.name)


def _connect(engine: Engine, options: argparse.Namespace) -> None:
    aliases = tuple(options.alias)
    joining = Joining(network=options.name, ip=options.ip, ip6=options.ip6, mac=options.mac_address, aliases=aliases)
    engine.networks.connect(options.name, options.container, joining)


def _disconnect(engine: Engine, options: argparse.Namespace) -> None:
    engine.networks.disconnect(options.name, options.container)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
