"""Known ways out of a bundle's container, each beside the same with the guards taken away."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime.capabilities import DEFAULT
from engine.runtime.seccomp.profile import default_profile
from tests.engine.runtime import attacks
from tests.engine.runtime.box import make_image
from tests.engine.runtime.oci.bundles import COMMAND, Bundle

pytestmark = [pytest.mark.root, pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")]

# Ways up lead nowhere in any bundle: the old root is gone from the namespace, and no descriptor of it is left.
LOOSE = [name for name in attacks.EVERY if name not in attacks.WAYS_UP]


@pytest.fixture(scope="module")
def programs(image: Path, attack_program: Path) -> Iterator[Path]:
    made = image / "bin" / "attacks"
    shutil.copy(attack_program, made)
    yield made
    made.unlink()


@pytest.fixture(scope="module", params=["tight", "without seccomp", "loose"])
def answers(
    request: pytest.FixtureRequest, image: Path, programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, str]]:
    bundle = Bundle(tmp_path_factory.mktemp("bundle"), image)
    bundle.config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmp"})
    bundle.config["mounts"].append({"destination": "/etc/hosts", "type": "bind", "source": "/etc/hosts",
                                    "options": ["bind", "ro"]})  # fmt: skip
    if request.param == "tight":
        bundle.linux["seccomp"] = default_profile(DEFAULT)
    elif request.param == "loose":
        attacks.loosen(bundle.config)
        bundle.linux["namespaces"] = [{"type": "mount"}, {"type": "uts"}]
        bundle.linux["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
    with attacks.targets(image.parent) as arguments:
        bundle.args("/bin/attacks", *arguments).write()
        done = bundle.call("run", "--bundle", str(bundle.directory), bundle.id)
    bundle.remove()
    assert done.returncode == 0, done.stderr
    return request.param, attacks.read(done.stdout)


# What capabilities, namespaces, masks and lists of devices leave to the filter alone.
FILTERED = {"unshare-user", "clone-user", "clone3-user", "io_uring", "keyctl", "add_key", "vsock", "alg"}


@pytest.mark.parametrize("name", attacks.EVERY)
def test_it_leads_nowhere_in_a_tight_bundle_and_would_in_a_loose_one(
    answers: tuple[str, dict[str, str]], name: str
) -> None:
    kind, found = answers
    if kind == "tight":
        attacks.check_tight(found, name)
    elif (kind == "loose" and name in LOOSE) or (kind == "without seccomp" and name in FILTERED):
        attacks.check_loose(found, name)
    elif kind == "without seccomp":
        attacks.check_tight(found, name)  # a second line of defence stands behind the filter


def test_the_ways_up_lead_out_of_a_mere_chroot(image: Path, programs: Path) -> None:
    """They are what they claim: with the host's root still there, or a descriptor of it, they arrive."""
    script = 'mount -t proc proc "$0/proc" && exec chroot "$0" /bin/attacks "$@" 3</'
    with attacks.targets(image.parent) as arguments:
        command = ["unshare", "--mount", "--uts", "sh", "-c", script, str(image), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = attacks.read(done.stdout)
    assert [found[name] for name in attacks.WAYS_UP] == ["ok", "ok"]


@pytest.mark.parametrize("is_loose", [False, True], ids=["tight", "loose"])
def test_nobody_types_into_the_terminal_that_the_caller_left_open(
    bundle: Bundle, programs: Path, is_loose: bool
) -> None:
    """TIOCSTI, where standard input is an administrator's own terminal (it is another session's: setsid)."""
    if is_loose:
        attacks.loosen(bundle.config)
    master, slave = os.openpty()
    bundle.args("/bin/attacks").write()
    command = [*COMMAND, "--root", str(bundle.root), "run", "--bundle", str(bundle.directory), bundle.id]
    command = ["setsid", "--ctty", "--wait", *command]
    done = subprocess.run(command, stdin=slave, capture_output=True, text=True, timeout=120, check=True)
    for descriptor in (master, slave):
        os.close(descriptor)
    answers = attacks.read(done.stdout)
    if is_loose:
        assert answers["type-into-the-terminal"] == "ok"
    else:
        assert answers["type-into-the-terminal"] in ("EPERM", "EIO")
        assert answers["take-the-terminal"] == "EPERM"


@pytest.mark.parametrize("kind", ["fifo", "directory", "link to a device", "link out", "endless"])
def test_a_hostile_passwd_neither_blocks_nor_leads_out(bundle: Bundle, kind: str) -> None:
    """HOME is looked up in it."""
    image = make_image(bundle.directory / "rootfs")
    bundle.config["root"] = {"path": "rootfs", "readonly": True}
    passwd = image / "etc" / "passwd"
    passwd.unlink()
    secret = bundle.directory / "passwd"
    secret.write_text("root:x:0:0::/from-the-host:/bin/sh\n")
    if kind == "fifo":
        os.mkfifo(passwd)
    elif kind == "directory":
        passwd.mkdir()
    elif kind == "endless":
        passwd.write_text("root:x:0:0::/home-of-root:\n")
        os.truncate(passwd, 1 << 40)
    else:
        passwd.symlink_to({"link to a device": "/dev/zero", "link out": f"../../../../../../..{secret}"}[kind])
    done = bundle.run("echo $HOME")
    assert "from-the-host" not in done.stdout
    if kind in ("link out", "endless"):
        assert done.stdout == ("/home-of-root\n" if kind == "endless" else "/\n")
    else:
        assert done.returncode != 0 and "is not a regular file" in done.stderr
