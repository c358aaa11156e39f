"""What `build` of the command line says of its outputs, in the words of `docker buildx build`."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import replace

from engine.build.outputs import DOCKER, KINDS, LOCAL, OCI, TAR, Output
from engine.build.spec import BuildSpec
from engine.errors import InvalidArgument


def add(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--push", action="store_true", help="send the image to the registries of its names")
    command.add_argument("--load", action="store_true", help="as docker has it; here an image is always stored")
    command.add_argument(
        "-o", "--output", action="append", default=[], metavar="DIR|-|type=KIND,dest=PATH",
        help="local (the files), tar (of the files), oci and docker (archives of the image), registry",
    )  # fmt: skip


def completed(spec: BuildSpec, options: argparse.Namespace) -> BuildSpec:
    """The spec with what the options say. Raises `InvalidArgument`."""
    outputs: list[Output] = []
    push = options.push
    for text in options.output:
        fields = _fields(text)
        if fields["type"] in ("image", "registry"):
            push = push or fields["type"] == "registry" or fields.get("push") == "true"
            if name := fields.get("name"):
                spec = replace(spec, tags=(*spec.tags, name))
        else:
            outputs.append(_output(fields, text))
    platforms = [part for text in options.platform for part in text.split(",") if part]
    if len(platforms) == 1:
        spec = replace(spec, platform=platforms[0])
    elif platforms:
        spec = replace(spec, platforms=tuple(platforms))
    return replace(spec, push=push, outputs=tuple(outputs))


def _fields(text: str) -> dict[str, str]:
    """`DIR` alone is type=local,dest=DIR; `-` is a tar of the files on standard output."""
    if "=" not in text:
        return {"type": TAR if text == "-" else LOCAL, "dest": text}
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    fields.setdefault("type", "")
    return fields


def _output(fields: dict[str, str], text: str) -> Output:
    kind, place = fields["type"], fields.get("dest") or fields.get("destination") or ""
    if kind not in KINDS:
        known = ", ".join((*KINDS, "image", "registry"))
        raise InvalidArgument(f"--output {text[:80]!r}: there is no type {kind[:40]!r}, but {known}")
    if not place and kind == DOCKER:
        raise InvalidArgument("--output type=docker needs dest=PATH here: the image is stored anyway")
    if kind != LOCAL and place in ("", "-"):
        return Output(kind, descriptor=_standard_output())
    return Output(kind, path=place)


def _standard_output() -> int:
    descriptor = sys.stdout.fileno()
    if stat.S_ISCHR(os.fstat(descriptor).st_mode) and os.isatty(descriptor):
        raise InvalidArgument("a tar is nothing for a terminal: redirect standard output, or give dest=PATH")
    return descriptor


def writes_to_standard_output(outputs: Sequence[Output]) -> bool:
    """Whether nothing else may be said there."""
    return any(output.descriptor is not None and output.kind in (TAR, OCI, DOCKER) for output in outputs)
