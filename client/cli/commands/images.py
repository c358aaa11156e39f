"""images, pull, push, rmi, tag, history, save, load, import: images of a host, also as `portside images VERB`."""

from __future__ import annotations

import argparse
from typing import Any, cast

from client.cli import finding, output
from client.cli.commands import pruning
from client.cli.commands.copying import read_all, write_all
from client.cli.commands.looking import add_format, show_objects
from client.cli.shell import Command, Shell, UsageError
from client.resource import Json

LS = {"Repository": "REPOSITORY", "Tag": "TAG", "ID": "IMAGE ID", "Created": "CREATED", "Size": "SIZE", "Host": "HOST"}


def add_ls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="ids alone")
    parser.add_argument("--no-trunc", action="store_true", help="whole ids")
    parser.add_argument("--dangling", action="store_true", help="only those without a name")
    add_format(parser)
    parser.add_argument("search", nargs="?", metavar="NAME", help="only those whose name has this in it")


def ls(shell: Shell, options: argparse.Namespace) -> None:
    rows = shell.site.images.list(host=shell.host, search=options.search)
    found = [row for row in rows if not options.dangling or not row["tags"]]
    if shell.wants_json:
        shell.dump(found)
        return
    tagged = [{**row, "tag": tag} for row in found for tag in (row["tags"] or [None])]
    if options.quiet:
        tagged = list({(row["image_id"], row["host"]["id"]): row for row in tagged}.values())
    shell.show(tagged, LS, lambda row: _cells(row, whole=options.no_trunc), quiet="ID")


def _cells(row: Json, *, whole: bool) -> dict[str, object]:
    name, _, tag = (row["tag"] or "<none>:<none>").rpartition(":")
    return {
        "Repository": name,
        "Tag": tag,
        "ID": row["image_id"] if whole else row["short_id"],
        "Created": output.ago(row["built_at"]),
        "CreatedAt": row["built_at"] or "",
        "Size": output.size(row["size_bytes"]),
        "Host": row["host"]["name"],
        "Platform": f"{row['os']}/{row['architecture']}",
        "Newer": "yes" if row["tag"] in row["newer"] else "",
    }


def add_pull(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="tell nothing of how far it is")
    parser.add_argument("names", nargs="+", metavar="IMAGE")


def pull(shell: Shell, options: argparse.Namespace) -> int:
    def one(name: str) -> str:
        job = shell.wait(shell.site.images.pull(reference=name, host=shell.host), quiet=options.quiet)
        return str(job["result"].get("image_id") or name)

    return shell.each(options.names, one)


def add_push(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="tell nothing of how far it is")
    parser.add_argument("--all-platforms", action="store_true", help="all that the tag's index names")
    parser.add_argument("name", metavar="IMAGE")


def push(shell: Shell, options: argparse.Namespace) -> None:
    found = finding.image(shell.site, options.name, shell.host)
    body: dict[str, Any] = {"all_platforms": True} if options.all_platforms else {}
    if finding.tagged(options.name) & set(found["tags"]):
        body["reference"] = options.name
    job = shell.wait(shell.site.images.push(found["id"], **cast(Any, body)), quiet=options.quiet)
    shell.say(job["result"].get("digest") or options.name)


def add_rmi(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="those that are used, too")
    parser.add_argument("names", nargs="+", metavar="IMAGE")


def rmi(shell: Shell, options: argparse.Namespace) -> int:
    """A name takes that name away, and the image with its last one; an id takes the image."""

    def one(name: str) -> None:
        found = finding.image(shell.site, name, shell.host)
        if len(found["tags"]) > 1 and finding.tagged(name) & set(found["tags"]):
            shell.wait(shell.site.images.untag(found["id"], reference=name, force=options.force))
        else:
            shell.wait(shell.site.images.remove(found["id"], force=options.force))

    return shell.each(options.names, one)


def add_tag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="IMAGE")
    parser.add_argument("new", metavar="NEW-NAME")


def tag(shell: Shell, options: argparse.Namespace) -> None:
    found = finding.image(shell.site, options.name, shell.host)
    shell.wait(shell.site.images.tag(found["id"], reference=options.new))


def add_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-trunc", action="store_true", help="whole commands")
    add_format(parser)
    parser.add_argument("name", metavar="IMAGE")


def history(shell: Shell, options: argparse.Namespace) -> None:
    found = shell.site.images.history(finding.image(shell.site, options.name, shell.host)["id"])
    names = {"ID": "IMAGE", "Created": "CREATED", "CreatedBy": "CREATED BY", "Size": "SIZE", "Comment": "COMMENT"}
    shell.show(
        found["layers"],
        names,
        lambda row: {
            "ID": row["id"] if options.no_trunc else str(row["id"]).removeprefix("sha256:")[:12],
            "Created": output.ago(row["created_at"]),
            "CreatedBy": row["created_by"] if options.no_trunc else output.cut(output.plain(row["created_by"]), 45),
            "Size": output.size(row["size_bytes"]),
            "Comment": row["comment"],
        },
    )


def add_save(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="instead of standard output")
    parser.add_argument("--format", choices=("docker", "oci"), default=None, help="docker if left out")
    parser.add_argument("names", nargs="+", metavar="IMAGE")


def save(shell: Shell, options: argparse.Namespace) -> None:
    found = [finding.image(shell.site, name, shell.host)["id"] for name in options.names]
    with shell.site.images.save(image=found, format=options.format) as answer:
        write_all(answer, options.output)


def add_load(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-i", "--input", metavar="FILE", help="instead of standard input")
    parser.add_argument("-q", "--quiet", action="store_true", help="ids alone")


def load(shell: Shell, options: argparse.Namespace) -> None:
    taken = shell.site.images.load(read_all(options.input), host=shell.host)
    for image in taken["images"]:
        names = ", ".join(image["tags"]) or image["id"]
        shell.say(image["id"] if options.quiet else f"Loaded image: {names}")


def add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--change", action="append", default=[], metavar="INSTRUCTION", help='as CMD ["sh"]')
    parser.add_argument("-m", "--message", metavar="TEXT")
    parser.add_argument("--platform", metavar="linux/amd64")
    parser.add_argument("file", metavar="FILE", help="a tar of files, - for standard input")
    parser.add_argument("reference", nargs="?", metavar="IMAGE", help="what the image shall be called")


def import_(shell: Shell, options: argparse.Namespace) -> None:
    taken = shell.site.images.import_(
        read_all(None if options.file == "-" else options.file),
        host=shell.host,
        reference=options.reference,
        message=options.message,
        platform=options.platform,
        change=cast(Any, options.change or None),
    )
    for image in taken["images"]:
        shell.say(image["id"])


def add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="those with a name that no container uses, too")
    parser.add_argument("-f", "--force", action="store_true", help="without asking")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would go")
    pruning.add_filter(parser)


def prune(shell: Shell, options: argparse.Namespace) -> None:
    body = {"all": options.all, "host": shell.host, **pruning.wishes(options)}
    would = shell.site.images.prune(**cast(Any, {**body, "dry_run": True}))
    size = output.size(would["reclaimed_bytes"])
    if options.dry_run or not would["images"]:
        for image in would["images"]:
            shell.say(f"{image['id']} {' '.join(image['tags'])} {output.size(image['unique_bytes'])}")
        shell.say(f"{len(would['images'])} images, {size}")
        return
    if shell.confirmed(f"Remove {len(would['images'])} images, {size}?", forced=options.force):
        shell.wait(shell.site.images.prune(**cast(Any, body)))
        shell.say(f"Removed {len(would['images'])} images, {size}")


def add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--format", metavar="TEMPLATE", help="a template such as '{{.size_bytes}}'")
    parser.add_argument("names", nargs="+", metavar="IMAGE")


def inspect(shell: Shell, options: argparse.Namespace) -> None:
    found = [shell.site.images.read(finding.image(shell.site, name, shell.host)["id"]) for name in options.names]
    show_objects(shell, found, options.format)


def overview(shell: Shell, options: argparse.Namespace) -> None:
    """`portside images` alone, as docker's."""
    if options.search in _VERBS:
        raise UsageError(f"`portside images {options.search}` has its own options: see its --help")
    ls(shell, options)


_VERBS: dict[str, Command] = {
    command.words[0]: command
    for command in (
        Command(("pull",), "Bring images to a host", pull, add_pull),
        Command(("push",), "Send an image to its registry", push, add_push),
        Command(("rmi",), "Take names from images, and remove images", rmi, add_rmi),
        Command(("tag",), "Give an image one more name", tag, add_tag),
        Command(("history",), "Show how an image was made", history, add_history),
        Command(("save",), "Write images as a tar", save, add_save),
        Command(("load",), "Take images from a tar", load, add_load),
        Command(("import",), "Make an image of a tar of files", import_, add_import),
    )
}
COMMANDS = (
    Command(("images", "ls"), "List images", ls, add_ls),
    *(Command(("images", name), one.help, one.run, one.add) for name, one in _VERBS.items()),
    Command(("images", "inspect"), "Show all that is known of images", inspect, add_inspect),
    Command(("images", "prune"), "Remove images that nobody needs", prune, add_prune),
    Command(("images",), "List images", overview, add_ls),
    *_VERBS.values(),
)
