"""The files by which a container resolves names: /etc/hosts and /etc/resolv.conf; and what it is itself called."""

from __future__ import annotations

from engine.containers.spec import ContainerSpec
from engine.network.dns.inside import ADDRESS
from engine.network.dns.records import Calling
from engine.options import naming, networks, values

HOSTS = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def hosts(
    ip: str | None,
    hostname: str,
    *,
    domainname: str | None = None,
    extra: tuple[str, ...] = (),
    gateway: str,
    ip6: str | None = None,
    usual: str = HOSTS,
) -> str:
    """/etc/hosts as Docker writes it: `usual` (loopback, IPv6's names), what was added, then the container itself.

    `ip` None: it has no address of its own.
    """
    full = f"{hostname}.{domainname}" if domainname else hostname
    short = full.partition(".")[0]
    names = full if short == full else f"{full} {short}"
    lines = []
    for name, address in map(values.extra_host, extra):
        lines.append(f"{gateway if address == values.HOST_GATEWAY else address}\t{name}\n")
    own = "".join(f"{address}\t{names}\n" for address in (ip, ip6) if address is not None)
    return f"{usual}{'' if usual.endswith(chr(10)) or not usual else chr(10)}{''.join(lines)}{own}"


def resolv_conf(spec: ContainerSpec, usual: str, *, embedded: bool = False) -> str:
    """`usual` with the request's name servers, search domains and options in place of each kind of its lines.

    `embedded`: it is on a network of a name, so it asks our own resolver, which knows its name servers; and as in
    Docker, a name without a dot is first asked for as it is.
    """
    kinds = {
        "nameserver": [f"nameserver {server}" for server in ((ADDRESS,) if embedded else spec.dns)],
        "search": [f"search {' '.join(spec.dns_search)}"] if spec.dns_search else [],
        "options": [f"options {' '.join(spec.dns_options)}"] if spec.dns_options else [],
    }
    if spec.dns_search == (".",):
        kinds["search"] = [""]  # Docker's word for none
    kept = []
    for line in usual.splitlines():
        kind = "search" if line.startswith("domain") else line.partition(" ")[0]
        if not kinds.get(kind):
            kept.append(line)
    lines = [*kept, *(line for lines in kinds.values() for line in lines if line)]
    if embedded and not any(_has_ndots(line.split()) for line in lines):
        lines.append("options ndots:0")
    return "".join(f"{line}\n" for line in lines)


def is_embedded(text: str) -> bool:
    """Whether this resolv.conf asks our own resolver."""
    return any(line.split() == ["nameserver", ADDRESS] for line in text.splitlines())


def calling(spec: ContainerSpec) -> Calling:
    """What the container is called on its networks besides its short id: its name, its host name, its service."""
    others = [name for name in naming.names(spec.id, spec.name, spec.hostname, spec.labels) if name != spec.name]
    has_ndots = _has_ndots(["options", *spec.dns_options])
    return Calling(spec.name, tuple(others), has_ndots=has_ndots, links=networks.links(spec.link))


def _has_ndots(words: list[str]) -> bool:
    return bool(words) and words[0] == "options" and any(word.startswith("ndots:") for word in words[1:])
