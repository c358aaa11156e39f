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

    class Gathered(NamedTuple):
        root_path: str
        root: int
        mounts: list[tuple[Mount, Options, int | None]]
        groups: list[tuple[str, int]]
        labels: list[tuple[str, str | None]]
else:
    from engine.bare import namedtuple

    Gathered = namedtuple("Gathered", "root_path root mounts groups labels")

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
    kernel.mount_setattr(root, 0, recursive=True, propagation=kernel.MS_PRIVATE)
    gathered: list[tuple[Mount, Options, int | None]] = []
    groups: list[tuple[str, int]] = []
    for index, mount in enumerate(spec.mounts):
        field = f"mounts[{index}]"
        options = mount_options.parse(mount.options, mount.type, field)
        gathered.append((mount, options, _source(spec, mount, options, bundle, field) if options.bind else None))
        if mount.type == "cgroup" and not groups:
            groups = [(name, kernel.open_tree(kernel.AT_FDCWD, place)) for name, place in tree.views()]
    label = spec.linux.mount_label
    return Gathered(root_path, root, gathered, groups, [("context", label)] if label else [])


def _source(spec: Spec, mount: Mount, options: Options, bundle: str, field: str) -> int:
    source = os.path.join(bundle, mount.source)
    try:
        opened = kernel.open_tree(kernel.AT_FDCWD, source, recursive=options.recursive)
    except OSError as error:
        raise Failure("not_found", f"{field}.source: {source}: {error.strerror}") from None
    if not options.propagation:  # what the container mounts below stays there, what the host mounts stays here
        kernel.mount_setattr(opened, 0, recursive=options.recursive, propagation=kernel.MS_PRIVATE)
    users, groups = mount.uid_mappings, mount.gid_mappings
    if options.idmap and not users:
        users, groups = spec.linux.uid_mappings, spec.linux.gid_mappings
        if not users:
            raise Failure("invalid_argument", f"{field}.options: {options.idmap} needs mappings")
    if users:
        idmap.apply(opened, users, groups, recursive=options.idmap == "ridmap", field=field)
    mount_options.apply(opened, options, field)
    return opened


def attach_root(gathered: Gathered) -> int:
    """Attach the root at its own place, before the process becomes somebody who may not reach it; it, as O_PATH."""
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_SLAVE)
    target = os.open(gathered.root_path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    kernel.move_mount(gathered.root, target)
    os.close(target)
    return os.open(gathered.root_path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def furnish(root: int, gathered: Gathered) -> None:
    """Attach every mount in the root."""
    for index, (mount, options, source) in enumerate(gathered.mounts):
        try:
            _place(root, mount, options, source, gathered, field=f"mounts[{index}]")
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise Failure(
                "invalid_argument", f"mounts[{index}]: {mount.destination}: {error.strerror}{where}"
            ) from None


def _place(root: int, mount: Mount, options: Options, source: int | None, gathered: Gathered, *, field: str) -> None:
    path = mount.destination
    if source is not None:
        _attach(root, source, path, field)
        return
    if mount.type == "cgroup":
        mounts.place(root, {"type": "cgroup", "destination": path, "options": _plain(mount)}, None, gathered.groups)
        return
    if not mount.type:  # a change of propagation alone
        target = mounts.open_target(root, path, directory=True)
        mount_options.apply(target, options, field)
        os.close(target)
        return
    data = [
        *options.data,
        *_mode(root, mount, options),
        *(gathered.labels if mount.type in ("tmpfs", "devpts", "mqueue") else []),
    ]
    kind = "cgroup2" if mount.type == "cgroup2" else mount.type
    tree = kernel.new_mount(kind, data, options.set, mount.source or mount.type)
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
