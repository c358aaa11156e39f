"""`python -m tests.engine.images.pull_process HOME REFERENCE`: one pull, as a process that a test can kill."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.engine.images.conftest import open_host

if __name__ == "__main__":
    host = open_host(Path(sys.argv[1]))
    host.images.recover()
    host.images.pull(sys.argv[2])
