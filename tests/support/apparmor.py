"""Tests for kernels with AppArmor, as those of `make test-v2`."""

from __future__ import annotations

import pytest

from engine.runtime.apparmor import host

needs_apparmor = pytest.mark.skipif(
    not (host.is_enabled() and host.parser()),
    reason="this kernel has no AppArmor, or there is no apparmor_parser: make test-v2",
)
