"""ps, inspect, top, stats, diff, port: what there is, and what it does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from client.cli import finding, output
from client.cli.shell import Command, Shell, UsageError
from client.cli.templates import Template
from client.errors import NotFound
from client.resource import Json
from client.site import Portside

PS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Host": "HOST",
    "Names": "NAMES",
}
STATES = {"exited": "stopped"}
"""docker's word → ours."""


def add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", metavar="FORMAT", help="table, json, or a template such as '{{.ID}} {{.Names}}'")


def add_ps(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="those that don't run, too")
    parser.add_argument("-q", "--quiet", action="store_true", help="ids alone")
    parser.add_argument("-n", "--last", type=int, metavar="COUNT", help="the last ones that were made, running or not")
    parser.add_argument("-l", "--latest", action="store_true", help="the last one")
    parser.add_argument("--no-trunc", action="store_true", help="whole ids and commands")
    parser.add_argument(
        "-f",
        "--filter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="name, id, status, image, ancestor, label, network, volume, health, exited, host",
    )
    add_format(parser)


def ps(shell: Shell, options: argparse.Namespace) -> None:
    wishes: dict[str, list[str]] = {}
    for name, value in map(_filter, options.filter):
        wishes.setdefault(name, []).append(value)
    asked = {name: values[0] for name, values in wishes.items() if len(values) == 1}  # the site takes one of each
    status = asked.get("status")
    rows: Iterable[Json] = shell.site.containers.list(
        host=shell.host or asked.get("host"),
        status=cast(Any, STATES.get(status, status) if status else None),
        search=asked.get("name") or asked.get("id"),
    )
    count = 1 if options.latest else options.last
    shows_all = options.all or count is not None or "status" in wishes or "exited" in wishes
    rows = [row for row in rows if shows_all or row["status"] in ("running", "paused", "restarting")]
    rows = [row for row in rows if all(_fits(row, name, values) for name, values in wishes.items())]
    rows = rows[: count if count is not None else len(rows)]
    shell.show(rows, PS, lambda row: cells(row, whole=options.no_trunc), quiet="ID")


def cells(row: Json, *, whole: bool = False) -> dict[str, object]:
    """A container by docker's names."""
    command = " ".join([*(row["entrypoint"] or ()), *row["command"]])
    return {
        "ID": row["id"] if whole else row["short_id"],
        "Image": row["image"],
        "Command": f'"{command if whole else output.cut(command, 22)}"',
        "CreatedAt": row["created_at"],
        "RunningFor": output.ago(row["created_at"]),
        "Status": status_of(row),
        "State": {ours: theirs for theirs, ours in STATES.items()}.get(row["status"], row["status"]),
        "Ports": ", ".join(port_text(port) for port in row["ports"]),
        "Labels": ",".join(f"{name}={value}" for name, value in row["labels"].items()),
        "Networks": ",".join([row["network"], *(text.partition(":")[0] for text in row["networks"])]),
        "Mounts": ",".join(mount.get("name") or mount["source"] for mount in row["mounted"]),
        "Host": row["host"]["name"],
        "Team": row["team"]["name"],
        "Names": row["name"],
    }


def status_of(row: Json) -> str:
    """As docker's: Up 3 minutes (healthy)."""
    health = output.of(row, "health", "status")
    if row["status"] in ("running", "paused"):
        said = f" ({health})" if health and health != "none" else ""
        return f"Up {output.since(row['started_at'])}{said}{' (Paused)' if row['status'] == 'paused' else ''}"
    if row["status"] == "stopped":
        ended = output.ago(row["finished_at"]) if row["finished_at"] else ""
        return f"Exited ({row['exit_code']}) {ended}".strip() if row["exit_code"] is not None else "Created"
    if row["status"] == "restarting":
        return f"Restarting ({row['exit_code']}) {output.ago(row['finished_at'])}"
    return str(row["status"]).capitalize()


def port_text(port: Mapping[str, Any]) -> str:
    inside = f"{port['container']}/{port['protocol']}"
    if port["host"] is None:
        return inside
    address = f"[{port['address']}]" if ":" in port["address"] else port["address"]
    return f"{address}:{port['host']}->{inside}"


def _filter(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or name not in _FILTERS:
        raise UsageError(f"--filter {text[:60]!r}: write one of {', '.join(sorted(_FILTERS))}, as name=VALUE")
    return name, value


def _has_image(row: Json, name: str) -> bool:
    return bool(finding.tagged(name) & finding.tagged(row["image"]))


def _labelled(row: Json, wish: str) -> bool:
    name, sign, value = wish.partition("=")
    return name in row["labels"] and (not sign or row["labels"][name] == value)


_FILTERS: dict[str, Callable[[Json, str], bool]] = {
    "name": lambda row, value: value.lower() in row["name"].lower(),
    "id": lambda row, value: row["id"].startswith(value),
    "status": lambda row, value: row["status"] == STATES.get(value, value),
    "image": _has_image,
    "ancestor": lambda row, value: _has_image(row, value) or row["image_id"] == value,
    "label": _labelled,
    "network": lambda row, value: value in (row["network"], *(text.partition(":")[0] for text in row["networks"])),
    "volume": lambda row, value: any(
        value in (mount.get("name"), mount["source"], mount["destination"]) for mount in row["mounted"]
    ),
    "health": lambda row, value: (output.of(row, "health", "status") or "none") == value,
    "exited": lambda row, value: row["status"] == "stopped" and str(row["exit_code"]) == value,
    "host": lambda row, value: value in (row["host"]["name"], row["host"]["id"]),
}


def _fits(row: Json, name: str, values: Iterable[str]) -> bool:
    """As docker: any of the values of one filter, but all of the labels."""
    fits = (_FILTERS[name](row, value) for value in values)
    return all(fits) if name == "label" else any(fits)


def add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--format", metavar="TEMPLATE", help="a template such as '{{.status}}'")
    parser.add_argument("--type", choices=tuple(_KINDS), help="what is meant, where one name has several")
    parser.add_argument("names", nargs="+", metavar="NAME")


_KINDS: dict[str, Callable[[Portside, str, str | None], Json]] = {
    "container": finding.container,
    "image": finding.image,
    "volume": finding.volume,
    "network": finding.network,
}


def inspect(shell: Shell, options: argparse.Namespace) -> int:
    """The objects as REST has them."""
    found, code = [], 0
    for name in options.names:
        try:
            found.append(_any(shell, name, options.type))
        except NotFound as error:
            shell.problem(error)
            code = 1
    show_objects(shell, found, options.format)
    return code


def show_objects(shell: Shell, found: list[Json], wish: str | None) -> None:
    """By a template, or as JSON."""
    if wish is None or wish == "json":
        shell.dump(found)
        return
    template = Template(wish)
    for row in found:
        shell.write(f"{template.render(row)}\n")


def _any(shell: Shell, name: str, kind: str | None) -> Json:
    for one in [kind] if kind else _KINDS:
        try:
            row = _KINDS[one](shell.site, name, shell.host)
        except NotFound:
            continue
        return shell.site.images.read(row["id"]) if one == "image" else row
    raise NotFound(f"there is no {kind or 'container, image, volume or network'} {name}")


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="CONTAINER")


def top(shell: Shell, options: argparse.Namespace) -> None:
    found = shell.site.containers.top(finding.container(shell.site, options.name, shell.host)["id"])
    names = {"PID": "PID", "Host": "HOST PID", "User": "USER", "CPU": "CPU %", "Memory": "MEMORY", "Command": "COMMAND"}
    shell.show(
        found["processes"],
        names,
        lambda row: {
            "PID": row["pid"],
            "Host": row["host_pid"],
            "User": row["user"],
            "CPU": f"{row['cpu_percent']:.1f}",
            "Memory": output.binary(row["memory_bytes"]),
            "Command": row["command"],
        },
    )


STATS = {
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}


def add_stats(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-stream", action="store_true", help="once")
    add_format(parser)
    parser.add_argument("names", nargs="*", metavar="CONTAINER", help="all that run if none is named")


def stats(shell: Shell, options: argparse.Namespace) -> None:
    wanted = {finding.container(shell.site, name, shell.host)["id"] for name in options.names}
    if options.no_stream:
        rows = shell.site.containers.stats_all()["results"]
        shell.show([row for row in rows if not wanted or row["id"] in wanted], STATS, _figures)
        return
    only = next(iter(wanted)) if len(wanted) == 1 else None
    told = (row for row in shell.site.follow_stats(only) if not wanted or row["id"] in wanted)
    if options.format or shell.wants_json:
        for row in told:
            shell.show([row], STATS, _figures)
    for rows in _rounds(told):
        shell.write("\x1b[H\x1b[2J" if sys.stdout.isatty() else "")
        shell.show(rows, STATS, _figures)


def _rounds(told: Iterator[Json]) -> Iterator[list[Json]]:
    """The last figures of each, whenever one of them tells again; who does not tell any more is left out."""
    known: dict[str, Json] = {}
    for row in told:
        if row["id"] in known:
            yield sorted(known.values(), key=lambda one: one["name"])
            known = {}
        known[row["id"]] = row


def _figures(row: Json) -> dict[str, object]:
    limit = row["memory_limit_bytes"]
    return {
        "ID": row["id"][:12],
        "Name": row["name"],
        "CPUPerc": f"{row['cpu_percent']:.2f}%",
        "MemUsage": f"{output.binary(row['memory_bytes'])} / {output.binary(limit)}",
        "MemPerc": f"{100 * row['memory_bytes'] / limit:.2f}%" if limit else "-",
        "NetIO": f"{output.size(row['network_rx_bytes'])} / {output.size(row['network_tx_bytes'])}",
        "BlockIO": f"{output.size(row['block_read_bytes'])} / {output.size(row['block_write_bytes'])}",
        "PIDs": row["pids"],
    }


def diff(shell: Shell, options: argparse.Namespace) -> None:
    found = shell.site.containers.changes(finding.container(shell.site, options.name, shell.host)["id"])
    if shell.wants_json:
        shell.dump(found)
        return
    for change in found["changes"]:
        shell.say(f"{str(change['change'])[:1].upper()} {change['path']}")
    if found["more"]:
        shell.note("there are more than are told here")


def add_port(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("port", nargs="?", metavar="PORT[/PROTOCOL]")


def port(shell: Shell, options: argparse.Namespace) -> int:
    found = finding.container(shell.site, options.name, shell.host)
    wanted = options.port and (options.port if "/" in options.port else f"{options.port}/tcp")
    published = [one for one in found["ports"] if one["host"] is not None]
    shown = [one for one in published if not wanted or f"{one['container']}/{one['protocol']}" == wanted]
    for one in shown:
        outside, _, inside = port_text(one).partition("->")
        shell.say(outside if wanted else f"{inside} -> {outside}")
    if wanted and not shown:
        raise NotFound(f"{found['name']} publishes no port {wanted}: `portside port {found['name']}` lists them")
    return 0


COMMANDS = (
    Command(("ps",), "List containers", ps, add_ps),
    Command(("inspect",), "Show all that is known of something", inspect, add_inspect),
    Command(("top",), "Show the processes of a container", top, _one),
    Command(("stats",), "Show what containers use, as it changes", stats, add_stats),
    Command(("diff",), "Show which files a container has changed", diff, _one),
    Command(("port",), "Show where ports of a container are published", port, add_port),
)
