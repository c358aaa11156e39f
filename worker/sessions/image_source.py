"""Images as a tar, out of the host or into it, as a session's source."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.errors import Cancelled, Unavailable
from worker.context import Context
from worker.contract import sessions
from worker.contract.commands import ImportImage, LoadImages
from worker.contract.wire import from_wire
from worker.executor import Executor
from worker.sessions.archive_source import OutSource

Take = Callable[[int, Context], list[Any]]
"""Reads the tar from a descriptor; returns the images that it has become."""


class SaveSource(OutSource):
    """Its one output is the tar of the images."""

    def __init__(self, engine: Any, _: str, parameters: Mapping[str, Any]) -> None:
        wish = from_wire(sessions.SaveParameters, parameters)

        def begin() -> Any:
            if wish.format == sessions.FILES:
                return engine.builder.save_files(wish.names[0])
            return engine.images.save(list(wish.names), format=wish.format)

        super().__init__(begin)


class _TakingSource:
    """Its input is a tar, read by `take` in a thread of its own, as a job: see `sessions.JOB`, and `source.Source`.

    `ended` is readable once `take` has returned, which may be before the tar's end when something of it is wrong.
    """

    chunk_bytes = sessions.ARCHIVE_BYTES
    outputs: Mapping[int, int] = {}

    def __init__(
        self, executor: Executor, job: Mapping[str, Any], command: LoadImages | ImportImage, take: Take
    ) -> None:
        self._cancel = threading.Event()
        self._is_broken_off = False
        self._images: list[Any] = []
        self._names: dict[str, Sequence[str]] = {}
        self._error: BaseException | None = None
        reader, self._writer = os.pipe()
        self.stdin: int | None = self._writer
        self._over_read, self._over_write = os.pipe()
        self.ended: int | None = self._over_read

        def run() -> None:
            try:
                is_ours = executor.attend(
                    job_id=str(job["id"]),
                    command=command,
                    fence=int(job["fence"]),
                    cancel=self._cancel,
                    work=lambda context: self._work(take, reader, context),
                )
                if not is_ours:
                    self._error = Unavailable("this host's worker is about to end, or gave it up: send it again")
            except BaseException as error:  # noqa: BLE001  whatever it was, `result` raises it
                self._error = error
            finally:
                os.close(reader)
                os.close(self._over_write)

        self._thread = threading.Thread(target=run, name="image-taking", daemon=True)
        self._thread.start()

    def _work(self, take: Take, reader: int, context: Context) -> dict[str, Any]:
        try:
            self._images = take(reader, context)
        except Cancelled as error:
            self._error = error
            if self._is_broken_off:
                raise Unavailable("The archive was broken off before its end: send it again.") from error
            raise
        except BaseException as error:
            self._error = error
            raise
        return self._said()

    def _said(self) -> dict[str, Any]:
        return {
            "images": [
                {"id": image.id, "tags": list(image.tags), "names": list(self._names.get(image.id, image.tags))}
                for image in self._images
            ]
        }

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
        return self._said()

    def close(self) -> None:
        """Break off what still runs: of a tar that is not whole, nothing is kept."""
        self._is_broken_off = True
        self._cancel.set()
        self.close_stdin()
        self._thread.join()
        os.close(self._over_read)


class LoadSource(_TakingSource):
    """A tar as `docker save` or an OCI image layout has it."""

    def __init__(self, executor: Executor, _: str, parameters: Mapping[str, Any]) -> None:
        def take(stream: int, context: Context) -> list[Any]:
            found = context.engine.images.load(
                stream, progress=context.progress, named=self._names.__setitem__, cancel=context.cancel
            )
            return list(found)

        super().__init__(executor, parameters[sessions.JOB], LoadImages(), take)


class ImportSource(_TakingSource):
    """A tar that is a root file system."""

    def __init__(self, executor: Executor, _: str, parameters: Mapping[str, Any]) -> None:
        wish = from_wire(sessions.ImportParameters, parameters)

        def take(stream: int, context: Context) -> list[Any]:
            context.progress("importing", ())
            image = context.engine.images.import_(
                stream,
                wish.reference,
                changes=wish.changes,
                message=wish.message,
                platform=wish.platform,
                cancel=context.cancel,
            )
            return [image]

        super().__init__(executor, parameters[sessions.JOB], ImportImage(reference=wish.reference), take)
