"""What `build` of the command line says of its outputs, in the words of `docker buildx build`."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import replace

from engine.build.outputs import DOCKER, KINDS, LOCAL, OCI, TAR, Output
from engine.build.spec import BuildSpec, CacheExport
from engine.errors import InvalidArgument


def add(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--push", action="store_true", help="send the image to the registries of its names")
    command.add_argument("--load", action="store_true", help="as docker has it; here an image is always stored")
    command.add_argument(
        "-o", "--output", action="append", default=[], metavar="DIR|-|type=KIND,dest=PATH",
        help="local (the files), tar (of the files), oci and docker (archives of the image), registry",
    )  # fmt: skip
    command.add_argument(
        "--cache-from", action="append", default=[], metavar="NAME|type=registry,ref=NAME",
        help="a cache, or an image with one inside, to look into",
    )  # fmt: skip
    command.add_argument(
        "--cache-to", action="append", default=[], metavar="type=inline|type=registry,ref=NAME[,mode=max]",
        help="write the cache into the image, or push it under a name (mounts=true: with its cache mounts)",
    )  # fmt: skip
    command.add_argument(
        "--sbom", nargs="?", const="spdx", default="", metavar="spdx|cyclonedx", help="list the software"
    )
    command.add_argument(
        "--provenance", nargs="?", const="min", default="", metavar="min|max", help="say how it was built"
    )
    command.add_argument("--sign", metavar="PATH", help="sign the image by this private key (PEM, ECDSA P-256)")


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
    exports = [_cache(text, "--cache-to") for text in options.cache_to]
    return replace(
        spec,
        push=push,
        sbom=_attested("sbom", options.sbom, "spdx"),
        provenance=_attested("provenance", options.provenance, "min"),
        signing_key=_key(options.sign) if options.sign else "",
        outputs=tuple(outputs),
        cache_from=tuple(_reference(_cache(text, "--cache-from"), text) for text in options.cache_from),
        cache_to=tuple(_export(fields) for fields in exports if fields["type"] == "registry"),
        cache_inline=any(fields["type"] == "inline" for fields in exports),
    )


def _attested(what: str, text: str, usual: str) -> str:
    """`true`, `false`, one of ours, or docker's mode=max."""
    words = {"true": usual, "false": "", "mode=min": "min", "mode=max": "max"}
    found = words.get(text, text)
    if what == "sbom" and found in ("min", "max"):
        raise InvalidArgument("--sbom is spdx or cyclonedx")
    return found


def _key(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read(64 << 10)
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"--sign: {path} can't be read as a key in PEM") from error


def _cache(text: str, option: str) -> dict[str, str]:
    """A name alone is type=registry,ref=NAME."""
    fields = {"ref": text} if "=" not in text else dict(part.partition("=")[::2] for part in text.split(","))
    kind = fields.setdefault("type", "registry")
    if kind not in ("registry", "inline") or (kind == "inline" and option == "--cache-from"):
        known = "registry" if option == "--cache-from" else "registry and inline"
        raise InvalidArgument(f"{option} {text[:80]!r}: there is no type {kind[:40]!r} here, but {known}")
    return fields


def _reference(fields: dict[str, str], text: str) -> str:
    if not fields.get("ref"):
        raise InvalidArgument(f"{text[:80]!r} names no cache: write type=registry,ref=NAME")
    return fields["ref"]


def _export(fields: dict[str, str]) -> CacheExport:
    return CacheExport(
        reference=_reference(fields, "--cache-to"),
        mode=fields.get("mode", "min"),
        mounts=fields.get("mounts") == "true",
        may_fail=fields.get("ignore-error") == "true",
    )


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
