"""Config: what runs in a container, and how; in both directions, as `hostconfig` for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.options.healthcheck import DEFAULTS
from webui.containers.models import Container
from webui.dockerapi import shapes
from webui.dockerapi.containers import mounts, networking

NANOSECONDS = 1_000_000_000
_DURATIONS = {
    "Interval": "interval_seconds",
    "Timeout": "timeout_seconds",
    "StartPeriod": "start_period_seconds",
    "StartInterval": "start_interval_seconds",
}
assert set(_DURATIONS.values()) == set(DEFAULTS)
_ATTACH = {"stdin": "AttachStdin", "stdout": "AttachStdout", "stderr": "AttachStderr"}


def wishes(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request that a Config asks for. Raises InvalidArgument."""

    def text(name: str) -> str | None:
        return shapes.text(shapes.member(given, name), name) or None

    def flag(name: str) -> bool | None:
        return shapes.flag(shapes.member(given, name), name) or None

    entrypoint = shapes.words(shapes.member(given, "Entrypoint"), "Entrypoint")
    timeout = shapes.member(given, "StopTimeout")
    stdin_open = flag("OpenStdin")
    found = {
        "hostname": text("Hostname"),
        "domainname": text("Domainname"),
        "run_as": text("User"),
        "tty": flag("Tty"),
        "stdin_open": stdin_open,
        "stdin_once": flag("StdinOnce") if stdin_open else None,
        "env": environment(shapes.strings(shapes.member(given, "Env"), "Env")) or None,
        "command": shapes.words(shapes.member(given, "Cmd"), "Cmd") or None,
        "entrypoint": _entrypoint(entrypoint),
        "healthcheck": _health(shapes.member(given, "Healthcheck")),
        "workdir": text("WorkingDir"),
        "labels": shapes.pairs(shapes.member(given, "Labels"), "Labels") or None,
        "stop_signal": text("StopSignal"),
        "stop_timeout": None if timeout is None else shapes.number(timeout, "StopTimeout"),
    }
    return {name: value for name, value in found.items() if value is not None}


def attached(given: Mapping[str, Any]) -> list[str]:
    """Which streams a Config says will be attached. Raises InvalidArgument."""
    return [stream for stream, name in _ATTACH.items() if shapes.flag(shapes.member(given, name), name)]


def environment(entries: list[str]) -> dict[str, str]:
    """NAME=VALUE each; a NAME alone takes what was there away, which an empty value comes nearest to."""
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def without_unset(env: Mapping[str, str], entries: list[str], image: Mapping[str, Any]) -> dict[str, str]:
    """`environment(entries)` without each NAME alone that the image has not set either: it is to be no variable."""
    unset = unset_names(entries)
    known = {entry.partition("=")[0] for entry in image.get("env") or ()}
    return {name: value for name, value in env.items() if name not in unset - known}


def unset_names(entries: list[str]) -> set[str]:
    """Each NAME alone, which the client has no value of; the last entry of a name counts."""
    last = {entry.partition("=")[0]: entry for entry in entries}
    return {name for name, entry in last.items() if "=" not in entry}


def _entrypoint(words: list[str] | None) -> list[str] | None:
    """None for the image's; none at all is said by one empty word."""
    if not words:
        return None
    return [] if words == [""] else words


def _health(value: Any) -> dict[str, Any] | None:
    given = shapes.mapping(value, "Healthcheck")
    found: dict[str, Any] = {}
    if test := shapes.strings(shapes.member(given, "Test"), "Healthcheck.Test"):
        found["test"] = test
    for docker, ours in _DURATIONS.items():
        if span := shapes.number(shapes.member(given, docker), f"Healthcheck.{docker}"):
            found[ours] = span / NANOSECONDS
    if retries := shapes.number(shapes.member(given, "Retries"), "Healthcheck.Retries"):
        found["retries"] = retries
    return found or None


def command_of(spec: Mapping[str, Any], image: Mapping[str, Any]) -> list[str]:
    """What runs, as the engine merges it."""
    command = list(spec.get("command") or ())
    if spec.get("entrypoint") is not None:
        return [*spec["entrypoint"], *command]
    return [*(image.get("entrypoint") or ()), *(command or image.get("cmd") or ())]


def config(container: Container, image: Mapping[str, Any]) -> dict[str, Any]:
    """`Config` of inspect."""
    spec = container.spec
    entrypoint = spec.get("entrypoint")
    attaches = (_ATTACH if spec.get("stdin_once") else ()) if container.attached is None else container.attached
    found: dict[str, Any] = {
        "Hostname": spec.get("hostname") or container.short_id,
        "Domainname": spec.get("domainname") or "",
        "User": spec.get("user") or image.get("user") or "",
        **{name: stream in attaches for stream, name in _ATTACH.items()},
        "ExposedPorts": networking.exposed_ports(spec, image),
        "Tty": bool(spec.get("tty")),
        "OpenStdin": bool(spec.get("stdin_open")),
        "StdinOnce": bool(spec.get("stdin_once")),
        "Env": _env(spec, image),
        "Cmd": list(spec.get("command") or ()) or (None if entrypoint is not None else image.get("cmd") or None),
        "Healthcheck": _shown_health(spec.get("healthcheck"), image.get("healthcheck")),
        "Image": container.image,
        "Volumes": mounts.volumes(spec, image),
        "WorkingDir": spec.get("workdir") or image.get("working_dir") or "",
        "Entrypoint": (list(entrypoint) or None) if entrypoint is not None else image.get("entrypoint") or None,
        "OnBuild": None,
        "Labels": {**(image.get("labels") or {}), **(spec.get("labels") or {})},
    }
    for name, value in (
        ("StopSignal", spec.get("stop_signal") or image.get("stop_signal") or None),
        ("StopTimeout", spec.get("stop_timeout")),
    ):
        if value is not None:
            found[name] = value
    for name in ("ExposedPorts", "Healthcheck"):
        if not found[name]:
            del found[name]
    return found


def _env(spec: Mapping[str, Any], image: Mapping[str, Any]) -> list[str]:
    """The request's first, as Docker's engine merges them."""
    own = dict(spec.get("env") or {})
    rest = [entry for entry in image.get("env") or () if entry.partition("=")[0] not in own]
    return [*(f"{name}={value}" for name, value in own.items()), *rest]


def _shown_health(wish: Any, image: Any) -> dict[str, Any]:
    merged = {**{k: v for k, v in (image or {}).items() if v}, **{k: v for k, v in (wish or {}).items() if v}}
    found: dict[str, Any] = {"Test": list(merged["test"])} if merged.get("test") else {}
    for docker, ours in _DURATIONS.items():
        if merged.get(ours):
            found[docker] = round(merged[ours] * NANOSECONDS)
    if merged.get("retries"):
        found["Retries"] = merged["retries"]
    return found
