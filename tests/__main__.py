"""All tests in two lanes side by side: `python -m tests`. Exits with 0 when both lanes passed.

The site's tests need no kernel features, the others wait for the kernel most of the time: together they take little
longer than the others alone. The site's lane has a network namespace with nothing but loopback, where one may be
made: Chromium aborts what it loads whenever the machine gains or loses an address, as containers make it do.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from types import FrameType

# The tests of `up` start the whole of Portside, with containers.
SITE = ("tests/webui", "tests/architecture", "--ignore=tests/webui/up")
OTHERS = ("tests", "--ignore-glob=tests/webui/[!u]*", "--ignore=tests/architecture")
ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


def main() -> int:
    with tempfile.TemporaryFile() as said:
        site = subprocess.Popen((*_alone(), *_pytest(SITE)), stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        others = subprocess.Popen(_pytest(OTHERS), stdin=subprocess.DEVNULL)
        lanes = (others, site)

        def end(_signal: int, _frame: FrameType | None) -> None:
            for lane in lanes:
                lane.send_signal(signal.SIGINT)

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells both lanes itself
        print("The site's tests run beside these; how they went stands at the end.", flush=True)
        codes = [lane.wait() for lane in lanes]
        said.seek(0)
        lines = said.read().decode(errors="replace").splitlines()
        print("The site's tests:", *(lines if site.returncode else lines[-1:]), sep="\n", flush=True)
    return max(abs(code) for code in codes)


def _pytest(selection: Sequence[str]) -> tuple[str, ...]:
    return (sys.executable, "-m", "pytest", *selection)


def _alone() -> tuple[str, ...]:
    """What starts a command with a network of its own; nothing where that can't be."""
    if os.geteuid() != 0 or subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode != 0:
        return ()
    return ALONE


if __name__ == "__main__":
    sys.exit(main())
