"""The options of a mount: config.md "Mounts", config-linux.md "Linux mount options", mount(8)."""

from __future__ import annotations

from engine.runtime import kernel
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Options(NamedTuple):
        bind: bool
        recursive: bool
        set: int
        clear: int
        set_below: int
        clear_below: int
        propagation: tuple[tuple[int, bool], ...]
        idmap: str
        copy_up: bool
        data: list[tuple[str, str | None]]
else:
    from engine.bare import namedtuple

    Options = namedtuple("Options", "bind recursive set clear set_below clear_below propagation idmap copy_up data")

_ATIME = kernel.MOUNT_ATTR__ATIME
FLAGS: dict[str, tuple[int, int]] = {  # option → attributes to set, attributes to clear
    "ro": (kernel.MOUNT_ATTR_RDONLY, 0),
    "rw": (0, kernel.MOUNT_ATTR_RDONLY),
    "nosuid": (kernel.MOUNT_ATTR_NOSUID, 0),
    "suid": (0, kernel.MOUNT_ATTR_NOSUID),
    "nodev": (kernel.MOUNT_ATTR_NODEV, 0),
    "dev": (0, kernel.MOUNT_ATTR_NODEV),
    "noexec": (kernel.MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, kernel.MOUNT_ATTR_NOEXEC),
    "nodiratime": (kernel.MOUNT_ATTR_NODIRATIME, 0),
    "diratime": (0, kernel.MOUNT_ATTR_NODIRATIME),
    "nosymfollow": (kernel.MOUNT_ATTR_NOSYMFOLLOW, 0),
    "symfollow": (0, kernel.MOUNT_ATTR_NOSYMFOLLOW),
    "relatime": (0, _ATIME),
    "norelatime": (kernel.MOUNT_ATTR_STRICTATIME, _ATIME),
    "noatime": (kernel.MOUNT_ATTR_NOATIME, _ATIME),
    "atime": (0, _ATIME),
    "strictatime": (kernel.MOUNT_ATTR_STRICTATIME, _ATIME),
    "nostrictatime": (0, _ATIME),
}
PROPAGATIONS = {
    "shared": kernel.MS_SHARED,
    "slave": kernel.MS_SLAVE,
    "private": kernel.MS_PRIVATE,
    "unbindable": kernel.MS_UNBINDABLE,
}
_NOTHING = ("defaults", "bind", "rbind", "async", "nomand", "noiversion", "nolazytime", "loud")
_REFUSED = {"remount": "a new container has nothing to mount again", "copy-symlink": "crun's own, no specification's"}


def parse(options: tuple[str, ...], kind: str, field: str) -> Options:
    """Sorted by what they do; what is none of the mount's own goes to the file system as data.

    `kind`: the mount's type. `field`: its place in config.json, for the Failure that names what can't be done.
    """
    sets = {False: [0, 0], True: [0, 0]}
    propagation: list[tuple[int, bool]] = []
    data: list[tuple[str, str | None]] = []
    idmap, copy_up = "", False
    for index, option in enumerate(options):
        below = option not in FLAGS and option.startswith("r") and option[1:] in FLAGS
        if option in FLAGS or below:
            on, off = FLAGS[option[below:]]
            pair = sets[below]
            pair[0], pair[1] = pair[0] & ~off | on, pair[1] & ~on | off
        elif option in PROPAGATIONS or (option.startswith("r") and option[1:] in PROPAGATIONS):
            recursive = option not in PROPAGATIONS
            propagation.append((PROPAGATIONS[option[recursive:]], recursive))
        elif option in ("idmap", "ridmap"):
            idmap = option
        elif option == "tmpcopyup":
            if kind != "tmpfs":
                raise Failure("invalid_argument", f"{field}.options[{index}]: tmpcopyup is for tmpfs alone")
            copy_up = True
        elif option in _REFUSED:
            raise Failure("unsupported", f"{field}.options[{index}]: {option}: {_REFUSED[option]}")
        elif option not in _NOTHING:
            key, equals, value = option.partition("=")
            data.append((key, value if equals else None))
    bind = kind == "bind" or "bind" in options or "rbind" in options
    if bind and data:
        key = data[0][0]
        place = next(i for i, option in enumerate(options) if option.partition("=")[0] == key)
        raise Failure("invalid_argument", f"{field}.options[{place}]: {options[place]} means nothing for a bind mount")
    (on, off), (on_below, off_below) = sets[False], sets[True]
    rest = (tuple(propagation), idmap, copy_up, data)
    return Options(bind, "rbind" in options, on, off, on_below, off_below, *rest)


def apply(tree: int, options: Options, field: str) -> None:
    """Attributes of a detached tree; those for everything below it first, so that its own win."""
    try:
        if options.set_below or options.clear_below:
            kernel.mount_setattr(tree, options.set_below, options.clear_below, recursive=True)
        if options.set or options.clear:
            kernel.mount_setattr(tree, options.set, options.clear)
        for flag, recursive in options.propagation:
            kernel.mount_setattr(tree, 0, propagation=flag, recursive=recursive)
    except OSError as error:
        raise Failure("unsupported", f"{field}.options: the kernel refuses them here: {error.strerror}") from None
