"""Platforms: which of an index's images fits a machine (image-spec, image-index.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import InvalidArgument

_PART = re.compile(r"[A-Za-z0-9_.-]{1,40}\Z")
_ALIASES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv8l": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "ppc64el": ("ppc64le", ""),
    "loongarch64": ("loong64", ""),
}
_ARM_VARIANTS = ("v7", "v6", "v5")


@dataclass(frozen=True, slots=True)
class Platform:
    """`os` and `architecture` are Go's names (linux, amd64); `variant` is empty or v7 and the like."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """`linux/amd64`, `linux/arm/v7`, or an architecture alone. Raises `InvalidArgument`."""
        parts = text.split("/") if isinstance(text, str) else []
        if not 1 <= len(parts) <= 3 or not all(_PART.match(part) for part in parts):
            raise InvalidArgument(f"{str(text)[:80]!r} is not a platform: write it as linux/amd64 or linux/arm/v7")
        if len(parts) == 1:
            return cls.of_machine(parts[0])
        architecture, variant = _ALIASES.get(parts[1].lower(), (parts[1].lower(), ""))
        return cls(parts[0].lower(), architecture, parts[2].lower() if len(parts) == 3 else variant)

    @classmethod
    def of_machine(cls, machine: str) -> Platform:
        """The Linux platform of a machine name as the kernel says it (`uname -m`)."""
        return cls("linux", *_ALIASES.get(machine.lower(), (machine.lower(), "")))

    def rank(self, offered: Platform) -> int | None:
        """How well an image for `offered` suits this machine: 0 is best, None means it can't run."""
        if (offered.os, offered.architecture) != (self.os, self.architecture):
            return None
        wanted, has = self._normal_variant(), offered._normal_variant()
        if wanted == has:
            return 0
        if self.architecture == "arm" and wanted in _ARM_VARIANTS and has in _ARM_VARIANTS:
            distance = _ARM_VARIANTS.index(has) - _ARM_VARIANTS.index(wanted)
            return distance if distance > 0 else None
        return None

    def _normal_variant(self) -> str:
        if self.architecture == "arm":
            return self.variant or "v7"
        if (self.architecture, self.variant) in (("arm64", "v8"), ("amd64", "v1")):
            return ""
        return self.variant

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}" + (f"/{self.variant}" if self.variant else "")
