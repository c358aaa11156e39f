"""system, hosts, version: the machines, and what takes their disks."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, cast

from client.cli import finding, output
from client.cli.commands import pruning
from client.cli.commands.looking import add_format
from client.cli.shell import Command, Shell, UsageError
from client.errors import PortsideError, Unauthenticated
from client.resource import Json

VERSION = "0.1.0"
HOSTS = {
    "Name": "NAME",
    "Status": "STATUS",
    "Cores": "CPUS",
    "Memory": "MEMORY",
    "Disk": "DISK FREE",
    "System": "SYSTEM",
    "Version": "ENGINE",
}
DF = {"Type": "TYPE", "Total": "TOTAL", "Size": "SIZE", "Host": "HOST"}


def hosts(shell: Shell, options: argparse.Namespace) -> None:
    shell.show(shell.site.hosts.list(), HOSTS, _host_cells, quiet="Name")


def add_hosts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="names alone")
    add_format(parser)


def hosts_rm(shell: Shell, options: argparse.Namespace) -> int:
    return shell.each(
        options.names, lambda name: shell.site.hosts.forget(finding.host(shell.site, name)["id"], force=options.force)
    )


def add_hosts_rm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="HOST")
    parser.add_argument("-f", "--force", action="store_true", help="also with containers, volumes or backups on them")


def _host_cells(row: Json) -> dict[str, object]:
    return {
        "ID": row["id"],
        "Name": row["name"],
        "Status": "online" if row["online"] else f"last heard {output.ago(row['heartbeat_at'])}",
        "Cores": row["cores"],
        "Memory": output.binary(row["memory_bytes"]),
        "Disk": f"{output.size(row['disk_free_bytes'])} of {output.size(row['disk_total_bytes'])}",
        "System": row["operating_system"],
        "Version": row["engine_version"],
    }


def df(shell: Shell, options: argparse.Namespace) -> None:
    """What takes a host's disk; of all hosts that answer, without --host."""
    wanted = [finding.host(shell.site, shell.host)] if shell.host else list(shell.site.hosts.list())
    rows, told = [], {}
    for host in wanted:
        if not host["online"]:
            shell.note(f"{host['name']} does not answer")
            continue
        usage = told[host["name"]] = shell.site.hosts.disk_usage(host["id"])
        rows += [{**row, "host": host["name"]} for row in _usage(usage)]
    if shell.wants_json:
        shell.dump(told)
        return
    shell.show(
        rows,
        DF,
        lambda row: {
            "Type": row["type"],
            "Total": row["total"],
            "Size": output.size(row["size"]),
            "Host": row["host"],
        },
    )


def _usage(found: Json) -> list[Json]:
    volumes = found["volumes"]
    return [
        {"type": "Images", "total": len(found["images"]), "size": found["layers_bytes"] + found["blobs_bytes"]},
        {"type": "Containers", "total": len(found["containers"]), "size": found["containers_bytes"]},
        {"type": "Logs", "total": "-", "size": found["logs_bytes"]},
        {"type": "Volumes", "total": len(volumes), "size": sum(one.get("size_bytes") or 0 for one in volumes)},
        {"type": "Build cache", "total": "-", "size": found["build_cache_bytes"]},
    ]


def add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="images with a name that no container uses, too")
    parser.add_argument("--volumes", action="store_true", help="volumes without a name that no container has, too")
    parser.add_argument("-f", "--force", action="store_true", help="without asking")
    pruning.add_filter(parser)


def prune(shell: Shell, options: argparse.Namespace) -> None:
    """Containers that don't run, networks without containers, images that nobody needs."""
    what = ["containers that don't run", "networks without containers", "images that nobody needs"]
    what += ["volumes without a name that no container has"] if options.volumes else []
    filters = pruning.wishes(options)
    if options.volumes and "until" in filters:
        raise UsageError("--filter until=… chooses no volumes: leave out --volumes, and see portside volume prune")
    if not shell.confirmed(f"Remove {', '.join(what)}?", forced=options.force):
        return
    body: Any = {"host": shell.host, **filters}
    for container in shell.site.containers.prune(**cast(Any, body))["containers"]:
        shell.wait(container)
        shell.say(container["name"])
    works = [shell.site.networks.prune(**body), shell.site.images.prune(**body, all=options.all)]
    works += [shell.site.volumes.prune(**body)] if options.volumes else []
    for work in works:
        if work.get("job"):
            shell.wait(work)


def info(shell: Shell, options: argparse.Namespace) -> None:
    found = list(shell.site.hosts.list())
    containers = list(shell.site.containers.list(host=shell.host))
    running = sum(row["status"] == "running" for row in containers)
    told = {
        "context": shell.chosen[0],
        "site": shell.site.url,
        "hosts": len(found),
        "hosts_online": sum(row["online"] for row in found),
        "containers": len(containers),
        "containers_running": running,
        "images": sum(1 for _ in shell.site.images.list(host=shell.host)),
        "volumes": sum(1 for _ in shell.site.volumes.list(host=shell.host)),
        "cpus": sum(row["cores"] for row in found),
        "memory_bytes": sum(row["memory_bytes"] for row in found),
    }
    if shell.wants_json:
        shell.dump(told)
        return
    for name, value in told.items():
        text = output.binary(cast(float, value)) if name.endswith("_bytes") else value
        shell.say(f"{name.removesuffix('_bytes').replace('_', ' ').capitalize():20} {text}")


def version(shell: Shell, options: argparse.Namespace) -> None:
    """Of this client, and of the hosts if somebody has signed in."""
    told: dict[str, Any] = {"client": VERSION, "python": sys.version.split()[0], "hosts": {}}
    try:
        told["hosts"] = {row["name"]: row["engine_version"] for row in shell.site.hosts.list()}
    except Unauthenticated:
        pass
    except PortsideError as error:
        shell.problem(error)
    if shell.wants_json:
        shell.write(json.dumps(told) + "\n")
        return
    shell.say(f"portside {told['client']} (Python {told['python']})")
    for name, engine in told["hosts"].items():
        shell.say(f"host {name}: engine {engine}")


COMMANDS = (
    Command(("system", "df"), "Show what takes the disks of hosts", df, add_format),
    Command(("system", "prune"), "Remove what nobody needs", prune, add_prune),
    Command(("system", "info"), "Show what there is, in numbers", info),
    Command(("hosts",), "List hosts", hosts, add_hosts),
    Command(("hosts", "rm"), "Forget hosts that are away for good", hosts_rm, add_hosts_rm),
    Command(("version",), "Show versions", version),
)
