"""What a host is asked about its images and its disk, and answers at once. Rights are the caller's matter."""

from __future__ import annotations

from typing import Any

from webui.hosts.models import Host
from webui.images.models import Image
from webui.images.signing import public_keys
from webui.links.stream import ask


def image_history(image: Image) -> Any:
    """{"layers": [HistoryEntry…]}, the newest first. Raises as `links.stream.ask`."""
    return ask(image.host, "image.history", image.image_id)


def image_attached(image: Image) -> Any:
    """{"attachments": […], "signed": [{"key_id", "digest", "place"}…]}: what is attached to the image on its host, and
    which of the team's keys have signed it there."""
    return ask(image.host, "image.attached", image.image_id, {"keys": public_keys(image.team)}, is_slow=True)


def image_attachment(image: Image, *, digest: str) -> Any:
    """{"content": the text of what is attached under this digest}."""
    return ask(image.host, "image.attachment", image.image_id, {"digest": digest}, is_slow=True)


def image_document(image: Image) -> Any:
    """{"config": the image's config as it was made, "parent": the id of the image it was made from there, or ""}."""
    return ask(image.host, "image.document", image.image_id)


def image_files(image: Image, *, layer: str, path: str, limit: int) -> Any:
    """What one layer (a digest or diff id) adds, changes and deletes below `path`."""
    wish = {"layer": layer, "path": path, "limit": limit}
    return ask(image.host, "image.files", image.image_id, wish, is_slow=True)


def image_waste(image: Image) -> Any:
    """What later layers overwrite or delete of earlier ones' files."""
    return ask(image.host, "image.waste", image.image_id, is_slow=True)


def disk_usage(host: Host) -> Any:
    """What images, containers and logs take on the host's disk."""
    return ask(host, "disk.usage", "", is_slow=True)
