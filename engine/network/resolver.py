"""A container's /etc/resolv.conf: the host's, without what only makes sense on the host."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

_HOST = Path("/etc/resolv.conf")
# Where the host asks itself by way of systemd-resolved, the real servers are here.
_UPSTREAM = Path("/run/systemd/resolve/resolv.conf")
_FALLBACK = ("8.8.8.8", "8.8.4.4")


def resolv_conf(host: Path = _HOST, upstream: Path = _UPSTREAM) -> str:
    """The host's search domains, options and name servers, without servers on a loopback address.

    A container can't reach those. When only such are there, systemd-resolved's upstream servers are taken,
    and without these Google's public ones, as Docker does.
    """
    lines = _lines(host)
    servers = _reachable(lines) or _reachable(_lines(upstream)) or list(_FALLBACK)
    rest = [line for line in lines if line.split()[0] in ("search", "domain", "options", "sortlist")]
    return "".join(f"{line}\n" for line in (*rest, *(f"nameserver {server}" for server in servers)))


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip() and line.strip()[0] not in "#;"]


def _reachable(lines: list[str]) -> list[str]:
    servers = []
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                address = ip_address(words[1].partition("%")[0])
            except ValueError:
                continue
            if address.version == 4 and not address.is_loopback:  # the network has no IPv6 yet
                servers.append(words[1])
    return servers
