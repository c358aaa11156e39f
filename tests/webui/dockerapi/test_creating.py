"""What create says and only the site keeps."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import Caller
from tests.webui.dockerapi.asked import ask, command_of
from webui.containers.models import Container
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
