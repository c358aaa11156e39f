"""All tests in two lanes side by side: `python -m tests`. Exits with 0 when both lanes passed.

Tests that start containers wait for the kernel most of the time, so those of the site and of images can run beside
them. These have a network namespace with nothing but loopback, where one may be made: Chromium aborts what it loads
whenever the machine gains or loses an address, as containers make it do.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

ENGINE = ("content", "images", "layers", "logs", "oci", "options", "registry")
# The tests of `up` start the whole of Portside, with containers.
SITE = [path for path in sorted(Path("tests/webui").iterdir()) if path.name not in ("up", "__pycache__")]
BESIDE = (
    *(str(path) for path in SITE if path.is_dir() or path.name.startswith("test_")),
    *(f"tests/engine/{name}" for name in ENGINE),
    "tests/architecture",
    "tests/client",
    "tests/fuzz",
    "tests/worker",
)

ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


def main() -> int:
    with tempfile.TemporaryFile() as said:
        beside = (*_alone(), *_pytest(BESIDE))
        lanes = (
            subprocess.Popen(_pytest(["tests"], without=BESIDE), stdin=subprocess.DEVNULL),
            subprocess.Popen(beside, stdin=subprocess.DEVNULL, stdout=said, stderr=said),
        )

        def end(_signal: int, _frame: FrameType | None) -> None:
            for lane in lanes:
                lane.send_signal(signal.SIGINT)

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells both lanes itself
        print("The tests of site and images run beside these; how they went stands at the end.", flush=True)
        codes = [lane.wait() for lane in lanes]
        said.seek(0)
        lines = said.read().decode(errors="replace").splitlines()
        print("Site and images:", *(lines if codes[1] else lines[-1:]), sep="\n", flush=True)
    return max(abs(code) for code in codes)


def _pytest(selection: Sequence[str], *, without: Sequence[str] = ()) -> tuple[str, ...]:
    return (sys.executable, "-m", "pytest", *selection, *(f"--ignore={path}" for path in without))


def _alone() -> tuple[str, ...]:
    """What starts a command with a network of its own; nothing where that can't be."""
    if os.geteuid() != 0 or subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode != 0:
        return ()
    return ALONE


if __name__ == "__main__":
    sys.exit(main())
