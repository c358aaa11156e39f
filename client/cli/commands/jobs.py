"""jobs: what hosts were asked to do."""

from __future__ import annotations

import argparse
import itertools
from typing import Any, cast

from client.cli import finding, output
from client.cli.commands.looking import add_format
from client.cli.shell import Command, Shell
from client.errors import Cancelled, PortsideError
from client.resource import Json

LS = {
    "ID": "JOB ID",
    "Kind": "KIND",
    "Subject": "SUBJECT",
    "Status": "STATUS",
    "Created": "CREATED",
    "Duration": "TOOK",
    "By": "ASKED BY",
    "Host": "HOST",
}


def add_ls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="ids alone")
    parser.add_argument("-n", "--last", type=int, default=50, metavar="COUNT", help="the newest ones; 50 if left out")
    parser.add_argument("--status", metavar="STATUS", help="queued, running, succeeded, failed or cancelled")
    parser.add_argument("--kind", metavar="KIND", help="as image.pull")
    add_format(parser)


def ls(shell: Shell, options: argparse.Namespace) -> None:
    asked: Any = {"host": shell.host, "status": options.status, "kind": options.kind}
    rows = itertools.islice(shell.site.jobs.list(**cast(Any, asked)), options.last)
    shell.show(list(rows), LS, _cells, quiet="ID")


def _cells(row: Json) -> dict[str, object]:
    subject = row["subject"]
    return {
        "ID": row["id"][:8],
        "Kind": row["kind"],
        "Subject": subject[:12] if len(subject) == 64 else subject,
        "Status": row["status"],
        "Created": output.ago(row["created_at"]),
        "Duration": "-" if row["duration_seconds"] is None else f"{row['duration_seconds']:.1f}s",
        "By": row["requested_by"] or "-",
        "Host": row["host"]["name"],
    }


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="JOB", help="its id, or a beginning of it")


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="JOB")


def show(shell: Shell, options: argparse.Namespace) -> None:
    shell.dump(finding.job(shell.site, options.name))


def cancel(shell: Shell, options: argparse.Namespace) -> int:
    def one(name: str) -> None:
        shell.site.jobs.cancel(finding.job(shell.site, name)["id"])

    return shell.each(options.names, one)


def wait(shell: Shell, options: argparse.Namespace) -> int:
    """1 if it failed, with what it failed with; 130 if it was cancelled."""
    found = finding.job(shell.site, options.name)
    try:
        job = shell.wait(found["id"])
    except Cancelled as error:
        shell.problem(error)
        return 130
    except PortsideError as error:
        shell.problem(error)
        return 1
    if shell.wants_json:
        shell.dump(job)
    else:
        shell.say(job["status"])
    return 0


COMMANDS = (
    Command(("jobs", "ls"), "List jobs, the newest first", ls, add_ls),
    Command(("jobs", "show"), "Show all that is known of a job", show, _one),
    Command(("jobs", "cancel"), "Ask jobs to end", cancel, _names),
    Command(("jobs", "wait"), "Wait for a job's end, and show how far it is", wait, _one),
)
