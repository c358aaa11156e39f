"""login, logout, context, whoami, token, team: which site, and as who."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from client.cli import finding, output
from client.cli.commands.looking import add_format
from client.cli.contexts import Context
from client.cli.shell import Command, Shell, UsageError
from client.errors import NotFound, PermissionDenied
from client.resource import Json
from client.site import Portside

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def add_login(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", metavar="NAME", help="what the context is called; the site's name if left out")
    parser.add_argument("--token-stdin", action="store_true", help="read the token from standard input")
    parser.add_argument("--ca", metavar="FILE", help="certificates to trust, for a site with an issuer of its own")
    parser.add_argument("--insecure", action="store_true", help="trust any certificate (only to try things)")
    parser.add_argument("--default-host", metavar="NAME", help="the host that is meant where none is named")
    parser.add_argument("url", nargs="?", metavar="URL", help="asked for if left out")


def login(shell: Shell, options: argparse.Namespace) -> None:
    """Ask for what is missing, try it, and keep it."""
    url = options.url or _asked("Address of the site: ")
    probe = Portside(url, ca=options.ca, verify=not options.insecure)
    host = urlsplit(probe.url).hostname or ""
    if probe.url.startswith("http://") and host not in _LOOPBACK:
        shell.note("careful: without https anybody on the way can read the token")
    if options.token_stdin or not sys.stdin.isatty():
        token = sys.stdin.readline().strip()
    else:
        shell.note(
            f"Make a token at {probe.url}/settings/ (or by `manage.py token NAME` on the site), and paste it here."
        )
        token = getpass.getpass("Token: ").strip()
    if not token:
        raise UsageError("a token is missing: make one on the page Settings of the site")
    site = Portside(url, token, ca=options.ca, verify=not options.insecure)
    teams = _teams(site)
    if options.default_host is not None:
        finding.host(site, options.default_host)
    name = options.name or host or "site"
    ca = None if options.ca is None else str(Path(options.ca).absolute())  # later commands run in other directories
    context = Context(site.url, token, ca, verify=not options.insecure, host=options.default_host)
    shell.contexts.put(name, context)
    shell.say(f"signed in to {site.url} as context {name}: {_said(teams)}")


def _teams(site: Portside) -> list[Json]:
    """Whose token it is may not be said, but it has to be somebody's. Raises Unauthenticated."""
    try:
        return list(site.teams.list())
    except PermissionDenied:  # of a token that may do little
        return []


def _said(teams: list[Json]) -> str:
    return ", ".join(f"{team['role']} of {team['name']}" for team in teams) or "no team"


def _asked(question: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError("the address is missing: portside login https://portside.example.com")
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def add_logout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="CONTEXT", help="the current one if left out")


def logout(shell: Shell, options: argparse.Namespace) -> None:
    """The token is forgotten here; it stays valid until it is revoked."""
    name = options.name or shell.contexts.current
    if name is None:
        raise NotFound("nobody has signed in here")
    shell.contexts.remove(name)
    shell.say(f"forgot the token of {name}; `portside token rm` or the page Settings revokes it for all")


CONTEXTS = {"Name": "NAME", "Current": "CURRENT", "Url": "SITE", "Host": "HOST"}


def context_ls(shell: Shell, options: argparse.Namespace) -> None:
    rows: list[Json] = [
        {"name": name, "current": name == shell.contexts.current, "url": one.url, "host": one.host}
        for name, one in sorted(shell.contexts.known.items())
    ]
    shell.show(
        rows,
        CONTEXTS,
        lambda row: {
            "Name": row["name"],
            "Current": "*" if row["current"] else "",
            "Url": row["url"],
            "Host": row["host"] or "-",
        },
        quiet="Name",
    )


def add_context_ls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="names alone")
    add_format(parser)


def _context(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="CONTEXT")


def context_use(shell: Shell, options: argparse.Namespace) -> None:
    shell.contexts.use(options.name)
    shell.say(options.name)


def context_rm(shell: Shell, options: argparse.Namespace) -> None:
    shell.contexts.remove(options.name)
    shell.say(options.name)


def whoami(shell: Shell, options: argparse.Namespace) -> None:
    name, context = shell.chosen
    teams = _teams(shell.site)
    if shell.wants_json:
        shell.dump({"context": name, "site": context.url, "teams": teams})
        return
    shell.say(f"{context.url} (context {name}): {_said(teams)}")


TOKENS = {"ID": "TOKEN ID", "Name": "NAME", "Scopes": "MAY", "Used": "LAST USED", "Expires": "EXPIRES"}


def token_ls(shell: Shell, options: argparse.Namespace) -> None:
    shell.show(
        shell.site.tokens.list(),
        TOKENS,
        lambda row: {
            "ID": row["id"],
            "Name": row["name"],
            "Scopes": "all" if row.get("scopes") is None else ", ".join(row["scopes"]) or "nothing",
            "Used": output.ago(row["last_used_at"]),
            "Expires": row.get("expires_at") or "never",
        },
        quiet="ID",
    )


def add_token_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scope", action="append", default=[], metavar="ACTION", help="all that you may if left out")
    parser.add_argument("--days", type=int, metavar="COUNT", help="how long it lasts; for ever if left out")
    parser.add_argument("--team", metavar="NAME", help="the only team whose objects it reaches")
    parser.add_argument("name", metavar="NAME", help="how you will know it again")


def token_create(shell: Shell, options: argparse.Namespace) -> None:
    """Its secret alone goes to standard output: this once."""
    body: dict[str, Any] = {"name": options.name, "scopes": options.scope or None, "days": options.days}
    if options.team is not None:
        body["team"] = _team(shell, options.team)["id"]
    made = shell.site.tokens.create(**cast(Any, {name: value for name, value in body.items() if value is not None}))
    if shell.wants_json:
        shell.dump(made)
        return
    shell.note("This is shown once; keep it where nobody else reads.")
    shell.say(made["token"])


def token_rm(shell: Shell, options: argparse.Namespace) -> int:
    def one(name: str) -> None:
        found = finding.named(shell.site.tokens.list(), "token", name, "`portside token ls` lists them")
        shell.site.tokens.delete(found["id"])

    return shell.each(options.names, one)


def _tokens(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="TOKEN", help="its name, its id, or a beginning of it")


TEAMS = {"Name": "NAME", "Role": "YOUR ROLE", "Publish": "PUBLISHES ON", "Record": "RECORDS TERMINALS"}


def team_ls(shell: Shell, options: argparse.Namespace) -> None:
    shell.show(
        shell.site.teams.list(),
        TEAMS,
        lambda row: {
            "ID": row["id"],
            "Name": row["name"],
            "Role": row["role"],
            "Publish": row["publish_default"],
            "Record": row["record_terminals"],
        },
        quiet="Name",
    )


def team_show(shell: Shell, options: argparse.Namespace) -> None:
    shell.dump(_team(shell, options.name))


def _team(shell: Shell, name: str) -> Json:
    return finding.named(shell.site.teams.list(), "team", name, "`portside team ls` lists them")


def _team_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="TEAM")


COMMANDS = (
    Command(("login",), "Sign in to a site, and remember it", login, add_login),
    Command(("logout",), "Forget a site's token", logout, add_logout),
    Command(("context", "ls"), "List the sites that are known here", context_ls, add_context_ls),
    Command(("context", "use"), "Choose the site that is asked from now on", context_use, _context),
    Command(("context", "rm"), "Forget a site", context_rm, _context),
    Command(("whoami",), "Show which site is asked, and as what", whoami),
    Command(("token", "ls"), "List your API tokens", token_ls, add_context_ls),
    Command(("token", "create"), "Make an API token", token_create, add_token_create),
    Command(("token", "rm"), "Revoke API tokens", token_rm, _tokens),
    Command(("team", "ls"), "List your teams", team_ls, add_context_ls),
    Command(("team", "show"), "Show a team's settings", team_show, _team_name),
)
