"""One stage, instruction by instruction: settings change the draft, all else is work that gives it a layer."""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.build import adding, copy_step, metadata, owners, run_step
from engine.build.cache_mounts import CacheMounts
from engine.build.contents import Known
from engine.build.copy_step import Placing, Sources
from engine.build.destination import Destination
from engine.build.draft import Draft
from engine.build.emulation import require_runnable
from engine.build.events import CACHED, DONE, Step
from engine.build.git.fetching import Servers
from engine.build.language import commands, model
from engine.build.language.expanding import expanded
from engine.build.language.source import DockerfileError, Location
from engine.build.layering import Layering, Work, view
from engine.build.planning import Plan, StagePlan
from engine.build.run_mounts import RunMounts, Surroundings
from engine.build.sandbox import Kernel, Layers
from engine.build.spec import BuildSpec, StepFailed
from engine.build.ssh_keys import Identity
from engine.build.trees import Tree
from engine.build.workplace import Workplace
from engine.errors import EngineError, ResourceExhausted, Unsupported
from engine.images.pull import host_platform
from engine.oci.digest import Digest

STEPS = (model.Run, model.Copy, model.Add, model.Workdir)
"""Instructions that change files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What all stages of a build have in common. `tree_of`: the files that a `from` in a stage names, None for the
    context; it waits for a stage that is still being built. `identities`: the SSH keys of agents, by their ids. `keep`:
    makes an image of a failed step, returns its id."""

    spec: BuildSpec
    plan: Plan
    layering: Layering
    place: Workplace
    host: Kernel
    caches: CacheMounts
    tree_of: Callable[[int, str | None], Tree]
    known: Callable[[Tree], Known | None]
    servers: Servers
    identities: Mapping[str, Sequence[Identity]]
    keep: Callable[[Draft], str] | None = None

    @property
    def escape(self) -> str:
        return self.plan.dockerfile.directives.escape


@dataclass(slots=True)
class StageRun:
    """`draft` is what it begins with; `steps`: one for each instruction that changes files, in order."""

    build: Build
    plan: StagePlan
    draft: Draft
    steps: list[Step]
    missing: set[str] = field(default_factory=set)

    def run(self, instructions: list[model.Instruction]) -> Draft:
        """Raises what a step raises, with the place in the Dockerfile."""
        steps = iter(self.steps)
        for instruction in instructions:
            step = next(steps) if isinstance(instruction, STEPS) else None
            try:
                self.build.layering.raise_if_stopped()
                self._one(instruction, step)
            except (EngineError, OSError) as error:
                if isinstance(error, StepFailed):
                    self._offer(error)
                raise located(error, instruction.location, step) from error
        return self.draft

    def _offer(self, error: StepFailed) -> None:
        """Make an image of the files that the failed step has left, for who wants to look around in there.

        What goes wrong here, such as a full disk, doesn't take the place of why the step failed.
        """
        layer = error.detail.pop("layer", None)
        if layer is not None and self.build.keep is not None:
            with contextlib.suppress(EngineError, OSError):
                self.draft.add_layer(Digest(str(layer)), "a step that failed", time.time())
                error.detail["image"] = self.build.keep(self.draft)

    def _one(self, written: model.Instruction, step: Step | None) -> None:
        if isinstance(written, model.Arg):
            self._argument(written)
            return
        instruction = expanded(written, self.draft.variables, escape=self.build.escape, missing=self.missing)
        if step is None:
            metadata.apply(self.draft, instruction)
            return
        if isinstance(instruction, model.Workdir):
            work, line = self._workdir(instruction)
        elif isinstance(instruction, model.Run):
            work, line = self._run(instruction, step)
        else:
            assert isinstance(instruction, (model.Copy, model.Add))
            work, line = self._copy(instruction, step)
        if work is None:
            self.draft.note(line)
            step.start()
            step.end(DONE)
            return
        self._perform(work, line, step)

    def _argument(self, written: model.Arg) -> None:
        def expand(word: str) -> str:
            one = model.Arg(pairs=(("value", word),), keyword=written.keyword, original="", location=written.location)
            made = expanded(one, self.draft.variables, escape=self.build.escape, missing=self.missing)
            assert isinstance(made, model.Arg)
            return made.pairs[0][1] or ""

        metadata.argument(self.draft, written, self.build.spec.build_args, self.build.plan.arguments, expand)

    def _perform(self, work: Work, line: str, step: Step) -> None:
        spec = self.build.spec
        use_cache = not spec.no_cache and self.plan.called not in spec.no_cache_stages
        made = self.build.layering.perform(work, self.draft.layers, step.start, use_cache=use_cache)
        self.draft.add_layer(made.diff_id, line, made.created_at)
        step.end(CACHED if made.was_cached else DONE, size_bytes=made.size_bytes)

    def _workdir(self, instruction: model.Workdir) -> tuple[Work | None, str]:
        path = posixpath.normpath(posixpath.join("/", self.draft.working_directory, instruction.path))
        path = "/" + path.lstrip("/")
        self.draft.config["WorkingDir"] = path
        line = f"WORKDIR {path}"
        if path == "/":
            return None, line
        user = self.draft.user
        owner = owners.ROOT
        if user:
            owner = self._owner(user)

        def make(layers: Layers) -> tuple[bytes, ...]:
            below = view((*layers.lowerdirs, *((layers.upperdir,) if len(layers.lowerdirs) < 2 else ())))
            target = None
            try:
                target = Destination(Path(layers.upperdir), below, self.build.layering.epoch)
                if target.look(target.resolve(path)) is None:  # one that is there is no change
                    target.make_directory(target.resolve(path), 0o755, owner)
            finally:
                if target is not None:
                    target.close()
                os.close(below)
            return ()

        return Work(definition={"do": "workdir", "path": path, "owner": owner}, description=line, make=make), line

    def _owner(self, text: str) -> tuple[int, int]:
        if owners.is_numeric(text):
            return owners.find(text, -1)
        with self.build.layering.tree(self.draft.layers, "the image") as tree:
            return owners.find(text, tree.node)

    def _run(self, instruction: model.Run, step: Step) -> tuple[Work, str]:
        build = self.build
        require_runnable(self.draft.platform, host_platform())
        around = Surroundings(
            place=build.place,
            caches=build.caches,
            team=build.spec.team,
            working_directory=self.draft.working_directory,
            environment=self.draft.environment,
            secrets=build.spec.secrets,
            ssh=build.identities,
            tree_of=lambda name: build.tree_of(self.plan.stage.index, name),
            known=build.known,
            cancelled=build.layering.cancel.is_set,
        )
        mounts = RunMounts(around, instruction.mounts, instruction.location)
        line = self.draft.run_line(commands.invocation(instruction, self.draft.shell).argv)
        work = run_step.work(
            self.draft, instruction, mounts, spec=build.spec, host=build.host, place=build.place, step=step,
            description=line, cancel=build.layering.cancel,
        )  # fmt: skip
        return work, line

    def _copy(self, instruction: model.Copy | model.Add, step: Step) -> tuple[Work, str]:
        build, draft = self.build, self.draft
        placing = Placing(
            destination=draft.absolute(instruction.destination),
            owner=None if instruction.chown is None else self._owner(instruction.chown),
            mode=instruction.chmod,
            link=instruction.link,
            epoch=build.layering.epoch,
            cancelled=build.layering.cancel.is_set,
        )
        line = _line(instruction)
        if isinstance(instruction, model.Add):
            tree = build.tree_of(self.plan.stage.index, None)
            work = adding.work(
                instruction, tree, placing, build.place, known=build.known(tree), servers=build.servers, log=step.log,
                description=line,
            )  # fmt: skip
            return work, line
        tree = build.tree_of(self.plan.stage.index, instruction.from_)
        given = None
        if instruction.documents:
            files = [(one.name, one.text.encode("utf-8", "surrogateescape"), 0o644) for one in instruction.documents]
            given = copy_step.documents(build.place.new_directory("document"), files, build.layering.epoch)
        sources = Sources(
            tree=tree,
            patterns=instruction.sources,
            documents=given,
            exclude=instruction.exclude,
            parents=instruction.parents,
        )
        return copy_step.work(sources, placing, build.known(tree), line), line


def _line(instruction: model.Copy | model.Add) -> str:
    """COPY or ADD as history has it (convert_copy.go)."""
    words = [instruction.word]
    if isinstance(instruction, model.Copy) and instruction.parents:
        words.append("--parents")
    words += [f"--{name}={value}" for name in ("chown", "chmod") if (value := getattr(instruction, name))]
    words += [*instruction.sources, *(f"<<{one.name}" for one in instruction.documents), instruction.destination]
    return " ".join(words) + " # buildkit"


def located(error: Exception, location: Location, step: Step | None) -> EngineError:
    """The error with its place in the Dockerfile, and that shown."""
    if isinstance(error, DockerfileError):
        return error.at(location)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        error = ResourceExhausted("the disk is full: prune the build cache, or remove images, and build again")
    elif not isinstance(error, EngineError):
        error = Unsupported(f"the files can't be made so: {error}")
    if "excerpt" in error.detail:
        return error
    shown = DockerfileError(error.message, location)
    detail: dict[str, Any] = {**shown.detail, **error.detail}
    if step is not None:
        detail["step"] = step.vertex.id
    error.message, error.detail = shown.message, detail
    error.args = (shown.message,)
    return error
