"""Everything the site reads from its environment: once, typed, checked at start."""

from __future__ import annotations

import os
import platform
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from engine.config import DEFAULT_HOME
from worker.contract.addresses import address_split, broker_address


@dataclass(frozen=True, slots=True)
class Configuration:
    """`home` holds the state; `bind` is (host, port); `redis_url` in redis-py's form.

    `lookup_hours`: how often registries are asked whether a tag has moved; 0: only on demand. `rate_limit`: requests a
    minute that one user may make of the REST API; 0: any number. `tls_bind`: where the site is served by TLS as well,
    under `tls_names`; None: nowhere.
    """

    home: Path
    bind: tuple[str, int]
    host_name: str
    database: dict[str, Any]
    redis_url: str
    redis_is_embedded: bool
    admin_password: str | None
    debug: bool
    events_days: int
    lookup_hours: int
    rate_limit: int
    tls_bind: tuple[str, int] | None
    tls_names: tuple[str, ...]

    @property
    def redis_socket(self) -> Path:
        return self.home / "run" / "redis.sock"


def configuration_from(environ: Mapping[str, str] = os.environ) -> Configuration:
    """Read the variables of the fixed names. Raises ImproperlyConfigured with the variable's name."""
    home = Path(os.path.abspath(environ.get("PORTSIDE_HOME") or DEFAULT_HOME))
    redis_url = _broker(environ.get("PORTSIDE_REDIS_URL") or "")
    return Configuration(
        home=home,
        bind=_bind(environ.get("PORTSIDE_BIND") or "127.0.0.1:8000"),
        host_name=environ.get("PORTSIDE_HOST") or platform.node() or "localhost",
        database=_database(environ.get("PORTSIDE_DATABASE_URL") or f"sqlite:///{home}/portside.db"),
        redis_url=redis_url or f"unix://{home}/run/redis.sock",
        redis_is_embedded=not redis_url,
        admin_password=environ.get("PORTSIDE_ADMIN_PASSWORD") or None,
        debug=environ.get("PORTSIDE_DEBUG") == "1",
        events_days=_days("PORTSIDE_EVENTS_DAYS", environ.get("PORTSIDE_EVENTS_DAYS") or "30"),
        lookup_hours=_hours("PORTSIDE_LOOKUP_HOURS", environ.get("PORTSIDE_LOOKUP_HOURS") or "12"),
        tls_bind=_bind(environ["PORTSIDE_TLS_BIND"], "PORTSIDE_TLS_BIND") if environ.get("PORTSIDE_TLS_BIND") else None,
        tls_names=tuple(filter(None, (name.strip() for name in environ.get("PORTSIDE_TLS_NAMES", "").split(",")))),
        rate_limit=_rate("PORTSIDE_RATE_LIMIT", environ.get("PORTSIDE_RATE_LIMIT") or "6000"),
    )


def secret_key(home: Path) -> str:
    """The site's secret, made once with mode 0600 and kept under the home. Raises ImproperlyConfigured."""
    try:
        return _secret_key_at(home / "secret-key")
    except OSError as error:
        raise ImproperlyConfigured(
            f"The state directory {home} can't be used ({error.strerror}): start Portside as root (`sudo make run`), "
            "or set PORTSIDE_HOME to a directory that may be written to."
        ) from error


def _secret_key_at(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = secrets.token_urlsafe(48)
        scratch = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(scratch, path)  # the first of two starts wins, the other reads what it wrote
        except FileExistsError:
            key = path.read_text().strip()
        finally:
            os.unlink(scratch)
        return key


def _rate(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise ImproperlyConfigured(f"{name}={text!r} is no number of requests a minute: such as 6000; 0: no limit")
    return int(text)


def _days(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= 36_500):
        raise ImproperlyConfigured(f"{name}={text!r}: give a number of days, such as 30")
    return int(text)


def _hours(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= 10_000):
        raise ImproperlyConfigured(f"{name}={text!r}: give a number of hours, such as 12, or 0 for never")
    return int(text)


def _bind(text: str, name: str = "PORTSIDE_BIND") -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ImproperlyConfigured(f"{name}={text!r}: give an address and a port, such as 127.0.0.1:8000")
    return host.strip("[]"), int(port)


def _broker(url: str) -> str:
    try:
        return broker_address(url) if url else ""
    except ValueError as error:
        raise ImproperlyConfigured(f"PORTSIDE_REDIS_URL: {error}") from None


def _parts(url: str) -> SplitResult:
    try:
        return address_split(url)
    except ValueError as error:
        raise ImproperlyConfigured(f"PORTSIDE_DATABASE_URL: {error}") from None


def _database(url: str) -> dict[str, Any]:
    parts = urlsplit(url) if url.startswith("sqlite:") else _parts(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "webui.sqlite",
            "NAME": parts.path[1:] if parts.path.startswith("//") else parts.path,
            # A connection belongs to a thread of the pool and lives as long; opening one costs more than a query.
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                # Two writers that both begin by reading would deadlock in SQLite's default mode.
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
            },
        }
    if parts.scheme in ("postgres", "postgresql"):
        query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(query.get("host", "") or parts.hostname or ""),
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
        }
    raise ImproperlyConfigured(
        f"PORTSIDE_DATABASE_URL has the scheme {parts.scheme!r}: use sqlite:///path or postgresql://user:password@host/name"
    )
