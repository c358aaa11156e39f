"""What to type on another machine that is to be a host of this site. No secret is in it: passwords are typed there."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

PLACE = "/opt/portside"
SETTINGS = "/etc/portside/worker.env"
EXAMPLE = "site.example.com"
"""Where the site is opened by a name that means every machine itself."""
_PORT = 6379
_SHOWN = ("ssl_ca_certs", "ssl_cert_reqs", "ssl_check_hostname")
"""Options of a broker's address that others need as well; a password may stand in any other."""
_LOOPBACK = ("localhost", "ip6-localhost", "::1")


@dataclass(frozen=True, slots=True)
class Broker:
    """`shown`: its address with PASSWORD in the place of one. `settings`: the command that writes the worker's
    settings, and asks for the password.

    `doubt`: why other machines may not reach it there. own: it is the site's own, which nobody else reaches; local: its
    name means something else elsewhere.
    """

    shown: str
    settings: str
    doubt: str = ""


def broker_of(redis_url: str, site_host: str, *, is_embedded: bool) -> Broker:
    """How a worker elsewhere reaches the broker of a site that has it at `redis_url`.

    `site_host`: by which name people reach the site.
    """
    if _is_loopback(site_host):
        site_host = EXAMPLE
    if is_embedded or redis_url.startswith("unix:"):
        return _broker("redis://", f"{_bracketed(site_host)}:{_PORT}/0", has_password=True, doubt="own")
    parts = urlsplit(redis_url)
    name = parts.hostname or ""
    is_loopback = _is_loopback(name)
    is_local = is_loopback or not any(character in name for character in ".:")  # as in a network of Compose
    options = urlencode([(key, value) for key, value in parse_qsl(parts.query) if key in _SHOWN], safe="/")
    host = _bracketed(site_host if is_loopback else name)
    return _broker(
        f"{parts.scheme}://{parts.username or ''}",
        f"{host}:{parts.port or _PORT}/{parts.path.strip('/') or '0'}" + (f"?{options}" if options else ""),
        has_password=parts.password is not None or "password=" in parts.query,
        doubt="local" if is_local else "",
    )


def _is_loopback(host: str) -> bool:
    return host in _LOOPBACK or host.startswith("127.")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _broker(before: str, after: str, *, has_password: bool, doubt: str) -> Broker:
    """Of an address as it is before and after the password."""
    if not has_password:
        address = before + ("" if before.endswith("//") else "@") + after
        return Broker(address, _writing(shlex.quote(f"PORTSIDE_REDIS_URL={address}")), doubt)
    line = f'{shlex.quote(f"PORTSIDE_REDIS_URL={before}:")}"$word"{shlex.quote(f"@{after}")}'
    asking = _writing(line, "read -rsp 'Password of the broker: ' word")
    return Broker(f"{before}:PASSWORD@{after}", asking, doubt)


def _writing(line: str, *before: str) -> str:
    """The command that writes the worker's settings, into a file for root alone."""
    made = f"umask 077; mkdir -p {SETTINGS.rpartition('/')[0]}"
    write = f"""printf '%s\\n' {line} "PORTSIDE_HOST=$(hostname)" > {SETTINGS}"""
    return f"({'; '.join((made, *before, write))})"


SETUP = f"cd {PLACE} && make setup"
START = (
    f"install -m 644 {PLACE}/deploy/portside-worker.service /etc/systemd/system/ && systemctl daemon-reload"
    " && systemctl enable --now portside-worker"
)
TRY = f"cd {PLACE} && (set -f; export $(cat {SETTINGS}); exec .venv/bin/python -m worker)"
LOG = "journalctl -u portside-worker -n 20"
