"""What the host has of AppArmor: apparmor(7), and the kernel's Documentation/admin-guide/LSM/apparmor.rst."""

from __future__ import annotations

import os

ENABLED = "/sys/module/apparmor/parameters/enabled"
PROFILES = "/sys/kernel/security/apparmor/profiles"
PARSERS = ("/usr/sbin/apparmor_parser", "/sbin/apparmor_parser", "/usr/bin/apparmor_parser")


def is_enabled() -> bool:
    """Whether the kernel has it and was started with it."""
    try:
        with open(ENABLED) as file:
            return file.read(1) == "Y"
    except OSError:
        return False


def loaded() -> set[str] | None:
    """The names of all loaded profiles; None where they can't be seen: securityfs is not mounted."""
    try:
        with open(PROFILES) as file:
            return {line.rpartition(" (")[0] for line in file}
    except OSError:
        return None


def parser() -> str | None:
    """The path of the program that loads profiles, from Debian's package apparmor."""
    return next((path for path in PARSERS if os.access(path, os.X_OK)), None)
