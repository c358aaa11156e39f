"""From the contract's commands to calls of the engine: one function for each, and nothing else here.

Each returns the job's result, a JSON object. Commands are idempotent: when a worker died in the middle, the
next one does the command again, and what is already so is success.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import NotFound
from worker.contract import commands as c
from worker.contract.wire import to_wire

ProgressCallback = Callable[[str, Sequence[Any]], None]


@dataclass(frozen=True, slots=True)
class Context:
    """What a command's function needs besides the command. `attempt` above 1 means an earlier worker died.

    `job_id` is the engine's name for what is asked: a start that was done before that death is not done again.
    """

    engine: Any
    progress: ProgressCallback
    cancel: threading.Event
    secrets: Mapping[str, Any] | None
    attempt: int = 1
    job_id: str = ""

    @property
    def credentials(self) -> Any:
        if not self.secrets or "username" not in self.secrets:
            return None
        from engine.registry.auth import Credentials

        return Credentials(username=str(self.secrets["username"]), password=str(self.secrets["password"]))


def run(command: c.Command, context: Context) -> dict[str, Any]:
    """Carry out a command. Raises the engine's errors."""
    return _FUNCTIONS[type(command)](command, context)


def _pull_image(command: c.PullImage, context: Context) -> dict[str, Any]:
    image = context.engine.images.pull(
        command.reference,
        credentials=context.credentials,
        platform=command.platform,
        progress=context.progress,
        cancel=context.cancel,
    )
    return {"image_id": image.id, "tags": list(image.tags)}


def _remove_image(command: c.RemoveImage, context: Context) -> dict[str, Any]:
    try:
        untagged, deleted = context.engine.image_remove(command.image, force=command.force)
    except NotFound:
        if context.attempt == 1:
            raise
        untagged, deleted = [], []
    return {"untagged": list(untagged), "deleted": list(deleted)}


def _create_starter_image(command: c.CreateStarterImage, context: Context) -> dict[str, Any]:
    image = context.engine.images.create_starter(command.reference, progress=context.progress, cancel=context.cancel)
    return {"image_id": image.id, "tags": list(image.tags)}


def _create_container(command: c.CreateContainer, context: Context) -> dict[str, Any]:
    engine = context.engine
    engine.container_create(
        container_spec(command),
        credentials=context.credentials,
        progress=context.progress,
        cancel=context.cancel,
    )
    # A worker that died may have started it already; it may even have ended since, and must not run twice.
    if command.start and (context.attempt == 1 or engine.container_get(command.container_id).started_at is None):
        engine.container_start(command.container_id, request=context.job_id)
    return {"container_id": command.container_id}


def container_spec(command: c.CreateContainer) -> Any:
    """The engine's form of the command."""
    from engine.containers.spec import ContainerSpec

    return ContainerSpec.from_dict({**to_wire(command), "id": command.container_id})


def _start(command: c.StartContainer, context: Context) -> dict[str, Any]:
    context.engine.container_start(command.container_id, request=context.job_id)
    return {}


def _stop(command: c.StopContainer, context: Context) -> dict[str, Any]:
    context.engine.container_stop(command.container_id, timeout_seconds=command.timeout_seconds, signal=command.signal)
    return {}


def _kill(command: c.KillContainer, context: Context) -> dict[str, Any]:
    context.engine.container_kill(command.container_id, command.signal)
    return {}


def _signal(command: c.SignalProcess, context: Context) -> dict[str, Any]:
    context.engine.container_signal_process(command.container_id, command.host_pid, command.started_at, command.signal)
    return {}


def _restart(command: c.RestartContainer, context: Context) -> dict[str, Any]:
    context.engine.container_restart(
        command.container_id, timeout_seconds=command.timeout_seconds, request=context.job_id
    )
    return {}


def _pause(command: c.PauseContainer, context: Context) -> dict[str, Any]:
    context.engine.container_pause(command.container_id)
    return {}


def _unpause(command: c.UnpauseContainer, context: Context) -> dict[str, Any]:
    context.engine.container_unpause(command.container_id)
    return {}


def _update(command: c.UpdateContainer, context: Context) -> dict[str, Any]:
    context.engine.container_update(command.container_id, command.changes)
    return {}


def _rename(command: c.RenameContainer, context: Context) -> dict[str, Any]:
    context.engine.container_rename(command.container_id, command.name)
    return {}


def _commit(command: c.CommitContainer, context: Context) -> dict[str, Any]:
    from engine.containers.committing import CommitSpec

    spec = CommitSpec(
        reference=command.reference,
        author=command.author,
        comment=command.comment,
        changes=command.changes,
        pause=command.pause,
        created_at=command.created_at,
    )
    image = context.engine.container_commit(command.container_id, spec, cancel=context.cancel)
    return {"image_id": image.id, "tags": list(image.tags)}


def _remove(command: c.RemoveContainer, context: Context) -> dict[str, Any]:
    try:
        context.engine.container_remove(command.container_id, force=command.force)
    except NotFound:
        if context.attempt == 1:
            raise
    return {}


_FUNCTIONS: dict[type, Callable[[Any, Context], dict[str, Any]]] = {
    c.PullImage: _pull_image,
    c.RemoveImage: _remove_image,
    c.CreateStarterImage: _create_starter_image,
    c.CreateContainer: _create_container,
    c.StartContainer: _start,
    c.StopContainer: _stop,
    c.KillContainer: _kill,
    c.SignalProcess: _signal,
    c.RestartContainer: _restart,
    c.PauseContainer: _pause,
    c.UnpauseContainer: _unpause,
    c.UpdateContainer: _update,
    c.RenameContainer: _rename,
    c.CommitContainer: _commit,
    c.RemoveContainer: _remove,
}
