"""`POST /containers/{id}/wait`: answers when a container has ended, or is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from engine.errors import InvalidArgument
from webui.activity.waiting import CONDITIONS, NOT_RUNNING, Outcome, Waiting, wait_begin, wait_look
from webui.dockerapi import answers, names
from webui.dockerapi.answers import Stream
from webui.dockerapi.call import Call
from webui.dockerapi.routing import endpoint
from webui.live.broadcaster import listening
from webui.live.loop import in_thread
from webui.live.waiting import told
from worker.contract import keys

LOOK_SECONDS = 20.0


@endpoint("POST", "/containers/{name:path}/wait")
async def container_wait(call: Call) -> Stream:
    condition = call.text("condition") or NOT_RUNNING
    if call.version < (1, 30):
        condition = NOT_RUNNING
    if condition not in CONDITIONS:
        raise InvalidArgument(f'invalid condition: "{condition[:40]}"')

    def begin() -> Waiting:
        return wait_begin(names.container(call, call["name"]).pk, condition=condition)

    # From here on no end is missed: clients start the container once they have the answer's head.
    waiting = await in_thread(begin)

    async def parts() -> AsyncIterator[bytes]:
        outcome = await ended(waiting)
        yield answers.encoded(_said(outcome))

    return Stream(parts(), answers.JSON, begins_at_once=call.version >= (1, 30))


async def ended(waiting: Waiting) -> Outcome:
    """How it ends, once it does."""
    async with listening(keys.ACTIVITY) as events, listening(keys.CHANGES) as others:
        while True:
            outcome: Outcome | None = await in_thread(wait_look, waiting)
            if outcome is not None:
                return outcome
            await told(waiting.container_id, events, others, LOOK_SECONDS)


def _said(outcome: Outcome) -> dict[str, Any]:
    code = outcome.exit_code
    if code is None:
        code = 128 if outcome.error else 0
    return {"StatusCode": code}
