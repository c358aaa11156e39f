"""Prune: remove every container that has ended (or never ran), as far as one may and as filters say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from engine.errors import EngineError
from engine.options.labels import are_meant
from webui.accounts.models import User
from webui.containers.models import Container, DesiredStatus, ObservedStatus
from webui.containers.services import container_remove
from webui.images.models import Image
from webui.jobs.models import Job

ENDED = (ObservedStatus.STOPPED, ObservedStatus.CREATED)


def containers_to_prune(
    *,
    user: User,
    host: str | None = None,
    until: float | None = None,
    labels: Sequence[str] = (),
    not_labels: Sequence[str] = (),
) -> list[Container]:
    """What would go: what is seen ended, is not wanted running, and is of a team in which `user` may remove.

    `host` is an id; `until`: only those made before (Unix seconds); `labels`: KEY or KEY=VALUE, all of them, of the
    container or its image; `not_labels`: what has all of these stays.
    """
    rows = Container.objects.visible_to(user, "containers.remove").select_related("team", "host", "created_by")
    rows = rows.filter(observed_status__in=ENDED).exclude(desired_status=DesiredStatus.REMOVED)
    rows = rows.exclude(observed_status=ObservedStatus.CREATED, desired_status=DesiredStatus.RUNNING)  # about to start
    if host is not None:
        rows = rows.filter(host=host)
    if until is not None:
        rows = rows.filter(created_at__lt=datetime.fromtimestamp(until, UTC))
    found = list(rows)
    if not labels and not not_labels:
        return found
    of_images = _labels_of_images(found)
    return [
        row
        for row in found
        if are_meant({**of_images.get(row.image_id, {}), **(row.spec.get("labels") or {})}, labels, not_labels)
    ]


def containers_prune(
    *,
    user: User,
    host: str | None = None,
    until: float | None = None,
    labels: Sequence[str] = (),
    not_labels: Sequence[str] = (),
) -> list[tuple[Container, Job]]:
    """Ask for the removal of each, without force: what was started meanwhile stays, and its job says so."""
    asked = []
    for container in containers_to_prune(user=user, host=host, until=until, labels=labels, not_labels=not_labels):
        try:
            asked.append((container, container_remove(user=user, container=container)))
        except EngineError:  # it was started or removed just now
            continue
    return asked


def _labels_of_images(containers: Sequence[Container]) -> dict[str, dict[str, str]]:
    """By the image's id, which says what is in it on whichever host it is."""
    images = Image.objects.filter(image_id__in={row.image_id for row in containers})
    return {image_id: config.get("labels") or {} for image_id, config in images.values_list("image_id", "config")}
