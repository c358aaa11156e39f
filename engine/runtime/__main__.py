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
    words = sys.argv[1:]
    if any(word in ("create", "run", "exec") for word in words):
        from engine.runtime.oci import shield

        shield.raise_shield()
    from engine.runtime.oci.command_line import main as run

    code = run(words)
    sys.stdout.flush()
    os._exit(code)  # nothing of ours is left to be torn down, and tearing down takes time


if __name__ == "__main__":
    main()
