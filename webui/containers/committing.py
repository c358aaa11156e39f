"""Commit: ask a container's host to make an image of it."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.errors import EngineError, InvalidArgument
from engine.oci import instructions
from engine.oci.reference import Reference
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.containers.models import Container
from webui.containers.services import container_ask
from webui.jobs.models import Job
from webui.policies.checks import disk_check
from worker.contract import commands

TEXT_MAXIMUM = 1000


def container_commit(
    *,
    user: User,
    container: Container,
    reference: str,
    author: str = "",
    comment: str = "",
    changes: list[str] | None = None,
    pause: bool = True,
) -> Job:
    """Ask for the image `reference`, whose row comes with the host's word; the rest is `CommitContainer`'s.

    Raises PermissionDenied, ResourceExhausted once the team's disk quota is used up, InvalidArgument with field errors,
    Conflict for one that is being removed.
    """
    require_on(user, "images.create", container)
    disk_check(container.team)
    lines = [line for line in changes or () if line.strip()]
    problems = {"reference": _reference_problem(reference), "changes": _changes_problem(lines)}
    for name, text in (("author", author), ("comment", comment)):
        if len(text) > TEXT_MAXIMUM or "\0" in text:
            problems[name] = f"Give at most {TEXT_MAXIMUM} characters."
    fields = {name: [problem] for name, problem in problems.items() if problem}
    if fields:
        raise InvalidArgument("; ".join(f"{name}: {found[0]}" for name, found in fields.items()), {"fields": fields})
    command = commands.CommitContainer(
        container_id=container.pk,
        reference=reference.strip(),
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        author=author,
        comment=comment,
        changes=tuple(lines),
        pause=pause,
    )
    return container_ask(user, container, command, action="images.create")


def _reference_problem(text: str) -> str:
    try:
        found = Reference.parse(text.strip())
    except EngineError as error:
        return error.message
    return "A new image is given a tag, not a digest." if found.digest is not None else ""


def _changes_problem(lines: list[str]) -> str:
    try:
        instructions.apply({}, lines)
    except InvalidArgument as error:
        return str(error.detail["fields"]["changes"][0])
    return ""
