"""Tests for kernels with AppArmor, as those of `make test-v2`, and what stands for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.runtime.apparmor import host, loading, profile

needs_apparmor = pytest.mark.skipif(
    not (host.is_enabled() and host.parser()),
    reason="this kernel has no AppArmor, or there is no apparmor_parser: make test-v2",
)


class Machine:
    """A host that has AppArmor, as far as files tell: `loads` is how often its parser was asked."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run = place / "run"
        self.enabled, self.profiles, self.parser = place / "enabled", place / "profiles", place / "parser"
        self.calls, self.text = place / "calls", place / "text"
        self.enabled.write_text("Y\n")
        self.profiles.write_text("nscd (enforce)\n")
        self.parser_says(f"cat >{self.text}; echo '{profile.NAME} (enforce)' >>{self.profiles}")
        monkeypatch.setattr(host, "ENABLED", str(self.enabled))
        monkeypatch.setattr(host, "PROFILES", str(self.profiles))
        monkeypatch.setattr(host, "PARSERS", (str(place / "none"), str(self.parser)))

    def parser_says(self, script: str) -> None:
        self.parser.write_text(f'#!/bin/sh\necho "$@" >>{self.calls}\n{script}\n')
        self.parser.chmod(0o755)

    def applied(self) -> str:
        return loading.applied(profile.NAME, self.run)

    @property
    def loads(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0
