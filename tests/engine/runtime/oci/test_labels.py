"""AppArmor profiles, on a kernel that has them: a profile holds, and one that isn't loaded is refused."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.runtime.oci.bundles import Bundle

ENABLED = Path("/sys/module/apparmor/parameters/enabled")
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        not (ENABLED.exists() and ENABLED.read_text().startswith("Y") and shutil.which("apparmor_parser")),
        reason="this kernel has no AppArmor, or there is no apparmor_parser: make test-v2",
    ),
]


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[str]:
    """All is allowed but writing below /tmp/closed."""
    name = f"portside-test-{secrets.token_hex(4)}"
    source = tmp_path / "profile"
    rules = "file, capability, network, mount, umount, signal, unix, ptrace, pivot_root, deny /tmp/closed/** w,"
    source.write_text(f"profile {name} flags=(attach_disconnected,mediate_deleted) {{ {rules} }}\n")
    subprocess.run(["apparmor_parser", "--skip-cache", "--add", str(source)], check=True, capture_output=True)
    yield name
    subprocess.run(["apparmor_parser", "--remove", str(source)], check=True, capture_output=True)


SCRIPT = (
    "cat /proc/self/attr/current; busybox mkdir -p /tmp/closed /tmp/open; echo x >/tmp/open/x; echo x >/tmp/closed/x"
)
TMP = {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]}


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_a_profile_holds(bundle: Bundle, profile: str, no_new_privileges: bool) -> None:
    bundle.config["mounts"].append(TMP)
    bundle.process["noNewPrivileges"] = no_new_privileges
    bundle.process["apparmorProfile"] = profile
    done = bundle.run(SCRIPT)
    assert done.stdout.strip() == f"{profile} (enforce)"
    assert "/tmp/closed/x: Permission denied" in done.stderr
    assert "/tmp/open" not in done.stderr


@pytest.mark.parametrize("name", ["", "unconfined"])
def test_without_a_profile_all_is_as_the_other_rules_say(bundle: Bundle, name: str) -> None:
    bundle.config["mounts"].append(TMP)
    bundle.process["apparmorProfile"] = name
    assert bundle.sh(SCRIPT).strip() == "unconfined"


def test_exec_takes_a_profile_too(bundle: Bundle, profile: str) -> None:
    bundle.args("/bin/sleep", "100").start()
    current = bundle.succeed("exec", "--apparmor", profile, bundle.id, "/bin/cat", "/proc/self/attr/current")
    assert current.strip() == f"{profile} (enforce)"


@pytest.mark.parametrize("name", ["docker-default", "nobody-loaded-this"])
def test_a_profile_that_is_not_loaded_is_refused_before_anything_is_made(bundle: Bundle, name: str) -> None:
    bundle.process["apparmorProfile"] = name
    complaint = bundle.args("/bin/true").refusal()
    assert complaint.startswith("process.apparmorProfile")
    assert f"{name} is not loaded" in complaint
