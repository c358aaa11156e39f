"""`python -m tests.engine.images.push_process HOME REFERENCE`: one push, as a process that a test can kill."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.engine.images.conftest import open_host

if __name__ == "__main__":
    open_host(Path(sys.argv[1])).images.push(sys.argv[2])
