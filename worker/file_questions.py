"""Questions about the files of a volume, and small changes of them, which are answered at once as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.contract import files
from worker.contract.wire import from_wire, to_wire
from worker.questions import Answer


def file_answers(engine: Any) -> Mapping[str, Answer]:
    """By name; the subject is the volume's name. They raise the engine's errors."""

    def listed(volume: str, parameters: Mapping[str, Any]) -> Any:
        wish = from_wire(files.ListFiles, parameters)
        found = engine.volumes.files.look(volume, wish.path)
        if "directory" not in (found.kind, found.leads_to):
            return to_wire({"entry": found, "entries": None, "offset": 0, "total": 0, "is_cut": False})
        return to_wire(
            engine.volumes.files.list(
                volume,
                wish.path,
                sort=wish.sort,
                is_descending=wish.is_descending,
                offset=wish.offset,
                limit=wish.limit,
            )
        )

    def made(volume: str, parameters: Mapping[str, Any]) -> Any:
        wish = from_wire(files.MakeDirectory, parameters)
        return to_wire(engine.volumes.files.make_directory(volume, wish.path, parents=wish.parents))

    def moved(volume: str, parameters: Mapping[str, Any]) -> Any:
        wish = from_wire(files.MoveFile, parameters)
        return to_wire(engine.volumes.files.move(volume, wish.path, wish.to, overwrite=wish.overwrite))

    def owned(volume: str, parameters: Mapping[str, Any]) -> Any:
        wish = from_wire(files.OwnFile, parameters)
        return to_wire(engine.volumes.files.own(volume, wish.path, mode=wish.mode, uid=wish.uid, gid=wish.gid))

    return {files.LIST: listed, files.MAKE_DIRECTORY: made, files.MOVE: moved, files.OWN: owned}
