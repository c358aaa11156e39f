"""From the contract's commands about builds to the engine's builder, and what a build says into its record."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from engine.build.cache_mounts import TEAM_BYTES, CacheMounts
from engine.build.kept_contexts import KeptContexts
from engine.build.record import BuildRecord, BuildRecords
from engine.errors import Cancelled, EngineError, InvalidArgument
from worker.context import Context
from worker.contract import builds as b

logger = logging.getLogger(__name__)

STATES = {"queued": "waiting", "started": "running"}
"""The builder's words for what people read otherwise."""
ERROR_CHARACTERS = 4000
"""Of a step's error in the record, whose lines are short; the job has all of it."""
_COUNTED = ("cached", "done", "failed", "cancelled", "skipped")


def records(engine: Any) -> BuildRecords:
    """What builds of this home have said."""
    return BuildRecords(engine.config.build_records)


def kept_contexts(engine: Any) -> KeptContexts:
    """The folders that were sent for builds of this home."""
    return KeptContexts(engine.config.build_contexts)


def _build_image(command: b.BuildImage, context: Context) -> dict[str, Any]:
    """Build; the result has the image and the steps, which a failed one has as well."""
    with records(context.engine).write(command.build_id) as record:
        steps = _Steps(record, context)
        try:
            result = _build(command, context, steps)
        except Cancelled:
            if not context.is_handed_on():
                record.add(type="end", status="cancelled")
            raise
        except BaseException:
            record.add(type="end", status="failed")
            raise
        finally:
            context.known["steps"] = steps.list()
        record.add(type="end", status="succeeded")
    return {
        "image_id": result.image_id,
        **({"commit": steps.commit} if steps.commit else {}),
        "tags": list(result.tags),
        "size_bytes": result.size_bytes,
        "digest": result.digest,
        "pushed": list(result.pushed),
        "warnings": [{"rule": one.rule, "message": one.message, "line": one.line} for one in result.warnings],
        "steps": steps.list(),
    }


def give_up(command: b.BuildImage, engine: Any, status: str, why: str) -> dict[str, Any]:
    """What is known of a build that is not tried any more; its record gets an end, so that nobody waits for more."""
    return {"steps": records(engine).give_up(command.build_id, status, why)}


def _build(command: b.BuildImage, context: Context, steps: _Steps) -> Any:
    secrets = context.secrets or {}
    with _folder(command, context, steps) as folder:
        return context.engine.builder.build(
            _spec(command, secrets),
            folder,
            access=context.accesses,
            progress=steps.take,
            planned=lambda lines: steps.plan([(line.text, line.step) for line in lines]),
            cancel=context.cancel,
        )


@contextlib.contextmanager
def _folder(command: b.BuildImage, context: Context, steps: _Steps) -> Iterator[Any]:
    """What is built from: a folder that was sent, or a repository, whose fetching is the first step."""
    if command.git is None:
        with kept_contexts(context.engine).open(command.context) as folder:
            yield folder
        return
    from engine.build.events import CANCELLED, DONE, FAILED, Reporter
    from engine.build.language.git_source import keeps_git_dir, read
    from engine.build.spec import describe

    source = read(command.git, is_context=True)
    shown = command.git if source is None else f"{source.shown} {source.ref or ''}".strip()
    step = Reporter(steps.take).step("git", f"[internal] fetch {shown}", "")
    step.start()
    keeps = keeps_git_dir(command.build_args)
    try:
        with context.engine.builder.repository(
            command.git, credentials=_credentials(context.secrets or {}), keeps=keeps, log=step.log,
            cancel=context.cancel,
        ) as (folder, commit):  # fmt: skip
            steps.commit = commit.digits
            step.log(f"commit {commit.digits} {commit.ref}\n".encode())
            step.end(DONE)
            yield folder
    except BaseException as error:
        step.end(CANCELLED if isinstance(error, Cancelled) else FAILED, error=describe(error))
        raise


def _credentials(secrets: Mapping[str, Any]) -> dict[str, Any]:
    from engine.build.git.request import Credential

    return {name: Credential(**words) for name, words in (secrets.get("git") or {}).items()}


def _spec(command: b.BuildImage, secrets: Mapping[str, Any]) -> Any:
    from engine.build.entitlements import NETWORK_HOST
    from engine.build.spec import BuildLimits, BuildSpec, CacheExport

    if command.sign and not secrets.get("signing_key"):
        raise InvalidArgument("the image can't be signed: its key was removed meanwhile", {"field": "signing_key"})
    export = CacheExport(reference=command.cache_to, mode=command.cache_mode, mounts=command.cache_mounts)

    return BuildSpec(
        dockerfile=command.dockerfile,
        dockerfile_text=command.dockerfile_text,
        target=command.target or None,
        tags=command.tags,
        build_args=command.build_args,
        labels=command.labels,
        platform=command.platform,
        no_cache=command.no_cache,
        pull=command.pull,
        keep_failed=command.build_id[:12],
        network=command.network,
        add_hosts=command.extra_hosts,
        secrets={name: value.encode() for name, value in (secrets.get("build") or {}).items()},
        ssh=dict(secrets.get("ssh") or {}),
        git=_credentials(secrets),
        limits=BuildLimits(memory_bytes=command.memory_bytes, cpus=command.cpus),
        source_date_epoch=command.source_date_epoch,
        team=command.scope,
        # The site asked for the rights before it sent the command.
        entitlements=frozenset(command.entitlements) | ({NETWORK_HOST} if command.network == "host" else set()),
        platforms=command.platforms,
        push=command.push,
        cache_from=command.cache_from,
        cache_to=(export,) if command.cache_to else (),
        cache_inline=command.cache_inline,
        sbom=command.sbom,
        provenance=command.provenance,
        signing_key=secrets.get("signing_key", "") if command.sign else "",
        invocation=command.build_id,
        allowed_images=command.allowed_images,
        signed_by=command.signed_by,
    )


def _forget(command: b.ForgetBuild, context: Context) -> dict[str, Any]:
    """The record goes; the folder may be another build's as well, and goes with its time."""
    records(context.engine).remove(command.build_id)
    return {}


def _prune_cache(command: b.PruneBuildCache, context: Context) -> dict[str, Any]:
    """Delete what no build has used for long."""
    from engine.build.pruning import PruneRules

    report = context.engine.builder.prune(
        PruneRules(unused_seconds=command.unused_seconds, keep_bytes=command.keep_bytes, team=command.scope)
    )
    return {"steps": report.steps, "mounts": report.mounts, "reclaimed_bytes": report.reclaimed_bytes}


class _Steps:
    """The builder's listener: every event becomes a line of the record, and the last of each step is remembered."""

    def __init__(self, record: BuildRecord, context: Context) -> None:
        self._record = record
        self._context = context
        self._steps: dict[str, dict[str, Any]] = {}
        self._shown = ""
        self.commit = ""

    def take(self, event: Any) -> None:
        vertex = event.vertex
        if event.log:
            self._record.log(vertex.id, event.log.decode(errors="replace"))
            return
        step: dict[str, Any] = {
            "id": vertex.id,
            "name": vertex.name,
            "stage": vertex.stage,
            "inputs": list(vertex.inputs),
            "state": STATES.get(event.state, event.state),
            "started_at": event.started_at,
            "seconds": event.seconds,
            "size_bytes": event.size_bytes,
        }
        more = {"done_bytes": event.done_bytes, "total_bytes": event.total_bytes} if event.total_bytes else {}
        if event.error:
            more["error"] = event.error[:ERROR_CHARACTERS]
        self._steps[vertex.id] = step
        self._record.add(type="step", **step, **more)
        self._show(step)

    def plan(self, instructions: Sequence[tuple[str, str]]) -> None:
        """What the build will do: see `BuildRecord.plan`."""
        self._record.plan(instructions)

    def list(self) -> list[dict[str, Any]]:
        return list(self._steps.values())

    def _show(self, step: dict[str, Any]) -> None:
        """In the job's progress: how many have ended, and what is at work."""
        ended = sum(one["state"] in _COUNTED for one in self._steps.values())
        name = step["name"] if step["state"] == "running" else self._shown
        self._shown = name
        self._context.progress(f"step {min(ended + 1, len(self._steps))} of {len(self._steps)}: {name}"[:200], ())


def tidy(engine: Any) -> None:
    """Let go of old records, of folders that no build has read for long, of more cache mounts than a team may have."""
    for build_id in records(engine).tidy():
        logger.info("forgot what build %s has said", build_id[:12])
    for mount_id in CacheMounts(engine.config.builds / "caches").limit(TEAM_BYTES):
        logger.info("deleted the cache mount %s: the team had more than %d GiB", mount_id, TEAM_BYTES >> 30)
    for context_id in kept_contexts(engine).tidy():
        logger.info("deleted the folder %s that was sent for builds", context_id[:12])


def tidy_failed_steps(engine: Any, now: float | None = None) -> None:
    """Remove the images of failed steps that were offered long enough; those that somebody still looks into stay."""
    from engine.build.running import FAILED_STEP, FAILED_STEP_SECONDS

    now = time.time() if now is None else now
    for image in engine.images.list():
        made_at = 0.0 if image.made_at is None else image.made_at.timestamp()
        for tag in image.tags:
            if tag.startswith(f"{FAILED_STEP}:") and now - made_at > FAILED_STEP_SECONDS:
                with contextlib.suppress(EngineError):
                    engine.image_remove(tag)


FUNCTIONS: dict[type, Callable[[Any, Context], dict[str, Any]]] = {
    b.BuildImage: _build_image,
    b.ForgetBuild: _forget,
    b.PruneBuildCache: _prune_cache,
}
