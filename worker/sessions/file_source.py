"""A file of a volume, out, in or away, as a session's source."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from worker.contract import files, sessions
from worker.contract.wire import from_wire, to_wire
from worker.sessions.archive_source import OutSource


class _FileSource:
    """What they have in common. See `source.Source`."""

    chunk_bytes = sessions.ARCHIVE_BYTES
    stdin: int | None = None
    outputs: Mapping[int, int] = {}
    ended: int | None = None

    def described(self) -> dict[str, Any]:
        return {}

    def close_stdin(self) -> None:
        pass

    def resize(self, rows: int, columns: int) -> None:
        pass


class ReadSource(_FileSource):
    """Its one output is the file, or a part of it."""

    def __init__(self, engine: Any, volume: str, parameters: Mapping[str, Any]) -> None:
        from engine.volumes.files.reading import Part

        wish = from_wire(files.ReadFile, parameters)
        self._download = engine.volumes.files.read(volume, wish.path, Part(wish.first, wish.last, wish.etag))
        self.outputs = {self._download.stream: sessions.STDOUT}

    def described(self) -> dict[str, Any]:
        found = self._download
        return {"entry": to_wire(found.entry), "offset": found.offset, "length": found.length}

    def result(self) -> dict[str, Any]:
        """Raises what cut it short: the other side must not take what it has for all."""
        self._download.wait()
        return {}

    def close(self) -> None:
        self._download.close()


class WriteSource(_FileSource):
    """Its input is the file, which is in its place at the end, or not at all."""

    def __init__(self, engine: Any, volume: str, parameters: Mapping[str, Any]) -> None:
        from engine.volumes.files.writing import Terms

        wish = from_wire(files.WriteFile, parameters)
        terms = Terms(etag=wish.etag, is_new=wish.is_new, parents=wish.parents)
        self._upload = engine.volumes.files.write(volume, wish.path, terms)
        self.stdin = self._upload.stream
        self.ended = self._upload.over

    def close_stdin(self) -> None:
        if self.stdin is not None:
            self.stdin = None
            self._upload.finish()

    def result(self) -> dict[str, Any]:
        return {"entry": to_wire(self._upload.wait())}

    def close(self) -> None:
        self.stdin = None
        self._upload.close()


class _WorkSource(_FileSource):
    """It ends when `work` is done, which goes on when nobody listens any more; what that answers is the result."""

    def __init__(self, work: Callable[[], dict[str, Any]]) -> None:
        self._error: BaseException | None = None
        self._done: dict[str, Any] = {}
        self.ended, self._over = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, args=(work,), name="file-work", daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], dict[str, Any]]) -> None:
        try:
            self._done = work()
        except BaseException as error:  # noqa: BLE001  whatever it was, `result` raises it
            self._error = error
        finally:
            os.close(self._over)

    def result(self) -> dict[str, Any]:
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._done

    def close(self) -> None:
        assert self.ended is not None
        os.close(self.ended)
        self.ended = None


class RemoveSource(_WorkSource):
    """A file, or a directory with all that is in it, goes."""

    def __init__(self, engine: Any, volume: str, parameters: Mapping[str, Any]) -> None:
        wish = from_wire(files.RemoveFile, parameters)

        def remove() -> dict[str, Any]:
            engine.volumes.files.remove(volume, wish.path, recursive=wish.recursive)
            return {}

        super().__init__(remove)


class OwnSource(_WorkSource):
    """A directory gets another owner, with all that is in it."""

    def __init__(self, engine: Any, volume: str, parameters: Mapping[str, Any]) -> None:
        wish = from_wire(files.OwnFile, parameters)

        def own() -> dict[str, Any]:
            found = engine.volumes.files.own(
                volume, wish.path, mode=wish.mode, uid=wish.uid, gid=wish.gid, recursive=True
            )
            return {"entry": to_wire(found)}

        super().__init__(own)


class PackSource(OutSource):
    """A directory as a tar."""

    def __init__(self, engine: Any, volume: str, parameters: Mapping[str, Any]) -> None:
        wish = from_wire(sessions.PathParameters, parameters)
        super().__init__(lambda: engine.volumes.files.pack(volume, wish.path))
