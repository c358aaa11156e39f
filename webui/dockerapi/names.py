"""What a name in a request means: containers, images, networks and volumes of the host that the user sees.

Docker's order: a whole id, a name, the beginning of an id that only one has. Functions here query the database.
"""

from __future__ import annotations

import re

from engine.errors import EngineError, InvalidArgument
from engine.oci.reference import Reference
from webui.containers.models import Container
from webui.dockerapi import errors
from webui.dockerapi.call import Call
from webui.images.models import Image
from webui.networks.models import Network
from webui.volumes.models import Volume

_HEX = re.compile(r"[0-9a-f]{1,64}")
_IMAGE_ID = re.compile(r"(sha256:)?([0-9a-f]{4,64})")
SHA256 = "sha256:"


def containers(call: Call):  # type: ignore[no-untyped-def]  # a query set
    """Those of the host that the user sees, with what their looks need."""
    rows = Container.objects.visible_to(call.user).filter(host=call.host)
    return rows.select_related("host", "host__team", "team", "created_by")


def container(call: Call, name: str) -> Container:
    """Raises NotFound in Docker's words, InvalidArgument for the beginning of several ids."""
    wanted = name.removeprefix("/")
    rows = containers(call)
    found = rows.filter(pk=wanted).first() if len(wanted) == 64 else None
    found = found or rows.filter(name=wanted[:128]).first()
    if found is None and _HEX.fullmatch(wanted):
        several = list(rows.filter(pk__startswith=wanted)[:2])
        if len(several) > 1:
            raise errors.ambiguous(wanted)
        found = several[0] if several else None
    if found is None:
        raise errors.no_such_container(name)
    return found  # type: ignore[no-any-return]


def images(call: Call):  # type: ignore[no-untyped-def]
    return Image.objects.visible_to(call.user).filter(host=call.host, team=call.host.team)


def image(call: Call, name: str) -> Image:
    """By reference, id or its beginning. Raises NotFound in Docker's words, InvalidArgument for what names nothing."""
    found = find_image(call, name)
    if found is None:
        raise errors.no_such_image(shown_reference(name))
    return found


def may_be_id(name: str) -> bool:
    """Whether it can be an image's id, or the beginning of one."""
    return _IMAGE_ID.fullmatch(name) is not None


def find_image(call: Call, name: str) -> Image | None:
    """The same; None for one that isn't there. Raises InvalidArgument."""
    by_id = _IMAGE_ID.fullmatch(name)
    if by_id is not None:
        several = list(images(call).filter(image_id__startswith=SHA256 + by_id[2])[:2])
        if len(several) > 1:
            raise errors.ambiguous(name)
        if several or by_id[1]:
            return several[0] if several else None
    try:
        reference = Reference.parse(name)
    except EngineError as error:
        raise InvalidArgument(f"invalid reference format: {error.message}") from error
    # Hosts tell names as people write them.
    pinned = None if reference.digest is None else reference.pinned(reference.digest)
    wanted = {str(pinned or reference), (pinned or reference).familiar}
    for pk, known in images(call).values_list("pk", "digests" if pinned else "tags"):
        if not wanted.isdisjoint(known):
            return images(call).get(pk=pk)
    return None


def shown_reference(name: str) -> str:
    """As Docker's engine repeats what it was asked for: with the tag that is meant."""
    try:
        return Reference.parse(name).familiar
    except EngineError:
        return name


def networks(call: Call):  # type: ignore[no-untyped-def]
    return (
        Network.objects.visible_to(call.user).filter(host=call.host, team=call.host.team).select_related("host", "team")
    )


def network(call: Call, name: str) -> Network:
    """Raises NotFound in Docker's words, InvalidArgument for the beginning of several ids."""
    rows = networks(call)
    found = (rows.filter(network_id=name).first() if len(name) == 64 else None) or rows.filter(name=name[:64]).first()
    if found is None and _HEX.fullmatch(name):
        several = list(rows.filter(network_id__startswith=name)[:2])
        if len(several) > 1:
            raise errors.ambiguous(name)
        found = several[0] if several else None
    if found is None:
        raise errors.no_such_network(name)
    return found  # type: ignore[no-any-return]


def volumes(call: Call):  # type: ignore[no-untyped-def]
    return (
        Volume.objects.visible_to(call.user).filter(host=call.host, team=call.host.team).select_related("host", "team")
    )


def volume(call: Call, name: str) -> Volume:
    """By name alone. Raises NotFound in Docker's words."""
    found = volumes(call).filter(name=name[:128]).first()
    if found is None:
        raise errors.no_such_volume(name)
    return found  # type: ignore[no-any-return]
