"""Users and groups that are none are refused by their field, before anybody could be root instead."""

from __future__ import annotations

import pytest

from tests.engine.runtime.oci.bundles import Bundle

pytestmark = pytest.mark.root

NOBODY = (1 << 32) - 1


@pytest.mark.parametrize("key", ["uid", "gid"])
def test_the_id_that_means_no_change_is_nobodys(bundle: Bundle, key: str) -> None:
    bundle.process["user"][key] = NOBODY
    assert bundle.args("/bin/true").refusal().startswith(f"process.user.{key}: must be from 0 to 4294967294")


def test_exec_does_not_take_the_id_that_means_no_change(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    for option, value in (("--user", f"{NOBODY}"), ("--user", f"1:{NOBODY}"), ("--additional-gids", f"{NOBODY}")):
        done = bundle.call("exec", option, value, bundle.id, "/bin/true")
        assert done.returncode == 255
        assert done.stderr.startswith(f"{option}: must be from 0 to 4294967294")
    most = ("exec", "--env", "HOME=/", "--user", f"{NOBODY - 1}")
    assert bundle.succeed(*most, bundle.id, "busybox", "id", "-u") == f"{NOBODY - 1}\n"
