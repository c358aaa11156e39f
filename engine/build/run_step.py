"""RUN: from an instruction to the work that it is."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.build import metadata, sandbox
from engine.build.draft import Draft
from engine.build.events import Step
from engine.build.language import heredocs, model
from engine.build.language.source import DockerfileError
from engine.build.layering import Work
from engine.build.run_mounts import Given, RunMounts
from engine.build.sandbox import Command, Kernel, Layers
from engine.build.spec import INSECURE, NETWORK_HOST, BuildSpec, StepFailed
from engine.build.workplace import Workplace
from engine.errors import PermissionDenied, Unsupported
from engine.runtime.spec import Bind

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
_DOCUMENTS = "/.build"
_SHOWN = "/dev/pipes"
"""Where BuildKit puts a document with a program of its own; history shows it so."""


@dataclass(frozen=True, slots=True)
class Script:
    """The words to run; `document`: a file to be seen below `_DOCUMENTS`; `shown`: the words, for history."""

    words: tuple[str, ...]
    shown: tuple[str, ...]
    document: tuple[str, str] | None = None


def script(draft: Draft, run: model.Run) -> Script:
    """What a RUN with its here-documents comes to (convert.go, dispatchRun)."""
    if not run.files:
        words = tuple(metadata.with_shell(draft, run.command))
        return Script(words, words)
    text = run.command.argv[0] if run.command.argv else ""
    if heredocs.is_name(text) is None:
        whole = text + "".join(f"\n{document.text}{document.name}" for document in run.files)
        words = (*draft.shell, whole)
        return Script(words, words)
    document = run.files[0]
    if document.content.startswith("#!"):
        name = document.name
        return Script((f"{_DOCUMENTS}/{name}",), (f"{_SHOWN}/{name}",), (name, document.content))
    words = (*draft.shell, document.content)
    return Script(words, words)


def work(
    draft: Draft, run: model.Run, mounts: RunMounts, *,
    spec: BuildSpec, host: Kernel, place: Workplace, step: Step, description: str, cancel: threading.Event,
) -> Work:  # fmt: skip
    """Raises `PermissionDenied` for rights that the build hasn't, `Unsupported`, `DockerfileError`."""
    network = run.network if run.network != "default" else spec.network
    _check_rights(run, network, spec)
    found = script(draft, run)
    if not found.words or not found.words[0]:
        raise DockerfileError("RUN has no command", run.location)
    command = Command(
        args=found.words,
        env=draft.environment,
        user=draft.user,
        cwd=draft.working_directory,
        network=network,
        add_hosts=spec.add_hosts,
        limits=spec.limits,
        hostname=spec.build_args.get("BUILDKIT_SANDBOX_HOSTNAME") or sandbox.HOSTNAME,
    )
    definition: dict[str, Any] = {
        "do": "run",
        "args": found.words,
        "document": found.document,
        "env": draft.environment,
        "user": draft.user,
        "cwd": draft.working_directory,
        "network": network,
        "hosts": sorted(spec.add_hosts),
        "mounts": mounts.definition,
    }

    def make(layers: Layers) -> Sequence[bytes]:
        with mounts.given() as given:
            complete = _complete(command, given, found, place, _proxies(spec.build_args, draft.variables))
            made = _stubs(complete, layers)
            code = sandbox.run(host, place.runs, complete, layers, log=step.log, cancel=cancel)
        if code:
            raise _failed(found.shown, code, step)
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
    if run.security == "insecure":
        raise Unsupported(
            "RUN --security=insecure is not supported: commands of a build are always confined",
            {"entitlement": INSECURE},
        )
    if run.devices:
        raise Unsupported("RUN --device is not supported: commands of a build have no devices of the host")


def _complete(command: Command, given: Given, found: Script, place: Workplace, proxies: Sequence[str]) -> Command:
    binds = list(given.binds)
    if found.document is not None:
        name, text = found.document
        directory = place.new_directory("document")
        path = directory / name
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        path.chmod(0o755)
        directory.chmod(0o755)
        binds.append(Bind(str(directory), _DOCUMENTS, read_only=True))
    return replace(
        command,
        env=(*proxies, *command.env, *given.env),
        binds=binds,
        tmpfs=given.tmpfs,
        shares_users=given.shares_users,
    )


def _proxies(given: Mapping[str, str], variables: Mapping[str, str]) -> list[str]:
    """Proxies that the build is given are there for every RUN, in no key and no history."""
    found = []
    for name, value in given.items():
        if name.upper() in PROXIES and name not in variables:
            found += [f"{one}={value}" for one in (name.upper(), name.lower())]
    return found


def _stubs(command: Command, layers: Layers) -> list[bytes]:
    """Paths at which the start will make something to mount on, with all above them."""
    found: set[bytes] = set()
    for target in sandbox.targets(command):
        parts = [part for part in target.split("/") if part]
        found |= {os.fsencode("/".join(parts[:count])) for count in range(1, len(parts) + 1)}
    return sorted(found)


def _failed(words: Sequence[str], code: int, step: Step) -> StepFailed:
    tail = step.tail
    last = "".join(f"\n    {line}" for line in tail)
    shown = " ".join(words)
    shown = shown if len(shown) <= 300 else shown[:300] + "…"
    message = f"{shown!r} ended with exit code {code}" + (
        f"; its last lines:{last}" if last else "; it printed nothing"
    )
    return StepFailed(message, {"exit_code": code, "log": tail, "step": step.vertex.id})
