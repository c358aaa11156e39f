"""`python -m engine volume`: create, ls, inspect, rm and prune, in the words of `docker volume`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence

from engine.facade import Engine
from engine.volumes.service import PruneRules
from engine.volumes.volume import VolumeSpec


def add(command: argparse.ArgumentParser) -> None:
    """Give `command` its verbs."""
    verbs = command.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, do: Callable[[Engine, argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        found = verbs.add_parser(name, help=text, description=text)
        found.set_defaults(do=do)
        return found

    making = verb("create", _create, "make a volume")
    making.add_argument("-d", "--driver", default="local")
    making.add_argument("-o", "--opt", action="append", default=[], metavar="NAME=VALUE", help="type, device and o")
    making.add_argument("--label", action="append", default=[], metavar="NAME[=VALUE]")
    making.add_argument("name", nargs="?", default="")
    verb("ls", _list, "list volumes")
    verb("inspect", _inspect, "show volumes as JSON").add_argument("names", nargs="+")
    removing = verb("rm", _remove, "remove volumes that no container has")
    removing.add_argument("-f", "--force", action="store_true", help="it is no error if one isn't there")
    removing.add_argument("names", nargs="+")
    pruning = verb("prune", _prune, "remove the volumes without a name that no container has")
    pruning.add_argument("-a", "--all", action="store_true", help="those with a name too")
    pruning.add_argument("--label", action="append", default=[], metavar="NAME[=VALUE]", help="only those that have it")


def _create(engine: Engine, options: argparse.Namespace) -> None:
    made = VolumeSpec(
        name=options.name, driver=options.driver, driver_opts=_pairs(options.opt), labels=_pairs(options.label)
    )
    _say(engine.volumes.create(made).name)


def _list(engine: Engine, _: argparse.Namespace) -> None:
    for volume in engine.volumes.list():
        _say(f"{volume.driver}  {volume.name}")


def _inspect(engine: Engine, options: argparse.Namespace) -> None:
    found = [engine.volumes.get(name) for name in options.names]
    _say(json.dumps([{**volume.as_state(), "used_by": list(volume.used_by)} for volume in found], indent=2))


def _remove(engine: Engine, options: argparse.Namespace) -> None:
    for name in options.names:
        engine.volumes.remove(name, force=options.force)
        _say(name)


def _prune(engine: Engine, options: argparse.Namespace) -> None:
    report = engine.volumes.prune(PruneRules(all=options.all, labels=tuple(options.label)))
    for name in report.removed:
        _say(name)
    _say(f"{report.reclaimed_bytes / 1e6:.1f} MB given back")


def _pairs(entries: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
