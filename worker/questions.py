"""Questions: what the site asks a host about a container or an image, to be answered now, and kept by nobody.

They come as an `OpenStream` whose `source` is the question's name. The answer is one DATA frame with JSON and an END,
or an ERROR. A new question is a line in `answers`.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis

from engine.errors import EngineError, Unavailable, Unsupported
from worker.contract import frames, keys
from worker.contract.frames import Frame, OpenStream
from worker.contract.wire import to_wire
from worker.faults import error_info

logger = logging.getLogger(__name__)

THREADS = 2
FILES_LIMIT = 2000
ATTACHMENT_BYTES = 16 << 20
CACHE_MOUNTS = 500
LOG_QUESTIONS = ("outline", "lines", "search", "histogram", "seek")
WAITING_MAXIMUM = 64
"""More than that would be answered when nobody waits any more."""
COMPARISONS = 1
"""At once: one takes up to 40 s of a disk, and whoever is behind two of them waits no more when it is answered."""
EXPIRE_SECONDS = 60

Answer = Callable[[str, Mapping[str, Any]], Any]


def answers(engine: Any) -> Mapping[str, Answer]:
    """Every quick question by name: from a container's id and parameters to what JSON can hold.

    They raise the engine's errors.
    """
    return {
        "top": lambda container_id, wish: engine.container_top(container_id, tell=wish.get("tell") is True),
        "execs": lambda container_id, _: {"execs": engine.container_execs(container_id)},
        "changes": lambda container_id, _: engine.container_changes(container_id),
    }


def image_answers(engine: Any) -> Mapping[str, Answer]:
    """The questions about images and the disk, some of which read whole layers."""

    def files(image_id: str, wish: Mapping[str, Any]) -> Any:
        return engine.images.layer_files(
            image_id, str(wish["layer"]), path=str(wish.get("path") or "/"), limit=int(wish.get("limit") or FILES_LIMIT)
        )

    def document(image_id: str) -> Any:
        config, parent = engine.images.document(image_id)
        return {"config": config, "parent": parent}

    def attached(image_id: str, wish: Mapping[str, Any]) -> Any:
        keys = [str(key) for key in wish.get("keys") or ()]
        signed = engine.images.verify(image_id, keys, asks_registries=False) if keys else []
        return {"attachments": to_wire(engine.images.attachments.of(image_id)), "signed": to_wire(list(signed))}

    def attachment(image_id: str, wish: Mapping[str, Any]) -> Any:
        data = engine.images.attachments.read(image_id, str(wish["digest"]))
        if len(data) > ATTACHMENT_BYTES:
            raise Unsupported(f"it has more than {ATTACHMENT_BYTES >> 20} MiB: push the image, and ask its registry")
        return {"content": data.decode("utf-8", "replace")}

    def cache(team: str) -> Any:
        found = engine.builder.disk_usage(team)
        return {
            "steps": len(found.steps),
            "layers_bytes": found.layers_bytes,
            "mounts_bytes": found.mounts_bytes,
            "mounts": [
                {"id": mount.id, "size_bytes": mount.size_bytes, "used_at": mount.used_at}
                for mount in found.mounts[-CACHE_MOUNTS:]
            ],
        }

    return {
        "build.cache": lambda team, _: cache(team),
        "image.attached": attached,
        "image.attachment": attachment,
        "image.document": lambda image_id, _: document(image_id),
        "image.history": lambda image_id, _: {"layers": to_wire(list(engine.images.history(image_id)))},
        "image.files": lambda image_id, wish: to_wire(files(image_id, wish)),
        "image.waste": lambda image_id, _: to_wire(engine.images.waste(image_id)),
        "disk.usage": lambda *_: to_wire(engine.disk_usage()),
    }


def comparing_answers(engine: Any) -> Mapping[str, Answer]:
    """The question that reads whole images: for threads of its own, so that it stands in the way of no other."""

    def differences(image_id: str, wish: Mapping[str, Any]) -> Any:
        limit = int(wish.get("limit") or FILES_LIMIT)
        return to_wire(engine.builder.differences(str(wish["before"]), image_id, limit))

    return {"build.differences": differences}


def log_answers(engine: Any) -> Mapping[str, Answer]:
    """The questions about logs, which may take their time."""

    def about(kind: str) -> Answer:
        return lambda container_id, parameters: engine.container_log_ask(container_id, kind, parameters)

    return {f"log.{kind}": about(kind) for kind in LOG_QUESTIONS}


class Questions:
    """Answers in threads of its own, so that a slow one holds up neither logs nor jobs.

    `threads`: how many are answered at once; `room`: how many are taken, those that wait included.
    """

    def __init__(
        self, client: redis.Redis, answers: Mapping[str, Answer], threads: int = THREADS, room: int | None = None
    ) -> None:
        self._client = client
        self._answers = answers
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="questions")
        self._room = threading.Semaphore(room or WAITING_MAXIMUM)

    def knows(self, source: str) -> bool:
        return source in self._answers

    def handle(self, message: OpenStream) -> None:
        """Take a question; called by the control thread."""
        if not self._room.acquire(blocking=False):
            self._send(message, *_failed(Unavailable("this host is asked too much at once: try again in a moment")))
            return
        self._threads.submit(self._answer, message)

    def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _answer(self, message: OpenStream) -> None:
        try:
            data = json.dumps(
                self._answers[message.source](message.container_id, message.parameters), separators=(",", ":")
            ).encode()
            self._send(message, *_answered(data))
        except (EngineError, OSError) as error:
            self._send(message, *_failed(error))
        except Exception as error:
            logger.exception("the question %s about %s failed", message.source, message.container_id[:12])
            self._send(message, *_failed(error))
        finally:
            self._room.release()

    def _send(self, message: OpenStream, *answer: Frame) -> None:
        key = keys.frames(message.stream_id)
        try:
            pipeline = self._client.pipeline(transaction=False)
            for frame in answer:
                pipeline.xadd(key, {"m": frame.encode()})
            pipeline.expire(key, EXPIRE_SECONDS)
            pipeline.execute()
        except redis.RedisError as error:  # who asked will ask again
            logger.warning("an answer could not be sent: %s", error)


def _answered(data: bytes) -> tuple[Frame, Frame]:
    now = time.time()
    return Frame(frames.DATA, 0, len(data), now, data), Frame(frames.END, 0, len(data), now)


def _failed(error: BaseException) -> tuple[Frame]:
    return (Frame(frames.ERROR, 0, 0, time.time(), json.dumps(to_wire(error_info(error))).encode()),)
