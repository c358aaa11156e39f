"""Files of a volume: who may look at them and change them, and what is asked of its host for that.

Names take what the volume's page takes; content what a shell in one of its containers would take; changes what creating
a container takes: as with a container's own files (`webui.containers.archives`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from engine.errors import EngineError, InvalidArgument
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.audit.models import Result
from webui.audit.recording import entry_record
from webui.links.stream import ask, host_silent
from webui.links.transfer import ArchiveWish
from webui.volumes.models import Volume
from worker.contract import files, sessions

PATH_BYTES = 4095


def files_list(
    *,
    user: User,
    volume: Volume,
    path: str,
    sort: str = "name",
    is_descending: bool = False,
    offset: int = 0,
    limit: int = 500,
) -> dict[str, Any]:
    """What is at `path`: {"entry", "entries" (null for no directory), "offset", "total", "is_cut"} of the contract.

    Raises PermissionDenied, InvalidArgument with the field `path`, NotFound, Unavailable, as all here do.
    """
    require_on(user, "volumes.view", volume)
    wish = files.ListFiles(path=_path(path), sort=sort, is_descending=is_descending, offset=offset, limit=limit)
    found: dict[str, Any] = ask(volume.host, files.LIST, volume.name, asdict(wish), is_slow=True)
    return found


def directory_make(*, user: User, volume: Volume, path: str, parents: bool = False) -> dict[str, Any]:
    """The new directory. Raises AlreadyExists too."""
    return _change(user, volume, files.MAKE_DIRECTORY, files.MakeDirectory(path=_path(path), parents=parents))


def file_move(*, user: User, volume: Volume, path: str, to: str, overwrite: bool = False) -> dict[str, Any]:
    """What was moved. Raises AlreadyExists too."""
    return _change(user, volume, files.MOVE, files.MoveFile(path=_path(path), to=_path(to, "to"), overwrite=overwrite))


def file_own(
    *, user: User, volume: Volume, path: str, mode: int | None = None, uid: int | None = None, gid: int | None = None
) -> dict[str, Any]:
    """Another mode, owner, group; None leaves it."""
    return _change(user, volume, files.OWN, files.OwnFile(path=_path(path), mode=mode, uid=uid, gid=gid))


def files_own(
    *, user: User, volume: Volume, path: str, mode: int | None = None, uid: int | None = None, gid: int | None = None
) -> ArchiveWish:
    """Another owner and group for a directory with all that is in it, which may take its time; `mode` is its own."""
    if uid is None and gid is None:
        raise InvalidArgument(
            "recursive: give the uid or the gid that all of it gets",
            {"fields": {"recursive": ["Give the uid or the gid that all of it gets."]}},
        )
    wish = files.OwnFile(path=_path(path), mode=mode, uid=uid, gid=gid)
    return _wish(user, "volumes.write", volume, files.OWN, wish)


def file_read(*, user: User, volume: Volume, path: str, part: dict[str, Any]) -> ArchiveWish:
    """A file's bytes; `part` has what `files.ReadFile` has besides."""
    return _wish(user, "volumes.read", volume, files.READ, files.ReadFile(path=_path(path), **part))


def directory_pack(*, user: User, volume: Volume, path: str) -> ArchiveWish:
    """A directory, or a file, as a tar."""
    return _wish(user, "volumes.read", volume, files.PACK, sessions.PathParameters(path=_path(path)))


def file_write(
    *, user: User, volume: Volume, path: str, etag: str | None = None, is_new: bool = False, parents: bool = False
) -> ArchiveWish:
    """A whole file, in the place of just this content (`etag`), of nothing (`is_new`), or of whatever is there."""
    wish = files.WriteFile(path=_path(path), etag=etag, is_new=is_new, parents=parents)
    return _wish(user, "volumes.write", volume, files.WRITE, wish)


def file_remove(*, user: User, volume: Volume, path: str, recursive: bool = False) -> ArchiveWish:
    """A file, or a directory; with `recursive` with all that is in it, which may take its time."""
    return _wish(user, "volumes.write", volume, files.REMOVE, files.RemoveFile(path=_path(path), recursive=recursive))


def _change(user: User, volume: Volume, question: str, wish: Any) -> dict[str, Any]:
    require_on(user, "volumes.write", volume)
    try:
        changed: dict[str, Any] = ask(volume.host, question, volume.name, asdict(wish), is_slow=True)
    except EngineError as error:  # a host that has fallen silent may have done it all the same
        _audit(user, volume, "volume.write", wish, error)
        raise
    _audit(user, volume, "volume.write", wish)
    return changed


def _wish(user: User, action: str, volume: Volume, source: str, wish: Any) -> ArchiveWish:
    require_on(user, action, volume)
    if not volume.host.is_online:
        raise host_silent(volume.host)
    _audit(user, volume, "volume.read" if source in (files.READ, files.PACK) else "volume.write", wish)
    return ArchiveWish(volume.host, volume.name, source, asdict(wish))


def _audit(user: User, volume: Volume, action: str, wish: Any, error: EngineError | None = None) -> None:
    entry_record(
        action=action,
        user=user,
        team=volume.team,
        host=volume.host,
        object_id=volume.pk,
        object_name=volume.name,
        result=Result.SUCCEEDED if error is None else Result.FAILED,
        error="" if error is None else error.message,
        after={"path": wish.path},
    )


def _path(path: str, field: str = "path") -> str:
    """The rest is the host's to check."""
    try:
        is_good = "\0" not in path and len(path.encode("utf-8", "surrogateescape")) <= PATH_BYTES
    except UnicodeEncodeError:
        is_good = False
    if not is_good or ".." in path.split("/"):
        message = f"Give a path from the top of the volume, without .. in it and of at most {PATH_BYTES} bytes."
        raise InvalidArgument(message, {"fields": {field: [message]}})
    return path
