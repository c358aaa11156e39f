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


def test_a_group_that_is_not_mapped_is_refused_by_its_place(bundle: Bundle) -> None:
    mapping = [{"containerID": 0, "hostID": 100_000, "size": 1000}]
    bundle.linux["namespaces"].append({"type": "user"})
    bundle.linux.update(uidMappings=mapping, gidMappings=mapping)
    bundle.process["user"]["additionalGids"] = [5, 70_000]
    why = "process.user.additionalGids[1]: 70000 has no mapping in the container's user namespace\n"
    done = bundle.run("true")
    assert (done.returncode, done.stderr) == (1, why)
    bundle.process["user"]["additionalGids"] = []
    bundle.args("/bin/sleep", "100").start()
    done = bundle.call("exec", "--additional-gids", "70000", bundle.id, "/bin/sh")
    assert (done.returncode, done.stderr) == (255, why.replace("[1]", "[0]"))


def test_any_user_has_a_home(bundle: Bundle) -> None:
    bundle.process["user"] = {"uid": 3_000_000_000, "gid": 3_000_000_000}
    assert bundle.sh("echo $(busybox id -u) $HOME") == "3000000000 /\n"
