"""build and builds: images out of Dockerfiles, watched as they come to be."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any, cast

from client.cli import finding, output
from client.cli.building import Live, Plain
from client.cli.commands.copying import read_all
from client.cli.commands.looking import add_format
from client.cli.shell import Command, Shell, UsageError
from client.errors import InvalidArgument
from client.resource import Json
from engine.options import typed

RIGHTS = ("network.host", "security.insecure", "device")
_SECRET = re.compile(r"[A-Za-z0-9_.-]+")
LS = {
    "ID": "BUILD ID",
    "Name": "NAME",
    "Status": "STATUS",
    "Steps": "STEPS",
    "Created": "CREATED",
    "Duration": "TOOK",
    "Host": "HOST",
}


def add_build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="NAME", help="the image's name, or names")
    parser.add_argument("-f", "--file", metavar="PATH", help="the Dockerfile (DIR/Dockerfile); - for standard input")
    parser.add_argument("--target", default="", metavar="STAGE", help="the stage to build")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME[=VALUE]")
    parser.add_argument("--label", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--secret", action="append", default=[], metavar="id=ID[,src=PATH|,env=NAME]")
    parser.add_argument(
        "--ssh", action="append", default=[], metavar="ID=PATH[,PATH]",
        help="private keys that RUN --mount=type=ssh signs with; they stay outside of the step",
    )  # fmt: skip
    parser.add_argument("--ssh-key", action="append", default=[], metavar="[ID=]NAME", help="one that the team stored")
    parser.add_argument("--allow", action="append", default=[], metavar="RIGHT", help=f"{', '.join(RIGHTS)}")
    parser.add_argument("--platform", metavar="linux/amd64[,…]", help="one, or several for an index of images")
    parser.add_argument("--push", action="store_true", help="send it to its registry when it is made")
    parser.add_argument("--cache-from", action="append", default=[], metavar="IMAGE", help="take steps from there, too")
    parser.add_argument("--cache-to", default="", metavar="IMAGE", help="put steps there, for other hosts")
    parser.add_argument("--sbom", default="", choices=("spdx", "cyclonedx"))
    parser.add_argument("--provenance", default="", choices=("min", "max"))
    parser.add_argument("--no-cache", action="store_true", help="take no step from the cache")
    parser.add_argument("--pull", action="store_true", help="look for newer base images")
    parser.add_argument("--network", choices=("default", "none", "host"), default="default")
    parser.add_argument("--add-host", action="append", default=[], metavar="NAME:ADDRESS")
    parser.add_argument("-m", "--memory", metavar="BYTES", help="what each step may use")
    parser.add_argument("--cpus", type=float, metavar="COUNT", help="what each step may use")
    parser.add_argument("--progress", choices=("auto", "plain", "tty", "quiet"), default="auto")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the image's id")
    parser.add_argument("-d", "--detach", action="store_true", help="print the build's id and return")
    parser.add_argument("--iidfile", metavar="PATH", help="write the image's id there")
    parser.add_argument("directory", metavar="DIR", help="the folder to build from, - for a tar on standard input")


def build(shell: Shell, options: argparse.Namespace) -> None:
    wish = _wish(options)
    if options.directory != "-" and wish.get("dockerfile_text") is None:
        path = Path(options.directory) / wish.get("dockerfile", "Dockerfile")
        if Path(options.directory).is_dir() and not path.is_file():
            raise InvalidArgument(f"there is no {path}: name the Dockerfile by -f")
    context = _context(shell, options, wish)
    wish |= {"host": context["host"]["id"], "context": context["id"]}
    started = shell.site.builds.create(**cast(Any, wish))
    if options.detach:
        shell.say(started["build"]["id"])
        return
    _follow(shell, started, options)


def _context(shell: Shell, options: argparse.Namespace, wish: dict[str, Any]) -> Json:
    if options.directory == "-":
        return shell.site.builds.send_context(read_all(), host=shell.host, name="standard input")
    return shell.site.send_context(options.directory, host=shell.host, dockerfile=wish.get("dockerfile", "Dockerfile"))


def _follow(shell: Shell, started: Json, options: argparse.Namespace) -> None:
    """Show it to its end. Ctrl-C cancels it."""
    is_quiet = options.quiet or options.progress == "quiet"
    is_live = options.progress == "tty" or (options.progress == "auto" and sys.stderr.isatty())
    shown = None if is_quiet else Live(sys.stderr) if is_live else Plain(sys.stderr)
    try:
        for line in shell.site.follow_build(started["build"]["id"]) if shown else ():
            if shown is not None:
                shown.take(line)
        job = shell.site.wait(started)
    except KeyboardInterrupt:
        shell.note("the build is being cancelled")
        shell.site.jobs.cancel(started["job"]["id"])
        raise
    finally:
        if shown is not None:
            shown.close()
    result = job["result"]
    if not is_quiet:
        for warning in result.get("warnings", ()):
            where = f"line {warning['line']}: " if warning["line"] else ""
            shell.note(f"warning: {where}{warning['rule']}: {warning['message']}")
    if options.iidfile:
        Path(options.iidfile).write_text(str(result.get("image_id")), encoding="ascii")
    shell.say(result.get("image_id", ""))


def _wish(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of a build's request, without what was not said."""
    wish: dict[str, Any] = {
        "tags": options.tag,
        "target": options.target,
        "build_args": _pairs(options.build_arg, dict(os.environ)),
        "labels": _pairs(options.label, {}),
        "secrets": dict(_secret(text) for text in options.secret),
        "ssh": dict(_ssh(text) for text in options.ssh),
        "ssh_keys": dict(_ssh_key(text) for text in options.ssh_key),
        "entitlements": options.allow,
        **_platforms(options.platform),
        "push": options.push,
        "cache_from": options.cache_from,
        "cache_to": options.cache_to,
        "sbom": options.sbom,
        "provenance": options.provenance,
        "no_cache": options.no_cache,
        "pull": options.pull,
        "network": options.network,
        "extra_hosts": options.add_host,
        "memory_bytes": None if options.memory is None else typed.size(options.memory),
        "cpus": options.cpus,
        **_dockerfile(options),
    }
    return {name: value for name, value in wish.items() if value not in (None, "", [], {}, False)}


def _platforms(text: str | None) -> dict[str, Any]:
    names = text.split(",") if text else []
    return {"platforms": names} if len(names) > 1 else {"platform": text}


def _dockerfile(options: argparse.Namespace) -> dict[str, str]:
    """Its path in the folder, or its text where it lies outside."""
    if options.file is None:
        return {}
    if options.file == "-":
        if options.directory == "-":
            raise UsageError("standard input can't be the Dockerfile and the folder at once")
        return {"dockerfile_text": sys.stdin.read()}
    if options.directory == "-":
        return {"dockerfile": options.file}
    inside = os.path.relpath(os.path.realpath(options.file), os.path.realpath(options.directory))
    if not inside.startswith("../"):
        return {"dockerfile": inside}
    try:
        return {"dockerfile_text": Path(options.file).read_text(encoding="utf-8")}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{options.file} can't be read: {error}") from None


def _pairs(texts: list[str], environment: dict[str, str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if sign:
            found[name] = value
        elif name in environment:
            found[name] = environment[name]
    return found


def _secret(text: str) -> tuple[str, str]:
    """As docker's: id=NAME with src=PATH or env=NAME; the environment's variable of that name without both."""
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    name = fields.get("id", "")
    if not _SECRET.fullmatch(name):
        raise UsageError("--secret needs an id: write id=NAME,src=PATH or id=NAME,env=NAME")
    source = fields.get("src") or fields.get("source")
    if source is None:
        variable = fields.get("env") or name
        if variable not in os.environ:
            raise UsageError(f"--secret id={name}: there is no variable {variable} here: write src=PATH or env=NAME")
        return name, os.environ[variable]
    try:
        return name, Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"--secret: {source} can't be read as text: {error}") from None


def _ssh(text: str) -> tuple[str, str]:
    """As docker's, but for files alone: the build's host can't ask an agent that runs here."""
    name, _, paths = text.partition("=")
    if not _SECRET.fullmatch(name) or not paths:
        raise UsageError(f"--ssh names a file with the private key: write --ssh {name or 'default'}=PATH")
    try:
        return name, "\n".join(Path(path).read_text(encoding="ascii") for path in paths.split(","))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"--ssh: {paths} can't be read as text: {error}") from None


def _ssh_key(text: str) -> tuple[str, str]:
    name, sign, key = text.partition("=")
    return (name, key) if sign else ("default", name)


def add_ls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="ids alone")
    add_format(parser)


def ls(shell: Shell, options: argparse.Namespace) -> None:
    rows = shell.site.builds.list(host=shell.host)
    shell.show(
        rows,
        LS,
        lambda row: {
            "ID": row["id"][:12],
            "Name": row["name"] or "-",
            "Status": row["status"],
            "Steps": f"{row['steps_cached']}/{row['steps']} cached" if row["steps"] else "-",
            "Created": output.ago(row["created_at"]),
            "Duration": "-" if row["duration_seconds"] is None else f"{row['duration_seconds']:.1f}s",
            "Host": row["host"]["name"],
        },
        quiet="ID",
    )


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="BUILD", help="its id, or a beginning of it")


def _found(shell: Shell, name: str) -> Json:
    return finding.named(shell.site.builds.list(host=shell.host), "build", name, "`portside builds ls` lists them")


def logs(shell: Shell, options: argparse.Namespace) -> None:
    """What it has said, and says until its end."""
    shown = Plain(sys.stdout)
    for line in shell.site.follow_build(_found(shell, options.name)["id"]):
        shown.take(line)


def rm(shell: Shell, options: argparse.Namespace) -> None:
    shell.site.builds.forget(_found(shell, options.name)["id"])


def add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="without asking")
    parser.add_argument("--keep-storage", metavar="BYTES", help="stop at this size")
    parser.add_argument("--unused-for", metavar="TIME", help="only what no build has used for so long, as 24h")


def prune(shell: Shell, options: argparse.Namespace) -> None:
    body: dict[str, Any] = {"host": shell.host}
    if options.keep_storage is not None:
        body["keep_bytes"] = typed.size(options.keep_storage)
    if options.unused_for is not None:
        body["unused_seconds"] = typed.seconds(options.unused_for)
    if shell.confirmed("Remove what the cache of builds holds?", forced=options.force):
        job = shell.wait(shell.site.builds.prune_cache(**cast(Any, body)))
        shell.say(f"Removed {output.size(job['result'].get('reclaimed_bytes', 0))}")


COMMANDS = (
    Command(("build",), "Build an image of a folder with a Dockerfile", build, add_build),
    Command(("builds", "ls"), "List builds", ls, add_ls),
    Command(("builds", "logs"), "Show what a build says", logs, _one),
    Command(("builds", "rm"), "Forget a build; its image stays", rm, _one),
    Command(("builds", "prune"), "Empty the cache of builds", prune, add_prune),
)
