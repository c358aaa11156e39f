"""Binds, Mounts and Volumes: Docker's three ways to say what is mounted, and how inspect shows what is."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import EngineError, InvalidArgument
from engine.options import mounts as words
from engine.options import volume_options
from webui.dockerapi import shapes
from webui.dockerapi.versions import Version


def wishes(host_config: Mapping[str, Any], config: Mapping[str, Any], version: Version) -> dict[str, Any]:
    """`volumes` and `mounts` of a request. Raises InvalidArgument."""
    binds = shapes.strings(shapes.member(host_config, "Binds"), "Binds")
    anonymous = shapes.mapping(shapes.member(config, "Volumes"), "Volumes")
    given = shapes.objects(shapes.member(host_config, "Mounts"), "Mounts")
    texts = [_text(one, version) for one in given]
    taken = {_target(bind) for bind in binds} | {str(shapes.member(one, "Target")) for one in given}
    volumes = [*binds, *(path for path in anonymous if path.rstrip("/") not in taken)]
    return {name: value for name, value in (("volumes", volumes), ("mounts", texts)) if value}


def _target(bind: str) -> str:
    parts = bind.split(":")
    return (parts[1] if len(parts) > 1 else parts[0]).rstrip("/")


def _text(given: Mapping[str, Any], version: Version) -> str:
    """One of Mounts as `--mount` takes it."""
    kind = shapes.text(shapes.member(given, "Type"), "Mounts.Type")
    fields = [f"type={kind or 'volume'}"]
    for docker, key in (("Source", "source"), ("Target", "target")):
        if value := shapes.text(shapes.member(given, docker), f"Mounts.{docker}"):
            fields.append(f"{key}={value}")
    if shapes.flag(shapes.member(given, "ReadOnly"), "Mounts.ReadOnly"):
        fields.append("readonly")
    for docker, owner, read in (
        ("BindOptions", "bind", _bind), ("VolumeOptions", "volume", _volume), ("TmpfsOptions", "tmpfs", _tmpfs),
        ("ImageOptions", "image", _image),
    ):  # fmt: skip
        options = shapes.mapping(shapes.member(given, docker), f"Mounts.{docker}")
        if not options:
            continue
        if kind != owner and version >= (1, 42):
            raise InvalidArgument(f'{docker} must not be specified on mount type "{kind}"')
        if kind == owner:
            fields += read(options)
    return _line(fields)


def _line(fields: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


def with_image_ids(texts: list[str], find: Callable[[str], str]) -> list[str]:
    """The same mounts with `find(name)` for the name of each image: people give the beginning of an id, too."""
    return [_with_image_id(text, find) if text.startswith("type=image,") else text for text in texts]


def _with_image_id(text: str, find: Callable[[str], str]) -> str:
    try:
        fields = next(csv.reader([text]))
    except csv.Error:  # of several lines, or endless: that is told elsewhere
        return text
    return _line([f"source={find(one[7:])}" if one.startswith("source=") else one for one in fields])


def _bind(options: Mapping[str, Any]) -> list[str]:
    found = []
    if propagation := shapes.text(shapes.member(options, "Propagation"), "BindOptions.Propagation"):
        found.append(f"bind-propagation={propagation}")
    if shapes.flag(shapes.member(options, "NonRecursive"), "BindOptions.NonRecursive"):
        found.append("bind-recursive=disabled")
    elif shapes.flag(shapes.member(options, "ReadOnlyNonRecursive"), "BindOptions.ReadOnlyNonRecursive"):
        found.append("bind-recursive=writable")
    if shapes.flag(shapes.member(options, "CreateMountpoint"), "BindOptions.CreateMountpoint"):
        found.append("bind-create-src=true")
    return found


def _volume(options: Mapping[str, Any]) -> list[str]:
    found = []
    if shapes.flag(shapes.member(options, "NoCopy"), "VolumeOptions.NoCopy"):
        found.append("volume-nocopy=true")
    if subpath := shapes.text(shapes.member(options, "Subpath"), "VolumeOptions.Subpath"):
        found.append(f"volume-subpath={subpath}")
    driver = shapes.mapping(shapes.member(options, "DriverConfig"), "VolumeOptions.DriverConfig")
    if name := shapes.text(shapes.member(driver, "Name"), "VolumeOptions.DriverConfig.Name"):
        found.append(f"volume-driver={name}")
    for key, docker, value in (
        ("volume-opt", "DriverConfig.Options", shapes.member(driver, "Options")),
        ("volume-label", "Labels", shapes.member(options, "Labels")),
    ):
        found += [f"{key}={name}={text}" for name, text in shapes.pairs(value, f"VolumeOptions.{docker}").items()]
    return found


def _tmpfs(options: Mapping[str, Any]) -> list[str]:
    found = []
    if size := shapes.number(shapes.member(options, "SizeBytes"), "TmpfsOptions.SizeBytes"):
        found.append(f"tmpfs-size={size}")
    if mode := shapes.number(shapes.member(options, "Mode"), "TmpfsOptions.Mode"):
        found.append(f"tmpfs-mode={mode & 0o7777:04o}")
    return found


def _image(options: Mapping[str, Any]) -> list[str]:
    subpath = shapes.text(shapes.member(options, "Subpath"), "ImageOptions.Subpath")
    return [f"image-subpath={subpath}"] if subpath else []


def host_config(spec: Mapping[str, Any]) -> dict[str, Any]:
    """`Binds` and `Mounts` of a HostConfig."""
    binds = [text for text in spec.get("volumes") or () if ":" in text]
    found: dict[str, Any] = {"Binds": binds or None}
    if spec.get("mounts"):
        found["Mounts"] = [one for one in map(_mount, spec["mounts"]) if one]
    return found


def volumes(spec: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any] | None:
    """`Volumes` of a Config: those without a name or a source, of the request and of the image."""
    own = [text for text in spec.get("volumes") or () if ":" not in text]
    return {path: {} for path in (*(image.get("volumes") or ()), *own)} or None


def _mount(text: str) -> dict[str, Any]:
    try:
        found = volume_options.mount(text)
    except EngineError:  # of another version
        return {}
    shown: dict[str, Any] = {"Type": found.kind}
    if found.source:
        shown["Source"] = found.source
    shown["Target"] = found.target
    if found.read_only:
        shown["ReadOnly"] = True
    options = _options(found)
    if options:
        shown[f"{found.kind.capitalize()}Options"] = options
    return shown


def _options(found: words.Mount) -> dict[str, Any]:
    if found.kind == words.BIND:
        every: dict[str, Any] = {
            "Propagation": "" if found.propagation == words.PRIVATE else found.propagation,
            "NonRecursive": found.recursive == "disabled",
            "ReadOnlyNonRecursive": found.recursive == "writable",
            "CreateMountpoint": found.creates,
        }
    elif found.kind == words.VOLUME:
        driver = {"Name": found.driver, "Options": dict(found.driver_opts)}
        every = {
            "NoCopy": not found.copies,
            "Subpath": found.subpath,
            "Labels": dict(found.labels),
            "DriverConfig": driver if any(driver.values()) else None,
        }
    elif found.kind == words.IMAGE:
        every = {"Subpath": found.subpath}
    else:
        size = next((word.partition("=")[2] for word in found.options if word.startswith("size=")), "")
        mode = next((word.partition("=")[2] for word in found.options if word.startswith("mode=")), "")
        every = {"SizeBytes": _bytes(size), "Mode": int(mode, 8) if mode else 0}
    return {name: value for name, value in every.items() if value}


def _bytes(text: str) -> int:
    units = {"k": 10, "m": 20, "g": 30}
    digits, unit = text.rstrip("kmgKMG"), text[-1:].lower()
    return int(digits) << units.get(unit, 0) if digits.isdigit() else 0


def shown(mounted: list[dict[str, Any]], spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`Mounts` of inspect and of lists: what the host has mounted (of what lies in memory that of `--mount`
    alone, as by dockerd). Where a volume lies is told as its name alone, and of an image its id."""
    found = []
    modes = _modes(spec)
    for one in mounted:
        kind = one.get("type", "volume")
        point: dict[str, Any] = {"Type": kind}
        if kind in ("volume", "image"):
            point["Name"] = one.get("name", "")
        point["Source"] = f"/volumes/{one.get('name', '')}" if kind == "volume" else one.get("source", "")
        point["Destination"] = one.get("destination", "")
        if kind == "volume":
            point["Driver"] = one.get("driver") or "local"
        mode = modes.get(str(one.get("destination", "")).rstrip("/"))
        point["Mode"] = (mode or "z") if kind == "volume" and mode is not None else mode or ""
        point["RW"] = not one.get("read_only")
        point["Propagation"] = one.get("propagation") or ("rprivate" if kind == "bind" else "")
        found.append(point)
    return found


def _modes(spec: Mapping[str, Any]) -> dict[str, str]:
    """What was said as its third word of each mount that somebody asked for by name, by its place; "" for nothing."""
    texts = [text for text in spec.get("volumes") or () if ":" in text]
    found = {_target(text): text.split(":")[2] if text.count(":") > 1 else "" for text in texts}
    return {one["Target"].rstrip("/"): "" for one in map(_mount, spec.get("mounts") or ()) if one} | found
