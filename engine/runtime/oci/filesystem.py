"""A bundle's root file system and mounts, in two halves.

    gather                 in the caller, with the host's rights and view: the root and every bind's source, detached
    attach_root, furnish   in the container's first process, before pivot_root: everything in the root by descriptor
    enter                  pivot_root, and what holds for the root as a whole

A source is opened before a user namespace or another mount namespace could hide it. A target is opened in the
root by openat2 (mounts.py), so no link in a hostile root leads out of it.
"""

from __future__ import annotations

import os
import stat

from engine.bare import contextlib
from engine.runtime import kernel, mounts
from engine.runtime.oci import copy_up, idmap, mount_options
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from engine.oci.runtime_spec import Mount, Spec
    from engine.runtime.oci.groups.tree import Tree
    from engine.runtime.oci.mount_options import Options

    class Entry(NamedTuple):
        """One of `mounts`. `tree`: what is to be attached, where it is known by now.

        `inside`: the path in the container at which to find the source that an earlier mount brings there, and
        `owners` the user namespace of its idmap then.
        """

        mount: Mount
        options: Options
        tree: int | None
        inside: str
        owners: int | None

    class Gathered(NamedTuple):
        """`groups`: the trees of each mount of type cgroup, in their order.

        `dev`: the /dev among the trees, if it is for a user namespace, which could make no device in its own.
        """

        root_path: str
        root: int
        mounts: list[Entry]
        groups: list[list[tuple[str, int]]]
        labels: list[tuple[str, str | None]]
        dev: int | None
else:
    from engine.bare import namedtuple

    Entry = namedtuple("Entry", "mount options tree inside owners")
    Gathered = namedtuple("Gathered", "root_path root mounts groups labels dev")

_STRICT = ("proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts")
# What lxcfs and its like cover: files that tell the container's share instead of the machine's.
_COVERABLE = {
    f"/proc/{name}" for name in ("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo",
                                 "sys/kernel/ns_last_pid", "sys/crypto/fips_enabled")
}  # fmt: skip


def gather(spec: Spec, bundle: str, tree: Tree) -> Gathered:
    """Open everything; Failure names the mount that has no source."""
    path = os.path.join(bundle, spec.root.path)
    try:
        root_path = os.path.realpath(path, strict=True)
        root = kernel.open_tree(kernel.AT_FDCWD, root_path, recursive=True)
    except OSError as error:
        raise Failure("not_found", f"root.path: {path}: {error.strerror}") from None
    if not stat.S_ISDIR(os.fstat(root).st_mode):
        raise Failure(
            "invalid_argument", f"root.path: {path} is not a directory; name the one with the root file system"
        )
    kernel.mount_setattr(root, 0, recursive=True, propagation=kernel.MS_PRIVATE)
    label = spec.linux.mount_label
    labels: list[tuple[str, str | None]] = [("context", label)] if label else []
    gathered: list[Entry] = []
    groups: list[list[tuple[str, int]]] = []
    dev = None
    for index, mount in enumerate(spec.mounts):
        field = f"mounts[{index}]"
        options = mount_options.parse(mount.options, mount.type, field)
        entry = Entry(mount, options, None, "", None)
        if options.bind:
            source = os.path.join(bundle, mount.source)
            owners = _owners(spec, mount, options, field)
            inside = _inside(root_path, source, [each.destination for each in spec.mounts[:index]])
            found = None if inside else _source(source, options, owners, field)
            entry = Entry(mount, options, found, inside, owners)
        elif _is_dev(mount, options) and any(namespace.type == "user" for namespace in spec.linux.namespaces):
            dev = _new_dev(root, spec, mount, options, labels)
            entry = Entry(mount, options, dev, "", None)
        gathered.append(entry)
        if mount.type == "cgroup" and not options.bind:
            groups.append([(name, kernel.open_tree(kernel.AT_FDCWD, place)) for name, place in tree.views()])
    return Gathered(root_path, root, gathered, groups, labels, dev)


def _inside(root_path: str, source: str, earlier: list[str]) -> str:
    """Where in the container a bind's source lies if a mount before it is to cover the place; empty for the host's."""
    path = os.path.realpath(source)
    below = path.removeprefix(root_path)
    if below == path or not below.startswith("/"):
        return ""
    covered = any(f"{below}/".startswith(f"{os.path.normpath(place)}/") for place in earlier)
    return below if covered else ""


def _owners(spec: Spec, mount: Mount, options: Options, field: str) -> int | None:
    users, groups = mount.uid_mappings, mount.gid_mappings
    if options.idmap and not users:
        users, groups = spec.linux.uid_mappings, spec.linux.gid_mappings
        joined = next((each.path for each in spec.linux.namespaces if each.type == "user" and each.path), "")
        if joined:  # the mapping is that namespace's own
            return os.open(joined, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not users:
            raise Failure("invalid_argument", f"{field}.options: {options.idmap} needs mappings")
    return idmap.namespace(users, groups, field) if users else None


def _source(source: str, options: Options, owners: int | None, field: str) -> int:
    try:
        opened = kernel.open_tree(kernel.AT_FDCWD, source, recursive=options.recursive)
    except OSError as error:
        raise Failure("not_found", f"{field}.source: {source}: {error.strerror}") from None
    return _settled(opened, options, owners, field)


def _settled(opened: int, options: Options, owners: int | None, field: str) -> int:
    if not options.propagation:  # what the container mounts below stays there, what the host mounts stays here
        kernel.mount_setattr(opened, 0, recursive=options.recursive, propagation=kernel.MS_PRIVATE)
    if owners is not None:
        idmap.apply(opened, owners, recursive=options.idmap == "ridmap", field=field)
    mount_options.apply(opened, options, field)
    return opened


def _is_dev(mount: Mount, options: Options) -> bool:
    return mount.type == "tmpfs" and os.path.normpath(mount.destination) == "/dev" and not options.copy_up


def _new_dev(root: int, spec: Spec, mount: Mount, options: Options, labels: list[tuple[str, str | None]]) -> int | None:
    """A file system for devices, which only those work on that were mounted with the host's rights; None without."""
    linux = spec.linux
    named = {key for key, _ in options.data}
    mappings = {"uid": linux.uid_mappings, "gid": linux.gid_mappings}
    data: list[tuple[str, str | None]] = []
    for key, value in options.data:
        is_owner = key in mappings and value is not None and value.isdigit()
        data.append((key, str(idmap.outside(mappings[key], int(value or 0))) if is_owner else value))
    data += [(key, str(idmap.outside(mapping, 0))) for key, mapping in mappings.items() if key not in named]
    with contextlib.suppress(OSError):
        return kernel.new_mount("tmpfs", [*data, *_mode(root, mount, options), *labels], _at_first(mount, options))
    return None


def _at_first(mount: Mount, options: Options) -> int:
    """A tmpfs becomes read-only when all is mounted in it."""
    return options.set & ~kernel.MOUNT_ATTR_RDONLY if mount.type == "tmpfs" else options.set


def attach_root(gathered: Gathered) -> int:
    """Attach the root at its own place, before the process becomes somebody who may not reach it; it, as O_PATH."""
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_SLAVE)
    target = os.open(gathered.root_path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    kernel.move_mount(gathered.root, target)
    os.close(target)
    return os.open(gathered.root_path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def furnish(root: int, gathered: Gathered) -> list[int]:
    """Attach every mount in the root. Returns those that are to become read-only when nothing more is made in them."""
    late: list[int] = []
    for index, entry in enumerate(gathered.mounts):
        try:
            _place(root, entry, gathered, late, field=f"mounts[{index}]")
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise Failure(
                "invalid_argument", f"mounts[{index}]: {entry.mount.destination}: {error.strerror}{where}"
            ) from None
    return late


def close_to_writers(late: list[int]) -> None:
    """What `furnish` has returned becomes read-only."""
    for tree in late:
        kernel.mount_setattr(tree, kernel.MOUNT_ATTR_RDONLY)
        os.close(tree)


def _source_inside(root: int, entry: Entry, field: str) -> int:
    try:
        place = kernel.openat2(root, entry.inside.strip("/"), os.O_PATH, mounts.IN_ROOT)
    except OSError as error:
        raise Failure("not_found", f"{field}.source: {entry.inside} in the container: {error.strerror}") from None
    try:
        if _in_proc(root, place):  # nor may it be bound elsewhere, for the same reason as in `_attach`
            raise Failure("invalid_argument", f"{field}.source: {entry.inside} leads into /proc of the container")
        opened = kernel.open_tree(place, "", recursive=entry.options.recursive)
    finally:
        os.close(place)
    return _settled(opened, entry.options, entry.owners, field)


def _place(root: int, entry: Entry, gathered: Gathered, late: list[int], *, field: str) -> None:
    mount, options, path = entry.mount, entry.options, entry.mount.destination
    if options.bind:
        _attach(root, _source_inside(root, entry, field) if entry.tree is None else entry.tree, path, field)
        return
    if mount.type == "cgroup":
        groups = gathered.groups.pop(0)
        mounts.place(root, {"type": "cgroup", "destination": path, "options": _plain(mount)}, None, groups)
        return
    if not mount.type:  # a change of propagation alone
        target = mounts.open_target(root, path, directory=True)
        mount_options.apply(target, options, field)
        os.close(target)
        return
    tree = entry.tree
    if tree is None:
        data = [
            *options.data,
            *_mode(root, mount, options),
            *(gathered.labels if mount.type in ("tmpfs", "devpts", "mqueue") else []),
        ]
        tree = kernel.new_mount(mount.type, data, _at_first(mount, options), mount.source or mount.type)
    if options.set & ~_at_first(mount, options):
        late.append(os.dup(tree))
    if options.propagation or options.set_below or options.clear_below:
        mount_options.apply(tree, options, field)
    strict = mount.type in _STRICT or path.rstrip("/") == "/dev"
    if options.copy_up:
        copy_up.fill(root, path, tree, field)
    if strict:
        mounts.attach(root, tree, path, strict=True)
    else:
        _attach(root, tree, path, field)


def _mode(root: int, mount: Mount, options: Options) -> list[tuple[str, str | None]]:
    """A tmpfs without a mode has that of the directory that it covers, as with the peers; 1777 where there is none."""
    if mount.type != "tmpfs" or any(key == "mode" for key, _ in options.data):
        return []
    try:
        where = os.O_PATH | os.O_DIRECTORY
        covered = kernel.openat2(root, mount.destination.strip("/") or ".", where, mounts.IN_ROOT)
    except OSError:
        return []
    mode = stat.S_IMODE(os.fstat(covered).st_mode)
    os.close(covered)
    return [("mode", f"{mode:o}")]


def _plain(mount: Mount) -> list[str]:
    """Only what the groups' own mounts can carry."""
    return [option for option in mount.options if option in ("ro", "nosuid", "nodev", "noexec", "relatime")]


def _attach(root: int, tree: int, path: str, field: str) -> None:
    """At `path`, but never over the kernel's process files: a masked one would show again below another name."""
    target = mounts.open_target(root, path, directory=stat.S_ISDIR(os.fstat(tree).st_mode))
    try:
        if os.path.normpath(path) not in _COVERABLE and _in_proc(root, target):
            raise Failure("invalid_argument", f"{field}.destination: {path} leads into /proc; nothing is mounted there")
        kernel.move_mount(tree, target)
    finally:
        os.close(target)
        os.close(tree)


def _in_proc(root: int, target: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        proc = os.stat("proc", dir_fd=root, follow_symlinks=False).st_dev
        return proc != os.fstat(root).st_dev and os.fstat(target).st_dev == proc
    return False


def enter(root: int, root_path: str, propagation: str) -> int:
    """Make the root this mount namespace's root and drop the old one; returns it (O_PATH)."""
    os.fchdir(root)
    kernel.pivot_root(".", ".")  # the old root now lies on top of the new one: pivot_root(2), NOTES
    kernel.umount_detach(".")
    os.chdir("/")
    os.close(root)
    entered = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    recursive = propagation.startswith("r")
    flag = mount_options.PROPAGATIONS.get(propagation[recursive:])
    if flag:
        kernel.mount_setattr(entered, 0, recursive=recursive, propagation=flag)
    return entered
