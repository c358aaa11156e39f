"""Images as a tar, out of the host or into it, as a session's source."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from worker.contract import sessions
from worker.contract.wire import from_wire
from worker.sessions.archive_source import OutSource


class SaveSource(OutSource):
    """Its one output is the tar of the images."""

    def __init__(self, engine: Any, _: str, parameters: Mapping[str, Any]) -> None:
        wish = from_wire(sessions.SaveParameters, parameters)
        super().__init__(lambda: engine.images.save(list(wish.names), format=wish.format))


class _TakingSource:
    """Its input is a tar, read by `take` in a thread of its own. See `source.Source`.

    `ended` is readable once `take` has returned, which may be before the tar's end when something of it is wrong.
    """

    chunk_bytes = sessions.ARCHIVE_BYTES
    outputs: Mapping[int, int] = {}

    def __init__(self, take: Callable[[int, threading.Event], list[Any]]) -> None:
        self._cancel = threading.Event()
        self._images: list[Any] = []
        self._error: BaseException | None = None
        reader, self._writer = os.pipe()
        self.stdin: int | None = self._writer
        self._over_read, self._over_write = os.pipe()
        self.ended: int | None = self._over_read
        self._thread = threading.Thread(target=self._run, args=(take, reader), name="image-taking", daemon=True)
        self._thread.start()

    def _run(self, take: Callable[[int, threading.Event], list[Any]], reader: int) -> None:
        try:
            self._images = take(reader, self._cancel)
        except BaseException as error:  # noqa: BLE001  whatever it was, `result` raises it
            self._error = error
        finally:
            os.close(reader)
            os.close(self._over_write)

    def described(self) -> dict[str, Any]:
        return {}

    def close_stdin(self) -> None:
        if self.stdin is not None:
            self.stdin = None
            os.close(self._writer)

    def resize(self, rows: int, columns: int) -> None:
        pass

    def result(self) -> dict[str, Any]:
        """Raises what it ran into."""
        self.close_stdin()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return {"images": [{"id": image.id, "tags": list(image.tags)} for image in self._images]}

    def close(self) -> None:
        """Break off what still runs: of a tar that is not whole, nothing is kept."""
        self._cancel.set()
        self.close_stdin()
        self._thread.join()
        os.close(self._over_read)


class LoadSource(_TakingSource):
    """A tar as `docker save` or an OCI image layout has it."""

    def __init__(self, engine: Any, _: str, __: Mapping[str, Any]) -> None:
        super().__init__(lambda stream, cancel: list(engine.images.load(stream, cancel=cancel)))


class ImportSource(_TakingSource):
    """A tar that is a root file system."""

    def __init__(self, engine: Any, _: str, parameters: Mapping[str, Any]) -> None:
        wish = from_wire(sessions.ImportParameters, parameters)

        def take(stream: int, cancel: threading.Event) -> list[Any]:
            image = engine.images.import_(
                stream,
                wish.reference,
                changes=wish.changes,
                message=wish.message,
                platform=wish.platform,
                cancel=cancel,
            )
            return [image]

        super().__init__(take)
