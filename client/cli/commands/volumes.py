"""volume: directories that outlive containers."""

from __future__ import annotations

import argparse
from typing import Any, cast

from client.cli import finding, output
from client.cli.commands import pruning
from client.cli.commands.copying import read_all, write_all
from client.cli.commands.looking import add_format, show_objects
from client.cli.shell import Command, Shell
from client.resource import Json
from engine.options import typed

LS = {"Driver": "DRIVER", "Name": "VOLUME NAME", "Size": "SIZE", "Used": "USED BY", "Host": "HOST"}


def add_ls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="names alone")
    parser.add_argument("--unused", action="store_true", help="only those that no container has")
    add_format(parser)


def ls(shell: Shell, options: argparse.Namespace) -> None:
    rows = [row for row in shell.site.volumes.list(host=shell.host) if not options.unused or not row["used_by"]]
    shell.show(rows, LS, _cells, quiet="Name")


def _cells(row: Json) -> dict[str, object]:
    return {
        "Driver": row["driver"],
        "Name": row["name"],
        "Size": output.size(row["size_bytes"]),
        "Used": ", ".join(one["name"] for one in row["used_by"]) or "-",
        "Host": row["host"]["name"],
        "Labels": ",".join(f"{name}={value}" for name, value in row["labels"].items()),
    }


def pairs(texts: list[str]) -> dict[str, str]:
    """`NAME=VALUE` of an option that may be given several times."""
    return dict(text.partition("=")[::2] for text in texts)


def add_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-d", "--driver", default="local")
    parser.add_argument("-o", "--opt", action="append", default=[], metavar="NAME=VALUE", help="as size=10g, type=nfs")
    parser.add_argument("-l", "--label", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("name", metavar="VOLUME")


def create(shell: Shell, options: argparse.Namespace) -> None:
    body = {
        "name": options.name,
        "driver": options.driver,
        "driver_opts": pairs(options.opt),
        "labels": pairs(options.label),
        "host": shell.host,
    }
    shell.wait(shell.site.volumes.create(**cast(Any, body)))
    shell.say(options.name)


def add_rm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="those that are not there are no error")
    parser.add_argument("names", nargs="+", metavar="VOLUME")


def rm(shell: Shell, options: argparse.Namespace) -> int:
    def one(name: str) -> None:
        if options.force and not list(shell.site.volumes.list(name=name, host=shell.host)):
            return
        shell.wait(shell.site.volumes.remove(finding.volume(shell.site, name, shell.host)["id"]))

    return shell.each(options.names, one)


def add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--format", metavar="TEMPLATE", help="a template such as '{{.size_bytes}}'")
    parser.add_argument("names", nargs="+", metavar="VOLUME")


def inspect(shell: Shell, options: argparse.Namespace) -> None:
    found = [finding.volume(shell.site, name, shell.host) for name in options.names]
    show_objects(shell, found, options.format)


def add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="those with a name, too")
    parser.add_argument("-f", "--force", action="store_true", help="without asking")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would go")
    pruning.add_filter(parser, until=False)


def prune(shell: Shell, options: argparse.Namespace) -> None:
    body = {"all": options.all, "host": shell.host, **pruning.wishes(options)}
    would = shell.site.volumes.prune(**cast(Any, {**body, "dry_run": True}))["volumes"]
    for volume in would:
        shell.say(volume["name"])
    if would and not options.dry_run and shell.confirmed(f"Remove {len(would)} volumes?", forced=options.force):
        shell.wait(shell.site.volumes.prune(**cast(Any, body)))


def add_clone(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pause", action="store_true", help="let who uses it stand still meanwhile")
    parser.add_argument("name", metavar="VOLUME")
    parser.add_argument("new", metavar="NEW-NAME")


def clone(shell: Shell, options: argparse.Namespace) -> None:
    found = finding.volume(shell.site, options.name, shell.host)
    shell.wait(shell.site.volumes.clone(found["id"], name=options.new, pause=options.pause))
    shell.say(options.new)


def add_rename(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="VOLUME")
    parser.add_argument("new", metavar="NEW-NAME")


def rename(shell: Shell, options: argparse.Namespace) -> None:
    found = finding.volume(shell.site, options.name, shell.host)
    shell.wait(shell.site.volumes.rename(found["id"], name=options.new))


def add_limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="VOLUME")
    parser.add_argument("size", metavar="SIZE", help="as 10g; none for no limit")


def limit(shell: Shell, options: argparse.Namespace) -> None:
    found = finding.volume(shell.site, options.name, shell.host)
    wanted = None if options.size == "none" else typed.size(options.size)
    shell.wait(shell.site.volumes.limit(found["id"], **cast(Any, {"limit_bytes": wanted})))


def add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="instead of standard output")
    parser.add_argument("name", metavar="VOLUME")


def export(shell: Shell, options: argparse.Namespace) -> None:
    with shell.site.volumes.tar(finding.volume(shell.site, options.name, shell.host)["id"]) as answer:
        write_all(answer, options.output)


def add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-i", "--input", metavar="FILE", help="instead of standard input")
    parser.add_argument("--stop", action="store_true", help="stop who uses it meanwhile")
    parser.add_argument("name", metavar="VOLUME")


def import_(shell: Shell, options: argparse.Namespace) -> None:
    found = finding.volume(shell.site, options.name, shell.host)
    shell.site.volumes.tar_restore(found["id"], read_all(options.input), stop=options.stop or None)


COMMANDS = (
    Command(("volume", "ls"), "List volumes", ls, add_ls),
    Command(("volume", "create"), "Make a volume", create, add_create),
    Command(("volume", "rm"), "Remove volumes", rm, add_rm),
    Command(("volume", "inspect"), "Show all that is known of volumes", inspect, add_inspect),
    Command(("volume", "prune"), "Remove volumes that no container has", prune, add_prune),
    Command(("volume", "clone"), "Copy a volume", clone, add_clone),
    Command(("volume", "rename"), "Give a volume another name", rename, add_rename),
    Command(("volume", "limit"), "Limit what a volume may hold", limit, add_limit),
    Command(("volume", "export"), "Write a volume's files as a tar", export, add_export),
    Command(("volume", "import"), "Put the files of a tar in place of a volume's", import_, add_import),
)
