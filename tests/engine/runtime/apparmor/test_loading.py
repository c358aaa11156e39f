"""When `portside-default` is loaded, with a program in the parser's place and files in the kernel's."""

from __future__ import annotations

import re
import subprocess
import threading
from pathlib import Path

import pytest

from engine.errors import Unsupported
from engine.runtime import record
from engine.runtime.apparmor import host, loading, profile
from tests.support.apparmor import Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_it_is_loaded_once_and_again_when_it_is_gone(machine: Machine) -> None:
    assert [machine.applied() for _ in range(3)] == [profile.NAME] * 3
    assert machine.calls.read_text() == "--replace --skip-cache\n"
    assert machine.text.read_text() == profile.text()
    machine.profiles.write_text("nscd (enforce)\n")
    assert machine.applied() == profile.NAME and machine.loads == 2
    assert loading.problem(machine.run) == ""


def test_it_is_loaded_anew_after_a_boot_and_after_its_text_has_changed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.applied()
    monkeypatch.setattr(record, "boot_id", lambda: "another-boot")
    assert machine.applied() == profile.NAME and machine.loads == 2
    monkeypatch.setattr(profile, "text", lambda: "another text")
    assert machine.applied() == profile.NAME and machine.loads == 3
    assert machine.text.read_text() == "another text"


def test_fifty_starts_at_once_load_it_once(machine: Machine) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(machine.applied())) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [profile.NAME] * 50 and machine.loads == 1


def test_a_host_without_a_parser_says_so_and_starts_without(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "PARSERS", ())
    assert machine.applied() == ""
    assert loading.problem(machine.run) == (
        "there is no apparmor_parser on this host: install it (Debian's and Ubuntu's package apparmor)"
    )
    assert loading.shown("") == "unconfined"


def test_a_parser_that_fails_is_quoted_and_asked_again_after_a_minute(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.parser_says("echo 'AppArmor parser error: syntax error,' >&2; echo 'unexpected }' >&2; exit 1")
    assert [machine.applied() for _ in range(3)] == [""] * 3
    assert machine.loads == 1
    assert loading.problem(machine.run).endswith(
        "did not load portside-default: AppArmor parser error: syntax error, unexpected }"
    )
    monkeypatch.setattr(loading, "AGAIN_SECONDS", -1.0)
    machine.parser_says(f"echo '{profile.NAME} (enforce)' >>{machine.profiles}")
    assert machine.applied() == profile.NAME
    assert loading.problem(machine.run) == ""


def test_a_parser_that_hangs_holds_no_start_for_ever(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "LOAD_SECONDS", 0.2)
    machine.parser_says("exec sleep 100")
    assert machine.applied() == ""
    assert "could not be run" in loading.problem(machine.run)


def test_who_asks_for_it_by_name_is_refused_where_it_can_not_be_had(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def required() -> str:
        return loading.applied(profile.NAME, machine.run, is_required=True)

    machine.parser_says("echo broken >&2; exit 1")
    for _ in range(2):  # asked, and remembered
        with pytest.raises(Unsupported, match=r"apparmor=portside-default: .*: broken; or leave it out"):
            required()
    assert machine.loads == 1
    monkeypatch.setattr(loading, "AGAIN_SECONDS", -1.0)
    machine.parser_says(f"echo '{profile.NAME} (enforce)' >>{machine.profiles}")
    assert required() == profile.NAME
    machine.enabled.unlink()
    with pytest.raises(Unsupported, match="this kernel has no AppArmor") as refused:
        required()
    assert refused.value.detail == {"field": "security_opt"}


def test_without_securityfs_it_is_said_how_to_mount_it(machine: Machine) -> None:
    machine.profiles.unlink()
    assert machine.applied() == ""
    assert "mount -t securityfs" in loading.problem(machine.run)
    assert machine.loads == 0


@pytest.mark.parametrize("state", ["N\n", None])
def test_a_kernel_without_apparmor_is_no_problem(machine: Machine, state: str | None) -> None:
    if state is None:
        machine.enabled.unlink()
    else:
        machine.enabled.write_text(state)
    assert machine.applied() == ""
    assert (loading.problem(machine.run), loading.shown(""), machine.loads) == ("", "", 0)
    assert not machine.run.exists()


def test_other_profiles_are_nobodys_to_load(machine: Machine) -> None:
    assert [loading.applied(name, machine.run) for name in ("", "docker-default")] == ["", "docker-default"]
    assert machine.loads == 0
    assert loading.shown("docker-default") == "docker-default"


def test_the_engines_own_profile_may_send_signals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    label = tmp_path / "current"
    monkeypatch.setattr(profile, "OWN_LABELS", (str(tmp_path / "none"), str(label)))
    for text, named in (("unconfined\n", ""), ("snap.portside.worker (enforce)\n", "snap.portside.worker"),
                        ("a,\n}evil { (enforce)\n", ""), (f"{profile.NAME} (enforce)\n", "")):  # fmt: skip
        label.write_text(text)
        peers = re.findall(r"signal \(receive\) peer=(\S+),", profile.text())
        assert peers == ["unconfined", "runc", "crun", *([named] if named else [])]


@pytest.mark.parametrize("path", ["/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"])
def test_the_parser_understands_it(path: str) -> None:
    if not Path(path).exists():
        pytest.skip("apparmor_parser is not installed")
    words = [path, "--skip-kernel-load", "--skip-cache", "--stdout"]
    done = subprocess.run(words, input=profile.text().encode(), check=False, capture_output=True)
    assert done.returncode == 0 and done.stdout, done.stderr
