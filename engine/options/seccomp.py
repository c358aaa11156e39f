"""Seccomp profiles as people have them: Docker's form (conditions on host and container) → the specification's.

Docker's (moby profiles/seccomp, `seccomp.Seccomp`): `archMap` instead of `architectures`; a rule may have
`includes` and `excludes` with `caps`, `arches` and `minKernel`, and an old one `name` instead of `names`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from engine.errors import InvalidArgument
from engine.oci.runtime_seccomp import Seccomp

ARCHES = {"x86_64": "amd64", "aarch64": "arm64", "riscv64": "riscv64", "s390x": "s390x", "ppc64le": "ppc64le"}
"""What uname(2) calls a machine → Docker's word in `arches`."""
_ONLY_DOCKERS = ("archMap",)
_ONLY_IN_RULES = ("includes", "excludes", "comment", "name")


def for_container(
    profile: Mapping[str, Any], *, capabilities: Collection[str], machine: str, kernel: str
) -> dict[str, Any]:
    """The `linux.seccomp` object for a container that keeps `capabilities` ("CAP_CHOWN") on this machine and kernel.

    Raises InvalidArgument that names the profile's field.
    """
    result = {key: value for key, value in profile.items() if key not in _ONLY_DOCKERS}
    if "archMap" in profile:
        if profile.get("architectures"):
            raise InvalidArgument("the seccomp profile has both architectures and archMap; remove one")
        result["architectures"] = _architectures(profile["archMap"])
    rules = profile.get("syscalls") or []
    if not isinstance(rules, list):
        raise InvalidArgument("seccomp syscalls: a list is needed")
    here = (frozenset(capabilities), ARCHES.get(machine, machine), _version(kernel, "the kernel"))
    result["syscalls"] = [_plain(rule) for index, rule in enumerate(rules) if _applies(rule, index, *here)]
    check(result)
    return result


def check(profile: Mapping[str, Any]) -> None:
    """Raise InvalidArgument unless `profile` is a `linux.seccomp` object that a filter can be made of."""
    if "defaultAction" not in profile:
        raise InvalidArgument("the seccomp profile has no defaultAction; is it a seccomp profile?")
    if any(key.startswith("listener") and profile[key] for key in profile):
        raise InvalidArgument("a seccomp profile with a listener (SCMP_ACT_NOTIFY) can't be used here")
    Seccomp.read(json.loads(json.dumps(profile)), "seccomp")
    if "SCMP_ACT_NOTIFY" in json.dumps(profile):
        raise InvalidArgument("SCMP_ACT_NOTIFY needs a listener, which containers here do not have")


def problem(profile: object) -> str | None:
    """A sentence on why no container on any machine could have this profile; None if one could."""
    if not isinstance(profile, Mapping):
        return "A seccomp profile is a JSON object."
    try:
        for_container(profile, capabilities=(), machine="x86_64", kernel="6.0")
    except InvalidArgument as error:
        return error.message
    return None


def _architectures(arch_map: object) -> list[str]:
    if not isinstance(arch_map, list):
        raise InvalidArgument("seccomp archMap: a list is needed")
    found: list[str] = []
    for entry in arch_map:
        if not isinstance(entry, Mapping):
            raise InvalidArgument("seccomp archMap: each entry is an object with architecture and subArchitectures")
        found += [name for name in (entry.get("architecture"), *(entry.get("subArchitectures") or ())) if name]
    return list(dict.fromkeys(found))


def _plain(rule: Mapping[str, Any]) -> dict[str, Any]:
    result = {key: value for key, value in rule.items() if key not in _ONLY_IN_RULES and value not in (None, "")}
    if "name" in rule and not result.get("names"):
        result["names"] = [rule["name"]]
    if not result.get("args"):
        result.pop("args", None)
    return result


def _applies(rule: object, index: int, capabilities: frozenset[str], arch: str, kernel: tuple[int, int]) -> bool:
    if not isinstance(rule, Mapping):
        raise InvalidArgument(f"seccomp syscalls[{index}]: an object is needed")
    where = f"seccomp syscalls[{index}]"
    includes, excludes = _filter(rule, "includes", where), _filter(rule, "excludes", where)
    if not capabilities.issuperset(includes["caps"]) or capabilities.intersection(excludes["caps"]):
        return False
    if (includes["arches"] and arch not in includes["arches"]) or arch in excludes["arches"]:
        return False
    if includes["minKernel"] and kernel < _version(includes["minKernel"], f"{where}.includes.minKernel"):
        return False
    return not excludes["minKernel"] or kernel < _version(excludes["minKernel"], f"{where}.excludes.minKernel")


def _filter(rule: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    found = rule.get(key) or {}
    if not isinstance(found, Mapping) or not set(found) <= {"caps", "arches", "minKernel"}:
        raise InvalidArgument(f"{where}.{key}: an object with caps, arches and minKernel is needed")
    lists = {name: found.get(name) or [] for name in ("caps", "arches")}
    for name, values in lists.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise InvalidArgument(f"{where}.{key}.{name}: a list of strings is needed")
    return {**lists, "minKernel": found.get("minKernel") or ""}


def _version(text: object, where: str) -> tuple[int, int]:
    """`6.1.0-13-amd64` → (6, 1)."""
    numbers = str(text).split(".")
    digits = ["".join(character for character in part[:6] if character.isdigit()) for part in numbers[:2]]
    if len(digits) < 2 or not all(digits):
        raise InvalidArgument(f"{where}: {text!r} is not a kernel version such as 4.8")
    return int(digits[0]), int(digits[1])
