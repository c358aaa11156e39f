"""What a person may ask of a container, checked field by field before anything is written.

Pure: takes what was typed, gives back values of the contract, or one InvalidArgument that names every
field that is wrong (`detail["fields"]`: field → sentences).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import InvalidArgument
from engine.oci.reference import Reference
from engine.options import checking, variables
from engine.options.changing import merged
from engine.options.naming import HOST_NAME, HOST_NAME_RULE
from engine.options.ports import MOST, problem_of_address, spread
from worker.contract.commands import ContainerOptions, PortMapping

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
NAME_RULE = "Use 1 to 128 letters, digits, _ . and -, beginning with a letter or a digit."
USER = re.compile(r"(?=.)[A-Za-z0-9_.-]{0,64}(:[A-Za-z0-9_.-]{0,64})?")
"""Either half may be empty, as with Docker: `app:` has app's own groups, `:app` is root in that group."""
IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")
RESTART_POLICIES = ("no", "on-failure", "always", "unless-stopped")
MEMORY_MINIMUM = 6 << 20
"""Bytes; below it the kernel kills most programs before they have begun (Docker draws the line there too)."""
PIDS_MAXIMUM = 4_194_304
"""What the kernel's pid_max can be at most (proc(5))."""
TEXT_MAXIMUM = 128 << 10
"""Bytes of one argument or variable that execve(2) takes (MAX_ARG_STRLEN)."""
FILE_MAXIMUM = 1 << 20
"""Characters of a file of variables or labels."""
PORTS_MAXIMUM, WORDS_MAXIMUM, VARIABLES_MAXIMUM = 200, 1000, 1000
"""The first as they are written: a range is one, and may be a thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRequest(ContainerOptions):
    """Fields as in the contract's CreateContainer, whose `user` is `run_as` here; `name` None: a friendly one.

    `env_file` and `label_file`: the text of files that `env` and `labels` go beyond; see `with_files`.
    """

    image: str
    name: str | None = None
    command: Sequence[str] = ()
    entrypoint: Sequence[str] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Sequence[Mapping[str, Any]] = ()
    run_as: str | None = None
    workdir: str | None = None
    hostname: str | None = None
    memory_bytes: int | None = None
    cpus: float | None = None
    pids_limit: int | None = None
    restart: str = "no"
    restart_limit: int | None = None
    env_file: str = ""
    label_file: str = ""


class FieldErrors:
    """Collects what is wrong, field by field."""

    def __init__(self) -> None:
        self.fields: dict[str, list[str]] = {}

    def check(self, holds: bool, name: str, message: str) -> None:
        if not holds:
            self.fields.setdefault(name, []).append(message)

    def raise_any(self, what: str = "the container can't be created") -> None:
        if self.fields:
            first = next(iter(self.fields.values()))[0]
            raise InvalidArgument(f"{what}: {first}", {"fields": self.fields})


def request_check(request: ContainerRequest) -> tuple[str, tuple[PortMapping, ...]]:
    """Check everything; return the image in its canonical form and the ports. Raises InvalidArgument."""
    errors = FieldErrors()
    image = _image(request.image.strip(), errors)
    errors.check(
        request.name is None or bool(NAME.fullmatch(request.name)),
        "name",
        NAME_RULE,
    )
    _words(request.command, "command", errors)
    _words(request.entrypoint or (), "entrypoint", errors)
    _variables(request.env, "env", errors)
    _variables(request.labels, "labels", errors)
    _process(request, errors)
    _limits(request, errors)
    for name, sentence in checking.problems(request):
        errors.check(False, name, sentence)
    ports = _ports(request.ports, errors)
    errors.raise_any()
    return image, ports


def with_files(request: ContainerRequest) -> ContainerRequest:
    """The request with what its files say among `env` and `labels`. Raises InvalidArgument with the field's name."""
    errors = FieldErrors()
    read: dict[str, dict[str, str]] = {}
    for name, lookup in (("env_file", {}), ("label_file", None)):
        text = getattr(request, name)
        errors.check(len(text) <= FILE_MAXIMUM, name, f"Give at most {FILE_MAXIMUM} characters.")
        try:
            read[name] = variables.read(text[:FILE_MAXIMUM], lookup)
        except InvalidArgument as error:
            errors.check(False, name, f"{error.message[0].upper()}{error.message[1:]}.")
    errors.raise_any()
    return replace(
        request,
        env={**read["env_file"], **request.env},
        labels={**read["label_file"], **request.labels},
        env_file="",
        label_file="",
    )


def changes_check(spec: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Check changes (`engine.options.changing`) of a container of this spec, together with what they leave.

    Raises InvalidArgument with the field errors.
    """
    kept = {name: spec[name] for name in ("auto_remove", "oom_kill_disable", "network") if name in spec}
    request = ContainerRequest(image="any", **kept, **merged(spec, changes))
    errors = FieldErrors()
    _process(request, errors)
    _limits(request, errors)
    _variables(request.labels, "labels", errors)
    for name, sentence in checking.problems(request):
        errors.check(False, name, sentence)
    _ports(request.ports, errors)
    errors.raise_any("the container can't be changed")


def _image(text: str, errors: FieldErrors) -> str:
    if IMAGE_ID.fullmatch(text):
        return text
    try:
        return str(Reference.parse(text))
    except InvalidArgument as error:
        errors.check(False, "image", error.message)
        return ""


def _words(words: Sequence[str], name: str, errors: FieldErrors) -> None:
    errors.check(len(words) <= WORDS_MAXIMUM, name, f"Give at most {WORDS_MAXIMUM} words.")
    for word in words:
        errors.check("\0" not in word, name, "A word can't contain a NUL character.")
        errors.check(len(word.encode()) < TEXT_MAXIMUM, name, f"A word has to be shorter than {TEXT_MAXIMUM} bytes.")


def _variables(variables: Mapping[str, str], name: str, errors: FieldErrors) -> None:
    errors.check(len(variables) <= VARIABLES_MAXIMUM, name, f"Give at most {VARIABLES_MAXIMUM} entries.")
    for key, value in variables.items():
        errors.check(
            bool(key) and "=" not in key, name, f"{key[:80]!r} can't be a name: it needs a character and no =."
        )
        errors.check("\0" not in key + value, name, f"{key[:80]!r} contains a NUL character.")
        size = len(key.encode()) + len(value.encode())
        errors.check(size < TEXT_MAXIMUM - 1, name, f"{key[:80]!r} has to be shorter than {TEXT_MAXIMUM} bytes.")


def _process(request: ContainerRequest, errors: FieldErrors) -> None:
    errors.check(
        request.run_as is None or bool(USER.fullmatch(request.run_as)),
        "user",
        "Give a user, user:group or :group, by names or numbers, such as 1000:1000.",
    )
    workdir = request.workdir
    errors.check(
        workdir is None or (workdir.startswith("/") and "\0" not in workdir and len(workdir.encode()) < 4096),
        "workdir",
        "Give an absolute path, such as /srv.",
    )
    errors.check(
        request.hostname is None or bool(HOST_NAME.fullmatch(request.hostname)),
        "hostname",
        HOST_NAME_RULE,
    )
    errors.check(request.restart in RESTART_POLICIES, "restart", f"Choose one of {', '.join(RESTART_POLICIES)}.")
    limit = request.restart_limit
    errors.check(limit is None or 0 < limit <= 1_000_000, "restart_limit", "Give a number from 1 to 1000000.")
    errors.check(
        limit is None or request.restart == "on-failure", "restart_limit", "A limit goes only with restart: on-failure."
    )


def _limits(request: ContainerRequest, errors: FieldErrors) -> None:
    memory, cpus, pids = request.memory_bytes, request.cpus, request.pids_limit
    errors.check(
        memory is None or MEMORY_MINIMUM <= memory < 1 << 60,
        "memory_bytes",
        f"Give at least {MEMORY_MINIMUM} bytes (6 MiB), or leave it out for no limit.",
    )
    errors.check(
        cpus is None or 0.01 <= cpus <= 4096, "cpus", "Give a number of cores from 0.01 to 4096, such as 0.5 or 2."
    )
    errors.check(
        pids is None or pids == -1 or 1 <= pids <= PIDS_MAXIMUM,
        "pids_limit",
        f"Give a number of processes from 1 to {PIDS_MAXIMUM}, or -1 for no limit.",
    )


def _ports(ports: Sequence[Mapping[str, Any]], errors: FieldErrors) -> tuple[PortMapping, ...]:
    errors.check(len(ports) <= PORTS_MAXIMUM, "ports", f"Give at most {PORTS_MAXIMUM} ports.")
    mappings: list[PortMapping] = []
    taken: set[tuple[str, int, str]] = set()
    for index, port in _spread(ports[:PORTS_MAXIMUM], errors):
        where = f"ports.{index}."
        inside, outside = port.get("container"), port.get("host")
        protocol, address = port.get("protocol") or "tcp", port.get("address") or "127.0.0.1"
        fine = {
            "container": _is_port(inside),
            "host": outside is None or _is_port(outside),
            "protocol": protocol in ("tcp", "udp", "sctp"),
            "address": not (problem := problem_of_address(address)),
        }
        errors.check(fine["container"], where + "container", "Give a port from 1 to 65535.")
        errors.check(fine["host"], where + "host", "Give a port from 1 to 65535, or leave it out for a free one.")
        errors.check(fine["protocol"], where + "protocol", "Choose tcp, udp or sctp.")
        errors.check(fine["address"], where + "address", problem)
        if not all(fine.values()):
            continue
        key, last = (protocol, outside or 0, address), port.get("host_last")
        if outside is not None and last is None:
            errors.check(key not in taken, where + "host", f"Port {outside}/{protocol} is published twice.")
            taken.add(key)
        mapping = PortMapping(container=inside, host=outside, protocol=protocol, address=address, host_last=last)  # type: ignore[arg-type]
        mappings.append(mapping)
    errors.check(len(mappings) <= MOST, "ports", f"These are {len(mappings)} ports; give at most {MOST}.")
    return tuple(mappings)


def ports_spread(ports: Sequence[Mapping[str, Any]], field: str = "ports") -> list[dict[str, Any]]:
    """Each range of the container's as the ports that it is. Raises InvalidArgument with the field errors."""
    errors = FieldErrors()
    found = [port for _, port in _spread(ports, errors, field)]
    errors.raise_any("the container can't be changed")
    return found


def _spread(
    ports: Sequence[Mapping[str, Any]], errors: FieldErrors, field: str = "ports"
) -> list[tuple[int, dict[str, Any]]]:
    """With the place that each has in what was sent."""
    found = []
    for index, port in enumerate(ports):
        try:
            found += [(index, one) for one in spread(port)]
        except InvalidArgument as error:
            sentence = f"{error.message[0].upper()}{error.message[1:]}."
            errors.check(False, f"{field}.{index}.{error.detail['field']}", sentence)
    return found


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536
