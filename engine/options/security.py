"""--security-opt: one word with its value, with `=` or (as Docker still takes it) `:` between."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidArgument

PROFILE_MAXIMUM = 256 << 10
"""Characters of a seccomp profile; Docker's own has fifteen thousand."""
OWN_APPARMOR = "portside-default"
"""The AppArmor profile that containers get unasked, where the host's kernel has AppArmor."""
_TRUTH = {"": True, "true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """`seccomp` None is ours, "unconfined" none at all, else a profile as it was sent. `unmask` may hold ALL.

    `no_new_privileges` None: not said, see `keeps_privileges`.
    """

    no_new_privileges: bool | None = None
    seccomp: str | Mapping[str, Any] | None = None
    apparmor: str | None = None
    label: tuple[str, ...] = ()
    systempaths_unconfined: bool = False
    mask: tuple[str, ...] = ()
    unmask: tuple[str, ...] = ()


def keeps_privileges(options: Security, *, privileged: bool) -> bool:
    """Whether no program may gain rights by exec: so it is, unless said otherwise or privileged."""
    return not privileged if options.no_new_privileges is None else options.no_new_privileges


def parse(options: Sequence[str]) -> Security:
    """Read them all, the last of a kind counting. Raises InvalidArgument that quotes the option."""
    found: dict[str, Any] = {}
    for option in options:
        key, value = _split(option)
        if key == "no-new-privileges":
            if value.lower() not in _TRUTH:
                raise InvalidArgument(f"{option[:60]!r}: give no-new-privileges=true or no-new-privileges=false")
            found["no_new_privileges"] = _TRUTH[value.lower()]
        elif key == "seccomp":
            found["seccomp"] = _profile(value)
        elif key == "apparmor" and _is_word(value):
            found["apparmor"] = value
        elif key == "label" and _is_word(value):
            found["label"] = (*found.get("label", ()), value)
        elif key == "systempaths" and value == "unconfined":
            found["systempaths_unconfined"] = True
        elif key in ("mask", "unmask") and value:
            found[key] = (*found.get(key, ()), *_paths(key, value))
        else:
            raise InvalidArgument(
                f"{option[:60]!r} is no security option: use no-new-privileges=, seccomp=, apparmor=, label=, "
                "systempaths=unconfined, mask= or unmask="
            )
    return Security(**found)


def _split(option: str) -> tuple[str, str]:
    """At the first of `=` and `:`: a seccomp profile holds both."""
    ends = [index for index in (option.find("="), option.find(":")) if index >= 0]
    if not ends:
        return option.strip(), ""
    return option[: min(ends)].strip(), option[min(ends) + 1 :].strip()


def _profile(value: str) -> str | dict[str, Any] | None:
    if value == "unconfined":
        return value
    if value in ("", "builtin", "default"):
        return None
    if not value.startswith("{"):
        raise InvalidArgument(
            f"seccomp={value[:40]} names a file: send its content, seccomp={{…}}; the host doesn't have your files"
        )
    if len(value) > PROFILE_MAXIMUM:
        raise InvalidArgument(f"a seccomp profile has at most {PROFILE_MAXIMUM} characters, this one has {len(value)}")
    try:
        profile: dict[str, Any] = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"the seccomp profile is not JSON: {error}") from None
    return profile


def _is_word(value: str) -> bool:
    return bool(value) and value.isprintable() and " " not in value and len(value) < 256


def _paths(key: str, value: str) -> list[str]:
    """Podman's form: /a:/b, and ALL for unmask."""
    if key == "unmask" and value.upper() == "ALL":
        return ["ALL"]
    paths = value.split(":")
    for path in paths:
        if not path.startswith("/") or not path.isprintable() or ".." in path.split("/"):
            raise InvalidArgument(f"{key}={value[:60]}: give absolute paths without .., with : between")
    return paths
