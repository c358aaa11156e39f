"""The image that a stage is becoming: configuration, history, variables, layers.

Fields and lines of history are those that BuildKit writes (frontend/dockerfile/dockerfile2llb/convert.go), so that
whatever reads images reads ours. Docker's own fields (Healthcheck, OnBuild, Shell, ArgsEscaped) are among them.
"""

from __future__ import annotations

import copy
import datetime
import json
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.build.cache_records import INLINE
from engine.build.language.commands import SHELL
from engine.build.language.scope import DEFAULT_PATH
from engine.images.manifests import as_json
from engine.oci.digest import Digest
from engine.oci.platform import Platform

COMMENT = "buildkit.dockerfile.v0"


@dataclass(slots=True)
class Entry:
    """One line of history; `created_at` (Unix time) is None until it is known, `text` what was there before for the
    base's own lines."""

    created_by: str
    is_empty: bool
    created_at: float | None = None
    original: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Draft:
    """`document`: the config as it will be written, without layers and history; `variables`: of the environment and
    of ARG, for expansion and RUN; `arguments`: each ARG so far; `blobs`: of the base image, documents and packed
    layers."""

    document: dict[str, Any]
    layers: list[Digest] = field(default_factory=list)
    history: list[Entry] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    arguments: list[tuple[str, str | None]] = field(default_factory=list)
    has_cmd: bool = False
    blobs: tuple[Digest, ...] = ()

    @classmethod
    def scratch(cls, platform: Platform) -> Draft:
        """Of `FROM scratch`."""
        document: dict[str, Any] = {"architecture": platform.architecture, "os": platform.os}
        if platform.variant:
            document["variant"] = platform.variant
        document["config"] = {"Env": [f"PATH={DEFAULT_PATH}"], "WorkingDir": "/"}
        return cls(document)._begun()

    @classmethod
    def of_image(cls, config: bytes, layers: Sequence[Digest], blobs: Sequence[Digest]) -> Draft:
        """Of an image with this config; `blobs` it consists of, in which its layers are packed."""
        document: dict[str, Any] = json.loads(config)
        history = [Entry("", bool(one.get("empty_layer")), None, one) for one in document.pop("history", None) or ()]
        for name in ("created", "rootfs", "container", "container_config", "moby.buildkit.cache.v0", INLINE):
            document.pop(name, None)
        document["config"] = document.get("config") or {}
        return cls(document, list(layers), history, blobs=tuple(blobs))._begun()

    def _begun(self) -> Draft:
        environment = self.config.setdefault("Env", None) or []
        if not any(entry.startswith("PATH=") for entry in environment):
            environment = [*environment, f"PATH={DEFAULT_PATH}"]
        self.config["Env"] = environment
        for entry in environment:
            name, _, value = entry.partition("=")
            self.variables[name] = value
        return self

    def follow(self) -> Draft:
        """A stage's that begins with this one as its base. Triggers are not carried on."""
        following = copy.deepcopy(self)
        following.has_cmd = False
        following.config.pop("OnBuild", None)
        return following

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.document["config"]
        return config

    @property
    def platform(self) -> Platform:
        """Whose programs it holds, as far as it says."""
        return Platform(*(self.document.get(name) or "" for name in ("os", "architecture", "variant")))

    @property
    def working_directory(self) -> str:
        return self.config.get("WorkingDir") or "/"

    @property
    def user(self) -> str:
        return self.config.get("User") or ""

    @property
    def shell(self) -> tuple[str, ...]:
        return tuple(self.config.get("Shell") or SHELL)

    @property
    def triggers(self) -> list[str]:
        return list(self.config.get("OnBuild") or ())

    @property
    def environment(self) -> tuple[str, ...]:
        """What RUN gets."""
        return tuple(f"{name}={value}" for name, value in self.variables.items())

    def absolute(self, path: str) -> str:
        """A path from the working directory on; a slash at its end, or what stands for one, is kept."""
        keeps = path.endswith("/") or path in ("", ".") or path.endswith("/.")
        found = posixpath.normpath(posixpath.join("/", self.working_directory, path))
        found = "/" + found.lstrip("/")
        return found + "/" if keeps and not found.endswith("/") else found

    def set_variable(self, name: str, value: str) -> None:
        """ENV: in the image, and for what follows."""
        self.variables[name] = value
        environment = self.config["Env"]
        for position, entry in enumerate(environment):
            if entry.partition("=")[0] == name:
                environment[position] = f"{name}={value}"
                return
        environment.append(f"{name}={value}")

    def note(self, created_by: str) -> None:
        """A line of history without a layer."""
        self.history.append(Entry(created_by, is_empty=True))

    def add_layer(self, diff_id: Digest, created_by: str, created_at: float) -> None:
        self.layers.append(diff_id)
        self.history.append(Entry(created_by, is_empty=False, created_at=created_at))

    def run_line(self, arguments: Iterable[str]) -> str:
        """RUN as history has it, with the build arguments that it could see."""
        seen: dict[str, str] = {}
        for name, value in self.arguments:
            seen[name] = self.variables.get(name, value or "")
        shown = [f"|{len(seen)}", *(f"{name}={value}" for name, value in seen.items())] if seen else []
        return " ".join(["RUN", *shown, *arguments]) + " # buildkit"

    def finished(self, labels: Mapping[str, str], epoch: int | None) -> bytes:
        """The image's config. `epoch`: no time of ours is after it, and what has none has this."""
        document = copy.deepcopy(self.document)
        if labels:
            document["config"]["Labels"] = {**(document["config"].get("Labels") or {}), **labels}
        document["rootfs"] = {"type": "layers", "diff_ids": list(self.layers)}
        history, created = self._told(epoch)
        document["history"] = history
        if created is not None:
            document["created"] = created
        document["config"] = {key: value for key, value in document["config"].items() if value not in (None, [], {})}
        return as_json(document)

    def _told(self, epoch: int | None) -> tuple[list[dict[str, Any]], str | None]:
        """The lines; those without a time get that of the layer before them, or of the first new one."""
        known = [entry.created_at for entry in self.history if entry.created_at is not None]
        last = known[0] if known else (None if epoch is None else float(epoch))
        told: list[dict[str, Any]] = []
        created: str | None = None
        for entry in self.history:
            if entry.original is not None:
                told.append(dict(entry.original))
                created = entry.original.get("created") or created
                continue
            last = entry.created_at if entry.created_at is not None else last
            moment = last if epoch is None or last is None else min(last, float(epoch))
            line: dict[str, Any] = {"created_by": entry.created_by, "comment": COMMENT}
            if moment is not None:
                line["created"] = rfc3339(moment)
            elif created is not None:
                line["created"] = created
            created = line.get("created", created)
            if entry.is_empty:
                line["empty_layer"] = True
            told.append(line)
        return told, created


def rfc3339(moment: float) -> str:
    """Unix time as Go writes it: UTC, without zeros at the end of a fraction."""
    when = datetime.datetime.fromtimestamp(moment, datetime.UTC)
    fraction = f".{when.microsecond:06d}".rstrip("0") if when.microsecond else ""
    return f"{when:%Y-%m-%dT%H:%M:%S}{fraction}Z"
