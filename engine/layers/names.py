"""Names in a layer's tar: made relative and clean, or refused."""

from __future__ import annotations

from engine.layers.limits import LayerRefused, Limits


def clean(name: bytes, limits: Limits) -> bytes:
    """`./usr//bin/` → `usr/bin`, `.` → empty (the layer's root).

    Raises `LayerRefused` for absolute names, for `..`, for NUL bytes and for what the kernel could not hold.
    Docker and containerd resolve the first two inside the layer; no honest tool writes them.
    """
    if name.endswith(b"/"):
        name = name.rstrip(b"/")
    if name.startswith(b"/"):
        raise LayerRefused(f"the layer has an absolute name, {_shown(name)}")
    if name.startswith(b"./"):
        name = name[2:].lstrip(b"/")
    if b"//" in name or b"./" in name or b"/." in name or name in (b"", b".", b".."):
        parts = [part for part in name.split(b"/") if part not in (b"", b".")]
        if b".." in parts:
            raise LayerRefused(f"the layer has a name that leads out of it, {_shown(name)}")
        name = b"/".join(parts)
    if len(name) > limits.name_bytes and (
        len(name) > limits.path_bytes or any(len(part) > limits.name_bytes for part in name.split(b"/"))
    ):
        raise LayerRefused(f"the layer has a name that is too long, {_shown(name)}")
    if b"\0" in name:
        raise LayerRefused(f"the layer has a name with a NUL byte, {_shown(name)}")
    return name


def check_symlink(name: bytes, target: bytes, limits: Limits) -> None:
    """A symbolic link may point anywhere in the container's own root, but not climb above it.

    Raises `LayerRefused`. Absolute targets are meant from the container's root and are fine.
    """
    if not target or len(target) > limits.path_bytes:
        raise LayerRefused(f"the layer has a symbolic link without a sensible target, {_shown(name)}")
    if b".." not in target or target.startswith(b"/"):
        return
    depth = name.count(b"/")
    for part in target.split(b"/"):
        if part == b"..":
            depth -= 1
        elif part not in (b"", b"."):
            depth += 1
        if depth < 0:
            raise LayerRefused(f"the layer has a symbolic link out of it, {_shown(name)} to {_shown(target)}")


def _shown(name: bytes) -> str:
    text = name if len(name) <= 120 else name[:117] + b"..."
    return ascii(text.decode("utf-8", "replace"))
