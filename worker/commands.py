"""From the contract's commands to calls of the engine: one function for each, and nothing else here.

Each returns the job's result, a JSON object. Commands are idempotent: when a worker died in the middle, the
next one does the command again, and what is already so is success.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from engine.errors import Cancelled, Conflict, NotFound, PermissionDenied, Unavailable
from worker import build_commands, volume_commands
from worker.context import Context
from worker.contract import commands as c
from worker.contract import networks as n
from worker.contract.builds import BuildImage
from worker.contract.wire import to_wire


def run(command: c.Command, context: Context) -> dict[str, Any]:
    """Carry out a command. Raises the engine's errors."""
    return _FUNCTIONS[type(command)](command, context)


def give_up(encoded: Mapping[str, Any], engine: Any, status: str, why: str) -> dict[str, Any]:
    """What is known of a command that was begun and is not tried any more. `status`: failed or cancelled."""
    command = c.decode_command(encoded)
    return build_commands.give_up(command, engine, status, why) if isinstance(command, BuildImage) else {}


def _pull_image(command: c.PullImage, context: Context) -> dict[str, Any]:
    limits: list[Any] = []
    digests: list[str] = []
    image = context.engine.images.pull(
        command.reference,
        access=context.access,
        platform=command.platform,
        progress=context.progress,
        cancel=context.cancel,
        limit_told=limits.append,
        digest_told=digests.append,
    )
    told = {"digest": digests[-1]} if digests else {}
    told |= {"rate_limit": to_wire(limits[-1])} if limits else {}
    return {"image_id": image.id, "tags": list(image.tags), **told}


def _remove_image(command: c.RemoveImage, context: Context) -> dict[str, Any]:
    try:
        untagged, deleted = context.engine.image_remove(command.image, force=command.force)
    except NotFound:
        if context.attempt == 1:
            raise
        untagged, deleted = [], []
    return {"untagged": list(untagged), "deleted": list(deleted)}


def _push_image(command: c.PushImage, context: Context) -> dict[str, Any]:
    if command.image is not None:
        context.engine.images.tag(command.image, command.reference)
    pushed = context.engine.images.push(
        command.reference,
        access=context.access,
        all_platforms=command.all_platforms,
        progress=context.progress,
        cancel=context.cancel,
    )
    found: dict[str, Any] = to_wire(pushed)
    return found


def _tag_image(command: c.TagImage, context: Context) -> dict[str, Any]:
    image = context.engine.images.tag(command.image, command.reference)
    return {"image_id": image.id, "tags": list(image.tags)}


def _prune_images(command: c.PruneImages, context: Context) -> dict[str, Any]:
    report = context.engine.image_prune(
        all=command.all,
        until=None if command.until is None else datetime.fromtimestamp(command.until, UTC),
        labels=command.labels,
        not_labels=command.not_labels,
    )
    found: dict[str, Any] = to_wire(report)
    return found


def _verify_images(command: c.VerifyImages, context: Context) -> dict[str, Any]:
    report = context.engine.images.fsck(
        repair=command.repair, access=context.accesses, progress=context.progress, cancel=context.cancel
    )
    found: dict[str, Any] = to_wire(report)
    return found


def _look_up_images(command: c.LookUpImages, context: Context) -> dict[str, Any]:
    """A registry that is away, or wants no more questions, fails the job; an image that it lacks is an answer."""
    found: list[dict[str, Any]] = []
    limit = None
    for reference in command.references:
        if context.cancel.is_set():
            raise Cancelled("Cancelled before every image was looked up.")
        try:
            remote = context.engine.images.remote(reference, access=context.access)
        except (NotFound, PermissionDenied) as error:
            found.append({"reference": reference, "digest": None, "problem": error.message})
        else:
            limit = remote.rate_limit or limit
            found.append({"reference": reference, "digest": str(remote.digest), "problem": ""})
    return {"images": found, "rate_limit": to_wire(limit)}


def _try_registry(command: c.TryRegistry, context: Context) -> dict[str, Any]:
    found: dict[str, Any] = to_wire(context.engine.images.try_registry(command.registry, context.access))
    return found


def _create_starter_image(command: c.CreateStarterImage, context: Context) -> dict[str, Any]:
    image = context.engine.images.create_starter(command.reference, progress=context.progress, cancel=context.cancel)
    return {"image_id": image.id, "tags": list(image.tags)}


def _lost_archive(_: c.LoadImages | c.ImportImage, __: Context) -> dict[str, Any]:
    """Its session does such a job (`sessions/image_source.py`); who comes here has lost it."""
    raise Unavailable("The archive came by a connection that has broken off: send it again.")


def _create_container(command: c.CreateContainer, context: Context) -> dict[str, Any]:
    engine = context.engine
    engine.container_create(
        container_spec(command),
        access=context.access,
        admission=_admission(command, context),
        progress=context.progress,
        cancel=context.cancel,
    )
    # A worker that died may have started it already; it may even have ended since, and must not run twice.
    if command.start and (context.attempt == 1 or engine.container_get(command.container_id).started_at is None):
        engine.container_start(command.container_id, request=context.job_id)
    return {"container_id": command.container_id}


def _recreate_container(command: c.RecreateContainer, context: Context) -> dict[str, Any]:
    context.engine.container_recreate(
        command.replaces,
        container_spec(command),
        start=command.start,
        renew_volumes=command.renew_volumes,
        request=context.job_id,
        access=context.access,
        admission=_admission(command, context),
        progress=context.progress,
        cancel=context.cancel,
    )
    return {"container_id": command.container_id}


def _admission(command: c.CreateContainer | c.StartContainer | c.RestartContainer, context: Context) -> Any:
    """The engine's form of what the team's policy says of images now."""
    from engine.options.admission import Admission

    allowed = command.allowed_images if isinstance(command, c.CreateContainer) else ()
    return Admission(signed_by=command.signed_by, allowed_images=allowed, accesses=context.accesses)


@contextlib.contextmanager
def _without_secrets(context: Context) -> Iterator[None]:
    """What was begun by a worker that died is gone on with as nobody: who must be somebody to see is told of that."""
    try:
        yield
    except (PermissionDenied, Unavailable) as error:
        is_unseen = error.detail.get("policy") == "signed_images" and "keys" not in error.detail
        if context.attempt == 1 or context.secrets or not is_unseen:
            raise
        message = f"{error.message} (the worker was restarted meanwhile, and went on without what your team has stored "
        raise type(error)(f"{message}for registries: ask once more)", error.detail) from error


def container_spec(command: c.CreateContainer) -> Any:
    """The engine's form of the command."""
    from engine.containers.spec import ContainerSpec

    return ContainerSpec.from_dict({**to_wire(command), "id": command.container_id})


def _start(command: c.StartContainer, context: Context) -> dict[str, Any]:
    with _without_secrets(context):
        context.engine.container_start(
            command.container_id, request=context.job_id, admission=_admission(command, context), cancel=context.cancel
        )
    return {}


@contextlib.contextmanager
def _removed_by_now(context: Context) -> Iterator[None]:
    """What ends a container may end in its removal, and a worker that died may have done all of it."""
    try:
        yield
    except NotFound:
        if context.attempt == 1:
            raise


def _stop(command: c.StopContainer, context: Context) -> dict[str, Any]:
    with _removed_by_now(context):
        context.engine.container_stop(
            command.container_id, timeout_seconds=command.timeout_seconds, signal=command.signal
        )
    return {}


def _kill(command: c.KillContainer, context: Context) -> dict[str, Any]:
    with _removed_by_now(context):
        context.engine.container_kill(command.container_id, command.signal)
    return {}


def _signal(command: c.SignalProcess, context: Context) -> dict[str, Any]:
    context.engine.container_signal_process(command.container_id, command.host_pid, command.started_at, command.signal)
    return {}


def _restart(command: c.RestartContainer, context: Context) -> dict[str, Any]:
    with _without_secrets(context):
        context.engine.container_restart(
            command.container_id,
            timeout_seconds=command.timeout_seconds,
            request=context.job_id,
            admission=_admission(command, context),
            cancel=context.cancel,
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
    with _removed_by_now(context):
        context.engine.container_remove(
            command.container_id,
            force=command.force,
            volumes=command.volumes,
            stop=command.stop,
            grace=command.timeout_seconds,
        )
    return {}


def _create_network(command: n.CreateNetwork, context: Context) -> dict[str, Any]:
    from engine.options.networks import NetworkSpec

    wishes = to_wire(command)
    spec = NetworkSpec(id=wishes.pop("network_id"), **wishes)
    lan = context.engine.networks.create(spec)
    got = {name: getattr(lan.spec, name) for name in ("subnet", "gateway", "subnet6", "gateway6")}
    return {"network_id": lan.id, "name": lan.name, **got}


def _remove_network(command: n.RemoveNetwork, context: Context) -> dict[str, Any]:
    try:
        context.engine.networks.remove(command.network_id, from_stopped=command.from_stopped)
    except NotFound:
        if context.attempt == 1:
            raise
    return {}


def _prune_networks(command: n.PruneNetworks, context: Context) -> dict[str, Any]:
    removed = context.engine.networks.prune(until=command.until, labels=command.labels, not_labels=command.not_labels)
    return {"removed": [lan.name for lan in removed]}


def _connect_network(command: n.ConnectNetwork, context: Context) -> dict[str, Any]:
    from engine.options.networks import Joining

    wishes = Joining(
        network=command.network_id,
        ip=command.ip,
        ip6=command.ip6,
        mac=command.mac_address,
        aliases=command.aliases,
    )
    context.engine.networks.connect(command.network_id, command.container_id, wishes)
    return {}


def _disconnect_network(command: n.DisconnectNetwork, context: Context) -> dict[str, Any]:
    try:
        context.engine.networks.disconnect(command.network_id, command.container_id)
    except (Conflict, NotFound):  # an earlier worker has done it, and died before it could say so
        record = context.engine.container_get(command.container_id)
        networks = [one["network_id"] for one in record.networks]
        if record.is_on_default:
            networks.append(n.DEFAULT_NETWORK)
        if context.attempt == 1 or command.network_id in networks:
            raise
    return {}


_FUNCTIONS: dict[type, Callable[[Any, Context], dict[str, Any]]] = {
    c.PullImage: _pull_image,
    c.RemoveImage: _remove_image,
    c.PushImage: _push_image,
    c.TagImage: _tag_image,
    c.PruneImages: _prune_images,
    c.VerifyImages: _verify_images,
    c.LookUpImages: _look_up_images,
    c.TryRegistry: _try_registry,
    c.LoadImages: _lost_archive,
    c.ImportImage: _lost_archive,
    c.CreateStarterImage: _create_starter_image,
    c.CreateContainer: _create_container,
    c.RecreateContainer: _recreate_container,
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
    **build_commands.FUNCTIONS,
    **volume_commands.FUNCTIONS,
    n.CreateNetwork: _create_network,
    n.RemoveNetwork: _remove_network,
    n.PruneNetworks: _prune_networks,
    n.ConnectNetwork: _connect_network,
    n.DisconnectNetwork: _disconnect_network,
}
