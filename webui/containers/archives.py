"""Files of a container, out and in: who may.

Reading them takes what a shell in the container takes; writing them, what creating a container takes.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from engine.errors import Conflict, InvalidArgument
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.audit.recording import entry_record
from webui.containers.models import Container, DesiredStatus
from webui.links.stream import host_silent
from webui.links.transfer import ArchiveWish
from worker.contract import sessions

PATH_BYTES = 4095
_AUDITED = {
    sessions.COPY_OUT: "container.copy_out",
    sessions.COPY_IN: "container.copy_in",
    sessions.EXPORT: "container.export",
}


def path_stat(*, user: User, container: Container, path: str) -> ArchiveWish:
    """What is at a path. Raises PermissionDenied, InvalidArgument with the field `path`, Conflict, Unavailable."""
    return _wish(user, "containers.read", container, sessions.PATH_STAT, sessions.PathParameters(path=_path(path)))


def copy_out(*, user: User, container: Container, path: str) -> ArchiveWish:
    """A file or directory as a tar. Raises as `path_stat`."""
    return _wish(user, "containers.read", container, sessions.COPY_OUT, sessions.PathParameters(path=_path(path)))


def export(*, user: User, container: Container) -> ArchiveWish:
    """The whole root file system as a tar. Raises as `path_stat`."""
    return _wish(user, "containers.read", container, sessions.EXPORT, sessions.PathParameters(path="/"))


def copy_in(
    *, user: User, container: Container, path: str, keep_kinds: bool = False, as_user: bool = False
) -> ArchiveWish:
    """A tar into a directory; the rest is `CopyInParameters`'. Raises as `path_stat`."""
    parameters = sessions.CopyInParameters(path=_path(path), keep_kinds=keep_kinds, as_user=as_user)
    return _wish(user, "containers.write", container, sessions.COPY_IN, parameters)


def _wish(user: User, action: str, container: Container, source: str, parameters: Any) -> ArchiveWish:
    require_on(user, action, container)
    if container.desired_status == DesiredStatus.REMOVED:
        raise Conflict(f"the container {container.name} is being removed: nothing else can be done with it")
    if not container.host.is_online:
        raise host_silent(container.host)
    if source in _AUDITED:
        entry_record(
            action=_AUDITED[source],
            user=user,
            team=container.team,
            host=container.host,
            object_id=container.pk,
            object_name=container.name,
            after={"path": parameters.path},
        )
    return ArchiveWish(container.host, container.pk, source, asdict(parameters))


def _path(path: str) -> str:
    if not path or "\0" in path or len(path.encode(errors="surrogateescape")) > PATH_BYTES:
        message = f"Give the path of a file or a directory in the container, of at most {PATH_BYTES} bytes."
        raise InvalidArgument(message, {"fields": {"path": [message]}})
    return path
