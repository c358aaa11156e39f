"""A package as lists of software name it: by its package URL (github.com/package-url/purl-spec)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

TEXT = 500
"""Characters of a name, a version or a license; what is longer is no such thing."""


@dataclass(frozen=True, slots=True)
class Package:
    """`kind`: the type of its purl (deb, apk, rpm, pypi, npm, golang …); `path`: the file that says so."""

    kind: str
    name: str
    version: str
    path: str
    namespace: str = ""
    license: str = ""
    qualifiers: Mapping[str, str] = field(default_factory=dict)

    @property
    def purl(self) -> str:
        parts = [*(part for part in self.namespace.split("/") if part), self.name]
        shown = "/".join(quote(part, safe=".-_~+") for part in parts)
        version = f"@{quote(self.version, safe='.-_~+:')}" if self.version else ""
        more = "&".join(
            f"{key}={quote(value, safe='.-_~+:')}" for key, value in sorted(self.qualifiers.items()) if value
        )
        return f"pkg:{self.kind}/{shown}{version}" + (f"?{more}" if more else "")

    @property
    def full_name(self) -> str:
        """As its own people call it: @scope/name, github.com/a/b, group:artifact."""
        if self.kind == "maven":
            return f"{self.namespace}:{self.name}"
        is_shown = self.kind in ("npm", "golang", "composer") and self.namespace
        return f"{self.namespace}/{self.name}" if is_shown else self.name

    @property
    def is_sound(self) -> bool:
        """Whether its texts can be what they claim to be."""
        texts = (self.name, self.version, self.namespace, self.license)
        return bool(self.name) and all(len(text) <= TEXT and text.isprintable() for text in texts)


@dataclass(frozen=True, slots=True)
class System:
    """What /etc/os-release says: ID, VERSION_ID, PRETTY_NAME; empty where nothing does."""

    id: str = ""
    version: str = ""
    name: str = ""

    @property
    def distro(self) -> str:
        """For a purl's qualifier: debian-12."""
        return f"{self.id}-{self.version}" if self.id and self.version else self.id
