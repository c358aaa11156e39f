"""Kill -9 in the middle of a pull: no half image is visible, and the pull ends by itself."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import images
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.oci_layout import Layout, tar_of
from tests.support.portside import Portside
from tests.support.processes import eventually
from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]

LAYER_BYTES = 24 << 20
PARTS = {
    "worker": ("-m", "worker"),
    "site": ("uvicorn",),
    "inbox": ("inbox",),
    "redis": ("valkey-server",),
}


@pytest.fixture
def slow_image(registry: Registry, fault_proxy: FaultProxy, tmp_path: Path) -> Iterator[str]:
    """An image of one large layer that trickles in: several seconds for the first download."""
    layout = Layout(tmp_path / "slow")
    noise = os.urandom(LAYER_BYTES)  # new each time, so that no host has it
    layout.image([images.busybox_layer(layout), layout.layer(tar_of({"noise": noise}), compression="none")])
    registry.push(layout.directory, "slow:latest")
    fault_proxy.add(Fault("/blobs/", bytes_per_second=8 << 20, times=100))
    yield fault_proxy.reference("slow:latest")


@pytest.mark.parametrize("part", PARTS)
def test_a_pull_outlives_the_death_of(mortal: Portside, slow_image: str, fault_proxy: FaultProxy, part: str) -> None:
    rest = mortal.rest
    answer = rest.post("/api/v1/images/pull/", {"reference": slow_image})
    eventually(lambda: fault_proxy.body_bytes > 6 << 20, what="the pull half-way")
    mortal.kill(*PARTS[part])
    eventually(mortal.is_ready, what="/readyz again")
    if [image for image in rest.rows("/api/v1/images/") if slow_image in image["tags"]]:
        assert fault_proxy.body_bytes >= LAYER_BYTES, "half an image is visible"
    job = rest.job(answer)
    assert job["status"] == "succeeded", job
    eventually(lambda: any(slow_image in image["tags"] for image in rest.rows("/api/v1/images/")), what="the image")
    container = rest.run(slow_image, "sh", "-c", "wc -c < /noise")
    rest.wait_status(container["id"], "stopped")
    assert rest.logs(container["id"]).strip() == str(LAYER_BYTES)
    if part == "worker":
        assert fault_proxy.body_bytes < LAYER_BYTES * 1.9, "nothing of the first try was used"


def test_a_pull_that_is_cancelled_leaves_nothing_visible(
    mortal: Portside, slow_image: str, fault_proxy: FaultProxy
) -> None:
    rest = mortal.rest
    fault_proxy.clear()
    fault_proxy.add(Fault("/blobs/", bytes_per_second=512 << 10, times=100))  # it takes longer than any cancelling
    answer = rest.post("/api/v1/images/pull/", {"reference": slow_image})
    job = answer.json["job"]["url"]

    def is_under_way() -> bool:
        assert fault_proxy.body_bytes > 256 << 10, rest.get(job).json  # who reads of a failure wants to know
        return True

    eventually(is_under_way, what="the pull under way")
    cancelled = rest.post(f"/api/v1/jobs/{answer.json['job']['id']}/cancel/")
    assert cancelled.status in (200, 202), cancelled
    assert rest.job(answer)["status"] == "cancelled"
    assert not [image for image in rest.rows("/api/v1/images/") if slow_image in image["tags"]]


def test_a_command_given_while_the_host_is_away_is_done_when_it_returns(mortal: Portside, tiny_image: str) -> None:
    rest = mortal.rest
    mortal.kill("-m", "worker")
    answer = rest.post("/api/v1/images/pull/", {"reference": tiny_image})
    assert answer.status == 202, answer
    mortal.kill("valkey-server")
    eventually(mortal.is_ready, what="/readyz again")
    rest.succeed(answer)
