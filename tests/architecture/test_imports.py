"""Who may know whom. import-linter holds the layers; this holds what it can't say."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import PRODUCT, ROOT, imports, is_below, python_files


def test_import_linter_finds_no_broken_contract() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr


@pytest.mark.parametrize("package", [name for name in PRODUCT if name != "client"])  # that is a library to import
def test_a_root_package_imports_nothing_by_itself(package: str) -> None:
    assert (ROOT / package / "__init__.py").read_bytes() == b""


def test_the_site_reads_the_engines_words_and_the_contract_alone() -> None:
    allowed = (
        "engine.oci", "engine.options", "engine.errors", "engine.config", "engine.reach", "engine.build.language",
        "engine.build.entitlements", "engine.build.ssh_keys", "worker.contract",
    )  # fmt: skip
    strays = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in python_files("webui")
        for line, name in imports(path)
        if name.startswith(("engine.", "worker.")) and not any(is_below(name, module) for module in allowed)
    ]
    assert strays == []


def test_the_client_needs_little_that_python_has_not() -> None:
    allowed = ("client", "urllib3", "websockets", "engine.options", "engine.oci", "engine.errors", "engine.run_options",
               "engine.build.language")  # fmt: skip
    strays = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in python_files("client")
        for line, name in imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names
        and not name.startswith("__future__")
        and not any(is_below(name, module) for module in allowed)
        and name not in ("engine", "engine.build")
    ]
    assert strays == []


def test_nothing_of_the_product_imports_the_tests_or_the_bench() -> None:
    strays = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in python_files(*PRODUCT)
        for line, name in imports(path)
        if is_below(name, "tests") or is_below(name, "bench")
    ]
    assert strays == []


def test_a_web_process_never_loads_netlink() -> None:
    """What the site reads of the engine must stay light: no netlink, no Celery worker."""
    program = (
        "import sys, engine.errors, engine.config, worker.contract.commands, worker.contract.events;"
        "heavy = {'pyroute2', 'celery', 'django', 'redis', 'urllib3'} & set(sys.modules);"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
