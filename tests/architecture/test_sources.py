"""What every file of the project keeps to."""

import ast
import re

import pytest

from tests.architecture.sources import PRODUCT, ROOT, python_files, tracked_files

MOST_LINES = 400
TEXTS = {".py", ".js", ".css", ".html", ".md", ".toml", ".yml", ".yaml", ".c", ".h", ".sh", ".json", ".cfg", ""}
FORBIDDEN_PROGRAMS = {
    "docker", "dockerd", "podman", "runc", "crun", "buildah", "skopeo", "containerd", "ctr",
    "nft", "iptables", "ip", "tc", "brctl", "tar", "bsdtar", "mount", "umount", "unshare", "nsenter", "setcap",
}  # fmt: skip
STARTERS = {"run", "Popen", "call", "check_call", "check_output", "system", "popen", "execv", "execve", "execvp",
            "execvpe", "posix_spawn", "posix_spawnp", "create_subprocess_exec", "create_subprocess_shell"}  # fmt: skip
ATTICS = {"utils", "util", "common", "misc", "helpers", "helper"}


def test_no_file_is_longer_than_one_reads_at_once() -> None:
    long = {}
    for path in tracked_files():
        parts = path.relative_to(ROOT).parts
        if path.suffix in (".py", ".js", ".css", ".html", ".c") and "migrations" not in parts:
            lines = len(path.read_text().splitlines())
            if lines > MOST_LINES:
                long["/".join(parts)] = lines
    assert long == {}


def test_no_module_is_an_attic() -> None:
    assert [str(path) for path in python_files(*PRODUCT) if path.stem in ATTICS or path.parent.name in ATTICS] == []


def test_the_product_starts_no_other_engines_programs() -> None:
    found = [f"{path.relative_to(ROOT)}:{line} starts {name}" for path in python_files(*PRODUCT)
             for line, name in started_programs(path.read_text())]  # fmt: skip
    assert [entry for entry in found if entry.rsplit(" ", 1)[1] in FORBIDDEN_PROGRAMS] == []


@pytest.mark.parametrize(
    "source",
    [
        "subprocess.run(['nft', 'list'])",
        "os.execv('/usr/sbin/runc', ['runc'])",
        "subprocess.Popen('ip link', shell=True)",
    ],
)
def test_a_started_program_would_be_seen(source: str) -> None:
    assert started_programs(source)[0][1] in FORBIDDEN_PROGRAMS


def started_programs(source: str) -> list[tuple[int, str]]:
    """(line, program) of each call of a starting function whose program is a literal."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0] if node.args else None
            if isinstance(first, ast.List | ast.Tuple) and first.elts:
                first = first.elts[0]
            if function in STARTERS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.append((node.lineno, first.value.split()[0].rsplit("/", 1)[-1]))
    return found


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    machine = re.compile(r"(?<![\w.{}*])/(?:work|root/\.pyenv)/\w")
    named = []
    for path in tracked_files():
        if path.suffix in TEXTS and path.name != "package-lock.json" and path.stat().st_size < 1 << 20:
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if machine.search(line) and "machine = re.compile" not in line:
                    named.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert named == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files(*PRODUCT, "bench")
        if path.name not in ("__init__.py", "apps.py", "urls.py") and "migrations" not in path.parts
        and ast.get_docstring(ast.parse(path.read_text())) is None
    ]  # fmt: skip
    assert silent == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_the_lock_files_hold_for_every_python_from_the_floor_up(name: str) -> None:
    """Written by `make lock`; one written for a single Python lacks what another needs (async-timeout on 3.11.2)."""
    text = (ROOT / name).read_text()
    assert "--universal" in text.split("\n", 2)[1]
    assert "python_full_version < '3.11.3'" in text
