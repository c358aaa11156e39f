"""What create says and only the site keeps."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import Caller
from tests.webui.dockerapi.asked import ask, command_of
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.models import Image

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = ("AttachStdin", "AttachStdout", "AttachStderr")


async def attached(name: str, caller: Caller) -> list[Any]:
    config = (await ask("GET", f"/v1.51/containers/{name}/json", caller)).json["Config"]
    return [config[one] for one in NAMES]


@pytest.mark.parametrize("said", [(False, True, True), (True, False, False), (False, False, False)])
async def test_inspect_tells_what_was_to_be_attached(
    site_broker: Valkey, owner: Caller, image: Image, said: tuple[bool, ...]
) -> None:
    body = {"Image": image.tags[0], "OpenStdin": True, "StdinOnce": True, **dict(zip(NAMES, said, strict=True))}
    command = await command_of("POST", "/v1.51/containers/create?name=made", owner, body)
    assert "attached" not in command
    assert await attached("made", owner) == list(said)
    await Container.objects.filter(name="made").aupdate(attached=None)  # as one that the pages have made
    assert await attached("made", owner) == [True] * 3


@pytest.mark.parametrize(
    ("limits", "swap"),
    [({"Memory": 64 << 20}, 128 << 20), ({"Memory": 64 << 20, "MemorySwap": 64 << 20}, 64 << 20),
     ({"Memory": 64 << 20, "MemorySwap": -1}, -1), ({}, None)],
)  # fmt: skip
async def test_a_limit_alone_lets_swap_as_much_again(
    site_broker: Valkey, owner: Caller, image: Image, limits: dict[str, int], swap: int | None
) -> None:
    body = {"Image": image.tags[0], "HostConfig": limits}
    command = await command_of("POST", "/v1.51/containers/create?name=made", owner, body)
    assert command.get("memory_swap") == swap
    shown = (await ask("GET", "/v1.51/containers/made/json", owner)).json["HostConfig"]["MemorySwap"]
    assert shown == (swap or 0)


async def test_where_swap_is_not_counted_the_limit_is_memorys_and_said_to_be(
    site_broker: Valkey, owner: Caller, image: Image
) -> None:
    await Host.objects.filter(pk=image.host_id).aupdate(swap_problem="this kernel does not account for swap")
    body = {"Image": image.tags[0], "HostConfig": {"Memory": 64 << 20}}
    command = await command_of("POST", "/v1.51/containers/create?name=made", owner, body)
    assert command.get("memory_swap") is None
    assert (await ask("GET", "/v1.51/info", owner)).json["SwapLimit"] is False


async def test_a_program_without_a_name_is_the_starts_to_refuse(
    site_broker: Valkey, owner: Caller, image: Image
) -> None:
    """`docker run IMAGE ''` ends with 127, and create's errors end it with 125."""
    body = {"Image": image.tags[0], "Cmd": ["", "a"]}
    command = await command_of("POST", "/v1.51/containers/create?name=made", owner, body)
    assert command["command"] == ["", "a"]
