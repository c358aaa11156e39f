"""Everything the worker reads from its environment, and who it is."""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from engine.config import EngineConfig
from engine.errors import InvalidArgument
from worker.contract.addresses import broker_address


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`redis_url` in redis-py's form, `host_name` what people call this host."""

    engine: EngineConfig
    redis_url: str
    host_name: str
    concurrency: int = 64

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> WorkerSettings:
        """Raises InvalidArgument with the variable's name."""
        engine = EngineConfig.from_environment(environ)
        redis_url = environ.get("PORTSIDE_REDIS_URL") or ""
        try:
            redis_url = broker_address(redis_url) if redis_url else f"unix://{engine.run}/redis.sock"
        except ValueError as error:
            raise InvalidArgument(f"PORTSIDE_REDIS_URL: {error}") from None
        return cls(
            engine=engine,
            redis_url=redis_url,
            host_name=environ.get("PORTSIDE_HOST") or platform.node() or "localhost",
        )

    @property
    def celery_broker_url(self) -> str:
        """Kombu spells a Unix socket `redis+socket://`, redis-py `unix://`.

        By TLS it believes any certificate, and would show it the password, unless it is told not to.
        """
        if self.redis_url.startswith("unix://"):
            return "redis+socket://" + self.redis_url.removeprefix("unix://")
        if self.redis_url.startswith("rediss://") and "ssl_cert_reqs=" not in urlsplit(self.redis_url).query:
            return f"{self.redis_url}{'&' if '?' in self.redis_url else '?'}ssl_cert_reqs=required"
        return self.redis_url

    @property
    def lock(self) -> Path:
        """Held by the one worker of this home; with it, whatever an earlier worker left unfinished is ours."""
        return self.engine.run / "worker.lock"


def host_id(home: Path) -> str:
    """This host's id, a UUID that is made once and kept in the home."""
    path = home / "host-id"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = home / f".host-id.{os.getpid()}"
    with scratch.open("w") as file:
        file.write(str(uuid.uuid4()))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(scratch, path)  # the first of two starts wins, the other reads what it wrote
    except FileExistsError:
        pass
    finally:
        scratch.unlink()
    return path.read_text().strip()
