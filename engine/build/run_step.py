"""RUN: from an instruction to the work that it is."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.build import sandbox
from engine.build.draft import Draft
from engine.build.entitlements import DEVICE, INSECURE, NETWORK_HOST
from engine.build.events import Step
from engine.build.language import commands, model, scope
from engine.build.language.source import DockerfileError
from engine.build.layering import Work
from engine.build.run_mounts import Given, RunMounts
from engine.build.sandbox import Command, Kernel, Layers
from engine.build.spec import BuildSpec, StepFailed
from engine.build.workplace import Workplace
from engine.errors import NotFound, PermissionDenied
from engine.runtime.spec import Bind

_INSECURE = "insecure"
_DOCUMENTS = "/.build"
"""Where a here-document with a program of its own is seen; BuildKit's place, which history shows, is the kernel's."""

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]?")


def work(
    draft: Draft, run: model.Run, mounts: RunMounts, *,
    spec: BuildSpec, host: Kernel, place: Workplace, step: Step, description: str, cancel: threading.Event,
) -> Work:  # fmt: skip
    """Raises `PermissionDenied` for rights that the build hasn't, `DockerfileError`."""
    network = run.network if run.network != "default" else spec.network
    _check_rights(run, network, spec)
    found = commands.invocation(run, draft.shell)
    if not found.argv or not found.argv[0]:
        raise DockerfileError("RUN has no command", run.location)
    seen = tuple(word.replace(f"{commands.DOCUMENTS_DIRECTORY}/", f"{_DOCUMENTS}/") for word in found.argv)
    document = found.document
    words = seen if document is not None else found.argv
    command = Command(
        args=words,
        env=draft.environment,
        user=draft.user,
        cwd=draft.working_directory,
        network=network,
        add_hosts=spec.add_hosts,
        limits=spec.limits,
        hostname=spec.build_args.get("BUILDKIT_SANDBOX_HOSTNAME") or sandbox.HOSTNAME,
        insecure=run.security == _INSECURE,
    )
    definition: dict[str, Any] = {
        "do": "run",
        "args": words,
        "document": None if document is None else document.content,
        "env": draft.environment,
        "user": draft.user,
        "cwd": draft.working_directory,
        "network": network,
        "hosts": sorted(spec.add_hosts),
        "mounts": mounts.definition,
    }
    if command.insecure:
        definition["security"] = run.security
    if run.devices:
        definition["devices"] = [device.name for device in run.devices]

    def make(layers: Layers) -> Sequence[bytes]:
        with mounts.given() as given:
            complete = _complete(command, given, found, place, _proxies(spec, draft))
            complete = _with_devices(complete, run.devices, step)
            made = _stubs(complete, layers)
            code = sandbox.run(host, place.runs, complete, layers, log=step.log, cancel=cancel)
        if code:
            raise _failed(found.argv, code, step)
        return made

    content = mounts.content if mounts.reads else None
    return Work(definition=definition, description=description, make=make, content=content, overlaid=True)


def _check_rights(run: model.Run, network: str, spec: BuildSpec) -> None:
    if network == "host" and NETWORK_HOST not in spec.entitlements:
        raise PermissionDenied(
            "RUN asks for the host's network (--network=host), which this build may not use: "
            f"ask for it with the right {NETWORK_HOST}",
            {"entitlement": NETWORK_HOST},
        )
    if run.security == _INSECURE and INSECURE not in spec.entitlements:
        raise PermissionDenied(
            "RUN asks to have the host's devices and every capability (--security=insecure), which this build may not: "
            f"ask for it with the right {INSECURE}",
            {"entitlement": INSECURE},
        )
    if run.devices and DEVICE not in spec.entitlements:
        names = ", ".join(device.name[:60] for device in run.devices[:5])
        raise PermissionDenied(
            f"RUN asks for a device of the host (--device={names}), which this build may not use: "
            f"ask for it with the right {DEVICE}",
            {"entitlement": DEVICE},
        )


def _complete(
    command: Command, given: Given, found: commands.Invocation, place: Workplace, proxies: Sequence[str]
) -> Command:
    binds = list(given.binds)
    if found.document is not None:
        directory = place.new_directory("document")
        path = directory / found.document.name
        path.write_text(found.document.content, encoding="utf-8", errors="surrogateescape")
        path.chmod(0o755)
        directory.chmod(0o755)
        binds.append(Bind(str(directory), _DOCUMENTS, read_only=True))
    env = (*proxies, *command.env, *given.env)
    return replace(command, env=env, binds=binds, tmpfs=given.tmpfs, shares_users=given.shares_users)


def _with_devices(command: Command, wanted: Sequence[model.Device], step: Step) -> Command:
    """The command with what `wanted` are on this host. Raises `NotFound` for one that is required and not here."""
    if not wanted:
        return command
    from engine.build.cdi import DIRECTORIES, Edits, Registry  # few builds need what it loads

    registry, found = Registry.read(), Edits()
    for device in dict.fromkeys(wanted):
        edits = registry.edits(device.name)
        if edits is not None:
            found += edits
            continue
        why = f"this host has no device {device.name[:60]!r} in {' or '.join(DIRECTORIES)}"
        unread = "".join(f"; {problem}" for problem in registry.problems[:3])
        if device.required:
            raise NotFound(f"{why}{unread}: describe it there, or build without required", {"device": device.name})
        step.log(f"[{why}{unread}: it is done without]\n".encode())
    return replace(
        command, env=(*command.env, *found.env), binds=(*command.binds, *found.binds), devices=found.nodes,
        device_rules=found.rules, groups=found.groups,
    )  # fmt: skip


def _proxies(spec: BuildSpec, draft: Draft) -> list[str]:
    """Proxies that the build is given are there for every RUN, in no key and no history."""
    found = scope.proxies(spec.build_args)
    return [f"{name}={value}" for name, value in found.items() if name not in draft.variables]


def _stubs(command: Command, layers: Layers) -> list[bytes]:
    """Paths at which the start will make something to mount on, with all above them."""
    found: set[bytes] = set()
    for target in sandbox.targets(command):
        parts = [part for part in target.split("/") if part]
        found |= {os.fsencode("/".join(parts[:count])) for count in range(1, len(parts) + 1)}
    return sorted(found)


def _failed(words: Sequence[str], code: int, step: Step) -> StepFailed:
    tail = step.tail
    last = "".join(f"\n    {_left_by(line)}" for line in tail)
    shown = " ".join(words)
    shown = shown if len(shown) <= 300 else shown[:300] + "…"
    message = f"{shown!r} ended with exit code {code}" + (
        f"; its last lines:{last}" if last else "; it printed nothing"
    )
    return StepFailed(message, {"exit_code": code, "command": shown, "log": tail, "step": step.vertex.id})


def _left_by(line: str) -> str:
    """What a terminal would show of a line: no colours, and of what returns to its start what came last."""
    return _ESCAPES.sub("", line.rstrip("\r").rpartition("\r")[2])
