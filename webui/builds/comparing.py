"""Two builds side by side: what was asked otherwise, how each step went, and which files differ between the images."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from engine.errors import Conflict, NotFound
from webui.accounts.models import User
from webui.builds.models import Build
from webui.builds.representation import steps_as_json
from webui.images.models import Image
from webui.links.stream import ask

_NUMBER = re.compile(r"^\[[^\]]*\]\s*")


def compared(user: User, before: Build, after: Build) -> dict[str, Any]:
    """As REST's `BuildComparison`. Steps of one name are paired in their order, within their stage.

    `config` is of images, and left empty unless `user` may see both.
    """
    first, second = steps_as_json(before), steps_as_json(after)
    return {
        "before": _totals(before, first),
        "after": _totals(after, second),
        "steps": _paired(first, second),
        "wish": _differing(before.wish, after.wish),
        "config": _differing_configs(_image(user, before), _image(user, after)),
    }


def differing_files(user: User, before: Build, after: Build, *, limit: int) -> Any:
    """As REST's `BuildDifferences`; the host looks.

    Raises NotFound for a build whose image is not there, or not for `user` to see (`images.view`, which may be of some
    repositories alone), Conflict for images on different hosts, and as `links.stream.ask`.
    """
    for build in (before, after):
        if not build.image_id:
            raise NotFound(f"the build {build.pk.hex[:12]} has made no image, so there are no files to compare")
    if before.host_id != after.host_id:
        raise Conflict("the images are on different hosts: build both on one, and compare those")
    for build in (before, after):
        if _image(user, build) is None:
            raise NotFound(
                f"the image of the build {build.pk.hex[:12]} is not on {build.host.name} any more, or you may not see "
                "it: build it again, or ask who runs the team for the right images.view"
            )
    wish = {"before": before.image_id, "limit": limit}
    return ask(after.host, "build.differences", after.image_id, wish, is_slow=True)


def _totals(build: Build, steps: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "seconds": build.job.duration_seconds,
        "steps": len(steps),
        "cached": sum(step["state"] == "cached" for step in steps),
        "size_bytes": sum(step["size_bytes"] or 0 for step in steps),
        "image_id": build.image_id or None,
    }


def _paired(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> list[dict[str, Any]]:
    left: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for step in first:
        left[_key(step)].append(step)
    rows = []
    for step in second:
        same = left[_key(step)]
        rows.append(_row(same.pop(0) if same else None, step))
    return rows + [_row(step, None) for steps in left.values() for step in steps]


def _key(step: dict[str, Any]) -> tuple[str, str]:
    return step["stage"], _NUMBER.sub("", step["name"])


def _row(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any]:
    stage, name = _key(after or before or {"stage": "", "name": ""})
    return {"name": name, "stage": stage, "before": before, "after": after}


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    names = sorted({*before, *after})
    return [
        {"name": name, "before": before.get(name), "after": after.get(name)}
        for name in names
        if before.get(name) != after.get(name)
    ]


def _differing_configs(before: Image | None, after: Image | None) -> list[dict[str, Any]]:
    """Of images, while the host has both."""
    return [] if before is None or after is None else _differing(before.config, after.config)


def _image(user: User, build: Build) -> Image | None:
    """What a build has made, if `user` may see what is in it."""
    rows = Image.objects.visible_to(user).filter(host=build.host, team=build.team, image_id=build.image_id)
    return rows.first() if build.image_id else None
