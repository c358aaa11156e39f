"""`POST /commit`: an image of a container's changes."""

from __future__ import annotations

import secrets

from webui.containers.committing import container_commit
from webui.dockerapi import asking, names
from webui.dockerapi.answers import Json
from webui.dockerapi.call import Call
from webui.dockerapi.routing import endpoint
from webui.jobs.models import Job

NAMELESS = "portside/committed"
"""Every image of ours has a name when it is made: one that nobody gave any has this one, and a tag by chance."""


@endpoint("POST", "/commit")
async def commit(call: Call) -> Json:
    await call.json()  # a Config, which Docker passes over as well where `changes` say otherwise
    repository, tag = call.text("repo"), call.text("tag")
    reference = f"{repository}:{tag}" if repository and tag else repository or f"{NAMELESS}:{secrets.token_hex(6)}"

    def ask() -> Job:
        return container_commit(
            user=call.user,
            container=names.container(call, call.text("container")),
            reference=reference,
            author=call.text("author"),
            comment=call.text("comment"),
            changes=[line for text in call.texts("changes") for line in text.splitlines()],
            pause=call.flag("pause", True),
        )

    job = await asking.done(await asking.begun(ask))
    return Json({"Id": job["result"].get("image_id", "")}, 201)
