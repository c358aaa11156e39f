"""`python -m engine.runtime`: an OCI runtime's command line (oci/command_line.py).

As podman and containerd start it, in the quickest way, an executable script does:

    #!/path/to/python -SsE
    import sys
    sys.path.insert(0, "/path/to/portside")
    from engine.runtime.__main__ import main
    main()
"""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Exit with the command's code; first, where this process is to become a container's, behind a shield."""
    gc.disable()  # gone before there is anything to collect
    _open_streams()
    from engine.bare import signal

    handler = signal.getsignal(signal.SIGINT)  # ignored, where the caller ignores it
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is begun yet that would have to be undone
    words = sys.argv[1:]
    if any(word in ("create", "run", "exec") for word in words):
        from engine.runtime.oci import shield

        shield.raise_shield()
    from engine.runtime.oci.command_line import main as run

    signal.signal(signal.SIGINT, handler)
    os._exit(run(words))  # nothing of ours is left to be torn down, and tearing down takes time


def _open_streams() -> None:
    """Standard streams that the caller has closed are /dev/null: else the next file to be opened, perhaps one of the
    host's, would be the container's stdout.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            try:
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free, so this one
            except OSError:
                return
    for name, fd in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:  # as the interpreter has it if the stream was closed
            setattr(sys, name, os.fdopen(fd, "w", closefd=False))


if __name__ == "__main__":
    main()
