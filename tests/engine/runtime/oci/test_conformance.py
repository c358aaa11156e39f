"""docs/conformance.md names every field that the document's reader knows, and only tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from engine.oci import runtime_linux, runtime_process, runtime_resources, runtime_spec
from engine.oci.fields import Value

PROJECT = Path(__file__).parents[4]
TEXT = (PROJECT / "docs" / "conformance.md").read_text()
ROWS = [line.split("|")[1:-1] for line in TEXT.splitlines() if line.startswith("| `") and line.count(" | ") == 2]


def fields(kind: type[Value], prefix: str) -> list[str]:
    return [f"{prefix}{found.key}" for found in kind._fields.values()]


def test_every_field_has_a_row() -> None:
    wanted = [
        *fields(runtime_spec.Hooks, "hooks."), *fields(runtime_spec.Mount, "mounts[]."),
        *fields(runtime_spec.Root, "root."), *fields(runtime_process.Process, "process."),
        *fields(runtime_process.User, "process.user."), *fields(runtime_process.Capabilities, "process.capabilities."),
        *fields(runtime_linux.Linux, "linux."), *fields(runtime_resources.Resources, "linux.resources."),
        "ociVersion", "hostname", "domainname", "annotations",
    ]  # fmt: skip
    named = {name for row in ROWS for name in re.findall(r"`([^`]+)`", row[0])}
    groups = {"process.user", "process.capabilities", "linux.resources"}
    assert [name for name in wanted if name not in named | groups] == []


def test_every_test_that_it_names_exists() -> None:
    known = {
        name
        for path in Path(__file__).parent.glob("test_*.py")
        for name in re.findall(r"^def test_(\w+)", path.read_text(), re.MULTILINE)
    }
    named = {name for row in ROWS for name in re.findall(r"`(\w+)`", row[2])}
    assert named - known == set()
    assert len(named) > 40
