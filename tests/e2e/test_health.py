"""Over REST, on the real kernel: what a health check finds, and what follows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.portside import Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


def test_health_is_told_and_what_is_unhealthy_is_restarted(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    check = {"test": ["CMD-SHELL", "cat /tmp/ok"], "interval_seconds": 0.2, "timeout_seconds": 60, "retries": 3}
    once = "test -e /tmp/sick && echo fine > /tmp/ok || touch /tmp/sick; sleep 100"
    container = rest.run(
        tiny_image, "sh", "-c", once, healthcheck=check, restart_unhealthy=True, stop_timeout=0, depends_on=["other"]
    )
    assert (container["healthcheck"], container["depends_on"]) == (check, ["other"])

    results: dict[str, tuple[int, str]] = {}  # the host keeps five

    def well() -> dict[str, Any] | None:
        now = rest.container(container["id"])
        results.update((one["start"], (one["exit_code"], one["output"])) for one in now["health"]["log"])
        return now if now["health"]["status"] == "healthy" else None

    after: Any = eventually(well, what="health")
    assert (after["status"], after["restart_count"], after["exit_code"]) == ("running", 1, None)
    first, last = results[min(results)], results[max(results)]
    assert last == (0, "fine\n") and first[0] == 1 and "No such file" in first[1]
    rest.act(container["id"], "stop")
    rest.wait_status(container["id"], "stopped")
    assert rest.container(container["id"])["health"]["status"] == "none"
    rest.remove(container["id"])


def test_a_wish_that_no_host_can_fulfil_fails_with_its_field(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    error = rest.fail(rest.create(tiny_image, "true", restart_unhealthy=True))
    assert (error["family"], error["detail"]["field"]) == ("invalid_argument", "restart_unhealthy")
    error = rest.fail(rest.create(tiny_image, "true", name="self", depends_on=["self"]))
    assert (error["family"], error["detail"]["field"]) == ("invalid_argument", "depends_on")
