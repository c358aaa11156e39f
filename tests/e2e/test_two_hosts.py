"""Two workers with two homes on one machine are two hosts of one site."""

import pytest

from tests.support.portside import Worker, running_portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


def test_two_workers_with_two_homes_are_two_hosts_of_one_site(tiny_image: str) -> None:
    with running_portside() as portside:
        rest, worker = portside.rest, Worker(portside, "second")
        try:
            worker.start()
            assert {host["name"] for host in rest.rows("/api/v1/hosts/") if host["online"]} == {"tests", "second"}
            unnamed = rest.create(tiny_image, "sleep", "300")
            assert unnamed.status in (400, 404), "with two hosts, one must be named"
            here = rest.run(tiny_image, "sleep", "300", host="tests", name="same")
            there = rest.run(tiny_image, "sleep", "300", host="second", name="same")
            assert (here["host"]["name"], there["host"]["name"]) == ("tests", "second")
            assert worker.home.container_processes(there["id"])
            assert not portside.home.container_processes(there["id"])
            assert not worker.home.container_processes(here["id"])
            portside.remove_containers()
            for home in (worker.home, portside.home):
                eventually(lambda home=home: not home.leaks(), what="a clean kernel")
            worker.program.stop()
            eventually(
                lambda: [host["online"] for host in rest.rows("/api/v1/hosts/") if host["name"] == "second"] == [False],
                what="the second host offline",
            )
        finally:
            worker.close()
