"""`python -m engine volume`: in the words of `docker volume`, and what that has not: limits, copies, snapshots."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence

from engine.facade import Engine
from engine.options.volume_options import size
from engine.volumes.backups.place import DIRECTORY, PlaceSpec
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
    limiting = verb("limit", _limit, "let a volume hold so much from now on")
    limiting.add_argument("name")
    limiting.add_argument("size", help="such as 10g; none for as much as there is")
    verb("measure", _measure, "look how much is in a volume").add_argument("name")
    renaming = verb("rename", _rename, "call a volume that no container has otherwise")
    cloning = verb("clone", _clone, "make a volume with the files of another")
    for copying in (renaming, cloning):
        copying.add_argument("name")
        copying.add_argument("new_name")
    keeping = verb("snapshot", _snapshot, "keep a volume's files as they are now")
    reverting = verb("revert", _revert, "have a volume's files as they were in a snapshot")
    forgetting = verb("snapshot-rm", _forget, "remove a snapshot")
    for kept in (keeping, reverting, forgetting):
        kept.add_argument("name")
        kept.add_argument("snapshot")
    for pausing in (cloning, keeping):
        pausing.add_argument("--pause", action="store_true", help="who uses it stands still meanwhile")
    reverting.add_argument("--stop", action="store_true", help="stop who uses it, and start it afterwards")
    writing = verb("backup", _backup, "write a volume's files to a file in a directory, packed by zstd")
    restoring = verb("restore", _restore, "have in a volume what such a file holds, and nothing else")
    for moved in (writing, restoring):
        moved.add_argument("name")
        moved.add_argument("file")
    writing.add_argument("--pause", action="store_true", help="who uses it stands still while its files are set apart")
    restoring.add_argument("--stop", action="store_true", help="stop who uses it, and start it afterwards")
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


def _limit(engine: Engine, options: argparse.Namespace) -> None:
    volume = engine.volumes.limit(options.name, None if options.size == "none" else size(options.size))
    _say(
        {"kernel": "the kernel refuses what is beyond it", "counted": "it is looked at now and then"}.get(
            volume.quota, "it has no limit"
        )
    )


def _measure(engine: Engine, options: argparse.Namespace) -> None:
    volume = engine.volumes.measure(options.name)
    _say(f"{volume.size_bytes} bytes, {volume.files} files")


def _rename(engine: Engine, options: argparse.Namespace) -> None:
    _say(engine.volumes.copies.rename(options.name, options.new_name).name)


def _clone(engine: Engine, options: argparse.Namespace) -> None:
    _say(engine.volumes.copies.clone(options.name, options.new_name, pause=options.pause).name)


def _snapshot(engine: Engine, options: argparse.Namespace) -> None:
    engine.volumes.copies.snapshot(options.name, options.snapshot, pause=options.pause)
    _say(options.snapshot)


def _revert(engine: Engine, options: argparse.Namespace) -> None:
    engine.volumes.copies.revert(options.name, options.snapshot, stop=options.stop)
    _say(options.name)


def _forget(engine: Engine, options: argparse.Namespace) -> None:
    engine.volumes.copies.remove_snapshot(options.name, options.snapshot)
    _say(options.snapshot)


def _backup(engine: Engine, options: argparse.Namespace) -> None:
    written = engine.volumes.backups.write(options.name, *_file(options.file), pause=options.pause)
    _say(f"{written.size_bytes} bytes  {written.digest}")


def _restore(engine: Engine, options: argparse.Namespace) -> None:
    _say(engine.volumes.backups.restore(options.name, *_file(options.file), stop=options.stop).name)


def _file(path: str) -> tuple[PlaceSpec, str]:
    directory, base = os.path.split(os.path.abspath(path))
    return PlaceSpec(kind=DIRECTORY, directory=directory), base


def _prune(engine: Engine, options: argparse.Namespace) -> None:
    report = engine.volumes.prune(PruneRules(all=options.all, labels=tuple(options.label)))
    for name in report.removed:
        _say(name)
    _say(f"{report.reclaimed_bytes / 1e6:.1f} MB given back")


def _pairs(entries: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
