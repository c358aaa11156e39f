"""Which sites are known here, by a name: `~/.config/portside/config.json`, readable by its owner alone.

    {"current": "work", "contexts": {"work": {"url": "https://…", "token": "…", "ca": null, "host": null}}}

PORTSIDE_CONFIG names another file. PORTSIDE_URL and PORTSIDE_TOKEN count more than any context but one that is asked
for: a token is for the site that it was given with.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from client.errors import InvalidArgument, NotFound, Unauthenticated

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
ENVIRONMENT = "environment"
"""What the context of PORTSIDE_URL is called."""


@dataclass(frozen=True, slots=True)
class Context:
    """`host`: which one is meant where there are several and none is named."""

    url: str
    token: str = field(repr=False)
    ca: str | None = None
    verify: bool = True
    host: str | None = None


class Contexts:
    """The file, read once and written whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, Context] = {}
        self.current: str | None = None
        try:
            data = json.loads(path.read_text())
            self.known = {name: Context(**fields) for name, fields in data["contexts"].items()}
            self.current = data.get("current")
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            raise InvalidArgument(f"{path} can't be read: remove it, and sign in by `portside login`") from None
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            with contextlib.suppress(OSError):
                path.chmod(0o600)

    @classmethod
    def usual(cls) -> Contexts:
        """Those of the user who runs this."""
        named = os.environ.get("PORTSIDE_CONFIG")
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())
        return cls(Path(named) if named else base / "portside" / "config.json")

    def chosen(self, name: str | None = None) -> tuple[str, Context]:
        """(name, context): the one that is asked for, that of the environment, or the current one."""
        url, token = os.environ.get("PORTSIDE_URL"), os.environ.get("PORTSIDE_TOKEN")
        if name is not None and url:
            return name, self.named(name)  # the token of the environment is that other site's
        if url:
            known = next((one for one in self.known.values() if one.url == url.rstrip("/")), None)
            if not token and known is None:
                raise Unauthenticated(f"PORTSIDE_URL is {url}, but PORTSIDE_TOKEN is missing: set both")
            base = known or Context(url, "")
            ca = os.environ.get("PORTSIDE_CA") or base.ca
            return ENVIRONMENT, replace(base, url=url, token=token or base.token, ca=ca)
        name = name or os.environ.get("PORTSIDE_CONTEXT") or self.current
        if name is None:
            raise Unauthenticated("nobody has signed in here: `portside login`, or set PORTSIDE_URL and PORTSIDE_TOKEN")
        found = self.named(name)
        return name, replace(found, token=token) if token else found

    def named(self, name: str) -> Context:
        """Raises NotFound."""
        if name not in self.known:
            raise NotFound(f"there is no context {name}: `portside context ls` lists them")
        return self.known[name]

    def put(self, name: str, context: Context) -> None:
        """Add or replace one, and make it the current one."""
        if not _NAME.fullmatch(name):
            raise InvalidArgument("a context's name has letters, digits, '_', '.' and '-', at most 63")
        self.known[name] = context
        self.use(name)

    def use(self, name: str) -> None:
        self.named(name)
        self.current = name
        self._write()

    def remove(self, name: str) -> None:
        self.named(name)
        del self.known[name]
        if self.current == name:
            self.current = next(iter(self.known), None)
        self._write()

    def _write(self) -> None:
        data = {"current": self.current, "contexts": {name: asdict(one) for name, one in self.known.items()}}
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".config-")  # mkstemp: 0600
            with os.fdopen(descriptor, "w") as file:
                json.dump(data, file, indent=2)
                file.write("\n")
            Path(name).replace(self.path)
        except OSError as error:
            raise InvalidArgument(f"{self.path} can't be written: {error.strerror}") from None
