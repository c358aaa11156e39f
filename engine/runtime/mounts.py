"""Mounts inside a container whose root file system is hostile.

Everything here runs in the container's root, so no path can leave the container; links can still point to another
place inside. A target is therefore opened once, by openat2 in the root and without /proc's magic links, and
the mount is attached to what was opened, not to a path that could change its meaning in between.
"""

from __future__ import annotations

import errno
import os
import stat

from engine.bare import contextlib
from engine.runtime import hiding, image_trees, kernel
from engine.runtime.rooted import open_beneath
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

IN_ROOT = kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS
STRICT = IN_ROOT | kernel.RESOLVE_NO_SYMLINKS
SOURCE = "portside.source"
"""In an entry of `mounts`, beside what the specification knows: a bind's source is taken without following links.

{"subpath": of it, possibly empty; "writable_below": read-only leaves what is mounted below as it is;
"root": a directory that it is opened from (`rooted`), if a policy wants that;
"hides": directories below it, from its top, that are shown empty (`hiding`);
"image": the id of an image whose files are bound instead of a source of the host's}
"""
_PROPAGATIONS = {
    **dict.fromkeys(("slave", "rslave"), kernel.MS_SLAVE),
    **dict.fromkeys(("shared", "rshared"), 0),  # as its source is, of which it becomes a peer
}
SYS = "/sys"
"""What a bind has as its target here was asked for by this name, and no link leads there."""
KERNEL_FILE_SYSTEMS = ("proc", "sysfs", "cgroup", "mqueue", "devpts")

_ATTRIBUTES = {
    "ro": kernel.MOUNT_ATTR_RDONLY,
    "nosuid": kernel.MOUNT_ATTR_NOSUID,
    "nodev": kernel.MOUNT_ATTR_NODEV,
    "noexec": kernel.MOUNT_ATTR_NOEXEC,
    "noatime": kernel.MOUNT_ATTR_NOATIME,
    "strictatime": kernel.MOUNT_ATTR_STRICTATIME,
    "nodiratime": kernel.MOUNT_ATTR_NODIRATIME,
}
_NOTHING = ("rw", "suid", "dev", "exec", "relatime", "defaults", "bind", "rbind", "private", "rprivate", "rro")


def parse_options(options: list[str]) -> tuple[int, list[tuple[str, str | None]]]:
    """MOUNT_ATTR_* bits, and the file system's own options."""
    attributes, data = 0, []
    for option in options:
        if option in _ATTRIBUTES:
            attributes |= _ATTRIBUTES[option]
        elif option == "rro":
            attributes |= kernel.MOUNT_ATTR_RDONLY
        elif option not in _NOTHING:
            key, equals, value = option.partition("=")
            data.append((key, value if equals else None))
    return attributes, data


def open_source(
    mount: dict[str, Any],
    owners: int | None = None,
    first: int = 0,
    images: dict[str, list[str]] | None = None,
    home: Sequence[int] | None = None,
) -> int:
    """Outside of the container: a detached copy of what is to be bound, with its flags already set.

    `owners`: a user namespace, whose root (the host's id `first`) and users its files are to belong to. `images`: the
    layers of each image that is mounted, by its id. `home`: Portside's, where a source hides it (`hiding.identity`).
    """
    options = mount.get("options") or []
    attributes, _ = parse_options(options)
    recursive = "rbind" in options
    ours = mount.get(SOURCE)
    if owners is not None and ours is not None and "hides" in ours:
        # Its root may have all rights there (docker exec --privileged), and could take the covers away.
        raise Failure("unsupported", hiding.refusal(mount["source"]))
    if ours is not None and "image" in ours:
        layers = (images or {})[ours["image"]]
        return image_trees.open_image(mount["source"], layers, ours["subpath"], owners, first)
    if ours is None:
        tree = kernel.open_tree(kernel.AT_FDCWD, mount["source"], recursive=recursive)
    else:
        tree = _exact(mount["source"], ours["subpath"], ours.get("root", ""), recursive=recursive)
    top = kernel.MOUNT_ATTR_RDONLY & attributes if ours is not None and ours["writable_below"] else 0
    attributes &= ~top
    # Private: of a shared mount, the copy would be a peer, and what is mounted on one would appear on the other.
    propagation = next((_PROPAGATIONS[word] for word in options if word in _PROPAGATIONS), kernel.MS_PRIVATE)
    if owners is not None:
        attributes |= kernel.MOUNT_ATTR_IDMAP
    try:
        kernel.mount_setattr(
            tree, attributes, recursive=recursive, propagation=propagation, users=0 if owners is None else owners
        )
        if top:
            kernel.mount_setattr(tree, top)
    except OSError as error:
        os.close(tree)
        if owners is None or error.errno not in (errno.EINVAL, errno.EPERM):
            raise
        raise Failure(
            "unsupported",
            f"{mount['source']} lies on a file system that can't show other owners; "
            "put it on another one, or let the container do without a user namespace (userns: host)",
        ) from None
    return hiding.hide(tree, ours["hides"], home, recursive=recursive) if ours is not None and "hides" in ours else tree


def _exact(source: str, subpath: str, root: str, *, recursive: bool) -> int:
    """A detached copy of what is at `source`, which has no links, or at `subpath` of it, whose links stay in it.

    With `root` the source is opened from there.
    """
    what = source
    try:
        if root:
            place = open_beneath(root, source)
        else:
            place = kernel.openat2(kernel.AT_FDCWD, source, os.O_PATH, kernel.RESOLVE_NO_SYMLINKS)
        if subpath:
            what = f"{subpath} in the volume"
            base, place = place, kernel.openat2(place, subpath, os.O_PATH, IN_ROOT | kernel.RESOLVE_NO_XDEV)
            os.close(base)
    except (FileNotFoundError, NotADirectoryError):
        raise Failure("not_found", f"volumes: {what} is not there: make it, then try again") from None
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EXDEV):
            raise
        raise Failure(
            "conflict", f"volumes: {what} leads elsewhere by now: make the container anew, with the right path"
        ) from None
    tree = kernel.open_tree(place, "", recursive=recursive)
    os.close(place)
    return tree


class ReadOnly(Failure):
    """What is to be mounted on, or worked in, would have to be made where nothing can be."""


def open_target(root: int, path: str, *, directory: bool, strict: bool = False, depth: int = 0) -> int:
    """Open `path` in the container for mounting (O_PATH); what is missing is made, links stay in the root."""
    path = path.strip("/") or "."
    flags = os.O_PATH | (os.O_DIRECTORY if directory else 0)
    try:
        return kernel.openat2(root, path, flags, STRICT if strict else IN_ROOT)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Failure("invalid_argument", f"/{path} in the image is a link; nothing can be mounted there") from None
        raise
    parent_path, _, name = path.rpartition("/")
    parent = open_target(root, parent_path, directory=True, strict=strict, depth=depth)
    try:
        if directory:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=parent))
    except FileExistsError:  # a link to something that isn't there: make that instead
        if depth >= 8 or strict or _is_kernels(root, parent):
            raise Failure("invalid_argument", f"/{path} in the image is a link that leads nowhere") from None
        link = os.readlink(name, dir_fd=parent)
        aim = os.path.normpath(link if link.startswith("/") else f"/{parent_path}/{link}")
        return open_target(root, aim, directory=directory, depth=depth + 1)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        raise ReadOnly(
            "invalid_argument",
            f"/{path} is not there and can't be made, for it lies in a mount that is read-only: name what is there, or "
            "a place elsewhere",
        ) from None
    finally:
        os.close(parent)
    return kernel.openat2(root, path, flags, STRICT if strict else IN_ROOT)


def _is_kernels(root: int, fd: int) -> bool:
    """Whether `fd` lies in the container's /proc or /sys."""
    device = os.fstat(fd).st_dev
    if device == os.fstat(root).st_dev:
        return False
    for name in ("proc", "sys"):
        with contextlib.suppress(FileNotFoundError):
            if os.stat(name, dir_fd=root, follow_symlinks=False).st_dev == device:
                return True
    return False


def attach(root: int, tree: int, path: str, *, strict: bool = False, foreign: bool = False) -> None:
    """Attach the detached `tree` at `path` and close it. `foreign`: never on top of /proc or /sys."""
    directory = stat.S_ISDIR(os.fstat(tree).st_mode)
    target = open_target(root, path, directory=directory, strict=strict)
    try:
        if foreign and _is_kernels(root, target):
            raise Failure("invalid_argument", f"{path} leads into /proc or /sys; nothing can be mounted there")
        kernel.move_mount(tree, target)
    finally:
        os.close(target)
        os.close(tree)


def new_tree(mount: dict[str, Any], owner: int | None = None) -> int:
    """A new file system as an entry of the specification's `mounts` describes it, detached.

    `owner`: the number that whoever calls this has for the user and group whose it is to be, where it says nothing.
    """
    attributes, data = parse_options(mount.get("options") or [])
    if owner is not None and mount["type"] == "tmpfs":
        named = {key for key, _ in data}
        data += [(key, str(owner)) for key in ("uid", "gid") if key not in named]
    return kernel.new_mount(mount["type"], data, attributes, mount.get("source", mount["type"]))


def place(
    root: int, mount: dict[str, Any], source: int | None, groups: list[tuple[str, int]], tree: int | None = None
) -> None:
    """One entry of the specification's `mounts`.

    `source`: the tree of a bind; `groups`: see `_place_cgroup`; `tree`: what `new_tree` made of this entry before.
    """
    kind, path = mount.get("type", "bind"), mount["destination"]
    if source is not None:
        is_own = path == SYS or path.startswith(f"{SYS}/")
        attach(root, source, path, foreign=not is_own, strict=is_own)
        return
    if kind == "cgroup" and tree is None:
        attributes, _ = parse_options(mount.get("options") or [])
        _place_cgroup(root, path, attributes, groups)
        return
    strict = path.rstrip("/") == "/dev" or kind in KERNEL_FILE_SYSTEMS
    attach(root, new_tree(mount) if tree is None else tree, path, strict=strict, foreign=not strict)


def cgroup_tree(mount: dict[str, Any], groups: list[tuple[str, int]]) -> int | None:
    """What `place` makes of an entry for control groups, still detached; None where mounts can't hang on such a one.

    They can since Linux 6.15. Version 2 has a single tree, which needs nothing.
    """
    if not groups or [name for name, _ in groups] == [""]:
        return None
    attributes, _ = parse_options(mount.get("options") or [])
    base = _cgroup_base(attributes, groups)
    for name, tree in groups:
        os.mkdir(name, 0o755, dir_fd=base)
        target = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=base)
        try:
            kernel.move_mount(tree, target)
        except OSError as error:
            if error.errno != errno.EINVAL or (name, tree) != groups[0]:
                raise
            os.close(base)
            return None
        finally:
            os.close(target)
    _finish_cgroups(base, attributes, groups)
    return base


def _place_cgroup(root: int, path: str, attributes: int, groups: list[tuple[str, int]]) -> None:
    """The container's own groups, as (name below `path`, tree); the name is empty on version 2."""
    if [name for name, _ in groups] == [""]:
        kernel.mount_setattr(groups[0][1], attributes, propagation=kernel.MS_PRIVATE)
        attach(root, groups[0][1], path, strict=True)
        return
    base = _cgroup_base(attributes, groups)
    keep = os.dup(base)
    attach(root, base, path, strict=True)
    for name, tree in groups:
        attach(root, os.dup(tree), f"{path}/{name}", strict=True)
    _finish_cgroups(keep, attributes, groups)
    os.close(keep)


def _cgroup_base(attributes: int, groups: list[tuple[str, int]]) -> int:
    for _, tree in groups:
        kernel.mount_setattr(tree, attributes, propagation=kernel.MS_PRIVATE)
    return kernel.new_mount("tmpfs", [("mode", "755"), ("size", "64k")], attributes & ~kernel.MOUNT_ATTR_RDONLY)


def _finish_cgroups(base: int, attributes: int, groups: list[tuple[str, int]]) -> None:
    for name, tree in groups:
        for alias in name.split(","):
            if alias != name:
                os.symlink(name, alias, dir_fd=base)
        os.close(tree)
    kernel.mount_setattr(base, attributes)


def mask(root: int, paths: Sequence[str]) -> None:
    """Cover files with /dev/null and directories with an empty read-only tmpfs; what isn't there is fine."""
    empty, whole = -1, os.fstat(root)
    null = kernel.openat2(root, "dev/null", os.O_PATH, STRICT)
    try:
        found = os.fstat(null)  # by descriptor: what is bound is what was looked at (CVE-2025-31133)
        if paths and not (stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(1, 3)):
            raise Failure(
                "invalid_argument", "/dev/null in the container is not the null device; nothing can be masked"
            )
        for field, target in _reached(root, paths, "linux.maskedPaths"):
            covered = os.fstat(target)
            if os.path.samestat(covered, whole):
                raise Failure("invalid_argument", f"{field}: the whole root can't be masked; name what lies in it")
            if not stat.S_ISDIR(covered.st_mode):
                tree = kernel.open_tree(null, "")
            elif empty < 0:
                options: list[tuple[str, str | None]] = [("size", "0"), ("nr_inodes", "1"), ("mode", "555")]
                tree = kernel.new_mount("tmpfs", options, kernel.MOUNT_ATTR_RDONLY)
                empty = os.dup(tree)
            else:
                tree = kernel.open_tree(empty, "")
            kernel.move_mount(tree, target)
            os.close(tree)
            os.close(target)
    finally:
        os.close(null)
        if empty >= 0:
            os.close(empty)


def make_read_only(root: int, paths: Sequence[str]) -> None:
    """Bind each path over itself, read-only with all that is mounted below; what isn't there is fine."""
    whole = os.fstat(root)
    for _, target in _reached(root, paths, "linux.readonlyPaths"):
        if os.path.samestat(
            os.fstat(target), whole
        ):  # whose process would stay in the root below what is mounted over it
            kernel.mount_setattr(target, kernel.MOUNT_ATTR_RDONLY, recursive=True)
        else:
            tree = kernel.open_tree(target, "", recursive=True)
            kernel.mount_setattr(tree, kernel.MOUNT_ATTR_RDONLY, recursive=True)
            kernel.move_mount(tree, target)
            os.close(tree)
        os.close(target)


def _reached(root: int, paths: Sequence[str], key: str) -> Iterator[tuple[str, int]]:
    """(field, O_PATH descriptor) of each path that is there, once. The descriptor is the caller's to close.

    Links are followed within the root, but neither in /proc and /sys nor into them: what an image had covered there in
    place of something else, this runtime might still have to read or write (CVE-2023-27561).
    """
    for index, path in enumerate(paths):
        if path in paths[:index]:
            continue
        field = f"{key}[{index}]"
        kernels = os.path.normpath(path).strip("/").partition("/")[0] in ("proc", "sys")
        try:
            target = kernel.openat2(root, path.strip("/") or ".", os.O_PATH, STRICT if kernels else IN_ROOT)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            where = "leads through a link, of which none is followed there: name what it leads to"
            why = where if error.errno == errno.ELOOP else error.strerror
            raise Failure("invalid_argument", f"{field}: {path}: {why}") from None
        if not kernels and _is_kernels(root, target):
            os.close(target)
            raise Failure("invalid_argument", f"{field}: {path} is a link into /proc or /sys: name what it leads to")
        yield field, target
