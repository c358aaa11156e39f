"""All tests in lanes side by side: `python -m tests`. Exits with 0 when all passed.

Tests wait for the kernel, for a browser or for a disk most of the time, so several can run beside one another. Those of
the site and of images have a network namespace with nothing but loopback, where one may be made: Chromium aborts what
it loads whenever the machine gains or loses an address, as containers make it do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

ENGINE = ("content", "images", "layers", "logs", "oci", "options", "registry")
RUNTIME = tuple(f"tests/engine/{name}" for name in ("archives", "keeper", "network", "runtime", "volumes"))
LIVE = ("tests/dockerapi", "tests/e2e", "tests/faults", "tests/webui/up")
"""What needs a running Portside, with containers."""
PAGES = ("tests/webui/pages", "tests/webui/signin", "tests/webui/streams")
DOOR = "tests/webui/dockerapi"
SITE = tuple(
    str(path)
    for path in sorted(Path("tests/webui").iterdir())
    if (path.is_dir() or path.name.startswith("test_"))
    and path.name not in ("up", "pages", "signin", "streams", "dockerapi", "__pycache__")
)
IMAGES = (
    *(f"tests/engine/{name}" for name in ENGINE),
    "tests/architecture",
    "tests/client",
    "tests/fuzz",
    "tests/worker",
    DOOR,
)

ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


def main() -> int:
    lanes = {
        "The engine": _pytest(["tests"], without=(*RUNTIME, *LIVE, *PAGES, *SITE, *IMAGES)),
        "The runtime and its keeper, networks, volumes and archives": _pytest(RUNTIME),
        "A running Portside": _pytest(LIVE),
        "Pages": (*_alone(), *_pytest(PAGES)),
        "The site": (*_alone(), *_pytest(SITE)),
        "Images, worker and Docker's door": (*_alone(), *_pytest(IMAGES)),
    }
    with contextlib.ExitStack() as opened:
        # The first says what it does as it does it, the others when they have ended.
        said = {name: opened.enter_context(tempfile.TemporaryFile()) for name in [*lanes][1:]}
        running = {
            name: subprocess.Popen(lane, stdin=subprocess.DEVNULL, stdout=said.get(name), stderr=said.get(name))
            for name, lane in lanes.items()
        }

        def end(_signal: int, _frame: FrameType | None) -> None:
            for lane in running.values():
                lane.send_signal(signal.SIGINT)

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells all lanes itself
        print(f"Beside these run: {', '.join(said)}. How they went stands at the end.", flush=True)
        codes = {name: lane.wait() for name, lane in running.items()}
        for name, file in said.items():
            file.seek(0)
            lines = file.read().decode(errors="replace").splitlines()
            print(f"{name}:", *(lines if codes[name] else lines[-1:]), sep="\n", flush=True)
    return max(abs(code) for code in codes.values())


def _pytest(selection: Sequence[str], *, without: Sequence[str] = ()) -> tuple[str, ...]:
    return (sys.executable, "-m", "pytest", *selection, *(f"--ignore={path}" for path in without))


def _alone() -> tuple[str, ...]:
    """What starts a command with a network of its own; nothing where that can't be."""
    if os.geteuid() != 0 or subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode != 0:
        return ()
    return ALONE


if __name__ == "__main__":
    sys.exit(main())
