"""A file of a volume, out, in or away, as a session's source."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
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


class RemoveSource(_FileSource):
    """It ends when all is deleted, and goes on with that when nobody listens any more."""

    def __init__(self, engine: Any, volume: str, parameters: Mapping[str, Any]) -> None:
        wish = from_wire(files.RemoveFile, parameters)
        self._error: BaseException | None = None
        self.ended, self._over = os.pipe2(os.O_CLOEXEC)
        work = (engine, volume, wish.path, wish.recursive)
        self._thread = threading.Thread(target=self._run, args=work, name="file-removal", daemon=True)
        self._thread.start()

    def _run(self, engine: Any, volume: str, path: str, recursive: bool) -> None:
        try:
            engine.volumes.files.remove(volume, path, recursive=recursive)
        except BaseException as error:  # noqa: BLE001  whatever it was, `result` raises it
            self._error = error
        finally:
            os.close(self._over)

    def result(self) -> dict[str, Any]:
        self._thread.join()
        if self._error is not None:
            raise self._error
        return {}

    def close(self) -> None:
        assert self.ended is not None
        os.close(self.ended)
        self.ended = None


class PackSource(OutSource):
    """A directory as a tar."""

    def __init__(self, engine: Any, volume: str, parameters: Mapping[str, Any]) -> None:
        wish = from_wire(sessions.PathParameters, parameters)
        super().__init__(lambda: engine.volumes.files.pack(volume, wish.path))
