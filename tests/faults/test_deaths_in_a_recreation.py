"""Kill -9 while a container is recreated: the next worker goes on, and one of the two is there alone."""

import pytest

from tests.support.portside import Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

STUBBORN = "trap '' TERM; while true; do usleep 20000; done"


@pytest.mark.parametrize("part", ["worker", "everything"])
def test_a_recreation_is_gone_on_with_after_the_death_of(mortal: Portside, tiny_image: str, part: str) -> None:
    rest = mortal.rest
    rest.pull(tiny_image)
    rest.succeed(rest.post("/api/v1/networks/", {"name": f"quay-{part}"}))
    eventually(lambda: rest.rows(f"/api/v1/networks/?name=quay-{part}"), what="the network")
    wishes = {"network": f"quay-{part}", "stop_timeout": 2}
    old = rest.run(tiny_image, "sh", "-c", STUBBORN, name="gull", **wishes)
    new = {"image": tiny_image, "command": ["sh", "-c", STUBBORN], "env": {"A": "2"}, **wishes}
    answer = rest.post(f"/api/v1/containers/{old['id']}/recreate/", new)
    job = f"/api/v1/jobs/{answer.json['job']['id']}/"
    eventually(lambda: rest.get(job).json["progress"]["phase"] == "stopping gull", what="the stop")
    mortal.kill(*(("-m", "worker") if part == "worker" else ("python",)))
    if part == "everything":
        mortal.start()
    rest.succeed(answer)
    (found,) = rest.rows("/api/v1/containers/")
    assert (found["id"], found["name"], found["env"]) == (answer.json["container"]["id"], "gull", {"A": "2"})
    rest.wait_status(found["id"], "running")
    entries = rest.rows("/api/v1/audit/?search=" + old["id"])
    assert [entry["action"] for entry in entries].count("container.recreate") == 1


def test_a_recreation_that_can_not_be_leaves_the_one_that_was_there(mortal: Portside, tiny_image: str) -> None:
    rest = mortal.rest
    rest.pull(tiny_image)
    old = rest.run(tiny_image, "sleep", "600", name="tern", stop_timeout=1)
    for wrong, said in (
        ({"image": "127.0.0.1:1/nothing:1"}, "127.0.0.1:1"),
        ({"image": tiny_image, "command": ["no-such-program"]}, "container tern is as it was"),
    ):
        error = rest.fail(rest.post(f"/api/v1/containers/{old['id']}/recreate/", wrong))
        assert said in error["message"]
        (kept,) = rest.rows("/api/v1/containers/")
        assert (kept["id"], kept["name"], kept["status"], kept["desired_status"]) == (
            old["id"],
            "tern",
            "running",
            "running",
        )
