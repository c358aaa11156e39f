"""Addresses of servers with a password in them, as people write them into variables, read alike by site and worker."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

BROKER_SCHEMES = ("redis", "rediss", "unix")


def address_split(address: str) -> SplitResult:
    """The parts of `scheme://user:password@host:port/name?options`, a port that is a number among them.

    Raises ValueError with what to do; nothing of the address is in it, since a piece of the password would be.
    """
    try:
        parts = urlsplit(address)
        is_whole = parts.port != 0 and "@" not in parts.path + parts.query and not parts.fragment
        # Without a host it may be a socket's, which stands in the options.
        has_host = bool(parts.hostname) or not parts.netloc or parts.netloc.endswith("@")
    except ValueError:
        is_whole = has_host = False
    if not is_whole or not has_host:
        raise ValueError(
            "it can't be read as scheme://user:password@host:port/name; in names and passwords, / is written %2F, "
            ": %3A, @ %40, # %23, ? %3F and % %25"
        )
    return parts


def broker_address(address: str) -> str:
    """`address`, if it can be a broker's. Raises ValueError as `address_split` does."""
    if address_split(address).scheme not in BROKER_SCHEMES:
        raise ValueError("it begins with none of redis://, rediss:// (by TLS) and unix://")
    return address
