"""Files of a container, out or in as a tar, as a session's source."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from worker.contract import sessions
from worker.contract.wire import from_wire


class PathSource:
    """What is at a path, told at the beginning, which is the end as well. See `source.Source`."""

    stdin: int | None = None
    ended: int | None = None

    def __init__(self, engine: Any, container_id: str, parameters: Mapping[str, Any]) -> None:
        wish = from_wire(sessions.PathParameters, parameters)
        self.outputs: dict[int, int] = {}
        self._stat = engine.container_path_stat(container_id, wish.path)

    def described(self) -> dict[str, Any]:
        return {"stat": asdict(self._stat), "header": self._stat.docker_header()}

    def close_stdin(self) -> None:
        pass

    def resize(self, rows: int, columns: int) -> None:
        pass

    def result(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        pass


class _TransferSource:
    """A transfer of the engine's; an end that it did not reach by itself kills its process."""

    chunk_bytes = sessions.ARCHIVE_BYTES

    def __init__(self, transfer: Any) -> None:
        self._transfer = transfer
        self.stdin: int | None = None
        self.outputs: dict[int, int] = {}
        self.ended: int | None = None

    def described(self) -> dict[str, Any]:
        stat = self._transfer.stat
        return {} if stat is None else {"stat": asdict(stat), "header": stat.docker_header()}

    def close_stdin(self) -> None:
        if self.stdin is not None:
            self.stdin = None
            self._transfer.close_stream()

    def resize(self, rows: int, columns: int) -> None:
        pass

    def result(self) -> dict[str, Any]:
        """Raises what the transfer ran into: the other side must not take what it has for all.

        Whoever is told of the end may come for the next transfer at once: nothing is held any more by then.
        """
        result: dict[str, Any] = self._transfer.wait()
        self._transfer.close()
        return result

    def close(self) -> None:
        if self.ended is not None:
            os.close(self.ended)
            self.ended = None
        self._transfer.close()


class OutSource(_TransferSource):
    """Its one output is the tar. `begin`: gives the transfer."""

    def __init__(self, begin: Callable[[], Any]) -> None:
        super().__init__(begin())
        self.outputs = {self._transfer.stream: sessions.STDOUT}

    @classmethod
    def of_path(cls, engine: Any, container_id: str, parameters: Mapping[str, Any]) -> OutSource:
        wish = from_wire(sessions.PathParameters, parameters)
        return cls(lambda: engine.container_copy_out(container_id, wish.path))

    @classmethod
    def of_volume(cls, engine: Any, name: str, _: Mapping[str, Any]) -> OutSource:
        return cls(lambda: engine.volumes.backups.pack(name))

    @classmethod
    def of_everything(cls, engine: Any, container_id: str, _: Mapping[str, Any]) -> OutSource:
        return cls(lambda: engine.container_export(container_id))


class InSource(_TransferSource):
    """Its input is the tar; it ends when all of it has been made, or when something of it can't be."""

    def __init__(self, engine: Any, container_id: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(self._begun(engine, container_id, parameters))
        self.stdin = self._transfer.stream
        self.ended = os.pidfd_open(self._transfer.pid)

    def _begun(self, engine: Any, container_id: str, parameters: Mapping[str, Any]) -> Any:
        wish = from_wire(sessions.CopyInParameters, parameters)
        return engine.container_copy_in(container_id, wish.path, keep_kinds=wish.keep_kinds, as_user=wish.as_user)


class VolumeInSource(InSource):
    """The same for a volume, whose files are replaced by what came once all of it has."""

    def _begun(self, engine: Any, name: str, parameters: Mapping[str, Any]) -> Any:
        return engine.volumes.backups.unpack(name, stop=from_wire(sessions.VolumeInParameters, parameters).stop)
