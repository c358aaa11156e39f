"""A newer image exists: what registries have under the tags that hosts pulled, asked now and then and on demand.

A host asks (`image.lookup`), one job for the tags of one registry; nothing is pulled. An answer is kept for the team
(`RemoteTag`), whatever the host. Asking counts against the registry's limits, so a tag is asked for once in
`Configuration.lookup_hours`, and a registry that refuses is left alone as long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from engine.errors import InvalidArgument
from engine.oci.reference import Reference
from webui.accounts.models import Team, User
from webui.accounts.roles import Rights, require
from webui.broadcast import change_publish
from webui.hosts.models import Host
from webui.images.credentials import secrets_for
from webui.images.models import Image, RegistryCredential, RemoteTag
from webui.images.representation import image_as_json
from webui.jobs.models import Job, JobStatus
from webui.jobs.services import job_create
from worker.contract.commands import LookUpImages

LOOKUP, TRY = "image.lookup", "registry.try"
REFERENCES_MAXIMUM = 20
"""In one job; the rest waits for the next round."""


def newer_tags(team: Team, *, tags: Iterable[str], digests: Iterable[str]) -> list[str]:
    """Those of an image's `tags` that its registry has given to another image since it was pulled."""
    watched = watched_tags(tags, digests)
    if not watched:
        return []
    remote = RemoteTag.objects.filter(team=team, reference__in=watched).exclude(digest="")
    found = dict(remote.values_list("reference", "digest"))
    pinned = {str(parsed.digest) for parsed in map(Reference.parse, digests)}
    return [tag for reference, tag in watched.items() if reference in found and found[reference] not in pinned]


def watched_tags(tags: Iterable[str], digests: Iterable[str]) -> dict[str, str]:
    """Whole reference → tag, of those that came from a registry: whose repository the image has a digest of."""
    pulled = set()
    for text in digests:
        try:
            pulled.add(Reference.parse(text).name)
        except InvalidArgument:
            continue
    found = {}
    for tag in tags:
        try:
            parsed = Reference.parse(tag)
        except InvalidArgument:
            continue
        if parsed.name in pulled:
            found[str(parsed)] = tag
    return found


@transaction.atomic
def lookup_begin(*, user: User, images: Iterable[Image]) -> list[Job]:
    """Ask for all tags of `images` now; one job for each host and registry.

    Several hosts' same image is asked for once. Images of hosts that are away are passed over, and those of teams in
    which `user` may not pull; PermissionDenied when that leaves none.
    """
    jobs = []
    groups = _grouped(images)
    rights = Rights(user)
    allowed = {(team, host) for team, host, _ in groups if "images.pull" in rights.of(team.pk, host=host)}
    for (team, host, _), references in groups.items():
        if not allowed:
            require(user, "images.pull", team, host=host)
        if (team, host) not in allowed:
            continue
        for start in range(0, len(references), REFERENCES_MAXIMUM):
            jobs.append(_ask(team, host, references[start : start + REFERENCES_MAXIMUM], user))
    return jobs


def lookups_due(now: datetime) -> list[Job]:
    """Begin asking for what was not asked for long; called now and then, in one place."""
    hours = settings.PORTSIDE.lookup_hours
    if not hours:
        return []
    before = now - timedelta(hours=hours)
    fresh = set(RemoteTag.objects.filter(checked_at__gte=before).values_list("team_id", "reference"))
    old = Image.objects.filter(updated_at__lt=before).exclude(digests=[]).select_related("host", "team")
    begun = []
    for (team, host, registry), references in _grouped(old).items():
        due = [reference for reference in references if (team.pk, reference) not in fresh]
        if due and not _is_asked(team, registry):
            begun.append(_ask(team, host, due[:REFERENCES_MAXIMUM], None))
    return begun


def _grouped(images: Iterable[Image]) -> dict[tuple[Team, Host, str], list[str]]:
    """References by who asks whom: each once, by the first host that has it and is online."""
    groups: dict[tuple[Team, Host, str], list[str]] = defaultdict(list)
    seen = set()
    for image in images:
        if not image.host.is_online:
            continue
        for reference in watched_tags(image.tags, image.digests):
            if (image.team_id, reference) not in seen:
                seen.add((image.team_id, reference))
                groups[image.team, image.host, Reference.parse(reference).registry].append(reference)
    return groups


def _is_asked(team: Team, registry: str) -> bool:
    return Job.objects.unfinished().filter(team=team, kind=LOOKUP, subject=registry).exists()


def _ask(team: Team, host: Host, references: Sequence[str], user: User | None) -> Job:
    command = LookUpImages(references=tuple(references))
    return job_create(
        team=team,
        host=host,
        requested_by=user,
        command=command,
        subject=Reference.parse(references[0]).registry,
        secrets=secrets_for(team, references[0]),
    )


def job_finished(*, job: Job) -> None:
    """Take over what a host has found out about registries."""
    if job.kind == LOOKUP and job.status != JobStatus.CANCELLED:
        _take_answers(job)
    elif job.kind == TRY:
        _take_trial(job)


def _take_answers(job: Job) -> None:
    answers = {one["reference"]: one for one in job.result.get("images", ())}
    problem = (job.error or {}).get("message", "")
    for reference in job.command.get("references", ()):
        answer = answers.get(reference, {"digest": None, "problem": problem})
        values = {"problem": str(answer["problem"]), "checked_at": job.finished_at or timezone.now()}
        if reference in answers:  # a registry that is away has not taken the tag back
            values["digest"] = answer["digest"] or ""
        RemoteTag.objects.update_or_create(team_id=job.team_id, reference=reference, defaults=values)
    asked = set(job.command.get("references", ()))
    for image in Image.objects.filter(team_id=job.team_id).select_related("host", "team"):
        if asked & watched_tags(image.tags, image.digests).keys():
            _settle(image)


def _settle(image: Image) -> None:
    found = newer_tags(image.team, tags=image.tags, digests=image.digests)
    if found == image.newer:
        return
    image.newer = found
    image.save(update_fields=["newer"])
    change_publish(team_id=image.team_id, kind="image", action="updated", id=image.pk, object=image_as_json(image))


def _take_trial(job: Job) -> None:
    problem: dict[str, Any] = {"ok": False, "message": (job.error or {}).get("message", "The test was cancelled.")}
    tried = {
        **(job.result if job.status == JobStatus.SUCCEEDED else problem),
        "at": (job.finished_at or timezone.now()).isoformat(),
        "host": job.host.name,
    }
    RegistryCredential.objects.filter(team_id=job.team_id, registry=job.command.get("registry")).update(tried=tried)
