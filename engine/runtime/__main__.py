"""`python -m engine.runtime`: an OCI runtime's command line (oci/command_line.py).

As podman and containerd start it, a script of two lines does:

    #!/bin/sh
    exec /path/to/python -S -s -E -c 'import sys; sys.path.insert(0, "/path/to/portside"); \
from engine.runtime.__main__ import main; main()' "$@"
"""

from __future__ import annotations

import gc
import os
import sys

SHIELD = "PORTSIDE_RUNTIME_SHIELDED"


def main() -> None:
    """Exit with the command's code; first, where this process is to become a container's, behind a shield."""
    words = sys.argv[1:]
    if any(word in ("create", "run", "exec") for word in words):
        shield()
    gc.disable()  # gone before there is anything to collect
    from engine.runtime.oci.command_line import main as run

    code = run(words)
    sys.stdout.flush()
    os._exit(code)  # nothing of ours is left to be torn down, and tearing down takes time


def shield() -> None:
    """Run this interpreter again from a detached read-only copy of its mount, unless it lies on a read-only one.

    What a container reaches by /proc/self/exe or #!/proc/self/exe can then be opened for writing by nobody
    (CVE-2019-5736).
    """
    if os.environ.pop(SHIELD, None) or os.statvfs("/proc/self/exe").f_flag & os.ST_RDONLY:
        return
    from engine.runtime import kernel

    try:
        tree = kernel.open_tree(kernel.AT_FDCWD, os.path.realpath(sys.executable))
        kernel.mount_setattr(tree, kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV)
    except PermissionError:
        return  # not root: the container can't write to the interpreter either
    os.execve(tree, sys.orig_argv, {**os.environ, SHIELD: "1"})  # noqa: S606 - ourselves


if __name__ == "__main__":
    main()
