"""docker update: two ways to limit processors are not exchanged for one another."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import Caller
from tests.webui.dockerapi.asked import ask, command_of
from webui.containers.models import Container

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("spec", "body", "said"),
    [
        (
            {"cpus": 0.5},
            {"CpuQuota": 20000},
            "CPU Quota cannot be updated as NanoCPUs has already been set: change --cpus",
        ),
        ({"cpus": 0.5}, {"CpuPeriod": 50000}, "CPU Period cannot be updated as NanoCPUs has already been set"),
        ({"cpu_quota": 20000}, {"NanoCpus": 10**9}, "Nano CPUs cannot be updated as CPU Quota has already been set"),
        ({"cpu_period": 20000}, {"NanoCpus": 10**9}, "as CPU Period has already been set: change --cpu-period"),
    ],
)
async def test_another_limit_of_processors_is_refused(
    site_broker: Valkey, owner: Caller, container: Container, spec: dict[str, Any], body: dict[str, Any], said: str
) -> None:
    await Container.objects.aupdate(spec={**container.spec, **spec})
    answer = await ask("POST", "/v1.51/containers/web/update", owner, body)
    assert (answer.status, said in answer.message) == (409, True), answer.message
    assert answer.message.startswith(f"Cannot update container {container.pk}: Conflicting options: ")


@pytest.mark.parametrize(
    ("spec", "body"),
    [
        ({"cpus": 0.5}, {"NanoCpus": 10**9, "CpuQuota": 0}),
        ({"cpu_quota": 20000}, {"CpuQuota": 30000, "CpuPeriod": 50000}),
        ({}, {"CpuQuota": 30000}),
    ],
)
async def test_the_same_limit_is_changed(
    site_broker: Valkey, owner: Caller, container: Container, spec: dict[str, Any], body: dict[str, Any]
) -> None:
    await Container.objects.aupdate(spec={**container.spec, **spec})
    assert (await command_of("POST", "/v1.51/containers/web/update", owner, body))["kind"] == "container.update"
