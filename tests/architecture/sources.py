"""The project's own files, as git knows them, and what they import."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("client", "engine", "worker", "webui")


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that git tracks or would add; without git (an unpacked archive), all but what set-up made."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if listing.returncode == 0:
        return tuple(path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file())
    made = {".venv", "node_modules", "vendor", "__pycache__", ".git"}
    return tuple(path for path in ROOT.rglob("*") if path.is_file() and not made & set(path.relative_to(ROOT).parts))


def python_files(*roots: str) -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in roots]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, full module name) of each import, those inside functions too."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield node.lineno, module
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def is_below(name: str, parent: str) -> bool:
    return name == parent or name.startswith(parent + ".")
